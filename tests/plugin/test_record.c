/* SPDX-License-Identifier: Apache-2.0
 *
 * The line of JSON.
 */
#include "../../plugin/gstgemma4record.h"
#include "producer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const GString *line)
{
    json_error_t error;
    json_t *object = json_loads(line->str, JSON_REJECT_DUPLICATES, &error);

    if (object == NULL)
        g_error("%s: %s", error.text, line->str);
    return object;
}

/* Read as float and as double, the decimals must give the same bits back. */
static void expect_round_trip(gfloat value)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gchar *end_f, *end_d;

    gst_gemma4_record_append_float(text, value);
    gfloat as_float = strtof(text->str, &end_f);
    gfloat as_double = (gfloat)strtod(text->str, &end_d);
    g_assert_true(*end_f == '\0' && *end_d == '\0');
    if (memcmp(&as_float, &value, sizeof value) != 0 ||
        memcmp(&as_double, &value, sizeof value) != 0)
        g_error("%.9g was written as %s", value, text->str);
    g_assert_cmpuint(text->len, <=, 16);
}

static void floats_read_back_to_the_same_bits(void)
{
    static const gfloat edges[] = {
        0.0f,     -0.0f,        1.0f,       -1.0f, 0.1f,        0.5f,        5.0f,      10.0f,
        99999.9f, 999999.94f,   1000000,    1e-5f, 9.9999e-06f, 1e-45f,      1.17e-38f, 3.4e38f,
        16777216, 0.999999940f, 1.0000001f, 0.01f, 0.001f,      123456.789f, 1e10f,     1e-20f,
    };

    for (guint i = 0; i < G_N_ELEMENTS(edges); i++)
        expect_round_trip(edges[i]);
    for (guint i = 0; i < 200000; i++) {
        guint32 bits = (guint32)g_test_rand_int();
        if (i % 2 == 0) /* half of them within 2^-20..2^20, as embeddings are */
            bits = (bits & 0x807fffff) | (guint32)g_test_rand_int_range(107, 147) << 23;
        gfloat value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            expect_round_trip(value);
    }
}

static void short_floats_stay_short(void)
{
    static const struct {
        gfloat value;
        const gchar *text;
    } cases[] = {{0.0f, "0.0"},   {-0.0f, "-0.0"},     {1.0f, "1.0"},      {0.5f, "0.5"},
                 {-0.1f, "-0.1"}, {0.0625f, "0.0625"}, {100.0f, "100.0"},  {1234.5f, "1234.5"},
                 {NAN, "null"},   {INFINITY, "null"},  {-INFINITY, "null"}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        gst_gemma4_record_append_float(text, cases[i].value);
        g_assert_cmpstr(text->str, ==, cases[i].text);
    }
}

static void full_record_has_every_key_in_order(void)
{
    static const gchar *const keys[] = {"stream",    "frame",  "pts",   "running_time", "utc",
                                        "model",     "digest", "id",    "shape",        "region",
                                        "region_id", "track",  "label", "embedding"};
    g_autoptr(GstGemma4Embedding) e = producer_full_embedding(2, 3, 7);
    g_autoptr(GString) line = g_string_new(NULL);
    const gchar *key;
    json_t *value;
    guint i = 0;

    gst_gemma4_record_append(line, e, "cam \"1\"", GST_GEMMA4_RECORD_FULL);
    g_assert_cmpint(line->str[line->len - 1], ==, '\n');
    g_assert_true(strchr(line->str, '\n') == line->str + line->len - 1);
    json_t *o = parse(line);
    json_object_foreach(o, key, value)
    {
        g_assert_cmpuint(i, <, G_N_ELEMENTS(keys));
        g_assert_cmpstr(key, ==, keys[i++]);
    }
    g_assert_cmpuint(i, ==, G_N_ELEMENTS(keys));

    g_assert_cmpstr(json_string_value(json_object_get(o, "stream")), ==, "cam \"1\"");
    g_assert_cmpint(json_integer_value(json_object_get(o, "frame")), ==, 7);
    g_assert_cmpint(json_integer_value(json_object_get(o, "pts")), ==, 280000000);
    g_assert_cmpint(json_integer_value(json_object_get(o, "running_time")), ==, 1280000000);
    g_assert_cmpint(json_integer_value(json_object_get(o, "utc")), ==, 1790000000123456789);
    g_assert_cmpstr(json_string_value(json_object_get(o, "model")), ==, "tiny");
    g_assert_cmpstr(json_string_value(json_object_get(o, "digest")), ==, "0123456789abcdef");
    g_assert_cmpstr(json_string_value(json_object_get(o, "id")), ==, "gemma4-joint");
    g_assert_cmpstr(json_string_value(json_object_get(o, "region_id")), ==, "roi \"7\"");
    g_assert_cmpint(json_integer_value(json_object_get(o, "track")), ==, 12345678901);
    g_assert_cmpstr(json_string_value(json_object_get(o, "label")), ==,
                    gst_gemma4_embedding_get_label(e));
    json_t *shape = json_object_get(o, "shape"), *region = json_object_get(o, "region");
    g_assert_cmpint(json_integer_value(json_array_get(shape, 0)), ==, 2);
    g_assert_cmpint(json_integer_value(json_array_get(shape, 1)), ==, 3);
    g_assert_true(json_real_value(json_array_get(region, 0)) == 0.125);
    g_assert_true(json_real_value(json_array_get(region, 2)) == 1.0 / 3.0);
    json_t *values = json_object_get(o, "embedding");
    g_assert_cmpuint(json_array_size(values), ==, 6);
    for (guint k = 0; k < 6; k++)
        g_assert_true((gfloat)json_real_value(json_array_get(values, k)) == producer_value(7, k));
    json_decref(o);
}

static void unknown_is_null(void)
{
    static const gchar *const nulls[] = {"stream", "utc", "region", "region_id", "track", "label"};
    g_autoptr(GstGemma4Embedding) e = producer_embedding("gemma4-pooled", 1, 3, 0);
    g_autoptr(GString) line = g_string_new(NULL);

    gst_gemma4_record_append(line, e, NULL, GST_GEMMA4_RECORD_WITHOUT_VECTOR);
    json_t *o = parse(line);
    for (guint i = 0; i < G_N_ELEMENTS(nulls); i++)
        g_assert_true(json_is_null(json_object_get(o, nulls[i])));
    g_assert_null(json_object_get(o, "embedding"));
    json_decref(o);
}

static void broken_utf8_becomes_valid_json(void)
{
    g_autoptr(GstGemma4Embedding) e = producer_embedding("gemma4-pooled", 1, 3, 0);
    g_autoptr(GString) line = g_string_new(NULL);

    gst_gemma4_record_append(line, e, "caf\xe9", GST_GEMMA4_RECORD_FULL);
    json_t *o = parse(line);
    g_assert_true(g_str_has_prefix(json_string_value(json_object_get(o, "stream")), "caf"));
    json_decref(o);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/record/floats-read-back-to-the-same-bits", floats_read_back_to_the_same_bits);
    g_test_add_func("/record/short-floats-stay-short", short_floats_stay_short);
    g_test_add_func("/record/full-record-has-every-key-in-order",
                    full_record_has_every_key_in_order);
    g_test_add_func("/record/unknown-is-null", unknown_is_null);
    g_test_add_func("/record/broken-utf8-becomes-valid-json", broken_utf8_becomes_valid_json);
    return g_test_run();
}
