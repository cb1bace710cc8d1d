/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-bench: times the encoder alone, patches to soft tokens, and prints one line of JSON.
 *
 * The keys are those of the scripts in peers/, which do the same work with other implementations
 * on the same frames; `compare` runs them in turns. What the line says beyond theirs: the time and
 * rate of each stage, the time to open the model, and the kernels that ran.
 *
 * Sizes. With --max-soft-tokens or --square, --width and --height are those of a source picture,
 * and the encoder's input follows from them by the checkpoint's policy. Without either they are
 * the encoder's input itself. In all cases the timed frames are made at the size of the input, as
 * the peers' are, so that no resize stands before them; the resize is timed apart.
 */
#include "encoder.h"
#include "formula.h"
#include "model.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define N_FRAMES 3 /* different pictures, taken in turn */
#define RESIZE_ROUNDS 15

static const char *const stage_names[G4_N_STAGES] = {
    [G4_STAGE_EMBED] = "embed", [G4_STAGE_QKV] = "qkv",         [G4_STAGE_ATTENTION] = "attention",
    [G4_STAGE_O] = "o",         [G4_STAGE_GATE_UP] = "gate-up", [G4_STAGE_DOWN] = "down",
    [G4_STAGE_POOL] = "pool",   [G4_STAGE_PROJECT] = "project", [G4_STAGE_WAIT] = "wait",
};

typedef struct Options {
    char *model, *precision, *save;
    int width, height, max_soft_tokens, square, threads, frames, warmup;
    double roofline;
} Options;

typedef struct Size {
    guint width, height;
} Size;

/* ------------------------------------------------------------------------------------------
 * Clocks
 */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double peak_rss_mb(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}

/* CPU seconds that the machine's other processes have used since it started, from /proc/stat;
 * negative where there is none. Only differences mean anything. */
static double others_cpu_seconds(void)
{
    g_autofree char *text = NULL;
    guint64 user, nice, system, idle, wait, irq, softirq, steal;
    struct rusage usage;

    if (!g_file_get_contents("/proc/stat", &text, NULL, NULL))
        return -1.0;
    if (sscanf(text,
               "cpu %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
               " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
               " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
               &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal) != 8)
        return -1.0;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(user + nice + system + irq + softirq + steal) / (double)sysconf(_SC_CLK_TCK) -
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) -
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts. */
static double median(double *values, guint n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

/* ------------------------------------------------------------------------------------------
 * Frames and tokens
 */
static guint8 *make_frame(Size size, guint index, G4Frame *frame)
{
    guint8 *rgb = g_malloc((gsize)size.width * size.height * 3);

    g4_formula_frame(size.width, size.height, index, rgb);
    *frame = (G4Frame){.data = rgb,
                       .stride = (gsize)size.width * 3,
                       .width = size.width,
                       .height = size.height,
                       .format = G4_PIXELS_RGB};
    return rgb;
}

/* NPY version 1.0; the header is padded to a multiple of 64, as the format asks. */
static gboolean save_npy(const char *path, const float *tokens, guint rows, guint cols,
                         GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const char *order = G_BYTE_ORDER == G_LITTLE_ENDIAN ? "<" : ">";

    g_string_printf(text, "{'descr': '%sf4', 'fortran_order': False, 'shape': (%u, %u), }", order,
                    rows, cols);
    while ((10 + text->len + 1) % 64 != 0)
        g_string_append_c(text, ' ');
    g_string_append_c(text, '\n');
    const guint8 head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, text->len & 0xff, text->len >> 8};
    g_byte_array_append(bytes, head, sizeof head);
    g_byte_array_append(bytes, (const guint8 *)text->str, text->len);
    g_byte_array_append(bytes, (const guint8 *)tokens, (gsize)rows * cols * sizeof *tokens);
    return g_file_set_contents(path, (const char *)bytes->data, bytes->len, error);
}

/* ------------------------------------------------------------------------------------------
 * Sizes
 */

/* Options under which the encoder's input is `size` for a picture of that size. */
static gboolean input_options(const G4Model *model, Size size, guint threads, G4EncoderOptions *out,
                              GError **error)
{
    const guint side = model->config.patch * model->config.pool;

    if (size.width % side != 0 || size.height % side != 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "an encoder input of %ux%u: both must be multiples of %u (or give "
                    "--max-soft-tokens)",
                    size.width, size.height, side);
        return FALSE;
    }
    *out = (G4EncoderOptions){.threads = threads};
    if (size.width == size.height) {
        out->resize = G4_RESIZE_SQUARE;
        out->image_size = size.width;
    } else {
        /* A budget of exactly these tokens makes the policy's scale factor exactly 1. */
        out->resize = G4_RESIZE_ASPECT;
        out->max_soft_tokens = (size.width / side) * (size.height / side);
    }
    return TRUE;
}

/* The options for a picture of source size, as the command line gives them. */
static G4EncoderOptions source_options(const Options *o)
{
    if (o->square)
        return (G4EncoderOptions){.resize = G4_RESIZE_SQUARE,
                                  .image_size = (guint)o->square,
                                  .threads = (guint)o->threads};
    return (G4EncoderOptions){.resize = G4_RESIZE_ASPECT,
                              .max_soft_tokens = (guint)o->max_soft_tokens,
                              .threads = (guint)o->threads};
}

static G4Encoder *prepared_encoder(G4Model *model, const G4EncoderOptions *options, Size size,
                                   GError **error)
{
    g_autoptr(G4Encoder) encoder = g4_encoder_new(model, options, error);

    if (!encoder || !g4_encoder_prepare(encoder, size.width, size.height, error))
        return NULL;
    return g_steal_pointer(&encoder);
}

/* Median seconds of a resize from the source's size to the encoder's input; negative: failed. */
static double time_resize(G4Model *model, const G4EncoderOptions *options, Size source,
                          GError **error)
{
    g_autoptr(G4Encoder) encoder = prepared_encoder(model, options, source, error);
    double seconds[RESIZE_ROUNDS];
    G4Frame frame;

    if (!encoder)
        return -1.0;
    guint8 *rgb = make_frame(source, 0, &frame);
    g4_encoder_load(encoder, &frame);
    for (guint i = 0; i < RESIZE_ROUNDS; i++) {
        const double start = now();
        g4_encoder_load(encoder, &frame);
        seconds[i] = now() - start;
    }
    g_free(rgb);
    return median(seconds, RESIZE_ROUNDS);
}

/* ------------------------------------------------------------------------------------------
 * The run
 */
typedef struct Run {
    double *seconds;             /* [frames] */
    double *stages[G4_N_STAGES]; /* [frames] each */
    double flops[G4_N_STAGES];
    double open, first, first_embedding, others, resize, peak_mb;
    float *first_tokens; /* of frame 0: [rows, cols] */
    guint rows, cols;
} Run;

static void run_clear(Run *run)
{
    g_free(run->seconds);
    for (guint s = 0; s < G4_N_STAGES; s++)
        g_free(run->stages[s]);
    g_free(run->first_tokens);
}

static void run_frames(Run *run, G4Encoder *encoder, Size input, const Options *o)
{
    guint8 *pictures[N_FRAMES];
    G4Frame frames[N_FRAMES];
    double stages[G4_N_STAGES], others = 0.0;
    const gsize n_values = (gsize)run->rows * run->cols;
    g_autofree float *tokens = g_new(float, n_values);

    for (guint i = 0; i < N_FRAMES; i++)
        pictures[i] = make_frame(input, i, &frames[i]);
    for (int i = 0; i < o->warmup + o->frames; i++) {
        if (i == o->warmup)
            others = others_cpu_seconds();
        g4_encoder_load(encoder, &frames[i % N_FRAMES]);
        const double start = now();
        g4_encoder_encode(encoder, tokens);
        const double seconds = now() - start;
        if (i == 0) {
            run->first = seconds;
            run->first_tokens = g_memdup2(tokens, n_values * sizeof *tokens);
        }
        g_printerr("frame %d: %.4f s%s\n", i, seconds, i < o->warmup ? " (warm-up)" : "");
        if (i < o->warmup)
            continue;
        run->seconds[i - o->warmup] = seconds;
        g4_encoder_get_stage_seconds(encoder, stages);
        for (guint s = 0; s < G4_N_STAGES; s++)
            run->stages[s][i - o->warmup] = stages[s];
    }
    run->others = others < 0.0 ? -1.0 : MAX(others_cpu_seconds() - others, 0.0);
    g4_encoder_get_stage_flops(encoder, run->flops);
    for (guint i = 0; i < N_FRAMES; i++)
        g_free(pictures[i]);
}

static void set_real(json_t *object, const char *key, double value, int digits)
{
    const double unit = pow(10.0, digits);

    json_object_set_new(object, key, json_real(round(value * unit) / unit));
}

static void set_integer(json_t *object, const char *key, json_int_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static void set_string(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

static json_t *stage_json(double seconds, double flops, double roofline)
{
    json_t *stage = json_object();

    set_real(stage, "seconds", seconds, 6);
    if (flops > 0.0 && seconds > 0.0) {
        const double rate = flops / seconds * 1e-9;
        set_real(stage, "gflops", rate, 1);
        if (roofline > 0.0)
            set_real(stage, "roofline", rate / roofline, 3);
    }
    return stage;
}

/* Sorts run's times. */
static void print_report(Run *run, const G4Model *model, Size input, const Options *o)
{
    const guint n = (guint)o->frames, patch = model->config.patch;
    const double seconds = median(run->seconds, n);
    /* Those of the layers alone, as the peers count them. */
    const double flops = run->flops[G4_STAGE_QKV] + run->flops[G4_STAGE_ATTENTION] +
                         run->flops[G4_STAGE_O] + run->flops[G4_STAGE_GATE_UP] +
                         run->flops[G4_STAGE_DOWN];
    const double rate = flops / seconds * 1e-9;
    json_t *line = json_object(), *spread = json_object(), *stages = json_object();

    set_real(spread, "min", run->seconds[0], 4);
    set_real(spread, "median", seconds, 4);
    set_real(spread, "max", run->seconds[n - 1], 4);
    if (run->resize >= 0.0)
        json_object_set_new(stages, "resize", stage_json(run->resize, 0.0, 0.0));
    for (guint s = 0; s < G4_N_STAGES; s++)
        json_object_set_new(stages, stage_names[s],
                            stage_json(median(run->stages[s], n), run->flops[s], o->roofline));

    set_string(line, "peer", "gst-gemma4");
    set_string(line, "config", g4_model_get_name(model));
    set_integer(line, "width", input.width);
    set_integer(line, "height", input.height);
    set_integer(line, "patches", (input.width / patch) * (input.height / patch));
    set_string(line, "precision", g4_precision_name(g4_model_get_precision(model)));
    set_integer(line, "threads", o->threads);
    json_object_set_new(line, "seconds_per_frame", spread);
    set_real(line, "gflops_effective", rate, 1);
    set_integer(line, "peak_rss_mb", lround(run->peak_mb));
    set_integer(line, "soft_tokens", run->rows);
    set_real(line, "first_seconds", run->first, 4);
    set_real(line, "others_cpu_seconds", run->others, 2);
    /* What follows the peers do not have. */
    set_string(line, "kernels", g4_model_get_kernels(model));
    set_integer(line, "frames", o->frames);
    set_real(line, "open_seconds", run->open, 4);
    set_real(line, "first_embedding_seconds", run->first_embedding, 4);
    set_real(line, "cold_start_seconds", run->first_embedding - seconds, 4);
    set_real(line, "model_mb", (double)g4_model_get_bytes(model) / 1048576.0, 1);
    if (o->roofline > 0.0)
        set_real(line, "roofline", rate / o->roofline, 3);
    json_object_set_new(line, "stages", stages);

    char *text = json_dumps(line, JSON_REAL_PRECISION(9));
    g_print("%s\n", text);
    free(text);
    json_decref(line);
}

static gboolean bench(const Options *o, G4Precision precision, GError **error)
{
    const Size given = {(guint)o->width, (guint)o->height};
    const gboolean from_source = o->max_soft_tokens > 0 || o->square > 0;
    const G4EncoderOptions source = source_options(o);
    G4EncoderOptions options;
    Size input = given;
    Run run = {.resize = -1.0};
    gboolean ok = FALSE;
    double start = now();

    g_autoptr(G4Model) model =
        g4_model_open(o->model, &(G4ModelOptions){.precision = precision}, error);
    if (!model)
        return FALSE;
    run.open = now() - start;
    g_printerr("%s: opened in %.3f s, kernels %s\n", g4_model_get_name(model), run.open,
               g4_model_get_kernels(model));
    if (from_source) {
        g_autoptr(G4Encoder) encoder = prepared_encoder(model, &source, given, error);
        if (!encoder)
            return FALSE;
        g4_encoder_get_target(encoder, &input.width, &input.height);
    }
    if (!input_options(model, input, (guint)o->threads, &options, error))
        return FALSE;

    start = now();
    g_autoptr(G4Encoder) encoder = prepared_encoder(model, &options, input, error);
    if (!encoder)
        return FALSE;
    const double prepare = now() - start;
    run.rows = g4_encoder_get_rows(encoder);
    run.cols = g4_encoder_get_cols(encoder);
    run.seconds = g_new0(double, o->frames);
    for (guint s = 0; s < G4_N_STAGES; s++)
        run.stages[s] = g_new0(double, o->frames);
    run_frames(&run, encoder, input, o);
    run.first_embedding = run.open + prepare + run.first;
    run.peak_mb = peak_rss_mb(); /* before the resize, which takes another encoder */
    if (from_source) {
        run.resize = time_resize(model, &source, given, error);
        if (run.resize < 0.0)
            goto out;
    }
    if (o->save && !save_npy(o->save, run.first_tokens, run.rows, run.cols, error))
        goto out;
    for (gsize i = 0; i < (gsize)run.rows * run.cols; i++) {
        if (!isfinite(run.first_tokens[i])) {
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: soft tokens that are not finite",
                        o->model);
            goto out;
        }
    }
    print_report(&run, model, input, o);
    ok = TRUE;
out:
    run_clear(&run);
    return ok;
}

/* ------------------------------------------------------------------------------------------
 * Command line
 */
static gboolean parse_precision(const char *name, G4Precision *precision)
{
    for (G4Precision p = G4_PRECISION_AUTO; p <= G4_PRECISION_INT8; p++) {
        if (strcmp(name, g4_precision_name(p)) == 0) {
            *precision = p;
            return TRUE;
        }
    }
    return FALSE;
}

static const char *wrong_option(const Options *o)
{
    if (!o->model)
        return "--model is needed";
    if (o->width < 1 || o->height < 1 || o->width > 1 << 20 || o->height > 1 << 20)
        return "--width and --height: 1 to 1048576";
    if (o->max_soft_tokens < 0 || o->square < 0)
        return "--max-soft-tokens and --square: not negative";
    if (o->max_soft_tokens > 0 && o->square > 0)
        return "--max-soft-tokens or --square, not both";
    if (o->threads < 0 || o->threads > 4096)
        return "--threads: 0 to 4096";
    if (o->frames < 1 || o->frames > 1000000 || o->warmup < 0 || o->warmup > 1000000)
        return "--frames: 1 to 1000000; --warmup: 0 to 1000000";
    return NULL;
}

int main(int argc, char **argv)
{
    Options o = {.width = 768, .height = 768, .frames = 5, .warmup = 1};
    const GOptionEntry entries[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &o.model, "checkpoint: folder or file", "DIR"},
        {"width", 0, 0, G_OPTION_ARG_INT, &o.width,
         "width of the encoder's input; of the source with --max-soft-tokens or --square (768)",
         "W"},
        {"height", 0, 0, G_OPTION_ARG_INT, &o.height, "height, likewise (768)", "H"},
        {"max-soft-tokens", 0, 0, G_OPTION_ARG_INT, &o.max_soft_tokens,
         "the input is what this budget makes of a W x H source", "T"},
        {"square", 0, 0, G_OPTION_ARG_INT, &o.square,
         "the input is SIDE x SIDE, squeezed from a W x H source", "SIDE"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &o.precision, "auto (default), f32, bf16, int8",
         "P"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &o.threads, "0 (default): all that are free", "N"},
        {"frames", 0, 0, G_OPTION_ARG_INT, &o.frames, "timed frames (5)", "F"},
        {"warmup", 0, 0, G_OPTION_ARG_INT, &o.warmup, "frames before them (1)", "N"},
        {"roofline", 0, 0, G_OPTION_ARG_DOUBLE, &o.roofline,
         "what the processor can do at most: each stage's share of it is printed", "GFLOPS"},
        {"save", 0, 0, G_OPTION_ARG_FILENAME, &o.save, "write the soft tokens of frame 0 here",
         "FILE.npy"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    G4Precision precision = G4_PRECISION_AUTO;
    int status = 2;

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    g_option_context_set_summary(context, "Times the encoder, patches to soft tokens.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("gemma4-bench: %s\n", error->message);
    } else if (argc > 1) {
        g_printerr("gemma4-bench: unexpected argument %s\n", argv[1]);
    } else if (wrong_option(&o)) {
        g_printerr("gemma4-bench: %s\n", wrong_option(&o));
    } else if (o.precision && !parse_precision(o.precision, &precision)) {
        g_printerr("gemma4-bench: --precision %s: auto, f32, bf16 or int8\n", o.precision);
    } else {
        if (o.threads == 0)
            o.threads = (int)g4_default_threads();
        status = 0;
        if (!bench(&o, precision, &error)) {
            g_printerr("gemma4-bench: %s\n", error->message);
            status = 1;
        }
    }
    g_free(o.model);
    g_free(o.precision);
    g_free(o.save);
    return status;
}
