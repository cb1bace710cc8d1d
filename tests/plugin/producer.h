/* SPDX-License-Identifier: Apache-2.0
 *
 * A stand-in for gemma4embed in the tests of the elements that read the meta: buffers with
 * embeddings whose values are known.
 */
#ifndef PRODUCER_H
#define PRODUCER_H

#include <gst/check/gstharness.h>
#include <gst/gemma4/gstgemma4embeddingmeta.h>

/* Value i of frame f: neither small integers nor equal to each other. */
gfloat producer_value(guint64 frame, gsize i);

/* An embedding of `frame` with PTS frame x 40 ms, running time 1 s later, model "tiny" and no
 * region. `id` decides nothing but the name. */
GstGemma4Embedding *producer_embedding(const gchar *id, guint rows, guint cols, guint64 frame);

/* The same with these values, [1, cols]. */
GstGemma4Embedding *producer_embedding_of(const gchar *id, const gfloat *values, guint cols,
                                          guint64 frame);

/* The same with every other field filled in, strings with characters that JSON escapes. */
GstGemma4Embedding *producer_full_embedding(guint rows, guint cols, guint64 frame);

/* A buffer with PTS frame x 40 ms, duration 40 ms and no embedding. */
GstBuffer *producer_buffer(guint64 frame);

/* The same with producer_embedding() in its meta. */
GstBuffer *producer_embedded(const gchar *id, guint rows, guint cols, guint64 frame);

/* The same with producer_embedding_of() in its meta. */
GstBuffer *producer_embedded_of(const gchar *id, const gfloat *values, guint cols, guint64 frame);

/* Whether both say the same in every field, values bit for bit. */
gboolean producer_equal(const GstGemma4Embedding *a, const GstGemma4Embedding *b);

/* The next element message on the element's bus, which must have that name; NULL without any. For
 * elements of producer_element(), which keep them. */
GstMessage *producer_pop_message(GstElement *element, const gchar *name);

/* Asserts that the element's bus has one error, of this domain and code, whose text has `part` in
 * it. */
void producer_expect_error(GstElement *element, GQuark domain, gint code, const gchar *part);

/* An element with a bus that keeps errors and element messages alone; floating. */
GstElement *producer_element(const gchar *factory);

/* A harness around such an element. */
GstHarness *producer_harness(const gchar *factory);

#endif /* PRODUCER_H */
