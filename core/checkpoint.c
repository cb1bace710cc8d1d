/* SPDX-License-Identifier: Apache-2.0
 *
 * From a path to a table of tensors.
 */
#include "checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "gemma4.h"
#include "json.h"
#include "safetensors.h"
#include "tensor.h"

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"
#define INDEX_SUFFIX ".safetensors.index.json"
#define TENSORS_SUFFIX ".safetensors"
#define MAX_INDEX ((gsize)64 << 20)
#define MAX_INDEX_VALUES ((gsize)1 << 20)

#define TOWER_TENSOR "patch_embedder.input_proj.weight"
#define EMBEDDER_TENSOR "embed_vision.embedding_projection.weight"

struct G4Checkpoint {
    char *folder;
    char *name;       /* the path opened, for messages */
    GPtrArray *files; /* G4File */
    GArray *tensors;  /* G4Tensor, sorted by name: a search takes log2 n steps whatever the names
                         are, and a hash table would not where somebody picked them to collide */
    guint n_towers;   /* tensors that end in TOWER_TENSOR */
    char *tower;      /* prefixes; the embedder's may be NULL */
    char *embedder;
};

/* -------------------------------------------------------------------------------------------
 * Files
 */

static void free_file(gpointer data)
{
    g4_file_clear(data);
    g_free(data);
}

static gboolean add_file(G4Checkpoint *checkpoint, const char *path, GError **error)
{
    G4File *file = g_new0(G4File, 1);
    guint index = checkpoint->files->len;
    file->fd = -1;
    g_ptr_array_add(checkpoint->files, file);
    return g4_file_open(file, path, error) &&
           g4_safetensors_read(file, index, checkpoint->tensors, error);
}

static G4File *file_of(const G4Checkpoint *checkpoint, const G4Tensor *tensor)
{
    return g_ptr_array_index(checkpoint->files, tensor->file);
}

/* A shard lies beside its index: a name that leads elsewhere is refused. */
static gboolean is_plain_name(const char *name)
{
    return g_str_has_suffix(name, TENSORS_SUFFIX) && strlen(name) <= 255 &&
           strchr(name, '/') == NULL && strstr(name, "..") == NULL;
}

static gint compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The shards that `map` names, sorted, each once; the strings are the tree's. */
static GPtrArray *list_shards(json_t *map, const char *name, GError **error)
{
    g_autoptr(GPtrArray) shards = g_ptr_array_new();
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        if (!json_is_string(value) || !is_plain_name(json_string_value(value))) {
            g_autofree char *tensor = g_strescape(key, NULL);
            g_autofree char *found = g4_json_describe(value);
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: weight_map: %.100s: found %s, expected the plain name of a "
                        ".safetensors file in the same folder",
                        name, tensor, found);
            return NULL;
        }
        g_ptr_array_add(shards, (gpointer)json_string_value(value));
    }
    g_ptr_array_sort(shards, compare_strings);
    guint n = 0;
    for (guint i = 0; i < shards->len; i++) {
        if (n == 0 || strcmp(shards->pdata[n - 1], shards->pdata[i]) != 0)
            shards->pdata[n++] = shards->pdata[i];
    }
    g_ptr_array_set_size(shards, (gint)n);
    return g_steal_pointer(&shards);
}

/* Drops the tensors from `first` on that the index does not place in `shard`. */
static void keep_mapped(GArray *tensors, guint first, json_t *map, const char *shard)
{
    guint n = first;
    for (guint i = first; i < tensors->len; i++) {
        G4Tensor *tensor = &g_array_index(tensors, G4Tensor, i);
        const char *mapped = json_string_value(json_object_get(map, tensor->name));
        if (g_strcmp0(mapped, shard) == 0) {
            G4Tensor kept = *tensor;
            tensor->name = NULL;
            g_free(g_array_index(tensors, G4Tensor, n).name);
            g_array_index(tensors, G4Tensor, n++) = kept;
        }
    }
    g_array_set_size(tensors, n);
}

static gint compare_tensors(gconstpointer a, gconstpointer b)
{
    return strcmp(((const G4Tensor *)a)->name, ((const G4Tensor *)b)->name);
}

/* Every tensor of the index has been found, each in its shard. */
static gboolean check_complete(const G4Checkpoint *checkpoint, json_t *map, const char *name,
                               GError **error)
{
    if (checkpoint->tensors->len == json_object_size(map))
        return TRUE;
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        if (g4_checkpoint_find(checkpoint, key) == NULL) {
            g_autofree char *tensor = g_strescape(key, NULL);
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: %.200s: found nothing of that name in %s, where the index says it is",
                        name, tensor, json_string_value(value));
            break;
        }
    }
    return FALSE;
}

static gboolean open_index(G4Checkpoint *checkpoint, const char *path, GError **error)
{
    g_autofree char *name = g_filename_display_name(path);
    g_autofree char *text = NULL;
    g_autoptr(json_t) root = NULL;
    gsize length;
    G4JsonObject object, map;
    if (!g4_file_load(path, MAX_INDEX, &text, &length, error))
        return FALSE;
    root = g4_json_parse(name, text, length, MAX_INDEX_VALUES, error);
    if (root == NULL)
        return FALSE;
    g_clear_pointer(&text, g_free);
    g4_json_object_init(&object, root, name);
    if (!g4_json_read_object(&object, "weight_map", &map, error))
        return FALSE;
    if (map.object == NULL || json_object_size(map.object) == 0)
        return g4_json_fail(&object, "weight_map", G4_ERROR_MALFORMED, error,
                            "an object that gives each tensor's file");
    g_autoptr(GPtrArray) shards = list_shards(map.object, name, error);
    if (shards == NULL)
        return FALSE;
    for (guint i = 0; i < shards->len; i++) {
        g_autofree char *shard = g_build_filename(checkpoint->folder, shards->pdata[i], NULL);
        guint first = checkpoint->tensors->len;
        if (!add_file(checkpoint, shard, error))
            return FALSE;
        keep_mapped(checkpoint->tensors, first, map.object, shards->pdata[i]);
    }
    g_array_sort(checkpoint->tensors, compare_tensors);
    return check_complete(checkpoint, map.object, name, error);
}

static gboolean open_single(G4Checkpoint *checkpoint, const char *path, GError **error)
{
    if (!add_file(checkpoint, path, error))
        return FALSE;
    g_array_sort(checkpoint->tensors, compare_tensors);
    return TRUE;
}

/* The one .safetensors file of a folder that has none of the usual names. */
static char *find_only_file(const char *folder, GError **error)
{
    g_autofree char *name = g_filename_display_name(folder);
    g_autoptr(GError) problem = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &problem);
    if (dir == NULL) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE, "%s: %s", name, problem->message);
        return NULL;
    }
    g_autofree char *found = NULL;
    gboolean gguf = FALSE;
    for (const char *entry; (entry = g_dir_read_name(dir)) != NULL;) {
        gguf = gguf || g_str_has_suffix(entry, ".gguf");
        if (!g_str_has_suffix(entry, TENSORS_SUFFIX))
            continue;
        if (found != NULL) {
            g_autofree char *one = g_filename_display_name(found);
            g_autofree char *two = g_filename_display_name(entry);
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: found %s and %s, expected " SINGLE ", " INDEX
                        " or a single .safetensors file",
                        name, one, two);
            return NULL;
        }
        found = g_strdup(entry);
    }
    if (found != NULL)
        return g_build_filename(folder, found, NULL);
    g_set_error(error, G4_ERROR, gguf ? G4_ERROR_UNSUPPORTED : G4_ERROR_MISSING,
                "%s: found %s, expected " SINGLE " or " INDEX, name,
                gguf ? "a GGUF file, which is not supported," : "no .safetensors file");
    return NULL;
}

static gboolean exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static gboolean open_folder(G4Checkpoint *checkpoint, GError **error)
{
    g_autofree char *single = g_build_filename(checkpoint->folder, SINGLE, NULL);
    g_autofree char *index = g_build_filename(checkpoint->folder, INDEX, NULL);
    if (exists(single))
        return open_single(checkpoint, single, error);
    if (exists(index))
        return open_index(checkpoint, index, error);
    g_autofree char *only = find_only_file(checkpoint->folder, error);
    return only != NULL && open_single(checkpoint, only, error);
}

static gboolean open_path(G4Checkpoint *checkpoint, const char *path, GError **error)
{
    struct stat st;
    int code = stat(path, &st) != 0 ? errno : 0;
    g_autofree char *lower = g_ascii_strdown(path, -1);
    if (g_str_has_suffix(lower, ".gguf")) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED,
                    "%s: a GGUF file, which is not supported; expected safetensors",
                    checkpoint->name);
        return FALSE;
    }
    if (code != 0) {
        g_set_error(error, G4_ERROR,
                    code == ENOENT || code == ENOTDIR ? G4_ERROR_MISSING : G4_ERROR_UNREADABLE,
                    "%s: %s", checkpoint->name, g_strerror(code));
        return FALSE;
    }
    checkpoint->folder = S_ISDIR(st.st_mode) ? g_strdup(path) : g_path_get_dirname(path);
    if (S_ISDIR(st.st_mode))
        return open_folder(checkpoint, error);
    if (g_str_has_suffix(path, INDEX_SUFFIX))
        return open_index(checkpoint, path, error);
    if (g_str_has_suffix(path, TENSORS_SUFFIX))
        return open_single(checkpoint, path, error);
    g_set_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED,
                "%s: expected a folder, a .safetensors file or a " INDEX, checkpoint->name);
    return FALSE;
}

/* -------------------------------------------------------------------------------------------
 * Prefixes
 */

/* What precedes `suffix` in `name`, if that is nothing or ends in a dot; else NULL. */
static char *prefix_before(const char *name, const char *suffix)
{
    if (!g_str_has_suffix(name, suffix))
        return NULL;
    gsize length = strlen(name) - strlen(suffix);
    return length == 0 || name[length - 1] == '.' ? g_strndup(name, length) : NULL;
}

/* The prefix before the tensors that end in `suffix`, and how many there are; free with g_free. */
static char *find_prefix(const G4Checkpoint *checkpoint, const char *suffix, guint *n)
{
    char *found = NULL;
    *n = 0;
    for (guint i = 0; i < checkpoint->tensors->len; i++) {
        char *prefix = prefix_before(g_array_index(checkpoint->tensors, G4Tensor, i).name, suffix);
        if (prefix != NULL) {
            g_free(found);
            found = prefix;
            (*n)++;
        }
    }
    return found;
}

/* The projection's "embed_vision." is the one that the checkpoint has; where it has none, or
 * several, the one beside "vision_tower.", so that the error names what should be there. */
static char *find_embedder(const G4Checkpoint *checkpoint)
{
    guint n;
    g_autofree char *beside = prefix_before(checkpoint->tower, "vision_tower.");
    g_autofree char *only = find_prefix(checkpoint, EMBEDDER_TENSOR, &n);
    const char *parent = n == 1 ? only : beside;
    return parent != NULL ? g_strconcat(parent, "embed_vision.", NULL) : NULL;
}

static void find_prefixes(G4Checkpoint *checkpoint)
{
    checkpoint->tower = find_prefix(checkpoint, TOWER_TENSOR, &checkpoint->n_towers);
    if (checkpoint->tower != NULL)
        checkpoint->embedder = find_embedder(checkpoint);
}

gboolean g4_checkpoint_get_prefixes(const G4Checkpoint *checkpoint, const char **tower,
                                    const char **embedder, GError **error)
{
    if (checkpoint->n_towers != 1) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: found %u tensors whose name ends in " TOWER_TENSOR ", expected 1",
                    checkpoint->name, checkpoint->n_towers);
        return FALSE;
    }
    *tower = checkpoint->tower;
    *embedder = checkpoint->embedder;
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * The table
 */

G4Checkpoint *g4_checkpoint_open(const char *path, GError **error)
{
    G4Checkpoint *checkpoint = g_new0(G4Checkpoint, 1);
    checkpoint->name = g_filename_display_name(path);
    checkpoint->files = g_ptr_array_new_with_free_func(free_file);
    checkpoint->tensors = g4_tensor_array_new();
    if (!open_path(checkpoint, path, error)) {
        g4_checkpoint_free(checkpoint);
        return NULL;
    }
    find_prefixes(checkpoint);
    return checkpoint;
}

void g4_checkpoint_free(G4Checkpoint *checkpoint)
{
    if (checkpoint == NULL)
        return;
    g_array_unref(checkpoint->tensors);
    g_ptr_array_unref(checkpoint->files);
    g_free(checkpoint->folder);
    g_free(checkpoint->name);
    g_free(checkpoint->tower);
    g_free(checkpoint->embedder);
    g_free(checkpoint);
}

const char *g4_checkpoint_get_name(const G4Checkpoint *checkpoint)
{
    return checkpoint->name;
}

const char *g4_checkpoint_get_folder(const G4Checkpoint *checkpoint)
{
    return checkpoint->folder;
}

guint g4_checkpoint_get_n_tensors(const G4Checkpoint *checkpoint)
{
    return checkpoint->tensors->len;
}

static int compare_name(const void *name, const void *tensor)
{
    return strcmp(name, ((const G4Tensor *)tensor)->name);
}

const G4Tensor *g4_checkpoint_find(const G4Checkpoint *checkpoint, const char *name)
{
    const GArray *tensors = checkpoint->tensors;
    if (tensors->len == 0)
        return NULL;
    return bsearch(name, tensors->data, tensors->len, sizeof(G4Tensor), compare_name);
}

gboolean g4_checkpoint_is_bf16(const G4Checkpoint *checkpoint, const char *prefix)
{
    for (guint i = 0; i < checkpoint->tensors->len; i++) {
        const G4Tensor *t = &g_array_index(checkpoint->tensors, G4Tensor, i);
        if (t->n_dims >= 2 && t->dtype != G4_DTYPE_BF16 && g_str_has_prefix(t->name, prefix))
            return FALSE;
    }
    return TRUE;
}

const G4Tensor *g4_checkpoint_bind(const G4Checkpoint *checkpoint, const char *name, guint n_dims,
                                   const guint64 *dims, GError **error)
{
    const G4Tensor *tensor = g4_checkpoint_find(checkpoint, name);
    if (tensor == NULL) {
        g_autofree char *expected = g4_shape_to_string(n_dims, dims);
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: %s: no such tensor, expected one of shape %s", checkpoint->name, name,
                    expected);
        return NULL;
    }
    const char *file = file_of(checkpoint, tensor)->name;
    if (tensor->dtype != G4_DTYPE_F32 && tensor->dtype != G4_DTYPE_F16 &&
        tensor->dtype != G4_DTYPE_BF16) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED,
                    "%s: %s: dtype %s, expected F32, F16 or BF16", file, name,
                    g4_dtype_name(tensor->dtype));
        return NULL;
    }
    gboolean same = tensor->n_dims == n_dims;
    for (guint i = 0; same && i < n_dims; i++)
        same = tensor->dims[i] == dims[i];
    same = same || (n_dims == 0 && tensor->n_dims == 1 && tensor->dims[0] == 1);
    if (!same) {
        g_autofree char *found = g4_shape_to_string(tensor->n_dims, tensor->dims);
        g_autofree char *expected = g4_shape_to_string(n_dims, dims);
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: %s: shape %s, config.json says %s",
                    file, name, found, expected);
        return NULL;
    }
    return tensor;
}

gboolean g4_checkpoint_read_f32(const G4Checkpoint *checkpoint, const G4Tensor *tensor,
                                guint64 first, guint64 count, float *dst, GError **error)
{
    return g4_tensor_read_f32(tensor, file_of(checkpoint, tensor), first, count, dst, error);
}

gboolean g4_checkpoint_read_bytes(const G4Checkpoint *checkpoint, const G4Tensor *tensor,
                                  guint64 offset, guint64 count, void *dst, GError **error)
{
    return g4_tensor_read_bytes(tensor, file_of(checkpoint, tensor), offset, count, dst, error);
}

guint64 g4_checkpoint_get_bytes_read(const G4Checkpoint *checkpoint)
{
    guint64 total = 0;
    for (guint i = 0; i < checkpoint->files->len; i++) {
        G4File *file = g_ptr_array_index(checkpoint->files, i);
        total += atomic_load_explicit(&file->bytes_read, memory_order_relaxed);
    }
    return total;
}
