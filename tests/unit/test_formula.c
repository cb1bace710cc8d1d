/* SPDX-License-Identifier: Apache-2.0
 *
 * The formula of the weights and frames against its published check values.
 */
#include "formula.h"

#include <math.h>
#include <string.h>

#define INPUT_PROJ "model.vision_tower.patch_embedder.input_proj.weight"

static void hash_and_first_values_are_those_of_the_formula(void)
{
    static const float expected[4] = {-0.0031266734f, -0.0561142936f, -0.0267355293f,
                                      0.0448180363f};
    float values[4];

    g_assert_cmphex(g4_formula_fnv1a64(INPUT_PROJ), ==, G_GUINT64_CONSTANT(0x2918eeb53f029609));
    g4_formula_fill_f32(g4_formula_base(INPUT_PROJ, 0), 0, 4, (float)sqrt(3.0 / 768.0), 0.0f,
                        values);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpfloat(values[i], ==, expected[i]);
}

static void a_part_of_a_stream_equals_that_part_of_the_whole(void)
{
    const guint64 base = g4_formula_base("a.tensor", 7);
    float whole[64], part[20];

    g4_formula_fill_f32(base, 0, 64, 0.25f, 1.0f, whole);
    g4_formula_fill_f32(base, 30, 20, 0.25f, 1.0f, part);
    g_assert_cmpmem(part, sizeof part, whole + 30, sizeof part);
}

/* The nearer of the two neighbours, the even one on a tie, by comparison of distances. */
static void bf16_rounds_to_nearest_even(void)
{
    const guint64 base = g4_formula_base("rounding", 0);
    float values[4096];
    guint16 rounded[4096];
    guint up = 0;

    g4_formula_fill_f32(base, 0, G_N_ELEMENTS(values), 1.0f, 0.0f, values);
    g4_formula_fill_bf16(base, 0, G_N_ELEMENTS(values), 1.0f, 0.0f, rounded);
    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        guint32 bits, low, high;
        float below, above;

        memcpy(&bits, &values[i], sizeof bits);
        low = bits & 0xffff0000;
        high = low + 0x10000;
        memcpy(&below, &low, sizeof below);
        memcpy(&above, &high, sizeof above);
        const double to_below = fabs((double)values[i] - below);
        const double to_above = fabs((double)above - values[i]);
        const gboolean expect_up = to_above < to_below || (to_above == to_below && (low >> 16) & 1);
        g_assert_cmphex(rounded[i], ==, (expect_up ? high : low) >> 16);
        up += expect_up;
    }
    g_assert_cmpuint(up, >, 0);
    g_assert_cmpuint(up, <, G_N_ELEMENTS(values));
}

/* 768x768 is the published one; the others are those of the reference in Python. */
static void frames_have_the_published_digests(void)
{
    static const struct {
        guint width, height;
        guint64 seed;
        const char *digest;
    } frames[] = {
        {768, 768, 0, "dd2bcc85d8a1df4263dfe2ca4eb7504d7d928cf9cc3bcf2e0a7a28db7f4b0239"},
        {400, 20, 1003, "d5b7eb1bdacd1a93c8b3201acdd9b77a117341db39c398c640178139e4ecb64c"},
        {13, 300, 1004, "8d10b00225d2e4073b47a08f83e9f46cd054135eb64500ec7723200110d398ff"},
        {5, 7, 1002, "d5a54cfd6c37628f8d3cee7b47d79b53634377113b8ef7993aa368a4adeef3c0"},
        {7, 1, 3, "a9d853c9cb5f726f01553f2cacf1bd739b8cede3520800b629a6bcd51195c6cb"},
        {1, 1, 3, "b7dd5d3d381f6976747c2484f23c96776d19d68be031cbe2d41d75bc029493ee"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(frames); i++) {
        const gsize size = (gsize)frames[i].width * frames[i].height * 3;
        g_autofree guint8 *rgb = g_malloc(size);
        g4_formula_frame(frames[i].width, frames[i].height, frames[i].seed, rgb);
        g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, rgb, size);
        g_assert_cmpstr(digest, ==, frames[i].digest);
    }
}

static void every_kind_lists_each_tensor_once(void)
{
    for (const G4FormulaKind *kind = g4_formula_kinds; kind->name; kind++) {
        g_autoptr(GArray) tensors = g4_formula_tensors(kind);
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
        guint64 elements = 0;

        g_assert_true(g4_formula_kind_find(kind->name) == kind);
        for (guint i = 0; i < tensors->len; i++) {
            const G4FormulaTensor *tensor = &g_array_index(tensors, G4FormulaTensor, i);
            g_assert_true(g_hash_table_add(names, tensor->name));
            elements += tensor->elements;
        }
        g_assert_cmpuint(tensors->len, ==, 3 + kind->layers * (13 + (kind->clipped ? 28 : 0)));
        g_assert_cmpuint(elements, >, 100 * 1000 * 1000);
    }
    g_assert_null(g4_formula_kind_find("e2"));
    g_assert_null(g4_formula_kind_find(""));
}

/* What the norm gains in a channel the columns behind it lose; all else is as without. */
static void outliers_are_in_a_norm_and_in_the_columns_behind_it(void)
{
    G4FormulaKind kind = *g4_formula_kind_find("base12");
    g_autoptr(GArray) plain = g4_formula_tensors(&kind);
    guint norms = 0, large = 0, matrices = 0;

    kind.outliers = TRUE;
    g_autoptr(GArray) tensors = g4_formula_tensors(&kind);
    g_assert_cmpuint(tensors->len, ==, plain->len);
    for (guint i = 0; i < tensors->len; i++) {
        const G4FormulaTensor *tensor = &g_array_index(tensors, G4FormulaTensor, i);
        const G4FormulaTensor *without = &g_array_index(plain, G4FormulaTensor, i);
        float values[2 * 768], expected[2 * 768];
        const gsize count = MIN(tensor->elements, G_N_ELEMENTS(values));
        if (!tensor->norm)
            continue;
        g_assert_cmpstr(tensor->name, ==, without->name);
        g_assert_cmpuint(tensor->dims[tensor->n_dims - 1], ==, 768);
        g4_formula_fill_tensor(tensor, 3, 0, count, FALSE, values);
        g4_formula_fill_tensor(without, 3, 0, count, FALSE, expected);
        norms += tensor->n_dims == 1;
        matrices += tensor->n_dims == 2;
        for (gsize j = 0; j < count; j++) {
            const gboolean is = g4_formula_is_outlier(g4_formula_base(tensor->norm, 3), j % 768);
            large += is && tensor->n_dims == 1;
            g_assert_cmpfloat(values[j], ==, is ? expected[j] * tensor->factor : expected[j]);
        }
    }
    g_assert_cmpuint(norms, ==, 2 * 12);
    g_assert_cmpuint(matrices, ==, 5 * 12);
    /* 0.5 % of 24 x 768 channels are 92, give or take 10. */
    g_assert_cmpuint(large, >, 60);
    g_assert_cmpuint(large, <, 125);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/formula/values", hash_and_first_values_are_those_of_the_formula);
    g_test_add_func("/formula/part", a_part_of_a_stream_equals_that_part_of_the_whole);
    g_test_add_func("/formula/bf16", bf16_rounds_to_nearest_even);
    g_test_add_func("/formula/frames", frames_have_the_published_digests);
    g_test_add_func("/formula/tensors", every_kind_lists_each_tensor_once);
    g_test_add_func("/formula/outliers", outliers_are_in_a_norm_and_in_the_columns_behind_it);
    return g_test_run();
}
