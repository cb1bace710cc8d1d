/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's writable properties: their table and where they are kept.
 */
#include "gstgemma4embedsettings.h"

void gst_gemma4_settings_init(GstGemma4Settings *settings)
{
    *settings = (GstGemma4Settings){
        .normalize = TRUE,
        .inference_interval = 1,
        .max_rate_d = 1,
        .window = 1,
        .window_stride = 1,
        .meta_types = GST_GEMMA4_META_AVAILABLE,
        .min_region_size = 16,
        .reembed_interval = 1,
    };
}

GstGemma4Settings gst_gemma4_settings_copy(const GstGemma4Settings *settings)
{
    GstGemma4Settings copy = *settings;

    copy.model = g_strdup(settings->model);
    copy.prompt = g_strdup(settings->prompt);
    copy.object_class = g_strdup(settings->object_class);
    return copy;
}

void gst_gemma4_settings_clear(GstGemma4Settings *settings)
{
    g_clear_pointer(&settings->model, g_free);
    g_clear_pointer(&settings->prompt, g_free);
    g_clear_pointer(&settings->object_class, g_free);
}

gboolean gst_gemma4_settings_set(GstGemma4Settings *s, guint id, const GValue *value)
{
    switch (id) {
    case GST_GEMMA4_SETTING_MODEL:
        g_free(s->model);
        s->model = g_value_dup_string(value);
        break;
    case GST_GEMMA4_SETTING_OUTPUT:
        s->output = g_value_get_enum(value);
        break;
    case GST_GEMMA4_SETTING_NORMALIZE:
        s->normalize = g_value_get_boolean(value);
        break;
    case GST_GEMMA4_SETTING_RESIZE:
        s->resize = g_value_get_enum(value);
        break;
    case GST_GEMMA4_SETTING_IMAGE_SIZE:
        s->image_size = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_MAX_SOFT_TOKENS:
        s->max_soft_tokens = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_PRECISION:
        s->precision = g_value_get_enum(value);
        break;
    case GST_GEMMA4_SETTING_THREADS:
        s->threads = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_INFERENCE_INTERVAL:
        s->inference_interval = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_MAX_RATE:
        s->max_rate_n = gst_value_get_fraction_numerator(value);
        s->max_rate_d = gst_value_get_fraction_denominator(value);
        break;
    case GST_GEMMA4_SETTING_ASYNC:
        s->async = g_value_get_boolean(value);
        break;
    case GST_GEMMA4_SETTING_LATE_POLICY:
        s->late_policy = g_value_get_enum(value);
        break;
    case GST_GEMMA4_SETTING_REUSE_THRESHOLD:
        s->reuse_threshold = g_value_get_double(value);
        break;
    case GST_GEMMA4_SETTING_IDLE_UNLOAD:
        s->idle_unload = g_value_get_uint64(value);
        break;
    case GST_GEMMA4_SETTING_DIMENSIONS:
        s->dimensions = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_PROMPT:
        g_free(s->prompt);
        s->prompt = g_value_dup_string(value);
        break;
    case GST_GEMMA4_SETTING_WINDOW:
        s->window = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_WINDOW_STRIDE:
        s->window_stride = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_META_TYPES:
        s->meta_types = g_value_get_flags(value);
        break;
    case GST_GEMMA4_SETTING_POST_MESSAGES:
        s->post_messages = g_value_get_boolean(value);
        break;
    case GST_GEMMA4_SETTING_REGION:
        s->region = g_value_get_enum(value);
        break;
    case GST_GEMMA4_SETTING_OBJECT_CLASS:
        g_free(s->object_class);
        s->object_class = g_value_dup_string(value);
        break;
    case GST_GEMMA4_SETTING_MIN_REGION_SIZE:
        s->min_region_size = g_value_get_uint(value);
        break;
    case GST_GEMMA4_SETTING_REEMBED_INTERVAL:
        s->reembed_interval = g_value_get_uint(value);
        break;
    default:
        return FALSE;
    }
    return TRUE;
}

gboolean gst_gemma4_settings_get(const GstGemma4Settings *s, guint id, GValue *value)
{
    switch (id) {
    case GST_GEMMA4_SETTING_MODEL:
        g_value_set_string(value, s->model);
        break;
    case GST_GEMMA4_SETTING_OUTPUT:
        g_value_set_enum(value, s->output);
        break;
    case GST_GEMMA4_SETTING_NORMALIZE:
        g_value_set_boolean(value, s->normalize);
        break;
    case GST_GEMMA4_SETTING_RESIZE:
        g_value_set_enum(value, s->resize);
        break;
    case GST_GEMMA4_SETTING_IMAGE_SIZE:
        g_value_set_uint(value, s->image_size);
        break;
    case GST_GEMMA4_SETTING_MAX_SOFT_TOKENS:
        g_value_set_uint(value, s->max_soft_tokens);
        break;
    case GST_GEMMA4_SETTING_PRECISION:
        g_value_set_enum(value, s->precision);
        break;
    case GST_GEMMA4_SETTING_THREADS:
        g_value_set_uint(value, s->threads);
        break;
    case GST_GEMMA4_SETTING_INFERENCE_INTERVAL:
        g_value_set_uint(value, s->inference_interval);
        break;
    case GST_GEMMA4_SETTING_MAX_RATE:
        gst_value_set_fraction(value, s->max_rate_n, s->max_rate_d);
        break;
    case GST_GEMMA4_SETTING_ASYNC:
        g_value_set_boolean(value, s->async);
        break;
    case GST_GEMMA4_SETTING_LATE_POLICY:
        g_value_set_enum(value, s->late_policy);
        break;
    case GST_GEMMA4_SETTING_REUSE_THRESHOLD:
        g_value_set_double(value, s->reuse_threshold);
        break;
    case GST_GEMMA4_SETTING_IDLE_UNLOAD:
        g_value_set_uint64(value, s->idle_unload);
        break;
    case GST_GEMMA4_SETTING_DIMENSIONS:
        g_value_set_uint(value, s->dimensions);
        break;
    case GST_GEMMA4_SETTING_PROMPT:
        g_value_set_string(value, s->prompt);
        break;
    case GST_GEMMA4_SETTING_WINDOW:
        g_value_set_uint(value, s->window);
        break;
    case GST_GEMMA4_SETTING_WINDOW_STRIDE:
        g_value_set_uint(value, s->window_stride);
        break;
    case GST_GEMMA4_SETTING_META_TYPES:
        g_value_set_flags(value, s->meta_types);
        break;
    case GST_GEMMA4_SETTING_POST_MESSAGES:
        g_value_set_boolean(value, s->post_messages);
        break;
    case GST_GEMMA4_SETTING_REGION:
        g_value_set_enum(value, s->region);
        break;
    case GST_GEMMA4_SETTING_OBJECT_CLASS:
        g_value_set_string(value, s->object_class);
        break;
    case GST_GEMMA4_SETTING_MIN_REGION_SIZE:
        g_value_set_uint(value, s->min_region_size);
        break;
    case GST_GEMMA4_SETTING_REEMBED_INTERVAL:
        g_value_set_uint(value, s->reembed_interval);
        break;
    default:
        return FALSE;
    }
    return TRUE;
}

void gst_gemma4_settings_install(GObjectClass *klass)
{
    const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
    const GParamFlags playing =
        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_MODEL,
        g_param_spec_string("model", "Model",
                            "Path of the checkpoint: a folder with config.json, a .safetensors "
                            "file or a model.safetensors.index.json; default none, which is an "
                            "error at start. While playing, another one is loaded aside and put "
                            "in its place between two frames; one that cannot be loaded is "
                            "refused with a warning",
                            NULL, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_OUTPUT,
        g_param_spec_enum("output", "Output",
                          "What is computed of a frame: its soft tokens, their mean (pooled) or "
                          "the vector shared with text (joint); default auto: the best that "
                          "checkpoint and build have",
                          GST_TYPE_GEMMA4_OUTPUT, GST_GEMMA4_OUTPUT_AUTO, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_NORMALIZE,
        g_param_spec_boolean("normalize", "Normalize",
                             "Scale pooled and joint vectors to length 1, so that their dot "
                             "product is the cosine; tokens never are; default true",
                             TRUE, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_RESIZE,
        g_param_spec_enum("resize", "Resize",
                          "How a picture is brought to the encoder's size: to a square, or with "
                          "its aspect ratio kept; default auto: as the processor file says",
                          GST_TYPE_GEMMA4_RESIZE, G4_RESIZE_AUTO, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_IMAGE_SIZE,
        g_param_spec_uint("image-size", "Image size",
                          "Side of the square in pixels, for resize=square; default 0: as the "
                          "processor file says, else 768",
                          0, G_MAXUINT, 0, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_MAX_SOFT_TOKENS,
        g_param_spec_uint("max-soft-tokens", "Max soft tokens",
                          "Most soft tokens a picture may become, for resize=aspect; fewer is "
                          "faster; default 0: as the processor file says",
                          0, G_MAXUINT, 0, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_PRECISION,
        g_param_spec_enum("precision", "Precision",
                          "Number format of the matrix products; default auto: bf16 where the "
                          "processor multiplies it in hardware, else f32",
                          GST_TYPE_GEMMA4_PRECISION, G4_PRECISION_AUTO, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_THREADS,
        g_param_spec_uint("threads", "Threads",
                          "Number of threads that compute a frame; default 0: the cores that "
                          "affinity mask and cgroup quota leave",
                          0, G_MAXUINT, 0, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_INFERENCE_INTERVAL,
        g_param_spec_uint("inference-interval", "Inference interval",
                          "Embed every n-th frame; the others pass without an embedding; "
                          "default 1: all",
                          1, G_MAXUINT, 1, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_MAX_RATE,
        gst_param_spec_fraction("max-rate", "Max rate",
                                "Most embeddings in a second of stream time: the first frame of "
                                "each period is embedded, of those that inference-interval "
                                "leaves; default 0/1: no limit",
                                0, 1, G_MAXINT, 1, 0, 1, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_ASYNC,
        g_param_spec_boolean("async", "Async",
                             "Pass each frame at once and compute on another thread; a frame that "
                             "comes while that one is busy gets no embedding, and a result rides "
                             "on the next buffer out; default false",
                             FALSE, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_LATE_POLICY,
        g_param_spec_enum("late-policy", "Late policy",
                          "What becomes of a frame that is late as QoS events say: its embedding "
                          "is skipped and the picture passes, or it is embedded all the same; "
                          "default skip",
                          GST_TYPE_GEMMA4_LATE_POLICY, GST_GEMMA4_LATE_SKIP, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_REUSE_THRESHOLD,
        g_param_spec_double("reuse-threshold", "Reuse threshold",
                            "A frame whose resized pixels differ from the last computed ones by "
                            "at most this mean (0..255) gets the same vectors again, and so does "
                            "a region (of the same track, or in the same place); negative: never; "
                            "default 0: only where they are equal",
                            -1, 255, 0, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_IDLE_UNLOAD,
        g_param_spec_uint64("idle-unload", "Idle unload",
                            "Nanoseconds without a frame after which the weights are given back, "
                            "to be loaded again with the next frame; default 0: never",
                            0, G_MAXUINT64, 0, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_DIMENSIONS,
        g_param_spec_uint("dimensions", "Dimensions",
                          "For joint vectors: keep the first n components, and with normalize "
                          "scale them to length 1 again; default 0: all",
                          0, G_MAXUINT, 0, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_PROMPT,
        g_param_spec_string("prompt", "Prompt",
                            "For joint vectors: name of one of the checkpoint's task prompts, "
                            "put before the frame; default none",
                            NULL, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_WINDOW,
        g_param_spec_uint("window", "Window",
                          "For joint vectors: so many embedded frames become one video vector, "
                          "with the time of the last; default 1: each frame is a picture",
                          1, G4_TEXT_MAX_TOKENS, 1, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_WINDOW_STRIDE,
        g_param_spec_uint("window-stride", "Window stride",
                          "For joint vectors: embedded frames from one window's begin to the "
                          "next one's; default 1",
                          1, G_MAXUINT, 1, ready));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_META_TYPES,
        g_param_spec_flags("meta-types", "Meta types",
                           "Metas that carry the embeddings; default all that the running "
                           "GStreamer has (tensor: from 1.26)",
                           GST_TYPE_GEMMA4_META_TYPES, GST_GEMMA4_META_AVAILABLE,
                           ready | GST_PARAM_DOC_SHOW_DEFAULT));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_POST_MESSAGES,
        g_param_spec_boolean("post-messages", "Post messages",
                             "Post each embedding as an element message gemma4-embedding too; "
                             "default false",
                             FALSE, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_REGION,
        g_param_spec_enum("region", "Region",
                          "What of a frame is embedded: the whole frame, each region that a "
                          "GstVideoRegionOfInterestMeta (from GStreamer 1.24 also an object "
                          "detection of the analytics meta) tells, or both; default frame",
                          GST_TYPE_GEMMA4_REGIONS, GST_GEMMA4_REGIONS_FRAME, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_OBJECT_CLASS,
        g_param_spec_string("object-class", "Object class",
                            "Embed regions of these classes alone, comma separated; default none: "
                            "all",
                            NULL, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_MIN_REGION_SIZE,
        g_param_spec_uint("min-region-size", "Min region size",
                          "Leave out regions whose shorter side, as far as it is in the picture, "
                          "has fewer pixels; default 16",
                          0, G_MAXUINT, 16, playing));
    g_object_class_install_property(
        klass, GST_GEMMA4_SETTING_REEMBED_INTERVAL,
        g_param_spec_uint("reembed-interval", "Re-embed interval",
                          "Embed the region of a tracked object again after n frames, in between "
                          "it has no new embedding; one without a track is always embedded; "
                          "default 1: in each frame",
                          1, G_MAXUINT, 1, playing));
}
