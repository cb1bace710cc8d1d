/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints as users have them: one file, shards with an index, a folder; what of them is read;
 * and those that contradict themselves.
 */
#include "checkpoint.h"

#include <glib.h>
#include <stdio.h>
#include <sys/stat.h>

#include "folder.h"
#include "gemma4.h"

#define PATCH "patch_embedder.input_proj.weight"

/* Two rows of three: in each dtype, values that it holds exactly. */
static const char mixed[] =
    "{\"f32\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data_offsets\": [0, 24]},"
    "\"f16\": {\"dtype\": \"F16\", \"shape\": [2, 3], \"data_offsets\": [24, 36]},"
    "\"bf16\": {\"dtype\": \"BF16\", \"shape\": [2, 3], \"data_offsets\": [36, 48]},"
    "\"scalar\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [48, 52]},"
    "\"one\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [52, 56]},"
    "\"i32\": {\"dtype\": \"I32\", \"shape\": [2], \"data_offsets\": [56, 64]}}";
static const float values[6] = {1, -2, 0.5f, 0, -0.25f, 96};

static char *write_mixed(const TestFolder *folder, const char *name)
{
    static const guint16 halves[6] = {0x3c00, 0xc000, 0x3800, 0, 0xb400, 0x5600};
    guint8 data[64] = {0};
    for (guint i = 0; i < 6; i++) {
        guint32 bits;
        memcpy(&bits, &values[i], 4);
        guint32 word = GUINT32_TO_LE(bits);
        guint16 half = GUINT16_TO_LE(halves[i]), brain = GUINT16_TO_LE(bits >> 16);
        memcpy(data + 4 * i, &word, 4);
        memcpy(data + 24 + 2 * i, &half, 2);
        memcpy(data + 36 + 2 * i, &brain, 2);
    }
    return folder_write_tensors(folder, name, mixed, data, sizeof data);
}

static G4Checkpoint *open_ok(const char *path)
{
    g_autoptr(GError) error = NULL;
    G4Checkpoint *checkpoint = g4_checkpoint_open(path, &error);
    g_assert_no_error(error);
    g_assert_nonnull(checkpoint);
    return checkpoint;
}

static void assert_refused(const char *path, int code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(g4_checkpoint_open(path, &error));
    assert_error_names(error, G4_ERROR, code, words);
}

static void assert_values(const G4Checkpoint *checkpoint, const char *name)
{
    static const guint64 dims[] = {2, 3};
    g_autoptr(GError) error = NULL;
    const G4Tensor *tensor = g4_checkpoint_bind(checkpoint, name, 2, dims, &error);
    g_assert_no_error(error);
    for (guint first = 0; first <= 6; first++) {
        for (guint count = 0; count <= 6 - first; count++) {
            float out[8] = {[6] = 7, [7] = 7};
            g_assert_true(g4_checkpoint_read_f32(checkpoint, tensor, first, count, out, &error));
            g_assert_cmpmem(out, 4 * count, values + first, 4 * count);
            g_assert_cmpfloat(out[6], ==, 7);
        }
        float out[8];
        g_autoptr(GError) range = NULL;
        g_assert_false(g4_checkpoint_read_f32(checkpoint, tensor, first, 7 - first, out, &range));
        assert_error_names(range, G4_ERROR, G4_ERROR_MALFORMED, "has 6 elements");
    }
}

static void test_single(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = write_mixed(folder, "model.safetensors");
    g_free(folder_write(folder, "golden.safetensors", "not looked at", -1));
    const char *paths[] = {folder, path};
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        G4Checkpoint *checkpoint = open_ok(paths[i]);
        g_assert_cmpstr(g4_checkpoint_get_folder(checkpoint), ==, folder);
        g_assert_cmpuint(g4_checkpoint_get_n_tensors(checkpoint), ==, 6);
        g_assert_cmpuint(g4_checkpoint_get_bytes_read(checkpoint), ==, 9 + strlen(mixed));
        g_assert_null(g4_checkpoint_find(checkpoint, "f3"));
        g_assert_null(g4_checkpoint_find(checkpoint, ""));
        assert_values(checkpoint, "f32");
        assert_values(checkpoint, "f16");
        assert_values(checkpoint, "bf16");
        g4_checkpoint_free(checkpoint);
    }
    g4_checkpoint_free(NULL);
}

static void test_bind(void)
{
    static const struct {
        const char *name;
        guint n_dims;
        guint64 dims[2];
        int code;
        const char *words;
    } wrong[] = {
        {"absent", 2, {2, 3}, G4_ERROR_MALFORMED, "absent|no such tensor|[2, 3]"},
        {"f32",
         2,
         {3, 2},
         G4_ERROR_MALFORMED,
         "model.safetensors: f32: shape [2, 3], config.json says [3, 2]"},
        {"f32", 1, {6}, G4_ERROR_MALFORMED, "f32|[2, 3]|[6]"},
        {"f32", 0, {0}, G4_ERROR_MALFORMED, "f32|[2, 3]|[]"},
        {"scalar", 1, {1}, G4_ERROR_MALFORMED, "scalar|shape []|[1]"},
        {"i32", 1, {2}, G4_ERROR_UNSUPPORTED, "model.safetensors: i32: dtype I32|F32, F16 or BF16"},
    };
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = write_mixed(folder, "model.safetensors");
    G4Checkpoint *checkpoint = open_ok(path);
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(
            g4_checkpoint_bind(checkpoint, wrong[i].name, wrong[i].n_dims, wrong[i].dims, &error));
        assert_error_names(error, G4_ERROR, wrong[i].code, wrong[i].words);
    }
    g_assert_nonnull(g4_checkpoint_bind(checkpoint, "scalar", 0, NULL, NULL));
    g_assert_nonnull(g4_checkpoint_bind(checkpoint, "one", 0, NULL, NULL));
    float out;
    g_autoptr(GError) error = NULL;
    g_assert_false(g4_checkpoint_read_f32(checkpoint, g4_checkpoint_find(checkpoint, "i32"), 0, 1,
                                          &out, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_UNSUPPORTED, "i32|I32");
    g4_checkpoint_free(checkpoint);
}

/* Read in many pieces: each element is its index, modulo what bfloat16 holds. */
static void test_long_tensor(void)
{
    enum { N = 100003 };
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree guint16 *data = g_new(guint16, N);
    g_autofree float *out = g_new(float, N);
    for (guint i = 0; i < N; i++) {
        float value = (float)(i % 251);
        guint32 bits;
        memcpy(&bits, &value, 4);
        data[i] = GUINT16_TO_LE((guint16)(bits >> 16));
    }
    g_autofree char *header = g_strdup_printf(
        "{\"long\": {\"dtype\": \"BF16\", \"shape\": [%u], \"data_offsets\": [0, %u]}}", N, 2 * N);
    g_autofree char *path = folder_write_tensors(folder, "x.safetensors", header, data, 2 * N);
    G4Checkpoint *checkpoint = open_ok(folder);
    g_autoptr(GError) error = NULL;
    g_assert_true(g4_checkpoint_read_f32(checkpoint, g4_checkpoint_find(checkpoint, "long"), 1,
                                         N - 1, out, &error));
    for (guint i = 1; i < N; i++)
        g_assert_cmpfloat(out[i - 1], ==, (float)(i % 251));
    g_assert_cmpuint(g4_checkpoint_get_bytes_read(checkpoint), ==,
                     9 + strlen(header) + 2 * (N - 1));

    /* The file shrinks while it is open. */
    g_assert_cmpint(truncate(path, 5000), ==, 0);
    g_assert_false(g4_checkpoint_read_f32(checkpoint, g4_checkpoint_find(checkpoint, "long"), 0, N,
                                          out, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_UNREADABLE, "x.safetensors|ends at byte 5000");
    g4_checkpoint_free(checkpoint);
}

/* -------------------------------------------------------------------------------------------
 * Shards
 */
#define SHARD_1 "model-00001-of-00002.safetensors"
#define SHARD_2 "model-00002-of-00002.safetensors"

static char *entry(const char *name, guint begin)
{
    return g_strdup_printf(
        "\"%s\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [%u, %u]}", name, begin,
        begin + 4);
}

static void write_shards(const TestFolder *folder)
{
    static const char *const names[] = {SHARD_1, SHARD_2};
    for (guint i = 0; i < 2; i++) {
        float data[3];
        guint32 bits;
        for (guint j = 0; j < 3; j++) {
            float value = (float)(10 * i + j + 1);
            memcpy(&bits, &value, 4);
            bits = GUINT32_TO_LE(bits);
            memcpy(&data[j], &bits, 4);
        }
        g_autofree char *both = entry("both", 0);
        g_autofree char *own = entry(i == 0 ? "first" : "second", 4);
        g_autofree char *unlisted = entry("unlisted", 8);
        g_autofree char *header = g_strdup_printf("{%s, %s, %s}", both, own, unlisted);
        g_free(folder_write_tensors(folder, names[i], header, data, sizeof data));
    }
}

static void assert_element(const G4Checkpoint *checkpoint, const char *name, float expected)
{
    g_autoptr(GError) error = NULL;
    const G4Tensor *tensor = g4_checkpoint_find(checkpoint, name);
    float out = 0;
    g_assert_nonnull(tensor);
    g_assert_true(g4_checkpoint_read_f32(checkpoint, tensor, 0, 1, &out, &error));
    g_assert_cmpfloat(out, ==, expected);
}

static void test_shards(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    write_shards(folder);
    g_autofree char *path =
        folder_write(folder, "model.safetensors.index.json",
                     "{\"metadata\": {\"total_size\": 24}, \"weight_map\": {\"second\": \"" SHARD_2
                     "\", \"first\": \"" SHARD_1 "\", \"both\": \"" SHARD_2 "\"}}",
                     -1);
    const char *paths[] = {folder, path};
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        G4Checkpoint *checkpoint = open_ok(paths[i]);
        g_assert_cmpstr(g4_checkpoint_get_folder(checkpoint), ==, folder);
        g_assert_cmpuint(g4_checkpoint_get_n_tensors(checkpoint), ==, 3);
        assert_element(checkpoint, "first", 2);
        assert_element(checkpoint, "second", 12);
        assert_element(checkpoint, "both", 11); /* in each shard: the index decides */
        g_assert_null(g4_checkpoint_find(checkpoint, "unlisted"));
        g4_checkpoint_free(checkpoint);
    }
}

static const struct {
    const char *index;
    int code;
    const char *words;
} bad_index[] = {
    {"", G4_ERROR_UNREADABLE, "index.json|empty"},
    {"{", G4_ERROR_MALFORMED, "index.json"},
    {"{}", G4_ERROR_MALFORMED, "index.json|weight_map|nothing"},
    {"{\"weight_map\": {}}", G4_ERROR_MALFORMED, "index.json|weight_map|an object"},
    {"{\"weight_map\": [\"a\"]}", G4_ERROR_MALFORMED, "weight_map|an array of 1|an object"},
    {"{\"weight_map\": {\"first\": 1}}", G4_ERROR_MALFORMED, "weight_map|first|found 1|plain name"},
    {"{\"weight_map\": {\"first\": \"\"}}", G4_ERROR_MALFORMED, "first|plain name"},
    {"{\"weight_map\": {\"first\": \"/etc/x.safetensors\"}}", G4_ERROR_MALFORMED,
     "first|\"/etc/x.safetensors\"|plain name"},
    {"{\"weight_map\": {\"first\": \"../x.safetensors\"}}", G4_ERROR_MALFORMED, "first|plain name"},
    {"{\"weight_map\": {\"first\": \"sub/x.safetensors\"}}", G4_ERROR_MALFORMED,
     "first|plain name"},
    {"{\"weight_map\": {\"first\": \"config.json\"}}", G4_ERROR_MALFORMED, "first|plain name"},
    {"{\"weight_map\": {\"first\": \"model-3.safetensors\"}}", G4_ERROR_MISSING,
     "model-3.safetensors"},
    {"{\"weight_map\": {\"first\": \"" SHARD_1 "\", \"gone\": \"" SHARD_2 "\"}}",
     G4_ERROR_MALFORMED, "index.json|gone|" SHARD_2},
    {"{\"weight_map\": {\"first\": \"" SHARD_2 "\"}}", G4_ERROR_MALFORMED, "first|" SHARD_2},
    {"{\"weight_map\": {\"first\": \"" SHARD_1 "\", \"first\": \"" SHARD_1 "\"}}",
     G4_ERROR_MALFORMED, "index.json|duplicate|first"},
    {"{\"weight_map\": {\"first\\n\": \"" SHARD_1 "\"}}", G4_ERROR_MALFORMED, "first\\n"},
    {"{\"weight_map\": {\"__metadata__\": \"" SHARD_1 "\"}}", G4_ERROR_MALFORMED, "__metadata__"},
};

static void test_bad_index(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    write_shards(folder);
    for (guint i = 0; i < G_N_ELEMENTS(bad_index); i++) {
        g_autofree char *path =
            folder_write(folder, "model.safetensors.index.json", bad_index[i].index, -1);
        assert_refused(path, bad_index[i].code, bad_index[i].words);
    }
    g_autofree char *cut = g_build_filename(folder, SHARD_2, NULL);
    g_free(folder_write(
        folder, "model.safetensors.index.json",
        "{\"weight_map\": {\"first\": \"" SHARD_1 "\", \"second\": \"" SHARD_2 "\"}}", -1));
    g_assert_cmpint(truncate(cut, 20), ==, 0);
    assert_refused(folder, G4_ERROR_UNREADABLE, SHARD_2 "|truncated");
}

/* -------------------------------------------------------------------------------------------
 * Paths
 */
static void test_paths(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *absent = g_build_filename(folder, "absent", NULL);
    g_autofree char *fifo = g_build_filename(folder, "fifo.safetensors", NULL);
    assert_refused(absent, G4_ERROR_MISSING, "absent");
    assert_refused("", G4_ERROR_MISSING, "");
    assert_refused(folder, G4_ERROR_MISSING, "no .safetensors file|model.safetensors");

    g_autofree char *gguf = folder_write(folder, "mmproj.gguf", "GGUF", 4);
    assert_refused(gguf, G4_ERROR_UNSUPPORTED, "mmproj.gguf|GGUF|safetensors");
    assert_refused(folder, G4_ERROR_UNSUPPORTED, "GGUF");

    g_autofree char *other = folder_write(folder, "config.json", "{}", 2);
    assert_refused(other, G4_ERROR_UNSUPPORTED, "config.json|a folder");

    g_free(write_mixed(folder, "tower.safetensors"));
    G4Checkpoint *checkpoint = open_ok(folder);
    g_assert_cmpuint(g4_checkpoint_get_n_tensors(checkpoint), ==, 6);
    g4_checkpoint_free(checkpoint);

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    assert_refused(fifo, G4_ERROR_UNREADABLE, "fifo.safetensors|a FIFO");
    assert_refused(folder, G4_ERROR_MALFORMED, "fifo.safetensors|tower.safetensors|single");

    g_autofree char *named = g_build_filename(folder, "model.safetensors", NULL);
    g_assert_cmpint(g_mkdir(named, 0700), ==, 0);
    assert_refused(folder, G4_ERROR_UNREADABLE, "model.safetensors|a folder");
    assert_refused("/dev/null", G4_ERROR_UNSUPPORTED, "/dev/null");
}

static void test_prefixes(void)
{
    static const struct {
        const char *names[3];
        const char *tower, *embedder; /* tower NULL: refused */
    } layouts[] = {
        {{"model.vision_tower." PATCH, "model.embed_vision.embedding_projection.weight"},
         "model.vision_tower.",
         "model.embed_vision."},
        {{"vision_tower." PATCH, "embed_vision.embedding_projection.weight",
          "language_model.embedding_projection.weight"},
         "vision_tower.",
         "embed_vision."},
        {{"model.encoder.vision_tower." PATCH,
          "model.encoder.embed_vision.embedding_projection.weight"},
         "model.encoder.vision_tower.",
         "model.encoder.embed_vision."},
        {{"model.encoder.vision_tower." PATCH, "model.embed_vision.embedding_projection.weight"},
         "model.encoder.vision_tower.",
         "model.embed_vision."},
        {{PATCH, "encoder.layers.0.input_layernorm.weight"}, "", NULL},
        {{"model.vision_tower." PATCH}, "model.vision_tower.", "model.embed_vision."},
        {{"a"}, NULL, NULL},
        {{"x" PATCH}, NULL, NULL},
        {{"a." PATCH, "b." PATCH}, NULL, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(layouts); i++) {
        g_autoptr(TestFolder) folder = folder_new();
        g_autoptr(GString) header = g_string_new("{");
        guint n = 0;
        for (; n < 3 && layouts[i].names[n] != NULL; n++) {
            g_autofree char *text = entry(layouts[i].names[n], 4 * n);
            g_string_append_printf(header, "%s%s", n > 0 ? ", " : "", text);
        }
        g_string_append_c(header, '}');
        g_autofree char *path =
            folder_write_tensors(folder, "model.safetensors", header->str, NULL, 4 * n);
        G4Checkpoint *checkpoint = open_ok(path);
        const char *tower = NULL, *embedder = "unset";
        g_autoptr(GError) error = NULL;
        gboolean ok = g4_checkpoint_get_prefixes(checkpoint, &tower, &embedder, &error);
        if (layouts[i].tower == NULL) {
            g_assert_false(ok);
            assert_error_names(error, G4_ERROR, G4_ERROR_MALFORMED, "model.safetensors|" PATCH);
        } else {
            g_assert_no_error(error);
            g_assert_cmpstr(tower, ==, layouts[i].tower);
            g_assert_cmpstr(embedder, ==, layouts[i].embedder);
        }
        g4_checkpoint_free(checkpoint);
    }
}

/* -------------------------------------------------------------------------------------------
 * What is read, and what it costs
 */

/* This process's resident size, in bytes. */
static guint64 resident(void)
{
    g_autofree char *text = NULL;
    guint64 pages = 0;
    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%*u %" G_GUINT64_FORMAT, &pages), ==, 1);
    return pages * (guint64)sysconf(_SC_PAGESIZE);
}

/* Two shards: the tower's, and 2 GiB of a language model in 4096 tensors, as a hole. */
static void test_only_headers_and_bound_tensors_are_read(void)
{
    enum { OTHERS = 4096, OTHER_BYTES = 512 * 1024 };
    static const char tower_header[] =
        "{\"model.vision_tower." PATCH
        "\": {\"dtype\": \"BF16\", \"shape\": [64, 192], \"data_offsets\": [0, 24576]},"
        "\"model.embed_vision.embedding_projection.weight\": {\"dtype\": \"BF16\", "
        "\"shape\": [64, 64], \"data_offsets\": [24576, 32768]}}";
    static const guint64 dims[] = {64, 192};
    g_autoptr(TestFolder) folder = folder_new();
    g_autoptr(GString) header = g_string_new("{");
    g_autoptr(GString) index = g_string_new("{\"weight_map\": {");
    for (guint i = 0; i < OTHERS; i++) {
        g_string_append_printf(
            header,
            "%s\"model.language_model.layers.%u.weight\": {\"dtype\": \"BF16\", \"shape\": "
            "[256, 1024], \"data_offsets\": [%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT "]}",
            i > 0 ? "," : "", i, (guint64)i * OTHER_BYTES, (guint64)(i + 1) * OTHER_BYTES);
        g_string_append_printf(index, "\"model.language_model.layers.%u.weight\": \"" SHARD_1 "\",",
                               i);
    }
    g_string_append(header, "}");
    g_string_append(index,
                    "\"model.vision_tower." PATCH "\": \"" SHARD_2
                    "\", \"model.embed_vision.embedding_projection.weight\": \"" SHARD_2 "\"}}");
    g_free(folder_write_tensors(folder, SHARD_1, header->str, NULL, (gsize)OTHERS * OTHER_BYTES));
    g_free(folder_write_tensors(folder, SHARD_2, tower_header, NULL, 32768));
    g_free(folder_write(folder, "model.safetensors.index.json", index->str, -1));

    guint64 before = resident();
    G4Checkpoint *checkpoint = open_ok(folder);
    guint64 headers = 9 + header->len + 9 + strlen(tower_header);
    g_assert_cmpuint(g4_checkpoint_get_n_tensors(checkpoint), ==, OTHERS + 2);
    g_assert_cmpuint(g4_checkpoint_get_bytes_read(checkpoint), ==, headers);

    const char *tower, *embedder;
    g_assert_true(g4_checkpoint_get_prefixes(checkpoint, &tower, &embedder, NULL));
    g_autofree char *name = g_strconcat(tower, PATCH, NULL);
    g_autofree float *out = g_new(float, 64 * 192);
    const G4Tensor *tensor = g4_checkpoint_bind(checkpoint, name, 2, dims, NULL);
    g_assert_nonnull(tensor);
    g_assert_true(g4_checkpoint_read_f32(checkpoint, tensor, 0, 64 * 192, out, NULL));
    g_assert_cmpuint(g4_checkpoint_get_bytes_read(checkpoint), ==, headers + 24576);
    guint64 after = resident();
    g_test_message("2 GiB of other tensors: %" G_GUINT64_FORMAT
                   " bytes read, resident size %+" G_GINT64_FORMAT " bytes",
                   g4_checkpoint_get_bytes_read(checkpoint), (gint64)(after - before));
    /* The headers' trees come and go; the tensors' 2 GiB never come. */
    g_assert_cmpuint(after, <, before + ((guint64)64 << 20));
    g4_checkpoint_free(checkpoint);
}

/* Names that a fixed hash function would send to one bucket must not make opening slow; and in
 * whatever order the header has them, each is found. */
static void test_many_tensors_are_found(void)
{
    enum { N = 20000 };
    g_autoptr(TestFolder) folder = folder_new();
    g_autoptr(GString) header = g_string_new("{");
    for (guint i = 0; i < N; i++) {
        guint id = i * 7919 % N;
        g_autofree char *name = g_strdup_printf("t%u", id);
        g_autofree char *text = entry(name, 4 * i);
        g_string_append_printf(header, "%s%s", i > 0 ? "," : "", text);
    }
    g_string_append_c(header, '}');
    g_free(folder_write_tensors(folder, "model.safetensors", header->str, NULL, 4 * N));
    G4Checkpoint *checkpoint = open_ok(folder);
    g_assert_cmpuint(g4_checkpoint_get_n_tensors(checkpoint), ==, N);
    for (guint i = 0; i < N; i++) {
        g_autofree char *name = g_strdup_printf("t%u", i * 7919 % N);
        const G4Tensor *tensor = g4_checkpoint_find(checkpoint, name);
        g_assert_nonnull(tensor);
        g_assert_cmpuint(tensor->offset, ==, 8 + header->len + 4 * i);
    }
    g4_checkpoint_free(checkpoint);
}

/* Every single bit of a small file's length and header flipped: an error, or a table whose
 * tensors all lie in the file. */
static void test_flipped_bits(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = write_mixed(folder, "model.safetensors");
    g_autofree char *whole = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &whole, &size, NULL));
    static const char *const names[] = {"f32", "f16", "bf16", "scalar", "one", "i32"};
    FILE *file = fopen(path, "r+b");
    g_assert_nonnull(file);
    guint opened = 0, refused = 0;
    for (gsize i = 0; i < (size - 64) * 8; i++) {
        fseek(file, (long)(i / 8), SEEK_SET);
        fputc(whole[i / 8] ^ 1 << i % 8, file);
        fflush(file);
        g_autoptr(GError) error = NULL;
        G4Checkpoint *checkpoint = g4_checkpoint_open(path, &error);
        g_assert_true((checkpoint != NULL) == (error == NULL));
        for (guint j = 0; checkpoint != NULL && j < G_N_ELEMENTS(names); j++) {
            guint8 bytes[64];
            const G4Tensor *tensor = g4_checkpoint_find(checkpoint, names[j]);
            if (tensor != NULL)
                g_assert_true(
                    g4_checkpoint_read_bytes(checkpoint, tensor, 0, tensor->bytes, bytes, NULL));
        }
        checkpoint != NULL ? opened++ : refused++;
        g4_checkpoint_free(checkpoint);
        fseek(file, (long)(i / 8), SEEK_SET);
        fputc(whole[i / 8], file);
        fflush(file);
    }
    fclose(file);
    g_test_message("%u opened, %u refused", opened, refused);
    g_assert_cmpuint(refused, >, opened);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/checkpoint/one_file_is_read", test_single);
    g_test_add_func("/checkpoint/bind_checks_name_shape_and_dtype", test_bind);
    g_test_add_func("/checkpoint/long_tensors_are_read_in_pieces", test_long_tensor);
    g_test_add_func("/checkpoint/shards_are_read", test_shards);
    g_test_add_func("/checkpoint/bad_index_is_refused", test_bad_index);
    g_test_add_func("/checkpoint/paths_that_are_none", test_paths);
    g_test_add_func("/checkpoint/prefixes_of_all_layouts", test_prefixes);
    g_test_add_func("/checkpoint/only_headers_and_bound_tensors_are_read",
                    test_only_headers_and_bound_tensors_are_read);
    g_test_add_func("/checkpoint/many_tensors_are_found", test_many_tensors_are_found);
    g_test_add_func("/checkpoint/flipped_bits_are_survived", test_flipped_bits);
    return g_test_run();
}
