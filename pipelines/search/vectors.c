/* SPDX-License-Identifier: Apache-2.0
 *
 * The file: a header of a page, then records in the order of their ids: an entry of 32 bytes, and
 * the vector behind it, so that what is read together lies together. Records are appended first
 * and counted in the header after, under a lock of the file; what a kill leaves in between is not
 * counted. Anything but an append makes a new file, renamed over the old one.
 *
 * Whether it is up to date is told by size and time of the database and its log, as long as these
 * are older than the check by more than a clock's grain; else by the list of all rows, which SQLite
 * has in the index of the unique rows, without reading one vector.
 */
#include "vectors.h"

#include "dot.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "G4VECTR1"
#define HEADER_SIZE 4096
#define GRAIN (2 * G_GINT64_CONSTANT(1000000000)) /* ns; of coarse file systems */
#define BATCH (4 * 1024 * 1024)                   /* bytes, written at a time */
#define SAMPLES 32                                /* rows that are compared with the database */
#define PIECE 2048                                /* rows that a thread takes at a time */

typedef struct {
    gint64 size, mtime, inode; /* zeros for a log that is empty or missing */
} FileState;

typedef struct {
    char magic[8];
    guint32 cols, stride;
    guint64 count;
    char digest[72], kind[24]; /* of the model; NUL-terminated */
    FileState db, log;
    gint64 checked; /* UTC, ns */
    guint32 order;  /* 0x01020304 as this machine writes it */
    guint32 sum;    /* of all before */
} Header;

typedef struct {
    gint64 id, pts;
    guint32 stream;
    guint32 key; /* of region and track */
    float scale; /* 1 / length */
    guint32 unused;
} Entry;

G_STATIC_ASSERT(sizeof(Header) <= HEADER_SIZE);
G_STATIC_ASSERT(sizeof(Entry) == 32);

struct Vectors {
    guint cols;
    gsize stride;
    guint64 count, added;
    char *memory; /* the records */
    void *map;    /* of the file, or NULL: memory is of g_malloc */
    gsize map_size;
    Header header; /* as it was when it was opened */
};

static char *cache_path(const char *path)
{
    return g_strconcat(path, ".vectors", NULL);
}

void vectors_discard(const char *path)
{
    g_autofree char *cache = cache_path(path);

    g_unlink(cache);
}

void vectors_free(Vectors *v)
{
    if (!v)
        return;
    if (v->map)
        munmap(v->map, v->map_size);
    else
        g_free(v->memory);
    g_free(v);
}

guint64 vectors_count(const Vectors *v)
{
    return v->count;
}

guint vectors_cols(const Vectors *v)
{
    return v->cols;
}

guint64 vectors_added(const Vectors *v)
{
    return v->added;
}

/* ------------------------------------------------------------------------------------------
 * What the database has
 */
static FileState file_state(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || st.st_size == 0)
        return (FileState){0};
    return (FileState){
        .size = st.st_size,
        .mtime = st.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_mtim.tv_nsec,
        .inode = (gint64)st.st_ino,
    };
}

static gboolean same_state(const FileState *a, const FileState *b)
{
    return a->size == b->size && a->mtime == b->mtime && a->inode == b->inode;
}

static void read_states(const Store *store, Header *header)
{
    g_autofree char *log = g_strconcat(store_path(store), "-wal", NULL);

    header->checked = g_get_real_time() * 1000;
    header->db = file_state(store_path(store));
    header->log = file_state(log);
}

static int compare_entries(const void *a, const void *b)
{
    const Entry *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static gboolean same_row(const Entry *a, const Entry *b)
{
    return a->id == b->id && a->pts == b->pts && a->stream == b->stream && a->key == b->key;
}

/* The entries of all rows in the order of their ids, `scale` unset. */
static GArray *list_entries(Store *store, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, TRUE, sizeof(Entry));
    sqlite3_stmt *statement = NULL;
    gboolean sorted = TRUE;
    gint64 last = G_MININT64;
    int code = sqlite3_prepare_v2(store_db(store),
                                  "SELECT id, pts, stream, region, track FROM embedding "
                                  "ORDER BY stream, model, pts, region, track",
                                  -1, &statement, NULL);

    while (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const char *region = (const char *)sqlite3_column_text(statement, 3);
        gint64 track = sqlite3_column_int64(statement, 4);
        Entry entry = {
            .id = sqlite3_column_int64(statement, 0),
            .pts = sqlite3_column_int64(statement, 1),
            .stream = (guint32)sqlite3_column_int64(statement, 2),
            .key = (region && *region ? g_str_hash(region) : 0) * 31 + (guint32)track,
        };
        sorted = sorted && entry.id > last;
        last = entry.id;
        g_array_append_val(entries, entry);
    }
    if (sqlite3_finalize(statement) != SQLITE_OK || code != SQLITE_OK) {
        store_set_error(store, error);
        return NULL;
    }
    if (!sorted)
        qsort(entries->data, entries->len, sizeof(Entry), compare_entries);
    return g_steal_pointer(&entries);
}

typedef struct {
    Store *store;
    sqlite3_stmt *select;
    guint cols;
} Reader;

static gboolean reader_init(Reader *reader, Store *store, guint cols, GError **error)
{
    reader->store = store;
    reader->cols = cols;
    if (sqlite3_prepare_v3(store_db(store), "SELECT vector FROM embedding WHERE id = ?1", -1,
                           SQLITE_PREPARE_PERSISTENT, &reader->select, NULL) == SQLITE_OK)
        return TRUE;
    store_set_error(store, error);
    return FALSE;
}

/* Zeros where there is no vector of the right length. */
static void read_vector(Reader *reader, gint64 id, float *out)
{
    gsize size = reader->cols * sizeof(float);

    memset(out, 0, size);
    sqlite3_bind_int64(reader->select, 1, id);
    if (sqlite3_step(reader->select) == SQLITE_ROW &&
        (gsize)sqlite3_column_bytes(reader->select, 0) == size)
        memcpy(out, sqlite3_column_blob(reader->select, 0), size);
    sqlite3_reset(reader->select);
#if G_BYTE_ORDER == G_BIG_ENDIAN
    for (guint i = 0; i < reader->cols; i++) {
        guint32 word;
        memcpy(&word, out + i, sizeof word);
        word = GUINT32_FROM_LE(word);
        memcpy(out + i, &word, sizeof word);
    }
#endif
}

/* Of a vector that cannot be scored (zeros, infinities, NaN), 0; its values are then zeros. */
static float scale_of(float *values, guint cols)
{
    double sum = 0;

    for (guint i = 0; i < cols; i++)
        sum += (double)values[i] * values[i];
    if (sum > 1e-60 && sum < 1e60)
        return (float)(1 / sqrt(sum));
    memset(values, 0, cols * sizeof(float));
    return 0;
}

static void fill_record(Reader *reader, const Entry *entry, char *record)
{
    float *values = (float *)(record + sizeof(Entry));
    Entry *out = (Entry *)record;

    *out = *entry;
    read_vector(reader, entry->id, values);
    out->scale = scale_of(values, reader->cols);
}

/* ------------------------------------------------------------------------------------------
 * The file
 */
static guint32 header_sum(const Header *header)
{
    const guint8 *bytes = (const guint8 *)header;
    guint32 sum = 2166136261u; /* FNV-1a */

    for (gsize i = 0; i < offsetof(Header, sum); i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

static gsize stride_of(guint cols)
{
    return sizeof(Entry) + (((gsize)cols * sizeof(float) + 31) & ~(gsize)31);
}

static void header_init(Header *header, const StoreModel *model)
{
    *header = (Header){
        .cols = model->cols, .stride = (guint32)stride_of(model->cols), .order = 0x01020304};
    memcpy(header->magic, MAGIC, sizeof header->magic);
    g_strlcpy(header->digest, model->digest ? model->digest : "", sizeof header->digest);
    g_strlcpy(header->kind, model->kind ? model->kind : "", sizeof header->kind);
}

/* Whether `fd` is a whole cache of this model. */
static gboolean read_header(int fd, const StoreModel *model, Header *header)
{
    Header expected;
    struct stat st;

    header_init(&expected, model);
    return pread(fd, header, sizeof *header, 0) == sizeof *header && fstat(fd, &st) == 0 &&
           header->sum == header_sum(header) &&
           memcmp(header->magic, expected.magic, sizeof header->magic) == 0 &&
           header->order == expected.order && header->cols == expected.cols &&
           header->stride == expected.stride &&
           memcmp(header->digest, expected.digest, sizeof header->digest) == 0 &&
           memcmp(header->kind, expected.kind, sizeof header->kind) == 0 &&
           st.st_size >= HEADER_SIZE &&
           header->count <= (guint64)(st.st_size - HEADER_SIZE) / header->stride;
}

static gboolean is_fresh(const Header *header, const Header *now)
{
    return same_state(&header->db, &now->db) && same_state(&header->log, &now->log) &&
           MAX(header->db.mtime, header->log.mtime) < header->checked - GRAIN;
}

static gboolean write_at(int fd, const void *data, gsize size, guint64 at)
{
    const char *bytes = data;

    while (size > 0) {
        gssize n = pwrite(fd, bytes, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        bytes += n;
        at += (guint64)n;
        size -= (gsize)n;
    }
    return TRUE;
}

static gboolean write_header(int fd, Header *header)
{
    header->sum = header_sum(header);
    return write_at(fd, header, sizeof *header, 0);
}

/* Records of entries[from...], those in `old` (sorted, of old_count records) copied from there. */
static gboolean write_records(int fd, Reader *reader, GArray *entries, guint64 from,
                              const char *old, guint64 old_count, gsize stride, guint64 *added)
{
    gsize batch = MAX(1, BATCH / stride);
    g_autofree char *buffer = g_malloc0(batch * stride);
    guint64 o = 0;

    for (guint64 i = from; i < entries->len;) {
        gsize n = 0;
        for (; n < batch && i + n < entries->len; n++) {
            const Entry *entry = &g_array_index(entries, Entry, i + n);
            const Entry *known = NULL;
            while (o < old_count && ((const Entry *)(old + o * stride))->id < entry->id)
                o++;
            if (o < old_count)
                known = (const Entry *)(old + o * stride);
            if (known && same_row(known, entry)) {
                memcpy(buffer + n * stride, known, stride);
            } else {
                fill_record(reader, entry, buffer + n * stride);
                ++*added;
            }
        }
        if (!write_at(fd, buffer, n * stride, HEADER_SIZE + i * stride))
            return FALSE;
        i += n;
    }
    return TRUE;
}

static void unmap(void *map, gsize size)
{
    if (map)
        munmap(map, size);
}

static void *map_records(int fd, const Header *header, gsize *size)
{
    *size = HEADER_SIZE + header->count * header->stride;
    void *map = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
    return map == MAP_FAILED ? NULL : map;
}

/* How many of the first records are those of the first entries. */
static guint64 common_prefix(GArray *entries, const char *records, guint64 count, gsize stride)
{
    guint64 n = 0;

    for (; n < count && n < entries->len; n++) {
        const Entry *have = (const Entry *)(records + n * stride);
        const Entry *want = &g_array_index(entries, Entry, n);
        if (!same_row(have, want))
            break;
    }
    return n;
}

/* Of the rows that are both in the file and in the database, some have the same vector. */
static gboolean samples_agree(Reader *reader, GArray *entries, const char *records, guint64 count,
                              gsize stride)
{
    g_autofree char *record = g_malloc0(stride);
    guint64 step = MAX(1, count / SAMPLES);

    for (guint64 i = 0; i < count; i += step) {
        const Entry *entry = (const Entry *)(records + i * stride);
        const Entry *known =
            bsearch(entry, entries->data, entries->len, sizeof *entry, compare_entries);
        if (!known || !same_row(known, entry))
            continue;
        fill_record(reader, entry, record);
        if (memcmp(record, entry, sizeof(Entry) + reader->cols * sizeof(float)) != 0)
            return FALSE;
    }
    return TRUE;
}

/* A new file in place of `path`. Returns its descriptor, or -1. */
static int make_file(const char *path, Reader *reader, Header *header, GArray *entries,
                     const char *old, guint64 old_count, guint64 *added)
{
    g_autofree char *name = g_strdup_printf("%s.XXXXXX", path);
    int fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0644);

    if (fd < 0)
        return -1;
    header->count = entries->len;
    if (ftruncate(fd, (off_t)(HEADER_SIZE + header->count * header->stride)) == 0 &&
        write_records(fd, reader, entries, 0, old, old_count, header->stride, added) &&
        write_header(fd, header) && g_rename(name, path) == 0)
        return fd;
    close(fd);
    g_unlink(name);
    return -1;
}

/* The locked file of that name, made where there is none; -1 where that cannot be. */
static int open_locked(const char *path)
{
    for (guint attempt = 0; attempt < 100; attempt++) {
        struct stat by_name, by_fd;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX) == 0 && fstat(fd, &by_fd) == 0 && stat(path, &by_name) == 0 &&
            by_fd.st_ino == by_name.st_ino && S_ISREG(by_fd.st_mode))
            return fd; /* and not one that somebody has replaced meanwhile */
        close(fd);
    }
    return -1;
}

/* Brings the file up to date. Returns a descriptor of it (the lock goes with it), or -1 where only
 * memory is left. FALSE and `error` where the database fails. */
static gboolean update(Store *store, const StoreModel *model, Header *header, int *out,
                       guint64 *added, GError **error)
{
    g_autofree char *path = cache_path(store_path(store));
    g_autoptr(GArray) entries = NULL;
    gsize stride = stride_of(model->cols), map_size = 0;
    Reader reader = {0};
    Header now;
    int fd = open_locked(path);

    *out = -1;
    if (fd < 0)
        return TRUE;
    header_init(&now, model);
    read_states(store, &now);
    gboolean whole = read_header(fd, model, header);
    if (whole && is_fresh(header, &now)) {
        *out = fd;
        return TRUE;
    }
    entries = list_entries(store, error);
    if (!entries || !reader_init(&reader, store, model->cols, error)) {
        close(fd);
        return FALSE;
    }

    char *map = whole && header->count > 0 ? map_records(fd, header, &map_size) : NULL;
    const char *old = map ? map + HEADER_SIZE : NULL;
    guint64 old_count = map ? header->count : 0;
    if (old && !samples_agree(&reader, entries, old, old_count, stride))
        old_count = 0; /* ids were used again: nothing of it can be trusted */
    guint64 same = common_prefix(entries, old, old_count, stride);
    gboolean ok;
    if (whole && same == old_count && same == header->count) {
        now.count = entries->len;
        ok = write_records(fd, &reader, entries, same, NULL, 0, stride, added) &&
             fdatasync(fd) == 0 && write_header(fd, &now);
    } else {
        int made = make_file(path, &reader, &now, entries, old, old_count, added);
        ok = made >= 0;
        close(fd);
        fd = made;
    }
    unmap(map, map_size);
    sqlite3_finalize(reader.select);
    *header = now;
    if (ok)
        *out = fd;
    else if (fd >= 0)
        close(fd);
    return TRUE;
}

static gboolean read_into_memory(Vectors *v, Store *store, GError **error)
{
    g_autoptr(GArray) entries = list_entries(store, error);
    Reader reader = {0};

    if (!entries || !reader_init(&reader, store, v->cols, error))
        return FALSE;
    v->count = v->added = entries->len;
    v->memory = g_try_malloc0(MAX(1, v->count * v->stride));
    for (guint64 i = 0; v->memory && i < v->count; i++)
        fill_record(&reader, &g_array_index(entries, Entry, i), v->memory + i * v->stride);
    sqlite3_finalize(reader.select);
    if (!v->memory)
        g_set_error(error, STORE_ERROR, STORE_ERROR_SQLITE,
                    "%s: %" G_GUINT64_FORMAT " vectors do not fit into memory", store_path(store),
                    v->count);
    return v->memory != NULL;
}

Vectors *vectors_open(Store *store, const StoreModel *model, GError **error)
{
    g_autoptr(Vectors) v = g_new0(Vectors, 1);
    int fd;

    if (model->rows != 1 || model->cols == 0 || model->cols > 1 << 20) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_FOREIGN,
                    "%s: holds %s of [%u, %u], expected one vector a frame (pooled or joint)",
                    store_path(store), model->kind ? model->kind : "embeddings", model->rows,
                    model->cols);
        return NULL;
    }
    v->cols = model->cols;
    v->stride = stride_of(model->cols);
    if (!update(store, model, &v->header, &fd, &v->added, error))
        return NULL;
    if (fd >= 0) {
        v->count = v->header.count;
        v->map = map_records(fd, &v->header, &v->map_size);
        v->memory = v->map ? (char *)v->map + HEADER_SIZE : NULL;
        flock(fd, LOCK_UN); /* close would leave it: the map holds the open file, and it the lock */
        close(fd);
    }
    if (!v->map && !read_into_memory(v, store, error))
        return NULL;
    return g_steal_pointer(&v);
}

gboolean vectors_are_current(const Vectors *v, Store *store)
{
    Header now;

    read_states(store, &now);
    return v->map && is_fresh(&v->header, &now);
}

/* ------------------------------------------------------------------------------------------
 * Scores
 */
typedef struct {
    const Vectors *v;
    const float *query; /* of length 1, aligned */
    DotFunc dot;
    Score *scores;
    _Atomic guint64 next;
} Job;

static gpointer score_pieces(gpointer data)
{
    Job *job = data;
    const Vectors *v = job->v;
    guint64 i;

    while ((i = atomic_fetch_add(&job->next, PIECE)) < v->count) {
        guint64 end = MIN(i + PIECE, v->count);
        for (; i < end; i++) {
            const Entry *entry = (const Entry *)(v->memory + i * v->stride);
            float dot = job->dot(job->query, (const float *)(entry + 1), v->cols);
            job->scores[i] = (Score){.id = entry->id,
                                     .pts = entry->pts,
                                     .stream = entry->stream,
                                     .score = dot * entry->scale};
        }
    }
    return NULL;
}

void vectors_score(const Vectors *v, const float *query, guint threads, Score *scores)
{
    Job job = {.v = v, .dot = dot_choose(), .scores = scores};
    g_autofree float *unit = g_new(float, v->cols);
    GThread *others[64];
    guint n_others = CLAMP(threads, 1, G_N_ELEMENTS(others)) - 1;

    memcpy(unit, query, v->cols * sizeof(float));
    float scale = scale_of(unit, v->cols);
    for (guint i = 0; i < v->cols; i++)
        unit[i] *= scale;
    job.query = unit;
    if (v->count <= PIECE)
        n_others = 0;
    for (guint t = 0; t < n_others; t++)
        others[t] = g_thread_new("score", score_pieces, &job);
    score_pieces(&job);
    for (guint t = 0; t < n_others; t++)
        g_thread_join(others[t]);
}
