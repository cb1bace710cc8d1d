/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingmatch's properties.
 */
#include "gstembeddingmatchsettings.h"
#include "gstgemma4embedtypes.h"

#include <gst/gst.h>

enum {
    PROP_MODEL = 1,
    PROP_PRECISION,
    PROP_THREADS,
    PROP_LABELS,
    PROP_LABELS_FILE,
    PROP_NEGATIVE_LABELS,
    PROP_IMAGES,
    PROP_VECTORS,
    PROP_PROMPT,
    PROP_THRESHOLD,
    PROP_HYSTERESIS,
    PROP_TOP_K,
    PROP_SOFTMAX,
    PROP_TEMPERATURE,
};

void gst_embedding_match_settings_init(GstEmbeddingMatchSettings *settings)
{
    *settings = (GstEmbeddingMatchSettings){
        .threshold = 0.3,
        .hysteresis = 0.02,
        .temperature = 0.05,
        .top_k = 5,
    };
}

void gst_embedding_match_settings_clear(GstEmbeddingMatchSettings *settings)
{
    g_clear_pointer(&settings->model, g_free);
    gst_embedding_match_sources_clear(&settings->sources);
}

static gchar **find_source(GstEmbeddingMatchSettings *s, guint id)
{
    switch (id) {
    case PROP_LABELS:
        return &s->sources.labels;
    case PROP_LABELS_FILE:
        return &s->sources.labels_file;
    case PROP_NEGATIVE_LABELS:
        return &s->sources.negative_labels;
    case PROP_IMAGES:
        return &s->sources.images;
    case PROP_VECTORS:
        return &s->sources.vectors;
    case PROP_PROMPT:
        return &s->sources.prompt;
    default:
        return NULL;
    }
}

GstEmbeddingMatchKind gst_embedding_match_settings_set(GstEmbeddingMatchSettings *s, guint id,
                                                       const GValue *value)
{
    gchar **source = find_source(s, id);

    if (source != NULL) {
        g_free(*source);
        *source = g_value_dup_string(value);
        return GST_EMBEDDING_MATCH_SOURCE;
    }
    switch (id) {
    case PROP_MODEL:
        g_free(s->model);
        s->model = g_value_dup_string(value);
        break;
    case PROP_PRECISION:
        s->precision = g_value_get_enum(value);
        break;
    case PROP_THREADS:
        s->threads = g_value_get_uint(value);
        break;
    case PROP_THRESHOLD:
        s->threshold = g_value_get_double(value);
        break;
    case PROP_HYSTERESIS:
        s->hysteresis = g_value_get_double(value);
        break;
    case PROP_TOP_K:
        s->top_k = g_value_get_uint(value);
        break;
    case PROP_SOFTMAX:
        s->softmax = g_value_get_boolean(value);
        break;
    case PROP_TEMPERATURE:
        s->temperature = g_value_get_double(value);
        break;
    default:
        return GST_EMBEDDING_MATCH_UNKNOWN;
    }
    return GST_EMBEDDING_MATCH_VALUE;
}

GstEmbeddingMatchKind gst_embedding_match_settings_get(const GstEmbeddingMatchSettings *s, guint id,
                                                       GValue *value)
{
    gchar **source = find_source((GstEmbeddingMatchSettings *)s, id);

    if (source != NULL) {
        g_value_set_string(value, *source);
        return GST_EMBEDDING_MATCH_SOURCE;
    }
    switch (id) {
    case PROP_MODEL:
        g_value_set_string(value, s->model);
        break;
    case PROP_PRECISION:
        g_value_set_enum(value, s->precision);
        break;
    case PROP_THREADS:
        g_value_set_uint(value, s->threads);
        break;
    case PROP_THRESHOLD:
        g_value_set_double(value, s->threshold);
        break;
    case PROP_HYSTERESIS:
        g_value_set_double(value, s->hysteresis);
        break;
    case PROP_TOP_K:
        g_value_set_uint(value, s->top_k);
        break;
    case PROP_SOFTMAX:
        g_value_set_boolean(value, s->softmax);
        break;
    case PROP_TEMPERATURE:
        g_value_set_double(value, s->temperature);
        break;
    default:
        return GST_EMBEDDING_MATCH_UNKNOWN;
    }
    return GST_EMBEDDING_MATCH_VALUE;
}

static void install_string(GObjectClass *klass, guint id, const gchar *name, const gchar *nick,
                           const gchar *blurb, GParamFlags when)
{
    g_object_class_install_property(
        klass, id,
        g_param_spec_string(name, nick, blurb, NULL,
                            G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | when));
}

void gst_embedding_match_settings_install(GObjectClass *klass)
{
    const GParamFlags playing =
        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;
    const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

    install_string(klass, PROP_MODEL, "model", "Model",
                   "Path of the checkpoint that embeds labels and images: the one that embeds the "
                   "frames; default none: labels name the rows of vectors",
                   GST_PARAM_MUTABLE_READY);
    g_object_class_install_property(
        klass, PROP_PRECISION,
        g_param_spec_enum(
            "precision", "Precision",
            "Number format of the matrix products; that of gemma4embed saves a second "
            "copy of the weights; default auto: bf16 where the processor multiplies "
            "it in hardware, else f32",
            GST_TYPE_GEMMA4_PRECISION, G4_PRECISION_AUTO, ready));
    g_object_class_install_property(
        klass, PROP_THREADS,
        g_param_spec_uint("threads", "Threads",
                          "Number of threads that embed labels and images; default 0: the cores "
                          "that affinity mask and cgroup quota leave",
                          0, G_MAXUINT, 0, ready));
    install_string(klass, PROP_LABELS, "labels", "Labels",
                   "Sentences to look for, separated by semicolons: \"a person on a bike; an empty "
                   "street\"; \"\\;\" is a semicolon; default none",
                   GST_PARAM_MUTABLE_PLAYING);
    install_string(klass, PROP_LABELS_FILE, "labels-file", "Labels file",
                   "Path of a text file with further labels, one a line; default none",
                   GST_PARAM_MUTABLE_PLAYING);
    install_string(klass, PROP_NEGATIVE_LABELS, "negative-labels", "Negative labels",
                   "Sentences that are never reported, but that a label must beat to match; "
                   "separated as labels are; default none",
                   GST_PARAM_MUTABLE_PLAYING);
    install_string(klass, PROP_IMAGES, "images", "Images",
                   "Paths of example pictures to look for, separated as labels are, and named "
                   "after their files; default none",
                   GST_PARAM_MUTABLE_PLAYING);
    install_string(klass, PROP_VECTORS, "vectors", "Vectors",
                   "Paths of NPY files of float32 [rows, cols] to look for, separated as labels "
                   "are; rows are named after their file, or without a model by labels, then "
                   "negative-labels; default none",
                   GST_PARAM_MUTABLE_PLAYING);
    install_string(klass, PROP_PROMPT, "prompt", "Prompt",
                   "Name of the checkpoint's task prompt to put before each label; none: nothing; "
                   "default: query, where the checkpoint has it",
                   GST_PARAM_MUTABLE_PLAYING);
    g_object_class_install_property(
        klass, PROP_THRESHOLD,
        g_param_spec_double("threshold", "Threshold",
                            "Score from which a label matches: cosine, -1..1, or with softmax "
                            "probability, 0..1; default 0.3",
                            -1, 1, 0.3, playing));
    g_object_class_install_property(
        klass, PROP_HYSTERESIS,
        g_param_spec_double("hysteresis", "Hysteresis",
                            "How far below the threshold the score must fall for a match to end; "
                            "default 0.02",
                            0, 2, 0.02, playing));
    g_object_class_install_property(
        klass, PROP_TOP_K,
        g_param_spec_uint("top-k", "Top k",
                          "How many of the best scores go out with a frame, and matches in the "
                          "text; 0: all; default 5",
                          0, G_MAXUINT, 5, playing));
    g_object_class_install_property(
        klass, PROP_SOFTMAX,
        g_param_spec_boolean("softmax", "Softmax",
                             "Scores are probabilities over all labels, the negative ones too, "
                             "instead of cosines; default false",
                             FALSE, playing));
    g_object_class_install_property(
        klass, PROP_TEMPERATURE,
        g_param_spec_double("temperature", "Temperature",
                            "Of the softmax: what cosines are divided by, the smaller the more the "
                            "best label gets; default 0.05",
                            0.0001, 100, 0.05, playing));
}
