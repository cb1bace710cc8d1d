/* SPDX-License-Identifier: Apache-2.0
 *
 * The same goldens through gst-launch-1.0: every frame of every small case, as tokens and pooled,
 * as an NPY file written by embeddingsink.
 */
#include "golden.h"
#include "launch.h"
#include "rewrite.h"

static const char *const cases[] = {"square",     "aspect",          "standardize", "sharded",
                                    "tower_only", "embeddinggemma2", "unusual",     "bounds"};

static void check_frame(const char *model, Golden *golden, guint frame, const G4Tensor *rgb,
                        const char *folder)
{
    const guint height = rgb->dims[0], width = rgb->dims[1];
    g_autofree guint8 *data = golden_bytes(golden, rgb);
    g_autofree gint32 *budget =
        golden_ints(golden, golden_find(golden, "frame%u.max_soft_tokens", frame));
    const G4Tensor *tokens = golden_find(golden, "frame%u.projected", frame);
    const G4Tensor *pooled = golden_find(golden, "frame%u.embedding", frame);
    g_autofree char *what = g_strdup_printf("frame%u tokens", frame);
    g_autofree char *what_pooled = g_strdup_printf("frame%u pooled", frame);
    Npy npy;

    if (!tokens) { /* the tower alone */
        tokens = golden_find(golden, "frame%u.features", frame);
        pooled = golden_find(golden, "frame%u.features_embedding", frame);
    }
    g_autofree float *expected = golden_floats(golden, tokens);
    launch(model, data, width, height, *budget, "tokens", folder, &npy);
    g_assert_cmpuint(npy.n_dims, ==, 3);
    g_assert_cmpuint(npy.shape[0], ==, 1);
    g_assert_cmpuint(npy.shape[1], ==, tokens->dims[0]);
    g_assert_cmpuint(npy.shape[2], ==, tokens->dims[1]);
    golden_compare(what, npy.values, expected, tokens->elements,
                   golden_rms(expected, tokens->elements));
    npy_clear(&npy);

    g_autofree float *vector = golden_floats(golden, pooled);
    launch(model, data, width, height, *budget, "pooled", folder, &npy);
    g_assert_cmpuint(npy.n_dims, ==, 2);
    g_assert_cmpuint(npy.shape[0], ==, 1);
    g_assert_cmpuint(npy.shape[1], ==, pooled->dims[0]);
    golden_compare(what_pooled, npy.values, vector, pooled->elements,
                   golden_rms(vector, pooled->elements));
    npy_clear(&npy);
}

static void the_elements_give_the_reference(gconstpointer name)
{
    g_autofree char *model = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", name, NULL);
    g_autofree char *path = g_build_filename(model, "golden.safetensors", NULL);
    const G4Tensor *rgb;
    Golden golden;
    guint frame;

    if (launch_missing()) {
        g_test_skip(launch_missing());
        return;
    }
    g_autofree char *folder = rewrite_make_folder();
    golden_init(&golden, path);
    for (frame = 0; (rgb = golden_find(&golden, "frame%u.rgb", frame)); frame++)
        check_frame(model, &golden, frame, rgb, folder);
    g_assert_cmpuint(frame, >, 0);
    golden_clear(&golden);
    rewrite_remove_folder(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/golden/launch/%s", cases[i]);
        g_test_add_data_func(path, cases[i], the_elements_give_the_reference);
    }
    return g_test_run();
}
