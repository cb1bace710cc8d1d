/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading goldens, capturing the encoder's stages, comparing the two; the cases.
 */
#include "golden.h"
#include "cpu.h"

#include <math.h>
#include <string.h>

void golden_init(Golden *golden, const char *path)
{
    g_autoptr(GError) error = NULL;

    golden->file = g4_checkpoint_open(path, &error);
    g_assert_no_error(error);
    golden->used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void golden_clear(Golden *golden)
{
    g4_checkpoint_free(golden->file);
    g_hash_table_unref(golden->used);
}

const G4Tensor *golden_find(Golden *golden, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *name = g_strdup_vprintf(format, args);
    va_end(args);

    const G4Tensor *tensor = g4_checkpoint_find(golden->file, name);
    if (tensor)
        g_hash_table_add(golden->used, g_steal_pointer(&name));
    return tensor;
}

static void *read_all(const Golden *golden, const G4Tensor *tensor, G4Dtype dtype)
{
    g_autoptr(GError) error = NULL;
    void *data = g_malloc(tensor->bytes);

    g_assert_cmpint(tensor->dtype, ==, dtype);
    g4_checkpoint_read_bytes(golden->file, tensor, 0, tensor->bytes, data, &error);
    g_assert_no_error(error);
    return data;
}

float *golden_floats(const Golden *golden, const G4Tensor *tensor)
{
    return read_all(golden, tensor, G4_DTYPE_F32);
}

guint8 *golden_bytes(const Golden *golden, const G4Tensor *tensor)
{
    return read_all(golden, tensor, G4_DTYPE_U8);
}

gint32 *golden_ints(const Golden *golden, const G4Tensor *tensor)
{
    return read_all(golden, tensor, G4_DTYPE_I32);
}

void golden_assert_all_used(const Golden *golden)
{
    g_assert_cmpuint(g_hash_table_size(golden->used), ==,
                     g4_checkpoint_get_n_tensors(golden->file));
}

double golden_rms(const float *values, gsize n)
{
    double sum = 0.0;
    for (gsize i = 0; i < n; i++)
        sum += (double)values[i] * values[i];
    return sqrt(sum / n);
}

void golden_compare(const char *what, const float *found, const float *expected, gsize n,
                    double rms)
{
    double worst = 0.0;

    for (gsize i = 0; i < n; i++) {
        const double difference = fabs((double)found[i] - expected[i]);
        if (!(difference <= worst))
            worst = difference; /* a NaN, once here, stays */
        if (isnan(worst))
            break;
    }
    g_test_message("%s: largest difference %.2e of the RMS %.4g", what, worst / rms, rms);
    if (!(worst <= GOLDEN_TOLERANCE * rms))
        g_test_fail_printf("%s: largest difference %.3e of the RMS %.4g, allowed %.0e", what,
                           worst / rms, rms, GOLDEN_TOLERANCE);
}

/* ------------------------------------------------------------------------------------------
 * Capture
 */

static void stage_free(gpointer data)
{
    Stage *stage = data;
    g_free(stage->name);
    g_free(stage->slot);
    g_free(stage->expected);
    g_free(stage->found);
    g_free(stage->times);
    g_free(stage);
}

void capture_init(Capture *capture)
{
    capture->stages = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, stage_free);
    capture->n_bad_calls = 0;
}

void capture_clear(Capture *capture)
{
    g_hash_table_unref(capture->stages);
}

void capture_expect(Capture *capture, const char *name, float *expected, guint width, guint n_kept,
                    const gint32 *rows, guint total_rows, double rms)
{
    Stage *stage = g_new0(Stage, 1);

    g_assert_true(rows || n_kept == total_rows);
    stage->name = g_strdup(name);
    stage->total_rows = total_rows;
    stage->n_kept = n_kept;
    stage->width = width;
    stage->expected = expected;
    stage->slot = g_new(gint, total_rows);
    for (guint i = 0; i < total_rows; i++)
        stage->slot[i] = rows ? -1 : (gint)i;
    for (guint i = 0; rows && i < n_kept; i++) {
        g_assert_cmpint(rows[i], >=, 0);
        g_assert_cmpint(rows[i], <, total_rows);
        stage->slot[rows[i]] = i;
    }
    stage->found = g_new(float, (gsize)n_kept *width);
    stage->times = g_new0(guint8, n_kept);
    stage->rms = rms > 0.0 ? rms : golden_rms(expected, (gsize)n_kept * width);
    g_hash_table_insert(capture->stages, stage->name, stage);
}

void capture_probe(void *user, const char *name, guint first_row, guint n_rows, guint width,
                   const float *rows, gsize row_stride)
{
    Capture *capture = user;
    Stage *stage = g_hash_table_lookup(capture->stages, name);

    if (!stage)
        return;
    if (width != stage->width || first_row > stage->total_rows ||
        n_rows > stage->total_rows - first_row) {
        g_test_message("%s: rows %u..%u of width %u, expected %u rows of width %u", name, first_row,
                       first_row + n_rows, width, stage->total_rows, stage->width);
        g_atomic_int_inc(&capture->n_bad_calls);
        return;
    }
    /* Blocks of different calls are disjoint, so that no two threads write one row. */
    for (guint i = 0; i < n_rows; i++) {
        const gint slot = stage->slot[first_row + i];
        if (slot < 0)
            continue;
        memcpy(stage->found + (gsize)slot * width, rows + i * row_stride, width * sizeof(float));
        stage->times[slot]++;
    }
}

void capture_compare(const Capture *capture, const char *what)
{
    g_autoptr(GList) names = g_hash_table_get_keys(capture->stages);

    names = g_list_sort(names, (GCompareFunc)strcmp);
    g_assert_cmpint(capture->n_bad_calls, ==, 0);
    for (const GList *at = names; at; at = at->next) {
        const Stage *stage = g_hash_table_lookup(capture->stages, at->data);
        g_autofree char *message = g_strdup_printf("%s %s", what, stage->name);
        guint once = 0;
        for (guint i = 0; i < stage->n_kept; i++)
            once += stage->times[i] == 1;
        if (once != stage->n_kept) {
            g_test_fail_printf("%s: %u of %u rows came exactly once", message, once, stage->n_kept);
            continue;
        }
        golden_compare(message, stage->found, stage->expected, (gsize)stage->n_kept * stage->width,
                       stage->rms);
    }
}

/* ------------------------------------------------------------------------------------------
 * Directions
 */
double golden_distance(const float *a, const float *b, gsize n)
{
    const double a_length = golden_rms(a, n) * sqrt((double)n);
    const double b_length = golden_rms(b, n) * sqrt((double)n);
    double sum = 0.0;

    for (gsize i = 0; i < n; i++) {
        const double difference = a[i] / a_length - b[i] / b_length;
        sum += difference * difference;
    }
    return 0.5 * sum;
}

void golden_compare_tokens(const char *what, const float *found, const float *expected, guint rows,
                           guint cols, const GoldenLimits *limits)
{
    g_autofree float *found_mean = g_new(float, cols), *expected_mean = g_new(float, cols);
    double worst = 0.0, frame;

    for (guint i = 0; i < rows; i++) {
        const double distance =
            golden_distance(found + (gsize)i * cols, expected + (gsize)i * cols, cols);
        if (!(distance <= worst))
            worst = distance; /* a NaN, once here, stays */
        if (isnan(worst))
            break;
    }
    g4_tokens_mean(found, rows, cols, FALSE, found_mean);
    g4_tokens_mean(expected, rows, cols, FALSE, expected_mean);
    frame = golden_distance(found_mean, expected_mean, cols);
    g_test_message("%s: 1 - cosine at most %.2e of %u tokens, %.2e of the frame's vector", what,
                   worst, rows, frame);
    if (!(worst <= limits->token && frame <= limits->frame))
        g_test_fail_printf("%s: 1 - cosine %.3e of a token, %.3e of the frame's vector, allowed "
                           "%.1e and %.1e",
                           what, worst, frame, limits->token, limits->frame);
}

float *golden_encode(G4Model *model, const G4EncoderOptions *options, const guint8 *rgb,
                     guint width, guint height, G4Probe probe, void *probe_user, guint *rows)
{
    g_autoptr(GError) error = NULL;
    const G4Frame frame = {.data = rgb,
                           .stride = (gsize)width * 3,
                           .width = width,
                           .height = height,
                           .format = G4_PIXELS_RGB};

    g_autoptr(G4Encoder) encoder = g4_encoder_new(model, options, &error);
    g_assert_no_error(error);
    g4_encoder_set_probe(encoder, probe, probe_user);
    g4_encoder_prepare(encoder, width, height, &error);
    g_assert_no_error(error);
    *rows = g4_encoder_get_rows(encoder);
    float *tokens = g_new(float, (gsize)*rows *g4_encoder_get_cols(encoder));
    g4_encoder_load(encoder, &frame);
    g4_encoder_encode(encoder, tokens);
    return tokens;
}

/* ------------------------------------------------------------------------------------------
 * Cases
 */
const char *const golden_cases[] = {"square",  "aspect",     "standardize",
                                    "sharded", "tower_only", "embeddinggemma2",
                                    "unusual", "bounds",     NULL};

char *golden_case_path(const char *name, const char *file)
{
    const char *data = g_getenv("G4_TEST_DATA");

    g_assert_nonnull(data);
    return g_build_filename(data, "cases", name, file, NULL);
}

gboolean golden_skip_without_level(void)
{
    const char *name = g_getenv("G4_CPU");
    guint flags = 0;

    if (!name)
        return FALSE;
    g_assert_true(g4_cpu_level_parse(name, &flags));
    if (!(flags & ~g4_cpu_detect()))
        return FALSE;
    g_autofree char *missing = g_strdup_printf("this processor has no %s", name);
    g_test_skip(missing);
    return TRUE;
}
