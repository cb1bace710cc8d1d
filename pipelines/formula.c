/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and frames from a formula: the streams, the list of tensors of each kind, the frame.
 */
#include "formula.h"

#include <math.h>
#include <string.h>

const G4FormulaKind g4_formula_kinds[] = {
    {"base12", "12 layers, clipped linears, square 768x768", "model.", 12, TRUE, 3.0f, 1024, 2304,
     768, 0, 0, FALSE, FALSE},
    {"e2b", "Gemma 4 E2B's tower: 16 layers, clipped linears, 280 tokens (video 70)", "model.", 16,
     TRUE, 3.0f, 10240, 1536, 0, 280, 70, FALSE, FALSE},
    {"tower16", "EmbeddingGemma 2's tower: 16 layers, 280 tokens (video 140)", "", 16, FALSE, 0.0f,
     10240, 512, 0, 280, 140, FALSE, FALSE},
    {"embeddinggemma2", "EmbeddingGemma 2: that tower and the text encoder, a tokenizer of letters",
     "", 16, FALSE, 0.0f, 10240, 512, 0, 280, 140, TRUE, FALSE},
    {NULL, NULL, NULL, 0, FALSE, 0.0f, 0, 0, 0, 0, 0, FALSE, FALSE},
};

const G4FormulaKind *g4_formula_kind_find(const char *name)
{
    for (const G4FormulaKind *kind = g4_formula_kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}

/* ------------------------------------------------------------------------------------------
 * Streams
 */

guint64 g4_formula_fnv1a64(const char *name)
{
    guint64 hash = G_GUINT64_CONSTANT(0xCBF29CE484222325);
    for (; *name; name++)
        hash = (hash ^ (guint8)*name) * G_GUINT64_CONSTANT(0x100000001B3);
    return hash;
}

guint64 g4_formula_base(const char *name, guint64 seed)
{
    return g4_formula_fnv1a64(name) + seed * G_GUINT64_CONSTANT(0xD1B54A32D192ED03);
}

guint64 g4_formula_integer(guint64 base, guint64 i)
{
    guint64 z = base + i + G_GUINT64_CONSTANT(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline float value(guint64 z, float scale, float offset)
{
    double u = (double)(gint64)(z >> 40) * 0x1p-23 - 1.0;
    return (float)((double)offset + (double)scale * u);
}

/* To nearest, ties to even; no value here is infinite or a NaN. */
static inline guint16 bf16_nearest(float v)
{
    guint32 bits;

    memcpy(&bits, &v, sizeof bits);
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

void g4_formula_fill_f32(guint64 base, guint64 first, gsize count, float scale, float offset,
                         float *dst)
{
    for (gsize i = 0; i < count; i++)
        dst[i] = value(g4_formula_integer(base, first + i), scale, offset);
}

void g4_formula_fill_bf16(guint64 base, guint64 first, gsize count, float scale, float offset,
                          guint16 *dst)
{
    for (gsize i = 0; i < count; i++)
        dst[i] = bf16_nearest(value(g4_formula_integer(base, first + i), scale, offset));
}

gboolean g4_formula_is_outlier(guint64 base, guint64 channel)
{
    return g4_formula_integer(base, (G_GUINT64_CONSTANT(1) << 32) + channel) % 200 == 0;
}

void g4_formula_fill_tensor(const G4FormulaTensor *tensor, guint64 seed, guint64 first, gsize count,
                            gboolean bf16, void *dst)
{
    const guint64 base = g4_formula_base(tensor->name, seed);

    if (!tensor->norm && bf16)
        g4_formula_fill_bf16(base, first, count, tensor->scale, tensor->offset, dst);
    else if (!tensor->norm)
        g4_formula_fill_f32(base, first, count, tensor->scale, tensor->offset, dst);
    if (!tensor->norm)
        return;

    const guint64 norm = g4_formula_base(tensor->norm, seed);
    const guint64 columns = tensor->dims[tensor->n_dims - 1];
    for (gsize i = 0; i < count; i++) {
        float v = value(g4_formula_integer(base, first + i), tensor->scale, tensor->offset);
        if (g4_formula_is_outlier(norm, (first + i) % columns))
            v *= tensor->factor;
        if (bf16)
            ((guint16 *)dst)[i] = bf16_nearest(v);
        else
            ((float *)dst)[i] = v;
    }
}

/* ------------------------------------------------------------------------------------------
 * Tensors
 */

#define OUTLIER 30.0f

static void clear_tensor(gpointer tensor)
{
    g_free(((G4FormulaTensor *)tensor)->name);
    g_free(((G4FormulaTensor *)tensor)->norm);
}

/* Appends name (taken) of n_dims dimensions. Scale and offset are rounded to float32 here. */
static void add(GArray *tensors, char *name, guint n_dims, guint64 rows, guint64 cols, double scale,
                double offset)
{
    G4FormulaTensor tensor = {.name = name,
                              .n_dims = n_dims,
                              .elements = 1,
                              .scale = (float)scale,
                              .offset = (float)offset};
    guint64 dims[2] = {rows, cols};
    for (guint i = 0; i < n_dims; i++) {
        tensor.dims[i] = dims[i];
        tensor.elements *= dims[i];
    }
    g_array_append_val(tensors, tensor);
}

/* Lets the tensor added last follow the outlying channels of `norm`, a name after `at`; NULL: of
 * its own. */
static void follow(GArray *tensors, const char *at, const char *norm, float factor)
{
    G4FormulaTensor *tensor = &g_array_index(tensors, G4FormulaTensor, tensors->len - 1);

    tensor->norm = norm ? g_strconcat(at, norm, ".weight", NULL) : g_strdup(tensor->name);
    tensor->factor = factor;
}

/* Uniform values of standard deviation 1 / sqrt(n). */
static double lin(double n)
{
    return sqrt(3.0 / n);
}

GArray *g4_formula_tensors(const G4FormulaKind *kind)
{
    const guint64 D = G4_FORMULA_HIDDEN, F = G4_FORMULA_FFN, d = G4_FORMULA_HEAD_DIM;
    const guint64 Hd = G4_FORMULA_HEADS * d, patch = 3 * G4_FORMULA_PATCH * G4_FORMULA_PATCH;
    const struct {
        const char *name;
        guint64 rows, cols;
        double in, out;   /* factors of the clip bounds: the product before `down` is smaller */
        const char *norm; /* ahead of it */
    } linears[] = {
        {"self_attn.q_proj", Hd, D, 1.0, 1.0, "input_layernorm"},
        {"self_attn.k_proj", Hd, D, 1.0, 1.0, "input_layernorm"},
        {"self_attn.v_proj", Hd, D, 1.0, 1.0, "input_layernorm"},
        {"self_attn.o_proj", D, Hd, 1.0, 1.0, NULL},
        {"mlp.gate_proj", F, D, 1.0, 1.0, "pre_feedforward_layernorm"},
        {"mlp.up_proj", F, D, 1.0, 1.0, "pre_feedforward_layernorm"},
        {"mlp.down_proj", D, F, 0.35, 0.4, NULL},
    };
    static const char *const norms[] = {"input_layernorm", "post_attention_layernorm",
                                        "pre_feedforward_layernorm", "post_feedforward_layernorm"};
    static const char tower[] = "model.vision_tower.";
    /* q and k are normalised per head: these weights give the logits a standard deviation of 2. */
    const double qk = sqrt(2.0) / sqrt(sqrt((double)d));

    GArray *tensors = g_array_new(FALSE, FALSE, sizeof(G4FormulaTensor));
    g_array_set_clear_func(tensors, clear_tensor);

    add(tensors, g_strconcat(tower, "patch_embedder.input_proj.weight", NULL), 2, D, patch,
        lin(patch), 0.0);
    G4FormulaTensor table = {
        .name = g_strconcat(tower, "patch_embedder.position_embedding_table", NULL),
        .n_dims = 3,
        .dims = {2, kind->table, D},
        .elements = 2 * kind->table * D,
        .scale = 0.5f};
    g_array_append_val(tensors, table);

    for (guint layer = 0; layer < kind->layers; layer++) {
        g_autofree char *at = g_strdup_printf("%sencoder.layers.%u.", tower, layer);
        for (guint i = 0; i < G_N_ELEMENTS(norms); i++) {
            add(tensors, g_strconcat(at, norms[i], ".weight", NULL), 1, D, 0, 0.25, 1.0);
            if (kind->outliers && !g_str_has_prefix(norms[i], "post_"))
                follow(tensors, at, NULL, OUTLIER);
        }
        add(tensors, g_strconcat(at, "self_attn.q_norm.weight", NULL), 1, d, 0, 0.25 * qk, qk);
        add(tensors, g_strconcat(at, "self_attn.k_norm.weight", NULL), 1, d, 0, 0.25 * qk, qk);
        for (guint i = 0; i < G_N_ELEMENTS(linears); i++) {
            const gboolean outliers = kind->outliers && linears[i].norm;
            const double c = kind->clip_center, out = linears[i].out;
            const double in = linears[i].in * (outliers ? OUTLIER : 1.0);
            add(tensors, g_strconcat(at, linears[i].name, ".linear.weight", NULL), 2,
                linears[i].rows, linears[i].cols, lin(linears[i].cols), 0.0);
            if (outliers)
                follow(tensors, at, linears[i].norm, 1.0f / OUTLIER);
            if (!kind->clipped)
                continue;
            add(tensors, g_strconcat(at, linears[i].name, ".input_min", NULL), 0, 0, 0,
                0.25 * c * in, -c * in);
            add(tensors, g_strconcat(at, linears[i].name, ".input_max", NULL), 0, 0, 0,
                0.25 * c * in, c * in);
            add(tensors, g_strconcat(at, linears[i].name, ".output_min", NULL), 0, 0, 0,
                0.25 * c * out, -c * out);
            add(tensors, g_strconcat(at, linears[i].name, ".output_max", NULL), 0, 0, 0,
                0.25 * c * out, c * out);
        }
    }
    add(tensors, g_strdup("model.embed_vision.embedding_projection.weight"), 2, kind->output_dim, D,
        lin(D), 0.0);
    return tensors;
}

/* ------------------------------------------------------------------------------------------
 * Frames
 */

void g4_formula_frame(guint width, guint height, guint64 seed, guint8 *rgb)
{
    const gint64 w = width, h = height;
    const gint64 radius = MAX(MIN(w, h) / 4, 1), cell = MAX(MIN(w, h) / 16, 2);
    const guint64 base = g4_formula_base("frame", seed);
    guint64 i = 0;

    for (gint64 y = 0; y < h; y++) {
        for (gint64 x = 0; x < w; x++) {
            gint64 pixel[3] = {255 * x / MAX(w - 1, 1), 255 * y / MAX(h - 1, 1),
                               255 * (x + y) / MAX(w + h - 2, 1)};
            const gint64 dx = x - w / 3, dy = y - h / 2;
            if (dx * dx + dy * dy <= radius * radius)
                pixel[0] = 230, pixel[1] = 40, pixel[2] = 60;
            if (x >= w / 2 && x < 7 * w / 8 && y >= h / 8 && y < 3 * h / 8)
                pixel[0] = 20, pixel[1] = 200, pixel[2] = 90;
            if (x >= 5 * w / 8 && y >= 5 * h / 8)
                pixel[0] = pixel[1] = pixel[2] = (x / cell + y / cell) % 2 ? 255 : 0;
            for (guint c = 0; c < 3; c++, i++) {
                gint64 noise = (gint64)(g4_formula_integer(base, i) >> 59) - 16;
                rgb[i] = CLAMP(pixel[c] + noise, 0, 255);
            }
        }
    }
}
