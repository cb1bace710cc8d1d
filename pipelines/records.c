/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads JSON Lines and NPY files of embeddings.
 */
#include "records.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_LINE (64u << 20)   /* bytes of one JSON line: 2520 tokens of 1536 floats take 45 MB */
#define MAX_VALUES (256u << 20) /* floats kept in all, 1 GiB */
#define MAX_NPY_HEADER 65536u

G_DEFINE_QUARK(g4-records-error-quark, g4_records_error)

static void clear(G4Records *records)
{
    g_free(records->vectors);
    g_free(records->seconds);
    g_free(records->frames);
    g_free(records->stream);
    g_free(records->model);
    g_free(records->digest);
    g_free(records->id);
}

void g4_records_free(G4Records *records)
{
    if (!records)
        return;
    clear(records);
    g_free(records);
}

/* What both readers fill; becomes the record's arrays at the end. */
typedef struct {
    const char *path;
    G4Records *records;
    GArray *vectors, *seconds, *frames;
    gboolean with_vectors; /* FALSE: the lines beside an NPY file, which hold none */
    gboolean *kept;        /* of such lines: whether line i describes a whole frame; NULL else */
    guint n_lines;
} Reader;

static gboolean malformed(GError **error, const char *path, guint line, const char *what)
{
    if (line)
        g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_MALFORMED, "%s:%u: %s", path, line,
                    what);
    else
        g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_MALFORMED, "%s: %s", path, what);
    return FALSE;
}

static char *string_of(const json_t *object, const char *key)
{
    return g_strdup(json_string_value(json_object_get(object, key)));
}

/* Averages rows x cols numbers of the array into one row appended to the vectors. */
static gboolean append_vector(Reader *r, const json_t *array, gsize rows, gsize cols, guint line,
                              GError **error)
{
    g_autofree double *sum = g_new0(double, cols);

    for (gsize i = 0; i < rows * cols; i++) {
        const json_t *value = json_array_get(array, i);

        if (!json_is_number(value))
            return malformed(error, r->path, line, "embedding holds something that is no number");
        sum[i % cols] += (float)json_number_value(value);
    }
    for (gsize c = 0; c < cols; c++) {
        float mean = (float)(sum[c] / (double)rows);

        if (!isfinite(mean))
            return malformed(error, r->path, line, "embedding holds a number beyond float32");
        g_array_append_val(r->vectors, mean);
    }
    return TRUE;
}

/* Finds shape [rows, cols] and the array that goes with it. */
static gboolean read_vector(Reader *r, const json_t *object, guint line, GError **error)
{
    const json_t *shape = json_object_get(object, "shape");
    const json_t *array = json_object_get(object, "embedding");
    json_int_t rows = json_integer_value(json_array_get(shape, 0));
    json_int_t cols = json_integer_value(json_array_get(shape, 1));
    gsize length = json_array_size(array);

    if (json_array_size(shape) != 2 || rows < 1 || cols < 1)
        return malformed(error, r->path, line, "shape is not [rows, cols]");
    if (cols > (json_int_t)length || rows != (json_int_t)(length / (gsize)cols) ||
        length % (gsize)cols) {
        g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_MALFORMED,
                    "%s:%u: embedding has %zu numbers, shape says %" JSON_INTEGER_FORMAT
                    " x %" JSON_INTEGER_FORMAT,
                    r->path, line, length, rows, cols);
        return FALSE;
    }
    if (r->records->cols && r->records->cols != (guint)cols)
        return malformed(error, r->path, line, "embedding of another width than those before");
    if (r->vectors->len > MAX_VALUES - (gsize)cols)
        return malformed(error, r->path, line, "more than 1 GiB of embeddings");
    r->records->cols = (guint)cols;
    return append_vector(r, array, (gsize)rows, (gsize)cols, line, error);
}

static gboolean read_object(Reader *r, const json_t *object, guint line, GError **error)
{
    const json_t *time = json_object_get(object, "running_time");
    const json_t *frame = json_object_get(object, "frame");
    const char *stream = json_string_value(json_object_get(object, "stream"));
    gboolean foreign = FALSE;
    double seconds;
    guint64 number;

    if (!json_is_object(object))
        return malformed(error, r->path, line, "not a JSON object");
    if (!json_is_integer(frame) || json_integer_value(frame) < 0)
        return malformed(error, r->path, line, "no frame number");

    if (r->n_lines == 0)
        r->records->stream = g_strdup(stream);
    else
        foreign = g_strcmp0(stream, r->records->stream) != 0;
    if (r->kept)
        r->kept[r->n_lines] = FALSE;
    r->n_lines++;
    if (foreign) {
        r->records->n_foreign++;
        return TRUE;
    }
    if (json_is_array(json_object_get(object, "region"))) {
        r->records->n_regions++;
        return TRUE;
    }
    if (r->kept)
        r->kept[r->n_lines - 1] = TRUE;

    if (!json_is_integer(time))
        time = json_object_get(object, "pts");
    seconds = json_is_integer(time) ? (double)json_integer_value(time) / 1e9 : NAN;
    number = (guint64)json_integer_value(frame);
    if (r->frames->len == 0) {
        r->records->model = string_of(object, "model");
        r->records->digest = string_of(object, "digest");
        r->records->id = string_of(object, "id");
    }
    if (r->with_vectors && !read_vector(r, object, line, error))
        return FALSE;
    g_array_append_val(r->seconds, seconds);
    g_array_append_val(r->frames, number);
    return TRUE;
}

static gboolean read_line(Reader *r, const GString *text, guint line, GError **error)
{
    json_error_t why;
    json_t *object = json_loadb(text->str, text->len, 0, &why);
    gboolean ok;

    if (!object)
        return malformed(error, r->path, line, why.text);
    ok = read_object(r, object, line, error);
    json_decref(object);
    return ok;
}

/* Calls read_line for each line; stops after `max_lines`. */
static gboolean read_lines(Reader *r, guint max_lines, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FILE *file = fopen(r->path, "rb");
    gboolean ok = TRUE;
    guint line = 0;
    int c = 0;

    if (!file) {
        g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_READ, "%s: %s", r->path,
                    g_strerror(errno));
        return FALSE;
    }
    while (ok && c != EOF && r->n_lines < max_lines) {
        g_string_truncate(text, 0);
        while ((c = getc_unlocked(file)) != EOF && c != '\n' && text->len < MAX_LINE)
            g_string_append_c(text, (char)c);
        line++;
        if (text->len == MAX_LINE)
            ok = malformed(error, r->path, line, "a line of more than 64 MiB");
        else if (text->len)
            ok = read_line(r, text, line, error);
    }
    if (ok && ferror(file)) {
        g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_READ, "%s: cannot be read", r->path);
        ok = FALSE;
    }
    fclose(file);
    return ok;
}

/* ------------------------------------------------------------------------------------------
 * NPY: magic, version, length of a Python dictionary, the dictionary, the values.
 */
typedef struct {
    guint64 n, rows, cols;
} NpyShape;

static const char *after_key(const char *header, const char *key)
{
    const char *at = strstr(header, key);

    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static gboolean parse_shape(const char *text, NpyShape *shape)
{
    guint64 dims[3] = {0, 1, 1};
    guint n_dims = 0;

    if (*text++ != '(')
        return FALSE;
    while (*text != ')') {
        char *end;

        if (n_dims == 3 || !g_ascii_isdigit(*text))
            return FALSE;
        dims[n_dims++] = g_ascii_strtoull(text, &end, 10);
        text = end + strspn(end, " ");
        if (*text == ',')
            text += 1 + strspn(text + 1, " ");
        else if (*text != ')')
            return FALSE;
    }
    *shape = (NpyShape){dims[0], n_dims == 3 ? dims[1] : 1, n_dims == 3 ? dims[2] : dims[1]};
    return n_dims >= 2;
}

static gboolean read_npy_header(FILE *file, const char *path, NpyShape *shape, GError **error)
{
    guint8 head[12];
    guint32 length;
    g_autofree char *header = NULL;
    const char *descr, *fortran, *dims;

    if (fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY", 6) != 0)
        return malformed(error, path, 0, "not an NPY file");
    length = head[8] | (guint32)head[9] << 8;
    if (head[6] > 1) {
        if (fread(head + 10, 1, 2, file) != 2)
            return malformed(error, path, 0, "NPY header is cut off");
        length |= (guint32)head[10] << 16 | (guint32)head[11] << 24;
    }
    if (length > MAX_NPY_HEADER)
        return malformed(error, path, 0, "NPY header of more than 64 KiB");
    header = g_malloc0(length + 1);
    if (fread(header, 1, length, file) != length)
        return malformed(error, path, 0, "NPY header is cut off");

    descr = after_key(header, "'descr'");
    fortran = after_key(header, "'fortran_order'");
    dims = after_key(header, "'shape'");
    if (!descr || !g_str_has_prefix(descr, "'<f4'"))
        return malformed(error, path, 0, "NPY values are not little-endian float32 ('<f4')");
    if (!fortran || !g_str_has_prefix(fortran, "False"))
        return malformed(error, path, 0, "NPY values are not in row-major order");
    if (!dims || !parse_shape(dims, shape))
        return malformed(error, path, 0, "NPY shape is neither (n, cols) nor (n, rows, cols)");
    return TRUE;
}

/* FALSE where the product of the three overflows or passes the limits. */
static gboolean shape_fits(const NpyShape *shape, guint64 bytes)
{
    guint64 values = bytes / sizeof(float);

    return shape->n && shape->rows && shape->cols && shape->n <= G_MAXUINT / 2 &&
           shape->n <= values && shape->rows <= values / shape->n &&
           shape->cols <= values / shape->n / shape->rows &&
           shape->n * shape->cols <= MAX_VALUES;
}

/* Reads the values of the entries that the lines beside the file call whole frames. */
static gboolean read_npy_values(Reader *r, FILE *file, const char *path, const NpyShape *shape,
                                GError **error)
{
    gsize cols = shape->cols;
    g_autofree float *row = g_new(float, cols);
    g_autofree double *sum = g_new(double, cols);

    for (guint64 i = 0; i < shape->n; i++) {
        memset(sum, 0, cols * sizeof(double));
        for (guint64 t = 0; t < shape->rows; t++) {
            if (fread(row, sizeof(float), cols, file) != cols)
                return malformed(error, path, 0, "NPY values are cut off");
            for (gsize c = 0; c < cols; c++)
                sum[c] += row[c];
        }
        if (!r->kept[i])
            continue;
        for (gsize c = 0; c < cols; c++) {
            float mean = (float)(sum[c] / (double)shape->rows);

            if (!isfinite(mean))
                return malformed(error, path, 0, "an embedding holds infinity or no number");
            g_array_append_val(r->vectors, mean);
        }
    }
    r->records->cols = (guint)cols;
    return TRUE;
}

static gboolean read_npy(Reader *r, const char *path, GError **error)
{
    g_autofree char *lines = g_strconcat(path, ".jsonl", NULL);
    FILE *file = fopen(path, "rb");
    NpyShape shape;
    gboolean ok;
    gint64 start, end;

    if (!file) {
        g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_READ, "%s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    ok = read_npy_header(file, path, &shape, error);
    if (ok) {
        start = ftello(file);
        ok = start >= 0 && fseeko(file, 0, SEEK_END) == 0 && (end = ftello(file)) >= start &&
             fseeko(file, start, SEEK_SET) == 0;
        if (!ok)
            g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_READ, "%s: cannot be read", path);
        else if (shape.n == 0)
            ok = malformed(error, path, 0, "holds no embedding");
        else if (!shape_fits(&shape, (guint64)(end - start)))
            ok = malformed(error, path, 0, "the NPY shape is larger than the file, or than 1 GiB");
    }
    if (ok) {
        r->path = lines;
        r->kept = g_new0(gboolean, shape.n);
        ok = read_lines(r, (guint)shape.n, error);
        if (ok && r->n_lines != shape.n)
            ok = malformed(error, lines, 0, "holds fewer records than the NPY file");
        if (ok)
            ok = read_npy_values(r, file, path, &shape, error);
    }
    fclose(file);
    g_clear_pointer(&r->kept, g_free);
    return ok;
}

G4Records *g4_records_read(const char *path, GError **error)
{
    gboolean npy = g_str_has_suffix(path, ".npy");
    G4Records *records = g_new0(G4Records, 1);
    Reader r = {
        .path = path,
        .records = records,
        .vectors = g_array_new(FALSE, FALSE, sizeof(float)),
        .seconds = g_array_new(FALSE, FALSE, sizeof(double)),
        .frames = g_array_new(FALSE, FALSE, sizeof(guint64)),
        .with_vectors = !npy,
    };
    gboolean ok = npy ? read_npy(&r, path, error) : read_lines(&r, G_MAXUINT, error);

    if (ok && r.frames->len == 0)
        ok = malformed(error, path, 0, "holds no embedding of a whole frame");
    records->n = r.frames->len;
    records->vectors = (float *)(void *)g_array_free(r.vectors, FALSE);
    records->seconds = (double *)(void *)g_array_free(r.seconds, FALSE);
    records->frames = (guint64 *)(void *)g_array_free(r.frames, FALSE);
    if (ok)
        return records;
    g4_records_free(records);
    return NULL;
}

gboolean g4_records_equal(const G4Records *a, const G4Records *b, GError **error)
{
    if (a->n != b->n || a->cols != b->cols) {
        g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_DIFFER,
                    "the two files differ: %u x %u and %u x %u", a->n, a->cols, b->n, b->cols);
        return FALSE;
    }
    for (guint i = 0; i < a->n; i++) {
        gsize at = (gsize)i * a->cols;

        if (a->frames[i] != b->frames[i] ||
            memcmp(a->vectors + at, b->vectors + at, a->cols * sizeof(float)) != 0) {
            g_set_error(error, G4_RECORDS_ERROR, G4_RECORDS_ERROR_DIFFER,
                        "the two files differ at record %u (frames %" G_GUINT64_FORMAT
                        " and %" G_GUINT64_FORMAT ")",
                        i, a->frames[i], b->frames[i]);
            return FALSE;
        }
    }
    return TRUE;
}
