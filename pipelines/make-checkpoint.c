/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-make-checkpoint KIND DIR [--dtype f32|bf16] [--seed N] [--outliers] [--layers N]
 *
 * Writes a checkpoint of full size, in the layout of the released ones, with weights from a
 * formula (formula.h): for trying, timing and comparing without a download. They are untrained.
 *
 * The folder is written under a temporary name beside DIR and renamed when it is complete and on
 * disk, so that DIR never holds half a checkpoint.
 */
#define _GNU_SOURCE /* fallocate */

#include "formula.h"
#include "formula_text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------
 * config.json and the processor file
 */

static void append_text_config(GString *json, const G4FormulaKind *kind, const char *dtype,
                               gboolean embedding)
{
    g_string_append_printf(json,
                           "  \"text_config\": {\n"
                           "    \"model_type\": \"%s_text\",\n"
                           "    \"hidden_size\": %u,\n"
                           "    \"intermediate_size\": 16,\n"
                           "    \"num_hidden_layers\": %u,\n"
                           "    \"num_attention_heads\": 1,\n"
                           "    \"num_key_value_heads\": 1,\n"
                           "    \"head_dim\": 8,\n",
                           embedding ? "embedding_gemma2" : "gemma4", kind->output_dim,
                           embedding ? 1 : 2);
    g_string_append(json, embedding ? "    \"vocab_size\": 32,\n"
                                      "    \"embedding_dim\": 12,\n"
                                      "    \"hidden_size_per_layer_input\": 4,\n"
                                      "    \"layer_types\": [\n"
                                      "      \"full_attention\"\n"
                                      "    ],\n"
                                      "    \"per_layer_config\": {\n"
                                      "      \"0\": {\n"
                                      "        \"head_dim\": 8,\n"
                                      "        \"num_key_value_heads\": 1\n"
                                      "      }\n"
                                      "    },\n"
                                    : "    \"global_head_dim\": 8,\n"
                                      "    \"vocab_size\": 32,\n"
                                      "    \"vocab_size_per_layer_input\": 32,\n"
                                      "    \"hidden_size_per_layer_input\": 4,\n"
                                      "    \"num_kv_shared_layers\": 0,\n"
                                      "    \"enable_moe_block\": false,\n"
                                      "    \"layer_types\": [\n"
                                      "      \"sliding_attention\",\n"
                                      "      \"full_attention\"\n"
                                      "    ],\n"
                                      "    \"tie_word_embeddings\": true,\n");
    g_string_append_printf(json, "    \"dtype\": \"%s\"\n  },\n", dtype);
}

static void append_vision_config(GString *json, const G4FormulaKind *kind, const char *dtype)
{
    g_string_append_printf(json,
                           "  \"vision_config\": {\n"
                           "    \"attention_bias\": false,\n"
                           "    \"attention_dropout\": 0.0,\n"
                           "    \"default_output_length\": 280,\n"
                           "    \"dtype\": \"%s\",\n"
                           "    \"head_dim\": %u,\n"
                           "    \"hidden_activation\": \"gelu_pytorch_tanh\",\n"
                           "    \"hidden_size\": %u,\n"
                           "    \"initializer_range\": 0.02,\n"
                           "    \"intermediate_size\": %u,\n"
                           "    \"max_position_embeddings\": 131072,\n"
                           "    \"model_type\": \"gemma4_vision\",\n"
                           "    \"num_attention_heads\": %u,\n"
                           "    \"num_hidden_layers\": %u,\n"
                           "    \"num_key_value_heads\": %u,\n"
                           "    \"patch_size\": %u,\n"
                           "    \"pooling_kernel_size\": %u,\n"
                           "    \"position_embedding_size\": %u,\n"
                           "    \"rms_norm_eps\": 1e-06,\n"
                           "    \"rope_parameters\": {\n"
                           "      \"rope_theta\": 100.0,\n"
                           "      \"rope_type\": \"default\"\n"
                           "    },\n"
                           "    \"standardize\": false,\n"
                           "    \"use_clipped_linears\": %s,\n"
                           "    \"global_head_dim\": %u",
                           dtype, G4_FORMULA_HEAD_DIM, G4_FORMULA_HIDDEN, G4_FORMULA_FFN,
                           G4_FORMULA_HEADS, kind->layers, G4_FORMULA_HEADS, G4_FORMULA_PATCH,
                           G4_FORMULA_POOL, kind->table, kind->clipped ? "true" : "false",
                           G4_FORMULA_HEAD_DIM);
    if (kind->square_size)
        g_string_append_printf(json, ",\n    \"image_size\": %u", kind->square_size);
    g_string_append(json, "\n  },\n");
}

static char *config_json(const G4FormulaKind *kind, gboolean bf16)
{
    const gboolean embedding = kind->prefix[0] == '\0';
    const char *dtype = bf16 ? "bfloat16" : "float32";
    GString *json = g_string_new(NULL);

    g_string_append_printf(json,
                           "{\n"
                           "  \"architectures\": [\n"
                           "    \"%s\"\n"
                           "  ],\n"
                           "  \"model_type\": \"%s\",\n"
                           "  \"dtype\": \"%s\",\n"
                           "  \"audio_config\": null,\n",
                           embedding ? "EmbeddingGemma2Model" : "Gemma4ForConditionalGeneration",
                           embedding ? "embedding_gemma2" : "gemma4", dtype);
    if (kind->text) {
        g_autofree char *text = g4_formula_text_config(dtype);
        g_string_append_printf(json, "  \"text_config\": %s,\n", text);
    } else {
        append_text_config(json, kind, dtype, embedding);
    }
    append_vision_config(json, kind, dtype);
    if (!embedding)
        g_string_append(json, "  \"tie_word_embeddings\": true,\n");
    g_string_append(json, "  \"vision_soft_tokens_per_image\": 280,\n"
                          "  \"boi_token_id\": 255999,\n"
                          "  \"eoi_token_id\": 258882,\n"
                          "  \"image_token_id\": 258880,\n"
                          "  \"video_token_id\": 258884,\n"
                          "  \"audio_token_id\": 258881,\n"
                          "  \"boa_token_id\": 256000\n"
                          "}\n");
    return g_string_free(json, FALSE);
}

/* One settings block, its keys in alphabetical order, each line led by `indent`. */
static void append_processor_block(GString *json, const G4FormulaKind *kind, const char *indent,
                                   gboolean video)
{
    g_string_append_printf(json, "%s\"do_convert_rgb\": true,\n", indent);
    g_string_append_printf(json, "%s\"do_normalize\": %s,\n", indent, video ? "true" : "false");
    g_string_append_printf(json, "%s\"do_rescale\": true,\n", indent);
    g_string_append_printf(json, "%s\"do_resize\": true,\n", indent);
    if (video)
        g_string_append_printf(json, "%s\"do_sample_frames\": true,\n", indent);
    g_string_append_printf(json, "%s\"image_mean\": [\n%s  0.0,\n%s  0.0,\n%s  0.0\n%s],\n", indent,
                           indent, indent, indent, indent);
    if (!video)
        g_string_append_printf(json, "%s\"image_processor_type\": \"Gemma4ImageProcessor\",\n",
                               indent);
    if (!video && !kind->square_size)
        g_string_append_printf(json, "%s\"image_seq_length\": %u,\n", indent,
                               kind->image_soft_tokens);
    g_string_append_printf(json, "%s\"image_std\": [\n%s  1.0,\n%s  1.0,\n%s  1.0\n%s],\n", indent,
                           indent, indent, indent, indent);
    if (!kind->square_size)
        g_string_append_printf(json, "%s\"max_soft_tokens\": %u,\n", indent,
                               video ? kind->video_soft_tokens : kind->image_soft_tokens);
    if (video)
        g_string_append_printf(json, "%s\"num_frames\": 32,\n", indent);
    g_string_append_printf(json, "%s\"patch_size\": %u,\n", indent, G4_FORMULA_PATCH);
    g_string_append_printf(json, "%s\"pooling_kernel_size\": %u,\n", indent, G4_FORMULA_POOL);
    g_string_append_printf(json, "%s\"resample\": 3,\n", indent);
    g_string_append_printf(json, "%s\"rescale_factor\": 0.00392156862745098", indent); /* 1/255 */
    if (kind->square_size)
        g_string_append_printf(
            json, ",\n%s\"size\": {\n%s  \"height\": %u,\n%s  \"width\": %u\n%s}", indent, indent,
            kind->square_size, indent, kind->square_size, indent);
    if (video)
        g_string_append_printf(json, ",\n%s\"video_processor_type\": \"%sVideoProcessor\"", indent,
                               kind->prefix[0] ? "Gemma4" : "EmbeddingGemma2");
    g_string_append_c(json, '\n');
}

static char *processor_json(const G4FormulaKind *kind, const char **name)
{
    GString *json = g_string_new("{\n");

    if (kind->square_size) {
        *name = "preprocessor_config.json";
        append_processor_block(json, kind, "  ", FALSE);
    } else {
        *name = "processor_config.json";
        g_string_append(json, "  \"image_processor\": {\n");
        append_processor_block(json, kind, "    ", FALSE);
        g_string_append_printf(json,
                               "  },\n"
                               "  \"image_seq_length\": %u,\n"
                               "  \"processor_class\": \"Gemma4Processor\",\n"
                               "  \"video_processor\": {\n",
                               kind->image_soft_tokens);
        append_processor_block(json, kind, "    ", TRUE);
        g_string_append(json, "  }\n");
    }
    g_string_append(json, "}\n");
    return g_string_free(json, FALSE);
}

/* ------------------------------------------------------------------------------------------
 * model.safetensors
 */

/* 8 bytes of length, the JSON table padded with blanks to a multiple of 8. */
static GString *safetensors_header(const G4FormulaKind *kind, const GArray *tensors, guint item)
{
    GString *head = g_string_new("{\"__metadata__\":{\"format\":\"pt\"}");
    guint64 offset = 0;

    for (guint i = 0; i < tensors->len; i++) {
        const G4FormulaTensor *tensor = &g_array_index(tensors, G4FormulaTensor, i);
        const guint64 bytes = tensor->elements * item;
        g_string_append_printf(head, ",\"%s%s\":{\"dtype\":\"%s\",\"shape\":[", kind->prefix,
                               tensor->name + strlen("model."), item == 2 ? "BF16" : "F32");
        for (guint k = 0; k < tensor->n_dims; k++)
            g_string_append_printf(head, "%s%" G_GUINT64_FORMAT, k ? "," : "", tensor->dims[k]);
        g_string_append_printf(head,
                               "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
                               offset, offset + bytes);
        offset += bytes;
    }
    g_string_append_c(head, '}');
    while (head->len % 8)
        g_string_append_c(head, ' ');

    const guint64 length = GUINT64_TO_LE((guint64)head->len);
    g_string_prepend_len(head, (const char *)&length, sizeof length);
    return head;
}

/* Tensors are cut into pieces of at most this many elements; threads take one after another. */
#define PIECE (1 << 19)

typedef struct Piece {
    const G4FormulaTensor *tensor;
    guint64 first; /* element */
    gsize count;
    guint64 offset; /* in the file */
} Piece;

typedef struct Job {
    const Piece *pieces;
    guint n_pieces;
    guint item; /* bytes an element: 2 bf16, 4 f32 */
    guint64 seed;
    int fd;
    atomic_uint next, done;
    atomic_int error; /* errno of the first failure */
} Job;

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
    interrupted = signal_number;
}

/* 0, or errno. */
static int write_at(int fd, const void *data, gsize size, guint64 offset)
{
    const char *at = data;
    while (size) {
        const ssize_t n = pwrite(fd, at, size, offset);
        if (n < 0 && errno == EINTR && !interrupted)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        at += n;
        offset += n;
        size -= n;
    }
    return 0;
}

static void fill_little_endian(const Piece *piece, const Job *job, void *buffer)
{
    g4_formula_fill_tensor(piece->tensor, job->seed, piece->first, piece->count, job->item == 2,
                           buffer);
#if G_BYTE_ORDER == G_BIG_ENDIAN
    for (gsize i = 0; i < piece->count; i++) {
        if (job->item == 2)
            ((guint16 *)buffer)[i] = GUINT16_SWAP_LE_BE(((guint16 *)buffer)[i]);
        else
            ((guint32 *)buffer)[i] = GUINT32_SWAP_LE_BE(((guint32 *)buffer)[i]);
    }
#endif
}

static gpointer work(gpointer data)
{
    Job *job = data;
    g_autofree void *buffer = g_malloc((gsize)PIECE * job->item);

    while (!interrupted && !atomic_load(&job->error)) {
        const guint i = atomic_fetch_add(&job->next, 1);
        if (i >= job->n_pieces)
            break;
        const Piece *piece = &job->pieces[i];
        fill_little_endian(piece, job, buffer);
        int error = write_at(job->fd, buffer, piece->count * job->item, piece->offset);
        int none = 0;
        if (error)
            atomic_compare_exchange_strong(&job->error, &none, error);
        atomic_fetch_add(&job->done, 1);
    }
    return NULL;
}

static GArray *cut(const GArray *tensors, guint item, guint64 offset)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    for (guint i = 0; i < tensors->len; i++) {
        const G4FormulaTensor *tensor = &g_array_index(tensors, G4FormulaTensor, i);
        for (guint64 first = 0; first < tensor->elements; first += PIECE) {
            Piece piece = {.tensor = tensor,
                           .first = first,
                           .offset = offset,
                           .count = MIN(PIECE, tensor->elements - first)};
            g_array_append_val(pieces, piece);
            offset += piece.count * item;
        }
    }
    return pieces;
}

static void set_error(GError **error, int number, const char *what, const char *path)
{
    if (number == ENOSPC || number == EDQUOT)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "%s: the disk is full", path);
    else
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "%s %s: %s", what, path,
                    g_strerror(number));
}

/* A line on the terminal that stays the same line; silent in a file or a pipe. */
static void show_progress(const Job *job, gboolean last)
{
    if (!isatty(STDERR_FILENO))
        return;
    g_printerr("\rwriting weights: %3u %%%s",
               (guint)(100 * (guint64)atomic_load(&job->done) / job->n_pieces), last ? "\n" : "");
}

/* Writes all pieces on n_threads threads; those that cannot be started are done without. */
static void run(Job *job, guint n_threads)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    for (guint i = 0; i < n_threads; i++) {
        GThread *thread = g_thread_try_new("write", work, job, NULL);
        if (thread)
            g_ptr_array_add(threads, thread);
    }
    if (threads->len == 0)
        work(job);
    while (!interrupted && !atomic_load(&job->error) && atomic_load(&job->done) < job->n_pieces) {
        show_progress(job, FALSE);
        g_usleep(20000);
    }
    for (guint i = 0; i < threads->len; i++)
        g_thread_join(threads->pdata[i]);
    show_progress(job, TRUE);
}

static gboolean write_weights(const char *path, const G4FormulaKind *kind, guint item, guint64 seed,
                              guint64 *bytes, GError **error)
{
    g_autoptr(GArray) tensors = g4_formula_tensors(kind);
    if (kind->text)
        g4_formula_text_tensors(tensors);
    GString *header = safetensors_header(kind, tensors, item);
    g_autoptr(GArray) pieces = cut(tensors, item, header->len);
    Job job = {
        .pieces = (const Piece *)pieces->data, .n_pieces = pieces->len, .item = item, .seed = seed};
    int number;

    const Piece *end = &g_array_index(pieces, Piece, pieces->len - 1);
    *bytes = end->offset + end->count * item;

    job.fd = g_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (job.fd < 0) {
        set_error(error, errno, "cannot create", path);
        g_string_free(header, TRUE);
        return FALSE;
    }
    /* Asks for the room before the work; a file system that cannot tell says so when written. */
    number = fallocate(job.fd, 0, 0, *bytes) == 0 || errno != ENOSPC ? 0 : ENOSPC;
    if (!number)
        number = write_at(job.fd, header->str, header->len, 0);
    if (!number) {
        run(&job, CLAMP(g_get_num_processors(), 1, 4));
        number = atomic_load(&job.error);
    }
    if (!number && !interrupted && fsync(job.fd) != 0)
        number = errno;
    if (close(job.fd) != 0 && !number)
        number = errno;
    g_string_free(header, TRUE);
    if (interrupted)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INTR, "%s: interrupted", path);
    else if (number)
        set_error(error, number, "cannot write", path);
    return !number && !interrupted;
}

/* ------------------------------------------------------------------------------------------
 * The folder
 */

static gboolean write_text(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_DURABLE, 0666, error);
}

/* What the text encoder has beside its tensors. */
static gboolean write_text_files(const char *folder, GError **error)
{
    g_autofree char *tokenizer = g4_formula_text_tokenizer();
    g_autofree char *prompts = g4_formula_text_prompts();

    return write_text(folder, "tokenizer.json", tokenizer, error) &&
           write_text(folder, "config_sentence_transformers.json", prompts, error);
}

static gboolean write_files(const char *folder, const G4FormulaKind *kind, gboolean bf16,
                            guint64 seed, guint64 *bytes, GError **error)
{
    const char *processor_name;
    g_autofree char *config = config_json(kind, bf16);
    g_autofree char *processor = processor_json(kind, &processor_name);
    g_autofree char *weights = g_build_filename(folder, "model.safetensors", NULL);

    if (kind->text && !write_text_files(folder, error))
        return FALSE;
    return write_text(folder, "config.json", config, error) &&
           write_text(folder, processor_name, processor, error) &&
           write_weights(weights, kind, bf16 ? 2 : 4, seed, bytes, error);
}

/* The files that write_files may have left, and the folder. */
static void remove_folder(const char *folder)
{
    static const char *const names[] = {
        "config.json",       "processor_config.json", "preprocessor_config.json",
        "model.safetensors", "tokenizer.json",        "config_sentence_transformers.json"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}

static gboolean is_empty_or_absent(const char *folder, GError **error)
{
    g_autoptr(GDir) dir = NULL;

    if (!g_file_test(folder, G_FILE_TEST_EXISTS))
        return TRUE;
    dir = g_dir_open(folder, 0, error);
    if (!dir)
        return FALSE;
    const char *name = g_dir_read_name(dir);
    if (name)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                    "%s: not empty (it holds %s); nothing is overwritten", folder, name);
    return !name;
}

static gboolean make_checkpoint(const char *folder, const G4FormulaKind *kind, gboolean bf16,
                                guint64 seed, guint64 *bytes, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(folder);
    g_autofree char *temporary = g_strconcat(folder, ".XXXXXX", NULL);

    if (!is_empty_or_absent(folder, error))
        return FALSE;
    if (g_mkdir_with_parents(parent, 0777) != 0) {
        set_error(error, errno, "cannot create", parent);
        return FALSE;
    }
    if (!g_mkdtemp_full(temporary, 0777)) {
        set_error(error, errno, "cannot create", temporary);
        return FALSE;
    }
    if (!write_files(temporary, kind, bf16, seed, bytes, error)) {
        remove_folder(temporary);
        return FALSE;
    }
    if (g_rename(temporary, folder) != 0) {
        set_error(error, errno, "cannot rename to", folder);
        remove_folder(temporary);
        return FALSE;
    }
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autofree char *dtype = NULL;
    gint64 seed = 0;
    gboolean outliers = FALSE;
    int layers = 0;
    const GOptionEntry entries[] = {
        {"dtype", 0, 0, G_OPTION_ARG_STRING, &dtype, "f32 (default) or bf16", "f32|bf16"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "another set of values (default 0)", "N"},
        {"outliers", 0, 0, G_OPTION_ARG_NONE, &outliers,
         "make 0.5 % of the channels ahead of the layers' products 30 times as large", NULL},
        {"layers", 0, 0, G_OPTION_ARG_INT, &layers, "so many layers instead of the kind's", "N"},
        G_OPTION_ENTRY_NULL,
    };
    const struct sigaction action = {.sa_handler = on_signal};
    g_autoptr(GOptionContext) context = g_option_context_new("KIND DIR");
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) kinds = g_string_new("Kinds:\n");
    guint64 bytes = 0;

    setlocale(LC_ALL, "");
    for (const G4FormulaKind *kind = g4_formula_kinds; kind->name; kind++)
        g_string_append_printf(kinds, "  %-15s %s\n", kind->name, kind->what);
    g_string_append(kinds, "\nDIR must be empty or not exist.\n");
    g_option_context_set_summary(
        context,
        "Writes a full-size checkpoint of the Gemma 4 vision encoder whose weights come from a\n"
        "formula. They are untrained: good for trying, timing and comparing, not for meaning.");
    g_option_context_set_description(context, kinds->str);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("gemma4-make-checkpoint: %s\n", error->message);
        return 2;
    }
    if (argc != 3) {
        g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
        g_printerr("%s", help);
        return 2;
    }
    const G4FormulaKind *kind = g4_formula_kind_find(argv[1]);
    if (!kind) {
        g_printerr("gemma4-make-checkpoint: no kind %s\n%s", argv[1], kinds->str);
        return 2;
    }
    const gboolean bf16 = g_strcmp0(dtype, "bf16") == 0;
    if (dtype && !bf16 && strcmp(dtype, "f32") != 0) {
        g_printerr("gemma4-make-checkpoint: --dtype %s: expected f32 or bf16\n", dtype);
        return 2;
    }
    if (seed < 0) {
        g_printerr("gemma4-make-checkpoint: --seed %" G_GINT64_FORMAT ": expected 0 or more\n",
                   seed);
        return 2;
    }
    if (layers < 0 || layers > 64) {
        g_printerr("gemma4-make-checkpoint: --layers %d: expected 1 to 64\n", layers);
        return 2;
    }
    G4FormulaKind made = *kind;
    made.outliers = outliers;
    made.layers = layers ? (guint)layers : kind->layers;

    g_autofree char *folder = g_canonicalize_filename(argv[2], NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    if (!make_checkpoint(folder, &made, bf16, seed, &bytes, &error)) {
        g_printerr("gemma4-make-checkpoint: %s\n", error->message);
        return interrupted ? 128 + interrupted : 1;
    }
    g_print("%s: %s, %s, seed %" G_GINT64_FORMAT ", %.1f MB.\n"
            "These weights are UNTRAINED: values from a formula, in the layout of the released "
            "checkpoints.\nEmbeddings made with them are right to the digit but mean nothing.\n",
            argv[2], kind->name, bf16 ? "bf16" : "f32", seed, bytes / 1e6);
    return 0;
}
