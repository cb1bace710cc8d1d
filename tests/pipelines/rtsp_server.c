/* SPDX-License-Identifier: Apache-2.0
 *
 * rtsp_server PORT: serves a moving test picture at rtsp://127.0.0.1:PORT/test until it is killed.
 * PORT 0 takes a free one; the port is printed.
 */
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>

int main(int argc, char **argv)
{
    g_autoptr(GMainLoop) loop = NULL;
    GstRTSPServer *server;
    GstRTSPMountPoints *mounts;
    GstRTSPMediaFactory *factory;

    gst_init(&argc, &argv);
    loop = g_main_loop_new(NULL, FALSE);
    server = gst_rtsp_server_new();
    gst_rtsp_server_set_address(server, "127.0.0.1");
    gst_rtsp_server_set_service(server, argc > 1 ? argv[1] : "0");

    factory = gst_rtsp_media_factory_new();
    gst_rtsp_media_factory_set_launch(factory,
                                      "( videotestsrc is-live=true pattern=ball "
                                      "! video/x-raw,format=I420,width=64,height=48,framerate=10/1 "
                                      "! rtpvrawpay name=pay0 pt=96 )");
    mounts = gst_rtsp_server_get_mount_points(server);
    gst_rtsp_mount_points_add_factory(mounts, "/test", factory);
    g_object_unref(mounts);

    if (gst_rtsp_server_attach(server, NULL) == 0) {
        g_printerr("rtsp_server: cannot listen on port %s\n", argc > 1 ? argv[1] : "0");
        g_object_unref(server);
        return 1;
    }
    g_print("%d\n", gst_rtsp_server_get_bound_port(server));
    g_main_loop_run(loop);
    g_object_unref(server);
    return 0;
}
