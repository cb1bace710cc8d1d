/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of labels, and vectors, out of the user's properties and files.
 */
#include "gstembeddingmatchfile.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gemma4.h"

#define MAX_LABELS_FILE (16u << 20)
#define MAX_LABEL 4096u                      /* bytes */
#define MAX_NPY_HEADER 65536u                /* bytes */
#define MAX_NPY_VALUES (G_MAXUINT32 / 4 / 2) /* floats, 2 GiB */
#define MAX_RECORD 65536u                    /* bytes of the record beside an NPY file */

/* ------------------------------------------------------------------------------------------
 * Files
 */

/* Opens a regular file for reading; anything else is refused without waiting for it. */
static int open_file(const gchar *path, guint64 *size, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0) {
        gboolean missing = errno == ENOENT || errno == ENOTDIR;
        g_set_error(error, G4_ERROR, missing ? G4_ERROR_MISSING : G4_ERROR_UNREADABLE, "%s: %s",
                    path, g_strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE, "%s: not a regular file", path);
        close(fd);
        return -1;
    }
    *size = (guint64)st.st_size;
    return fd;
}

/* All `count` bytes from `offset` on. */
static gboolean read_at(int fd, const gchar *path, guint64 offset, gpointer bytes, gsize count,
                        GError **error)
{
    for (gsize done = 0; done < count;) {
        gssize n = pread(fd, (guint8 *)bytes + done, count - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE, "%s: %s", path,
                        n < 0 ? g_strerror(errno) : "ends early");
            return FALSE;
        }
        done += (gsize)n;
    }
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * Labels
 */

/* Takes the string. `where` begins the message. */
static gboolean append_label(GPtrArray *names, gchar *label, const gchar *where, GError **error)
{
    g_strstrip(label);
    if (*label == '\0') {
        g_free(label);
        return TRUE;
    }
    if (strlen(label) > MAX_LABEL) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: a label of %" G_GSIZE_FORMAT " bytes, expected at most %u", where,
                    strlen(label), MAX_LABEL);
        g_free(label);
        return FALSE;
    }
    if (names->len >= GST_EMBEDDING_MATCH_MAX_LABELS) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "%s: more than %d labels", where,
                    GST_EMBEDDING_MATCH_MAX_LABELS);
        g_free(label);
        return FALSE;
    }
    g_ptr_array_add(names, label);
    return TRUE;
}

gboolean gst_embedding_match_split(const gchar *property, const gchar *list, GPtrArray *names,
                                   GError **error)
{
    const gchar *end;

    if (list == NULL)
        return TRUE;
    if (!g_utf8_validate(list, -1, &end)) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: byte %" G_GSIZE_FORMAT " is not UTF-8", property, (gsize)(end - list));
        return FALSE;
    }
    g_autoptr(GString) part = g_string_new(NULL);
    for (const gchar *at = list;; at++) {
        if (*at == '\\' && at[1] == ';') {
            g_string_append_c(part, *++at);
        } else if (*at != ';' && *at != '\0') {
            g_string_append_c(part, *at);
        } else {
            if (!append_label(names, g_strdup(part->str), property, error))
                return FALSE;
            if (*at == '\0')
                return TRUE;
            g_string_truncate(part, 0);
        }
    }
}

gboolean gst_embedding_match_read_labels(const gchar *path, GPtrArray *names, GError **error)
{
    guint64 size;
    const gchar *end;
    int fd = open_file(path, &size, error);

    if (fd < 0)
        return FALSE;
    if (size > MAX_LABELS_FILE) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: %" G_GUINT64_FORMAT " bytes, expected a list of labels of at most %u",
                    path, size, MAX_LABELS_FILE);
        close(fd);
        return FALSE;
    }
    g_autofree gchar *text = g_malloc(size + 1);
    gboolean ok = read_at(fd, path, 0, text, size, error);
    close(fd);
    if (!ok)
        return FALSE;
    text[size] = '\0';
    if (!g_utf8_validate_len(text, size, &end)) {
        guint line = 1;
        for (const gchar *at = text; at < end; at++)
            line += *at == '\n';
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s:%u: byte %" G_GSIZE_FORMAT " is not UTF-8 text", path, line,
                    (gsize)(end - text));
        return FALSE;
    }
    gchar *at = g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text;
    while (at != NULL) {
        gchar *next = strchr(at, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (!append_label(names, g_strdup(at), path, error))
            return FALSE;
        at = next;
    }
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * NPY: magic, version, length of a Python dictionary, the dictionary, the values
 */
static gboolean malformed(const gchar *path, GError **error, const gchar *found)
{
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "%s: %s; expected an NPY file of float32 [rows, cols]", path, found);
    return FALSE;
}

/* What stands behind "'KEY':" in the dictionary. */
static const gchar *find_value(const gchar *dictionary, const gchar *key)
{
    const gchar *at = strstr(dictionary, key);

    if (at == NULL)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

/* One to three numbers, "(5,)" or "(2, 3)". */
static gboolean parse_shape(const gchar *text, guint64 dims[3], guint *n_dims)
{
    *n_dims = 0;
    if (text == NULL || *text++ != '(')
        return FALSE;
    while (*text != ')') {
        gchar *end;

        if (*n_dims == 3 || !g_ascii_isdigit(*text))
            return FALSE;
        dims[(*n_dims)++] = g_ascii_strtoull(text, &end, 10);
        text = end + strspn(end, " ");
        if (*text == ',')
            text += 1 + strspn(text + 1, " ");
        else if (*text != ')')
            return FALSE;
    }
    return *n_dims > 0;
}

/* FALSE where the product of the three is not what the file holds, or overflows. */
static gboolean shape_fits(guint64 rows, guint64 tokens, guint64 cols, guint64 bytes)
{
    guint64 values = bytes / sizeof(gfloat);

    return bytes % sizeof(gfloat) == 0 && values <= MAX_NPY_VALUES && rows > 0 && tokens > 0 &&
           cols > 0 && rows <= values && tokens <= values / rows &&
           cols == values / rows / tokens && rows * tokens * cols == values;
}

/* Finds [rows, tokens, cols] and where the values begin. */
static gboolean read_header(int fd, const gchar *path, guint64 size, guint64 shape[3],
                            guint64 *offset, GError **error)
{
    guint8 head[12] = {0};
    guint64 dims[3];
    guint n_dims;

    if (size < sizeof head || !read_at(fd, path, 0, head, sizeof head, NULL) ||
        memcmp(head, "\x93NUMPY", 6) != 0)
        return malformed(path, error, "no NPY header");
    guint32 length = head[8] | (guint32)head[9] << 8;
    *offset = 10;
    if (head[6] > 1) {
        length |= (guint32)head[10] << 16 | (guint32)head[11] << 24;
        *offset = 12;
    }
    if (length > MAX_NPY_HEADER || length > size - *offset)
        return malformed(path, error, "the NPY header is longer than the file, or than 64 KiB");
    g_autofree gchar *dictionary = g_malloc0(length + 1);
    if (!read_at(fd, path, *offset, dictionary, length, error))
        return FALSE;
    *offset += length;

    const gchar *type = find_value(dictionary, "'descr'");
    const gchar *fortran = find_value(dictionary, "'fortran_order'");
    if (type == NULL || !g_str_has_prefix(type, "'<f4'"))
        return malformed(path, error, "the values are not little-endian float32 ('<f4')");
    if (fortran == NULL || !g_str_has_prefix(fortran, "False"))
        return malformed(path, error, "the values are not in row-major order");
    if (!parse_shape(find_value(dictionary, "'shape'"), dims, &n_dims))
        return malformed(path, error, "the shape has not one to three numbers");
    shape[0] = n_dims > 1 ? dims[0] : 1;
    shape[1] = n_dims > 2 ? dims[1] : 1;
    shape[2] = dims[n_dims - 1];
    if (!shape_fits(shape[0], shape[1], shape[2], size - *offset)) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: shape [%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT
                    "], but %" G_GUINT64_FORMAT " bytes of values",
                    path, shape[0], shape[1], shape[2], size - *offset);
        return FALSE;
    }
    return TRUE;
}

/* The values, tokens averaged, a piece of at most one row's tokens at a time. */
static gfloat *read_values(int fd, const gchar *path, const guint64 shape[3], guint64 offset,
                           GError **error)
{
    gsize rows = shape[0], tokens = shape[1], cols = shape[2];
    g_autofree gfloat *values = g_try_new(gfloat, rows * cols);
    g_autofree gfloat *piece = g_try_new(gfloat, cols);
    g_autofree gdouble *sum = g_try_new(gdouble, cols);

    if (values == NULL || piece == NULL || sum == NULL) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "%s: not enough memory", path);
        return NULL;
    }
    for (gsize r = 0; r < rows; r++) {
        memset(sum, 0, cols * sizeof *sum);
        for (gsize t = 0; t < tokens; t++) {
            if (!read_at(fd, path, offset, piece, cols * sizeof *piece, error))
                return NULL;
            offset += cols * sizeof *piece;
            for (gsize c = 0; c < cols; c++) {
                guint32 bits;
                gfloat value;
                memcpy(&bits, &piece[c], sizeof bits);
                bits = GUINT32_FROM_LE(bits);
                memcpy(&value, &bits, sizeof value);
                sum[c] += value;
            }
        }
        for (gsize c = 0; c < cols; c++)
            values[r * cols + c] = (gfloat)(sum[c] / (gdouble)tokens);
    }
    return g_steal_pointer(&values);
}

/* The digest in the first record beside the file; NULL where there is no such file. */
static gboolean read_digest(const gchar *npy, gchar **digest, GError **error)
{
    g_autofree gchar *path = g_strconcat(npy, ".jsonl", NULL);
    g_autoptr(GError) missing = NULL;
    json_error_t why;
    guint64 size;
    int fd = open_file(path, &size, &missing);

    *digest = NULL;
    if (fd < 0)
        return TRUE;
    gsize length = MIN(size, MAX_RECORD);
    g_autofree gchar *line = g_malloc(length + 1);
    gboolean ok = read_at(fd, path, 0, line, length, error);
    close(fd);
    if (!ok)
        return FALSE;
    line[length] = '\0';
    json_t *record = json_loadb(line, strcspn(line, "\n"), JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(record)) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s:1: not a JSON object (%s)", path,
                    record == NULL ? why.text : "another value");
        json_decref(record);
        return FALSE;
    }
    *digest = g_strdup(json_string_value(json_object_get(record, "digest")));
    json_decref(record);
    return TRUE;
}

gboolean gst_embedding_match_read_npy(const gchar *path, GstEmbeddingMatchVectors *vectors,
                                      GError **error)
{
    guint64 shape[3] = {0}, size, offset;
    int fd = open_file(path, &size, error);

    *vectors = (GstEmbeddingMatchVectors){0};
    if (fd < 0)
        return FALSE;
    if (read_header(fd, path, size, shape, &offset, error)) {
        if (shape[0] > GST_EMBEDDING_MATCH_MAX_LABELS)
            g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                        "%s: %" G_GUINT64_FORMAT " rows, expected at most %d", path, shape[0],
                        GST_EMBEDDING_MATCH_MAX_LABELS);
        else
            vectors->values = read_values(fd, path, shape, offset, error);
    }
    close(fd);
    if (vectors->values == NULL)
        return FALSE;
    vectors->rows = (guint)shape[0];
    vectors->cols = (guint)shape[2];
    if (read_digest(path, &vectors->digest, error))
        return TRUE;
    gst_embedding_match_vectors_clear(vectors);
    return FALSE;
}

void gst_embedding_match_vectors_clear(GstEmbeddingMatchVectors *vectors)
{
    g_clear_pointer(&vectors->values, g_free);
    g_clear_pointer(&vectors->digest, g_free);
}
