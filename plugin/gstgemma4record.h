/* SPDX-License-Identifier: Apache-2.0
 *
 * An embedding as one line of JSON: what embeddingsink writes and embeddingtensor sends.
 *
 *   {"stream":...,"frame":...,"pts":...,"running_time":...,"utc":...,"model":...,"digest":...,
 *    "id":...,"shape":[rows,cols],"region":[x,y,w,h],"region_id":...,"track":...,"label":...,
 *    "embedding":[...]}
 *
 * Times are nanoseconds. What is not known is null; so is the region of the whole frame and the
 * track of what is not tracked.
 */
#ifndef GST_GEMMA4_RECORD_H
#define GST_GEMMA4_RECORD_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>

G_BEGIN_DECLS

typedef enum {
    GST_GEMMA4_RECORD_FULL,
    GST_GEMMA4_RECORD_WITHOUT_VECTOR, /* no "embedding" key */
} GstGemma4RecordKind;

/* Appends the line, newline included, to `line`. `stream` may be NULL. Does not depend on the
 * locale. */
void gst_gemma4_record_append(GString *line, const GstGemma4Embedding *embedding,
                              const gchar *stream, GstGemma4RecordKind kind);

/* Appends the region of `embedding`, "[x,y,w,h]". */
void gst_gemma4_record_append_region(GString *line, const GstGemma4Embedding *embedding);

/* Appends decimals that read back to the same float32, whether read as float or as double, with
 * not many more digits than needed (at most 9); "null" for what JSON has no number for. */
void gst_gemma4_record_append_float(GString *line, gfloat value);

G_END_DECLS

#endif /* GST_GEMMA4_RECORD_H */
