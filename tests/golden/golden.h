/* SPDX-License-Identifier: Apache-2.0
 *
 * A golden: the tensors that the reference implementation computed, and what the encoder under
 * test says at the same stages. Everything here is for test programs: a golden that cannot be
 * read ends the program by an assertion, a stage that differs fails the running test.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "checkpoint.h"
#include "encoder.h"

/* Largest absolute difference allowed, as a part of the stage's RMS: twice the largest seen
 * (1.4e-5, the last layer of e2b). The goldens are float32 themselves, and up to 1e-5 away from
 * the same arithmetic in float64. */
#define GOLDEN_TOLERANCE 3e-5

typedef struct Golden {
    G4Checkpoint *file;
    GHashTable *used; /* names that somebody asked for and got */
} Golden;

void golden_init(Golden *golden, const char *path);
void golden_clear(Golden *golden);

/* A tensor's name from a format; NULL when the golden has none of that name. */
const G4Tensor *golden_find(Golden *golden, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Its contents; the caller's. A tensor of another dtype ends the program. */
float *golden_floats(const Golden *golden, const G4Tensor *tensor);
guint8 *golden_bytes(const Golden *golden, const G4Tensor *tensor);
gint32 *golden_ints(const Golden *golden, const G4Tensor *tensor);

/* Tensors that nobody asked for: a golden's stage that no test looks at is a gap in the test. */
void golden_assert_all_used(const Golden *golden);

/* Compares n values, prints the largest difference, and fails the running test above the
 * tolerance (or at a NaN). `what` leads the message. */
void golden_compare(const char *what, const float *found, const float *expected, gsize n,
                    double rms);
double golden_rms(const float *values, gsize n);

/* ------------------------------------------------------------------------------------------
 * What the encoder computes inside, row by row, through its probe.
 */
typedef struct Stage {
    char *name;
    guint total_rows; /* that the encoder must deliver */
    guint n_kept;     /* rows that the golden has */
    guint width;
    gint *slot;      /* [total_rows]: index of a row among the kept ones, or -1 */
    float *expected; /* [n_kept, width] */
    float *found;    /* [n_kept, width] */
    guint8 *times;   /* [n_kept]: how often the row came */
    double rms;      /* of the stage, all rows */
} Stage;

typedef struct Capture {
    GHashTable *stages; /* name to Stage */
    gint n_bad_calls;   /* probe calls that do not fit their stage */
} Capture;

void capture_init(Capture *capture);
void capture_clear(Capture *capture);

/* Expects the stage. `expected` is taken. rows: the n_kept rows that the golden has, in its order;
 * NULL: all. rms: 0 takes that of the expected values. */
void capture_expect(Capture *capture, const char *name, float *expected, guint width, guint n_kept,
                    const gint32 *rows, guint total_rows, double rms);

/* A G4Probe whose user is a Capture. Thread safe. */
void capture_probe(void *capture, const char *stage, guint first_row, guint n_rows, guint width,
                   const float *rows, gsize row_stride);

/* Fails the running test for each stage that was not delivered completely, or that differs. */
void capture_compare(const Capture *capture, const char *what);

/* ------------------------------------------------------------------------------------------
 * Soft tokens as directions, for precisions whose values are not the reference's digit for digit.
 */

/* 1 - cosine of the two, as half the squared distance of the unit vectors: exact down to zero. */
double golden_distance(const float *a, const float *b, gsize n);

/* Largest distances allowed. */
typedef struct GoldenLimits {
    double token; /* of a soft token */
    double frame; /* of the frame's vector, the tokens' mean */
} GoldenLimits;

/* Compares tokens [rows, cols] and their means, prints the largest distances, and fails the running
 * test above the limits (or at a NaN). */
void golden_compare_tokens(const char *what, const float *found, const float *expected, guint rows,
                           guint cols, const GoldenLimits *limits);

/* The soft tokens of a packed RGB picture of width x height, [*rows, g4_model_get_cols(model)]; the
 * caller's. `probe` sees the stages, or is NULL. */
float *golden_encode(G4Model *model, const G4EncoderOptions *options, const guint8 *rgb,
                     guint width, guint height, G4Probe probe, void *probe_user, guint *rows);

/* ------------------------------------------------------------------------------------------
 * The small cases, and the level of kernels that the environment's G4_CPU asks for.
 */

/* Folders under tests/data/cases; ends with NULL. */
extern const char *const golden_cases[];

/* Path of a case's file, or (NULL) of its folder; the caller's. */
char *golden_case_path(const char *name, const char *file);

/* TRUE after skipping the running test, where the processor lacks the level. */
gboolean golden_skip_without_level(void);

#endif /* GOLDEN_H */
