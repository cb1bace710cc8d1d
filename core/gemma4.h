/* SPDX-License-Identifier: Apache-2.0
 *
 * libgemma4: the Gemma 4 vision encoder in C, and the text encoder of EmbeddingGemma 2 beside it.
 *
 *   G4Model *model = g4_model_open("gemma-4-E2B-it", &(G4ModelOptions){0}, &error);
 *   G4Encoder *encoder = g4_encoder_new(model, &(G4EncoderOptions){0}, &error);
 *   g4_encoder_prepare(encoder, 1920, 1080, &error);          allocates, may fail
 *   g4_encoder_load(encoder, &frame);                         resize; the frame is free again
 *   g4_encoder_encode(encoder, tokens);                       [rows, cols] floats
 *
 * With an EmbeddingGemma 2 checkpoint sentences, pictures and both together become one vector each,
 * in one space:
 *
 *   G4TextModel *words = g4_text_model_open("embeddinggemma-2", &(G4ModelOptions){0}, &error);
 *   G4TextEncoder *text = g4_text_encoder_new(words, &(G4TextEncoderOptions){0}, &error);
 *   G4Part part = {.kind = G4_PART_TEXT, .text = "a red car", .length = -1};
 *   g4_text_encoder_embed(text, g4_text_model_get_prompt(words, "query"), &part, 1, TRUE, vector,
 *                         &error);
 *
 * A whole program is core/example.c in the sources.
 *
 * A model is immutable, reference counted and shared by any number of encoders and threads.
 * An encoder is mutable and belongs to one stream: its functions may be called from any thread,
 * but by one at a time.
 *
 * Nothing here prints, exits or aborts on what a file or a caller's option holds: functions that
 * can fail take a GError last and return FALSE or NULL. Zero in an option means its default.
 */
#ifndef GEMMA4_H
#define GEMMA4_H

#include <glib.h>

G_BEGIN_DECLS

#ifndef G4_API
#define G4_API __attribute__((visibility("default")))
#endif

#define G4_ERROR (g4_error_quark())
G4_API GQuark g4_error_quark(void);

typedef enum {
    G4_ERROR_MISSING,     /* a file or folder does not exist */
    G4_ERROR_UNREADABLE,  /* it cannot be opened, read to the promised end, or is truncated */
    G4_ERROR_MALFORMED,   /* its contents contradict each other, or the format */
    G4_ERROR_UNSUPPORTED, /* well-formed, but another model or format than those implemented */
    G4_ERROR_SETTINGS,    /* an option that this checkpoint or processor cannot meet */
    G4_ERROR_FRAME,       /* a picture size that has no target size */
    G4_ERROR_CANCELLED,   /* it was told to give up */
} G4Error;

typedef enum {
    G4_PRECISION_AUTO, /* bf16 where the processor multiplies bf16 in hardware, else f32 */
    G4_PRECISION_F32,
    G4_PRECISION_BF16,
    G4_PRECISION_INT8,
} G4Precision;

typedef enum {
    G4_RESIZE_AUTO,   /* aspect where the processor file has max_soft_tokens, else square */
    G4_RESIZE_SQUARE, /* image_size x image_size */
    G4_RESIZE_ASPECT, /* aspect ratio kept within a budget of max_soft_tokens */
} G4Resize;

/* ------------------------------------------------------------------------------------------
 * Model
 */
typedef struct G4Model G4Model;

typedef struct G4ModelOptions {
    G4Precision precision;
} G4ModelOptions;

/* Opens a checkpoint: a folder with config.json, a .safetensors file or a
 * model.safetensors.index.json (config.json and the processor files beside them). Reads the
 * vision tower's tensors alone, in bounded pieces, into memory of its own; no file stays open or
 * mapped. `options` may be NULL.
 *
 * Returns a new reference, or NULL and `error` (G4_ERROR, every code but FRAME and CANCELLED); its
 * message names the file, the tensor or key, what was found and what was expected.
 * Thread safe. */
G4_API G4Model *g4_model_open(const char *path, const G4ModelOptions *options, GError **error);

/* Thread safe. The last unref frees the weights. */
G4_API G4Model *g4_model_ref(G4Model *model);
G4_API void g4_model_unref(G4Model *model);

/* Facts about an open model; strings are UTF-8 and live as long as the model. */
G4_API const char *g4_model_get_name(const G4Model *model);      /* folder's or file's base name */
G4_API const char *g4_model_get_digest(const G4Model *model);    /* 16 hex digits */
G4_API const char *g4_model_get_kernels(const G4Model *model);   /* e.g. "avx2", "c+openblas" */
G4_API G4Precision g4_model_get_precision(const G4Model *model); /* never AUTO */
G4_API guint64 g4_model_get_bytes(const G4Model *model);         /* memory the weights take */
G4_API guint g4_model_get_cols(const G4Model *model); /* width of a soft token: output_dim, or D */

/* "f32", "bf16", "int8", "auto"; static. */
G4_API const char *g4_precision_name(G4Precision precision);

/* ------------------------------------------------------------------------------------------
 * Encoder
 */
typedef struct G4Encoder G4Encoder;

typedef struct G4EncoderOptions {
    G4Resize resize;
    guint image_size;      /* square: side in pixels, a multiple of patch x pool; 0: the
                              processor file's `size` where it has no max_soft_tokens, else 768 */
    guint max_soft_tokens; /* aspect: budget, any number from 1; 0: the video block's, without
                              one the image block's */
    guint threads;         /* at most 1024; 0: g4_default_threads() */
    gboolean background;   /* on worker threads of nice 10 that never spin; the calling thread is
                              the caller's to treat so, see g4_background_thread() */
} G4EncoderOptions;

/* Fails with G4_ERROR_SETTINGS on options that the checkpoint cannot meet (an image_size that is
 * no multiple of patch x pool, more patches to a side than the position table has) and on more
 * threads than there can be. `options` may be NULL. Holds a reference on `model`. Thread safe. */
G4_API G4Encoder *g4_encoder_new(G4Model *model, const G4EncoderOptions *options, GError **error);
G4_API void g4_encoder_free(G4Encoder *encoder); /* NULL allowed */

/* Makes ready for pictures of width x height, each 1 .. 2^20: target size, resize weights, rotary
 * table, scratch. Allocates, and may fail: with G4_ERROR_FRAME where the picture has no target size
 * or one of more patches than the position table, with G4_ERROR_SETTINGS where memory cannot be
 * had. After a failure the encoder must be prepared again. Cheap when nothing changed. */
G4_API gboolean g4_encoder_prepare(G4Encoder *encoder, guint width, guint height, GError **error);

typedef enum {
    G4_PIXELS_RGB,  /* 3 bytes a pixel */
    G4_PIXELS_RGBX, /* 4 bytes a pixel, the last ignored */
    G4_PIXELS_RGBA, /* 4 bytes a pixel, composited on white */
} G4PixelFormat;

typedef struct G4Frame {
    const guint8 *data; /* top left pixel; borrowed for the length of the call */
    gsize stride;       /* bytes from one row to the next */
    guint width, height;
    G4PixelFormat format;
} G4Frame;

/* Resizes `frame` into the encoder's own pixels. Its size must be the prepared one: another is the
 * caller's mistake, and ends the process. Of each row width pixels are read. After it returns the
 * frame is not needed any more. Allocates nothing. */
G4_API void g4_encoder_load(G4Encoder *encoder, const G4Frame *frame);

/* The resized picture: RGB, target width x target height, packed rows; the encoder's, valid until
 * the next load or prepare. After g4_encoder_prepare; black before the first load. */
G4_API const guint8 *g4_encoder_get_pixels(const G4Encoder *encoder);
G4_API void g4_encoder_get_target(const G4Encoder *encoder, guint *width, guint *height);

/* Runs the network on the loaded pixels and writes rows x cols floats, row-major: the soft tokens
 * (the projection's output; without a projection the pooled features). Waits for the encoder's
 * turn: all encoders of the process share their worker threads, the least served goes first, and
 * no more threads are busy than the largest `threads` among them. Allocates nothing. FALSE when it
 * was cancelled, `tokens` are then undefined; there is no other failure. */
G4_API gboolean g4_encoder_encode(G4Encoder *encoder, float *tokens);

/* While TRUE, encode gives up: at once where it waits for its turn, within a layer where it has
 * begun. For a stream that is to stop or to flush. Thread safe: while another thread is in encode.
 */
G4_API void g4_encoder_set_cancelled(G4Encoder *encoder, gboolean cancelled);

G4_API guint g4_encoder_get_rows(const G4Encoder *encoder); /* T, soft tokens of a frame of the
                                                               prepared size */
G4_API guint g4_encoder_get_cols(const G4Encoder *encoder); /* as g4_model_get_cols */
/* Memory of its activations: its own, and what it borrows during its turn from a stock that all
 * encoders share. */
G4_API guint64 g4_encoder_get_bytes(const G4Encoder *encoder);

/* Mean over the rows, at least 1, in double, into out[cols]; with `normalize` scaled to L2 length 1
 * (divided by max(length, 1e-12)). */
G4_API void g4_tokens_mean(const float *tokens, guint rows, guint cols, gboolean normalize,
                           float *out);

/* ------------------------------------------------------------------------------------------
 * Text model: the text encoder of an EmbeddingGemma 2 checkpoint
 */
typedef struct G4TextModel G4TextModel;

/* Whether `path` (as of g4_model_open) holds a text encoder: language_model.* tensors and a
 * tokenizer.json beside them. Reads headers alone; FALSE also where nothing can be read. Thread
 * safe. */
G4_API gboolean g4_text_model_exists(const char *path);

/* Opens the text encoder: config.json's text_config, tokenizer.json, the task prompts of
 * config_sentence_transformers.json (absent: no prompts) and the language_model.* tensors alone, as
 * g4_model_open does it. The vision tower, its settings and its processor files need not be there.
 * Immutable, counted, thread safe as G4Model is; so are its errors. `options` may be NULL. */
G4_API G4TextModel *g4_text_model_open(const char *path, const G4ModelOptions *options,
                                       GError **error);
G4_API G4TextModel *g4_text_model_ref(G4TextModel *model);
G4_API void g4_text_model_unref(G4TextModel *model);

/* As for G4Model; strings live as long as the model. */
G4_API const char *g4_text_model_get_name(const G4TextModel *model);
G4_API const char *g4_text_model_get_digest(const G4TextModel *model);
G4_API const char *g4_text_model_get_kernels(const G4TextModel *model);
G4_API G4Precision g4_text_model_get_precision(const G4TextModel *model);
G4_API guint64 g4_text_model_get_bytes(const G4TextModel *model); /* weights; not the tokenizer */
G4_API guint g4_text_model_get_cols(const G4TextModel *model);    /* E, length of a vector */
G4_API guint g4_text_model_get_width(const G4TextModel *model);   /* D, what soft tokens must have:
                                                                     g4_model_get_cols of the vision
                                                                     tower beside it */

/* A task prompt's text ("task: search result | query: "), by its name ("query"); NULL where the
 * checkpoint has none of that name. */
G4_API const char *g4_text_model_get_prompt(const G4TextModel *model, const char *name);
/* All names, sorted, NULL-terminated; the model's. */
G4_API const char *const *g4_text_model_get_prompt_names(const G4TextModel *model);

/* ------------------------------------------------------------------------------------------
 * Text encoder
 */
typedef struct G4TextEncoder G4TextEncoder; /* mutable, one caller at a time, as G4Encoder */

typedef struct G4TextEncoderOptions {
    guint threads;       /* at most 1024; 0: g4_default_threads() */
    guint dimensions;    /* keep the first n components (Matryoshka); 0: all */
    gboolean background; /* as for G4Encoder */
} G4TextEncoderOptions;

/* Fails with G4_ERROR_SETTINGS on more dimensions or threads than there can be. `options` may be
 * NULL. Holds a reference on `model`. */
G4_API G4TextEncoder *g4_text_encoder_new(G4TextModel *model, const G4TextEncoderOptions *options,
                                          GError **error);
G4_API void g4_text_encoder_free(G4TextEncoder *encoder); /* NULL allowed */

typedef enum {
    G4_PART_TEXT,  /* `text`, `length` */
    G4_PART_IMAGE, /* `tokens`, `rows`: a picture */
    G4_PART_FRAME, /* the same: a frame of a video */
} G4PartKind;

/* Borrowed for the length of the call. */
typedef struct G4Part {
    G4PartKind kind;
    const char *text;    /* UTF-8; special tokens in it are that, wherever they stand */
    gssize length;       /* of text, bytes; -1: to its NUL */
    const float *tokens; /* [rows, D], as g4_encoder_encode writes them */
    guint rows;
} G4Part;

/* Tokens of one input, all parts together; the released model's stated context. */
#define G4_TEXT_MAX_TOKENS 8192

/* One vector of prompt and parts, in this order, with nothing between them: a text, a picture, a
 * picture with its caption, the frames of a video. `prompt` is the text itself (of
 * g4_text_model_get_prompt) or NULL; `parts` may be NULL where n_parts is 0. out: [get_cols], the
 * mean over all tokens projected, cut to `dimensions`; with `normalize` scaled to L2 length 1,
 * without it in the length that the mean has.
 *
 * Allocates where an input is longer than those before. Fails with MALFORMED on text that is not
 * UTF-8, with SETTINGS on more than G4_TEXT_MAX_TOKENS tokens, on a part without rows, on a picture
 * that this tokenizer has no placeholder for, and on placeholders in the text of a kind that is
 * among the parts too, with CANCELLED when it was cancelled; `out` is then unchanged. */
G4_API gboolean g4_text_encoder_embed(G4TextEncoder *encoder, const char *prompt,
                                      const G4Part *parts, guint n_parts, gboolean normalize,
                                      float *out, GError **error);

/* While TRUE, embed gives up: at once where it waits for its turn, within a layer where it has
 * begun. Thread safe: while another thread is in embed. */
G4_API void g4_text_encoder_set_cancelled(G4TextEncoder *encoder, gboolean cancelled);

G4_API guint g4_text_encoder_get_cols(const G4TextEncoder *encoder); /* dimensions, or E */

/* Cores that the affinity mask and the cgroup's CPU quota leave to this process; at least 1. */
G4_API guint g4_default_threads(void);

/* Puts the calling thread at nice 10, for good: for a thread that uses a background encoder. */
G4_API void g4_background_thread(void);

/* The library's version, "1.2.3"; static. */
G4_API const char *g4_version(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(G4Model, g4_model_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(G4Encoder, g4_encoder_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(G4TextModel, g4_text_model_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(G4TextEncoder, g4_text_encoder_free)

G_END_DECLS

#endif /* GEMMA4_H */
