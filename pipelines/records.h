/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads back what embeddingsink wrote: JSON Lines, or an NPY file with the JSON Lines beside it.
 *
 * Files are taken as hostile: every size is compared with the file's before memory is taken, and
 * a bad line is an error that names the file and the line.
 */
#ifndef G4_RECORDS_H
#define G4_RECORDS_H

#include <glib.h>

/* One vector a whole frame, in the file's order. Token matrices are averaged over their rows. */
typedef struct G4Records {
    guint n, cols;
    float *vectors;   /* [n, cols], as read */
    double *seconds;  /* [n] running time, else pts; NAN where the record has neither */
    guint64 *frames;  /* [n] the frame's number */
    char *stream;     /* of the first record; NULL where it has none; others are left out */
    char *model;      /* NULL allowed, as all of these */
    char *digest;
    char *id;         /* gemma4-pooled, ... */
    guint n_regions;  /* records left out because they describe a part of a frame */
    guint n_foreign;  /* records left out because they belong to another stream */
} G4Records;

#define G4_RECORDS_ERROR (g4_records_error_quark())
GQuark g4_records_error_quark(void);

typedef enum {
    G4_RECORDS_ERROR_READ,      /* the file cannot be opened or read */
    G4_RECORDS_ERROR_MALFORMED, /* it is not what embeddingsink writes */
    G4_RECORDS_ERROR_DIFFER,    /* two files that should hold the same do not */
} G4RecordsError;

/* `path` ends in .npy (then PATH.jsonl is read too, for the times) or is taken as JSON Lines.
 * Returns NULL and `error` on failure; free with g4_records_free. At least one record. */
G4Records *g4_records_read(const char *path, GError **error);
void g4_records_free(G4Records *records);

/* FALSE and `error`, naming the first difference, unless both hold the same vectors, bit for bit,
 * of the same frames. */
gboolean g4_records_equal(const G4Records *a, const G4Records *b, GError **error);

#endif /* G4_RECORDS_H */
