/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's vectors as GstTensorMeta, which GStreamer has from 1.26 on.
 */
#include "embedfixture.h"

#ifdef HAVE_GST_TENSOR_META
#include <gst/analytics/analytics.h>

static GstHarness *harness(const char *output, const char *meta_types)
{
    g_autofree char *path = fixture_case("square");
    GstElement *element = fixture_element(path);

    gst_util_set_object_arg(G_OBJECT(element), "output", output);
    if (meta_types)
        gst_util_set_object_arg(G_OBJECT(element), "meta-types", meta_types);
    GstHarness *h = fixture_harness(element);
    fixture_set_caps(h);
    return h;
}

static void check_tensor(const GstTensor *tensor, GstGemma4Embedding *e)
{
    GstMapInfo map;
    gsize n;
    const gfloat *values = gst_gemma4_embedding_get_values(e, &n);

    g_assert_cmpstr(g_quark_to_string(tensor->id), ==, gst_gemma4_embedding_get_id(e));
    g_assert_cmpint(tensor->data_type, ==, GST_TENSOR_DATA_TYPE_FLOAT32);
    g_assert_cmpint(tensor->layout, ==, GST_TENSOR_LAYOUT_CONTIGUOUS);
    g_assert_cmpint(tensor->dims_order, ==, GST_TENSOR_DIM_ORDER_ROW_MAJOR);
    g_assert_cmpuint(tensor->num_dims, ==, 2);
    g_assert_cmpuint(tensor->dims[0], ==, gst_gemma4_embedding_get_rows(e));
    g_assert_cmpuint(tensor->dims[1], ==, gst_gemma4_embedding_get_cols(e));
    g_assert_true(gst_buffer_map(tensor->data, &map, GST_MAP_READ));
    g_assert_cmpmem(map.data, map.size, values, n * sizeof(gfloat));
    gst_buffer_unmap(tensor->data, &map);
}

static void test_tensor_holds_the_same_vector(void)
{
    static const char *const outputs[] = {"pooled", "tokens"};

    for (guint i = 0; i < G_N_ELEMENTS(outputs); i++) {
        GstHarness *h = harness(outputs[i], NULL); /* both metas are the default */
        g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(0));
        GstTensorMeta *meta = gst_buffer_get_tensor_meta(out);
        g_assert_nonnull(meta);
        g_assert_cmpuint(meta->num_tensors, ==, 1);
        check_tensor(gst_tensor_meta_get(meta, 0), fixture_embedding(out));
        fixture_teardown(h);
    }
}

static void test_existing_meta_is_extended(void)
{
    GstHarness *h = harness("pooled", NULL);
    GstBuffer *in = fixture_frame(0);
    GstTensorMeta *meta = gst_buffer_add_tensor_meta(in);
    GstTensor **tensors = g_new(GstTensor *, 1);
    gsize dims[] = {3};

    tensors[0] = gst_tensor_new_simple(g_quark_from_static_string("of-another"),
                                       GST_TENSOR_DATA_TYPE_UINT8, gst_buffer_new_memdup("abc", 3),
                                       GST_TENSOR_DIM_ORDER_ROW_MAJOR, 1, dims);
    gst_tensor_meta_set(meta, 1, tensors);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    meta = gst_buffer_get_tensor_meta(out);
    g_assert_cmpuint(meta->num_tensors, ==, 2);
    g_assert_cmpstr(g_quark_to_string(gst_tensor_meta_get(meta, 0)->id), ==, "of-another");
    g_assert_cmpuint(gst_buffer_get_size(gst_tensor_meta_get(meta, 0)->data), ==, 3);
    check_tensor(gst_tensor_meta_get(meta, 1), fixture_embedding(out));
    gpointer state = NULL;
    guint n = 0;
    while (gst_buffer_iterate_meta_filtered(out, &state, GST_TENSOR_META_API_TYPE))
        n++;
    g_assert_cmpuint(n, ==, 1);
    fixture_teardown(h);
}

static void test_meta_types_choose(void)
{
    GstHarness *h = harness("pooled", "own");
    g_autoptr(GstBuffer) own = fixture_pass(h, fixture_frame(0));
    g_assert_null(gst_buffer_get_tensor_meta(own));
    g_assert_nonnull(fixture_embedding(own));
    fixture_teardown(h);

    h = harness("pooled", "tensor");
    g_autoptr(GstBuffer) tensor = fixture_pass(h, fixture_frame(0));
    g_assert_nonnull(gst_buffer_get_tensor_meta(tensor));
    g_assert_null(fixture_embedding(tensor));
    fixture_teardown(h);
}
#else
static void test_skipped(void)
{
    g_test_skip("GstTensorMeta needs GStreamer 1.26");
}

/* Asking for it is an error that says so. */
static void test_tensor_is_refused(void)
{
    g_autofree char *path = fixture_case("square");
    GstElement *element = fixture_element(path);

    gst_util_set_object_arg(G_OBJECT(element), "meta-types", "tensor");
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    g_autofree char *text = fixture_error(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull(strstr(text, "1.26"));
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL); /* whose messages hold the element */
    gst_object_unref(element);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

#ifdef HAVE_GST_TENSOR_META
    g_test_add_func("/tensormeta/holds-the-same-vector", test_tensor_holds_the_same_vector);
    g_test_add_func("/tensormeta/existing-meta-is-extended", test_existing_meta_is_extended);
    g_test_add_func("/tensormeta/meta-types-choose", test_meta_types_choose);
#else
    g_test_add_func("/tensormeta/holds-the-same-vector", test_skipped);
    g_test_add_func("/tensormeta/is-refused-before-1.26", test_tensor_is_refused);
#endif
    int status = g_test_run();
    gst_deinit();
    return status;
}
