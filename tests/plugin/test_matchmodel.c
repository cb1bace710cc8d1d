/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingmatch behind gemma4embed: sentences and pictures that the checkpoint embeds.
 */
#include "gemma4.h"
#include "gstembeddingmatchmodel.h"
#include "producer.h"

#include <glib/gstdio.h>
#include <gst/gemma4/gstgemma4scoremeta.h>
#include <string.h>

static gchar *make_folder(void)
{
    gchar *folder = g_dir_make_tmp("gemma4-match-XXXXXX", NULL);

    g_assert_nonnull(folder);
    return folder;
}

static void remove_folder(gchar *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree gchar *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_free(folder);
}

static const GstGemma4Score *score_of(GstBuffer *buffer, guint i, guint n)
{
    const GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(buffer);

    g_assert_nonnull(meta);
    g_assert_cmpuint(gst_gemma4_score_meta_get_n_entries(meta), ==, n);
    return gst_gemma4_score_meta_get_entry(meta, i);
}

static gchar *embedding_case(void)
{
    return g_build_filename(g_getenv("G4_TEST_DATA"), "embedding_case", NULL);
}

/* Plays a line to its end; what was told is pushed to `told` (of GstMessage). Its error, or NULL.
 */
static GError *play(const gchar *line, GPtrArray *told)
{
    GError *error = NULL;
    GstElement *pipeline = gst_parse_launch(line, &error);

    g_assert_no_error(error);
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (gboolean ended = FALSE; !ended;) {
        GstMessage *message = gst_bus_timed_pop_filtered(
            bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);
        ended = GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT;
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
            gst_message_parse_error(message, &error, NULL);
        if (told != NULL && gst_message_has_name(message, "gemma4-match"))
            g_ptr_array_add(told, gst_message_ref(message));
        gst_message_unref(message);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    return error;
}

#define SOURCE                                                                                     \
    "videotestsrc pattern=%s num-buffers=2 ! video/x-raw,format=RGB,width=64,height=48 ! "

/* As it is used: the overlay neither waits nor ends early. */
static void overlay_runs_to_the_end(void)
{
    g_autofree gchar *model = embedding_case();
    g_autofree gchar *line = g_strdup_printf(
        "videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48,framerate=25/1 ! "
        "gemma4embed model=\"%s\" max-rate=5/1 ! "
        "embeddingmatch name=m model=\"%s\" labels=\"a; b\" threshold=-1 ! "
        "textoverlay name=t ! fakesink m.text ! queue ! t.text_sink",
        model, model);
    GError *error = play(line, NULL);

    g_assert_no_error(error);
}

/* A picture of the film's own frame has cosine 1 with it, in the space of texts. */
static void picture_of_a_frame_fits_it(gconstpointer output)
{
    gchar *folder = make_folder();
    g_autofree gchar *model = embedding_case();
    g_autofree gchar *picture = g_build_filename(folder, "bars.png", NULL);
    g_autofree gchar *snapshot = g_strdup_printf(
        "videotestsrc num-buffers=1 ! video/x-raw,format=RGB,width=64,height=48 ! pngenc ! "
        "filesink location=\"%s\"",
        picture);
    g_autofree gchar *line = g_strdup_printf(
        SOURCE "gemma4embed model=\"%s\" precision=f32 output=%s ! "
               "embeddingmatch model=\"%s\" images=\"%s\" threshold=0.9999 ! fakesink",
        "smpte", model, (const gchar *)output, model, picture);
    g_autoptr(GPtrArray) told = g_ptr_array_new_with_free_func((GDestroyNotify)gst_message_unref);
    GError *error = play(snapshot, NULL);

    g_assert_no_error(error);
    error = play(line, told);
    g_assert_no_error(error);
    g_assert_cmpuint(told->len, ==, 2);
    const GstStructure *s = gst_message_get_structure(told->pdata[0]);
    gdouble score;
    g_assert_cmpstr(gst_structure_get_string(s, "label"), ==, "bars");
    g_assert_true(gst_structure_get_double(s, "score", &score));
    g_assert_cmpfloat_with_epsilon(score, 1, 1e-4);
    remove_folder(folder);
}

/* The same through the core at that precision: prompt and label, and the frame's own vector. */
static void sentences_score_as_the_core_embeds_them(gconstpointer data)
{
    G4Precision precision = (G4Precision)GPOINTER_TO_INT(data);
    g_autofree gchar *model = embedding_case();
    g_autofree gchar *line = g_strdup_printf(
        "gemma4embed model=\"%s\" precision=f32 ! embeddingmatch model=\"%s\" top-k=0 "
        "precision=%s threads=1 labels=\"a red car; a dog;a red car\"",
        model, model, g4_precision_name(precision));
    GstHarness *h = gst_harness_new_parse(line);
    GstBuffer *in = gst_buffer_new_allocate(NULL, 64 * 48 * 3, NULL);
    GError *error = NULL;
    G4TextModel *text =
        g4_text_model_open(model, &(G4ModelOptions){.precision = precision}, &error);
    g_assert_no_error(error);
    G4TextEncoder *encoder = g4_text_encoder_new(text, NULL, &error);
    g_assert_no_error(error);
    guint cols = g4_text_encoder_get_cols(encoder);
    g_autofree gfloat *vector = g_new(gfloat, cols);
    gsize n;

    gst_buffer_memset(in, 0, 0x55, -1);
    GST_BUFFER_PTS(in) = 0;
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=64,height=48,framerate=25/1");
    g_autoptr(GstBuffer) out = gst_harness_push_and_pull(h, in);
    g_assert_nonnull(out);
    const gfloat *frame = gst_gemma4_embedding_get_values(
        gst_gemma4_embedding_meta_get_entry(gst_buffer_get_gemma4_embedding_meta(out), 0), &n);
    g_assert_cmpuint(n, ==, cols);
    for (guint i = 0; i < 2; i++) { /* the label that comes twice is one */
        const GstGemma4Score *score = score_of(out, i, 2);
        G4Part part = {
            .kind = G4_PART_TEXT, .text = gst_gemma4_score_get_label(score), .length = -1};
        gdouble cosine = 0;
        g_assert_true(g4_text_encoder_embed(encoder, g4_text_model_get_prompt(text, "query"), &part,
                                            1, TRUE, vector, &error));
        for (guint c = 0; c < cols; c++)
            cosine += (gdouble)vector[c] * frame[c];
        g_assert_cmpfloat_with_epsilon(gst_gemma4_score_get_score(score), cosine, 1e-6);
    }
    g4_text_encoder_free(encoder);
    g4_text_model_unref(text);
    gst_harness_teardown(h);
}

static void frames_of_another_space_are_an_error(void)
{
    g_autofree gchar *model = embedding_case();
    g_autofree gchar *other = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "square", NULL);
    g_autofree gchar *pooled = g_strdup_printf(
        SOURCE "gemma4embed model=\"%s\" output=pooled ! embeddingmatch model=\"%s\" labels=a ! "
               "fakesink",
        "smpte", model, model);
    g_autofree gchar *foreign = g_strdup_printf(
        SOURCE "gemma4embed model=\"%s\" ! embeddingmatch model=\"%s\" labels=a ! fakesink",
        "smpte", other, model);

    g_autoptr(GError) error = play(pooled, NULL);
    g_assert_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull(strstr(error->message, "expected output=joint"));
    g_autoptr(GError) another = play(foreign, NULL);
    g_assert_error(another, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull(strstr(another->message, "is another than the one of the frames"));
}

static void bad_prompts_and_pictures_are_errors(void)
{
    static const struct {
        const gchar *property, *value, *part;
        gint code;
    } bad[] = {
        {"prompt", "no such prompt", "none of the task prompts", GST_RESOURCE_ERROR_SETTINGS},
        {"images", "/nonexistent.png", "/nonexistent.png", GST_RESOURCE_ERROR_NOT_FOUND},
        {"images", "/dev/zero", "not a regular file", GST_RESOURCE_ERROR_OPEN_READ},
        {"images", "config.json", "expected a picture", GST_RESOURCE_ERROR_OPEN_READ},
    };
    g_autofree gchar *model = embedding_case();

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        GstElement *element = gst_object_ref_sink(producer_element("embeddingmatch"));
        g_autofree gchar *value = g_str_equal(bad[i].value, "config.json")
                                      ? g_build_filename(model, bad[i].value, NULL)
                                      : g_strdup(bad[i].value);
        g_object_set(element, "model", model, "labels", "a", bad[i].property, value, NULL);
        g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==,
                        GST_STATE_CHANGE_FAILURE);
        producer_expect_error(element, GST_RESOURCE_ERROR, bad[i].code, bad[i].part);
        gst_element_set_state(element, GST_STATE_NULL);
        gst_object_unref(element);
    }
}

static void threads_that_there_cannot_be_are_an_error(void)
{
    GstElement *element = gst_object_ref_sink(producer_element("embeddingmatch"));
    g_autofree gchar *model = embedding_case();

    g_object_set(element, "model", model, "labels", "a", "threads", G_MAXUINT, NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    producer_expect_error(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "threads");
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
}

/* What a stop does to labels and pictures that are being embedded, and to those that come then. */
static void cancelled_model_gives_up(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = embedding_case();
    g_autofree gchar *picture = g_build_filename(folder, "bars.png", NULL);
    g_autofree gchar *snapshot = g_strdup_printf(
        "videotestsrc num-buffers=1 ! video/x-raw,format=RGB,width=64,height=48 ! pngenc ! "
        "filesink location=\"%s\"",
        picture);
    g_assert_no_error(play(snapshot, NULL));

    for (guint opened = 0; opened < 2; opened++) {
        GstEmbeddingMatchModel *model = gst_embedding_match_model_new(path, G4_PRECISION_F32, 1);
        GstEmbeddingMatchPictureVectors vectors = {0};
        g_autoptr(GError) of_text = NULL;
        g_autoptr(GError) of_picture = NULL;
        guint cols;

        if (opened) {
            g_autofree gfloat *vector =
                gst_embedding_match_model_embed_text(model, NULL, "a", &cols, &of_text);
            g_assert_nonnull(vector);
            g_assert_true(gst_embedding_match_model_embed_picture(model, picture, NULL, &vectors,
                                                                  &of_picture));
            g_free(vectors.joint);
            g_free(vectors.pooled);
        }
        gst_embedding_match_model_cancel(model);
        g_assert_null(gst_embedding_match_model_embed_text(model, NULL, "b", &cols, &of_text));
        g_assert_error(of_text, G4_ERROR, G4_ERROR_CANCELLED);
        g_assert_false(gst_embedding_match_model_embed_picture(model, picture, NULL, &vectors,
                                                               &of_picture));
        g_assert_error(of_picture, G4_ERROR, G4_ERROR_CANCELLED);
        gst_embedding_match_model_free(model);
    }
    remove_folder(folder);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/matchmodel/overlay-runs-to-the-end", overlay_runs_to_the_end);
    g_test_add_data_func("/matchmodel/picture-of-a-frame-fits-it/joint", "joint",
                         picture_of_a_frame_fits_it);
    g_test_add_data_func("/matchmodel/picture-of-a-frame-fits-it/pooled", "pooled",
                         picture_of_a_frame_fits_it);
    for (G4Precision p = G4_PRECISION_F32; p <= G4_PRECISION_INT8; p++) {
        g_autofree gchar *path = g_strdup_printf(
            "/matchmodel/sentences-score-as-the-core-embeds-them/%s", g4_precision_name(p));
        g_test_add_data_func(path, GINT_TO_POINTER(p), sentences_score_as_the_core_embeds_them);
    }
    g_test_add_func("/matchmodel/threads-that-there-cannot-be-are-an-error",
                    threads_that_there_cannot_be_are_an_error);
    g_test_add_func("/matchmodel/frames-of-another-space-are-an-error",
                    frames_of_another_space_are_an_error);
    g_test_add_func("/matchmodel/cancelled-model-gives-up", cancelled_model_gives_up);
    g_test_add_func("/matchmodel/bad-prompts-and-pictures-are-errors",
                    bad_prompts_and_pictures_are_errors);
    return g_test_run();
}
