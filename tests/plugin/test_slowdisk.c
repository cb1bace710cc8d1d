/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that takes nothing for as long as the test wants: a pipe that nobody reads. Behind a leaky
 * queue the picture goes on all the same; behind any other queue no embedding is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAMES 60

typedef struct {
    gchar *folder, *path;
    int fd; /* the reader's end */
    GstElement *pipeline;
    GMutex lock;
    GCond changed;
    guint pictures; /* all under lock */
    gboolean picture_ended;
    GString *text; /* what was read */
} Disk;

static GstPadProbeReturn on_picture(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Disk *d = data;

    g_mutex_lock(&d->lock);
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
        d->pictures++;
    else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS)
        d->picture_ended = TRUE;
    g_cond_signal(&d->changed);
    g_mutex_unlock(&d->lock);
    (void)pad;
    return GST_PAD_PROBE_OK;
}

/* A film whose embeddings go through `queue` into a pipe that holds a page. */
static void disk_start(Disk *d, const gchar *queue)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *model = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "square", NULL);

    *d = (Disk){.folder = g_dir_make_tmp("slowdisk-XXXXXX", &error), .text = g_string_new(NULL)};
    g_assert_no_error(error);
    g_mutex_init(&d->lock);
    g_cond_init(&d->changed);
    d->path = g_build_filename(d->folder, "disk.jsonl", NULL);
    g_assert_cmpint(mkfifo(d->path, 0600), ==, 0);
    d->fd = open(d->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(d->fd, >=, 0);
    g_assert_cmpint(fcntl(d->fd, F_SETPIPE_SZ, 4096), >=, 4096);

    g_autofree gchar *line =
        g_strdup_printf("videotestsrc pattern=ball num-buffers=%u ! video/x-raw,width=64,height=48 "
                        "! gemma4embed model=\"%s\" ! tee name=t "
                        "t. ! queue max-size-buffers=2 ! fakesink name=picture async=false "
                        "t. ! %s ! embeddingsink name=sink async=false location=\"%s\"",
                        FRAMES, model, queue, d->path);
    d->pipeline = gst_parse_launch(line, &error);
    g_assert_no_error(error);
    g_autoptr(GstElement) picture = gst_bin_get_by_name(GST_BIN(d->pipeline), "picture");
    g_autoptr(GstPad) pad = gst_element_get_static_pad(picture, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                      on_picture, d, NULL);
    g_assert_cmpint(gst_element_set_state(d->pipeline, GST_STATE_PLAYING), !=,
                    GST_STATE_CHANGE_FAILURE);
}

/* Reads until the pipeline has ended. */
static void disk_drain(Disk *d)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(d->pipeline);
    g_autoptr(GstMessage) end = NULL;
    gchar piece[4096];

    for (;;) {
        const gssize n = read(d->fd, piece, sizeof piece);
        g_assert_true(n >= 0 || errno == EAGAIN);
        if (n > 0) {
            g_string_append_len(d->text, piece, n);
            continue;
        }
        if (end)
            break;
        end = gst_bus_timed_pop_filtered(bus, 5 * GST_MSECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    }
    g_assert_cmpstr(GST_MESSAGE_TYPE_NAME(end), ==, "eos");
}

static void disk_stop(Disk *d)
{
    gst_element_set_state(d->pipeline, GST_STATE_NULL);
    gst_object_unref(d->pipeline);
    close(d->fd);
    g_unlink(d->path);
    g_rmdir(d->folder);
    g_free(d->path);
    g_free(d->folder);
    g_string_free(d->text, TRUE);
    g_cond_clear(&d->changed);
    g_mutex_clear(&d->lock);
}

/* The number of records, which must be whole and in order. */
static guint records(const Disk *d)
{
    g_auto(GStrv) lines = g_strsplit(d->text->str, "\n", -1);
    const guint n = g_strv_length(lines);
    gint64 last = -1;

    g_assert_cmpuint(n, >=, 2);
    g_assert_cmpstr(lines[n - 1], ==, ""); /* the last line is a whole one */
    for (guint i = 0; i + 1 < n; i++) {
        const gchar *frame = strstr(lines[i], "\"frame\":");
        g_assert_nonnull(frame);
        g_assert_true(g_str_has_suffix(lines[i], "}"));
        const gint64 number = g_ascii_strtoll(frame + strlen("\"frame\":"), NULL, 10);
        g_assert_cmpint(number, >, last);
        last = number;
    }
    return n - 1;
}

/* A leaky queue, whichever end it leaks at. */
static void test_the_picture_goes_on(gconstpointer queue)
{
    Disk d;
    guint64 missed, written;

    disk_start(&d, queue);
    /* Nobody reads, and still every picture arrives, and the end. */
    g_mutex_lock(&d.lock);
    while (!d.picture_ended)
        g_cond_wait(&d.changed, &d.lock);
    g_assert_cmpuint(d.pictures, ==, FRAMES);
    g_mutex_unlock(&d.lock);
    disk_drain(&d);
    /* What the disk had no room for is not there; what is there is whole. */
    const guint n = records(&d);
    g_test_message("%u of %u records", n, FRAMES);
    g_assert_cmpuint(n, <, FRAMES);
    /* And the sink knows how many it missed, the first and the last ones, too. */
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(d.pipeline), "sink");
    g_object_get(sink, "missed", &missed, "written", &written, NULL);
    g_assert_cmpuint(written, ==, n);
    g_assert_cmpuint(missed, ==, FRAMES - n);
    disk_stop(&d);
}

static void test_nothing_is_lost_without_a_leak(void)
{
    Disk d;

    disk_start(&d, "queue max-size-buffers=4 max-size-bytes=0 max-size-time=0");
    /* The pictures that the queue has room for, and the two of the disk and the tee. */
    g_mutex_lock(&d.lock);
    while (d.pictures < 5)
        g_cond_wait(&d.changed, &d.lock);
    g_assert_false(d.picture_ended);
    g_mutex_unlock(&d.lock);
    disk_drain(&d);
    g_assert_cmpuint(records(&d), ==, FRAMES);
    g_assert_cmpuint(d.pictures, ==, FRAMES);
    disk_stop(&d);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/slowdisk/the-picture-goes-on/old-ones-leak",
                         "queue leaky=downstream max-size-buffers=4 max-size-bytes=0 "
                         "max-size-time=0",
                         test_the_picture_goes_on);
    g_test_add_data_func("/slowdisk/the-picture-goes-on/new-ones-leak",
                         "queue leaky=upstream max-size-buffers=4 max-size-bytes=0 "
                         "max-size-time=0",
                         test_the_picture_goes_on);
    g_test_add_func("/slowdisk/nothing-is-lost-without-a-leak",
                    test_nothing_is_lost_without_a_leak);
    return g_test_run();
}
