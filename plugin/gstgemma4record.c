/* SPDX-License-Identifier: Apache-2.0
 *
 * One line of JSON for an embedding. Strings are escaped by jansson; numbers are written here,
 * because a line may hold hundreds of thousands of them.
 */
#include "gstgemma4record.h"
#include "gstembeddingvector.h"

#include <float.h>
#include <jansson.h>
#include <math.h>

static const gdouble powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};

/* Places after the decimal point of a number in 1e-5..1e6 that is to have `digits` digits. */
static guint places(gdouble magnitude, guint digits)
{
    guint n = digits - 1;

    for (guint k = 1; magnitude >= powers[k]; k++)
        n--;
    for (; magnitude < 1.0; magnitude *= 10.0)
        n++;
    return n;
}

void gst_gemma4_record_append_float(GString *line, gfloat value)
{
    gdouble magnitude = fabs((gdouble)value);

    if (!isfinite(value)) {
        g_string_append(line, "null");
        return;
    }
    if (magnitude != 0.0 && (magnitude < 1e-5 || magnitude >= 1e6)) {
        gchar digits[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append(line, g_ascii_formatd(digits, sizeof digits, "%.8e", value));
        return;
    }

    /* The nearest number of 6, 7, 8 digits is taken if it lies so near that both a float and a
     * double parser come back to this value; 9 digits always do. scaled / power is one rounded
     * division of two exact doubles, that is, what a double parser reads. */
    gdouble tolerance = magnitude * (FLT_EPSILON / 2) * 0.4;
    guint64 scaled = 0, power = 1;
    guint n = 0;
    for (guint digits = 6; digits <= 9 && magnitude != 0.0; digits++) {
        n = places(magnitude, digits);
        scaled = (guint64)rint(magnitude * powers[n]);
        power = (guint64)powers[n];
        if (fabs((gdouble)scaled / powers[n] - magnitude) <= tolerance)
            break;
    }
    for (; n > 1 && scaled % 10 == 0; n--) {
        scaled /= 10;
        power /= 10;
    }
    if (n == 0) { /* "5.0": a float for readers that tell it from an integer */
        n = 1;
        power = 10;
        scaled *= 10;
    }

    gchar text[32];
    gchar *at = text + sizeof text;
    guint64 fraction = scaled % power, whole = scaled / power;
    for (guint k = 0; k < n; k++, fraction /= 10)
        *--at = '0' + fraction % 10;
    *--at = '.';
    do
        *--at = '0' + whole % 10;
    while ((whole /= 10) != 0);
    if (signbit(value))
        *--at = '-';
    g_string_append_len(line, at, text + sizeof text - at);
}

static void append_string(GString *line, const gchar *key, const gchar *value)
{
    g_string_append_printf(line, "\"%s\":", key);
    if (value == NULL) {
        g_string_append(line, "null");
        return;
    }
    g_autofree gchar *valid = g_utf8_make_valid(value, -1);
    json_t *string = json_string(valid);
    char *text = json_dumps(string, JSON_ENCODE_ANY);
    g_string_append(line, text != NULL ? text : "null");
    free(text);
    json_decref(string);
}

static void append_time(GString *line, const gchar *key, GstClockTime time)
{
    if (GST_CLOCK_TIME_IS_VALID(time))
        g_string_append_printf(line, "\"%s\":%" G_GUINT64_FORMAT, key, time);
    else
        g_string_append_printf(line, "\"%s\":null", key);
}

void gst_gemma4_record_append_region(GString *line, const GstGemma4Embedding *embedding)
{
    gdouble region[4];

    gst_gemma4_embedding_get_region(embedding, &region[0], &region[1], &region[2], &region[3]);
    for (guint i = 0; i < 4; i++) {
        gchar digits[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append_c(line, i == 0 ? '[' : ',');
        g_string_append(line, g_ascii_dtostr(digits, sizeof digits, region[i]));
    }
    g_string_append_c(line, ']');
}

void gst_gemma4_record_append(GString *line, const GstGemma4Embedding *embedding,
                              const gchar *stream, GstGemma4RecordKind kind)
{
    g_string_append_c(line, '{');
    append_string(line, "stream", stream);
    g_string_append_printf(line, ",\"frame\":%" G_GUINT64_FORMAT ",",
                           gst_gemma4_embedding_get_frame(embedding));
    append_time(line, "pts", gst_gemma4_embedding_get_pts(embedding));
    g_string_append_c(line, ',');
    append_time(line, "running_time", gst_gemma4_embedding_get_running_time(embedding));
    g_string_append_c(line, ',');
    append_time(line, "utc", gst_gemma4_embedding_get_utc(embedding));
    g_string_append_c(line, ',');
    append_string(line, "model", gst_gemma4_embedding_get_model_name(embedding));
    g_string_append_c(line, ',');
    append_string(line, "digest", gst_gemma4_embedding_get_model_digest(embedding));
    g_string_append_c(line, ',');
    append_string(line, "id", gst_gemma4_embedding_get_id(embedding));
    g_string_append_printf(line, ",\"shape\":[%u,%u],", gst_gemma4_embedding_get_rows(embedding),
                           gst_gemma4_embedding_get_cols(embedding));
    g_string_append(line, "\"region\":");
    if (gst_embedding_vector_is_whole(embedding))
        g_string_append(line, "null");
    else
        gst_gemma4_record_append_region(line, embedding);
    g_string_append_c(line, ',');
    append_string(line, "region_id", gst_gemma4_embedding_get_region_id(embedding));
    gint64 track = gst_gemma4_embedding_get_track(embedding);
    if (track >= 0)
        g_string_append_printf(line, ",\"track\":%" G_GINT64_FORMAT ",", track);
    else
        g_string_append(line, ",\"track\":null,");
    append_string(line, "label", gst_gemma4_embedding_get_label(embedding));

    if (kind == GST_GEMMA4_RECORD_FULL) {
        gsize n;
        const gfloat *values = gst_gemma4_embedding_get_values(embedding, &n);
        g_string_append(line, ",\"embedding\":[");
        for (gsize i = 0; i < n; i++) {
            if (i > 0)
                g_string_append_c(line, ',');
            gst_gemma4_record_append_float(line, values[i]);
        }
        g_string_append_c(line, ']');
    }
    g_string_append(line, "}\n");
}
