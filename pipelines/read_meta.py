#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""read_meta.py MODEL FILM|URI [PROPERTY=VALUE...]

Reads the embeddings in Python, from the meta on the frames, through GObject introspection: a pad
probe looks at each buffer on its way to the sink. Prints one line an embedding.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
try:
    gi.require_version("GstGemma4", "1.0")
except ValueError as error:
    sys.exit(f"read_meta.py: {error}; in a source tree: meson devenv -C build -w .")
from gi.repository import Gst, GstGemma4


def on_buffer(pad, info):
    meta = GstGemma4.buffer_get_gemma4_embedding_meta(info.get_buffer())
    for i in range(meta.get_n_entries() if meta else 0):
        embedding = meta.get_entry(i)
        values = embedding.get_values()
        print("frame %d  %.3f s  %s %d x %d  %s ..." % (
            embedding.get_frame(), embedding.get_pts() / Gst.SECOND, embedding.get_id(),
            embedding.get_rows(), embedding.get_cols(),
            " ".join("%.6f" % value for value in values[:4])))
    return Gst.PadProbeReturn.OK


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.splitlines()[0])
    Gst.init(None)
    model, film, properties = sys.argv[1], sys.argv[2], sys.argv[3:]
    pipeline = Gst.parse_launch(
        "uridecodebin name=film ! gemma4embed name=embed ! fakesink name=sink sync=false")
    pipeline.get_by_name("film").set_property(
        "uri", film if Gst.uri_is_valid(film) else Gst.filename_to_uri(film))
    embed = pipeline.get_by_name("embed")
    embed.set_property("model", model)
    for text in properties:
        name, value = text.split("=", 1)
        Gst.util_set_object_arg(embed, name, value)
    pad = pipeline.get_by_name("sink").get_static_pad("sink")
    pad.add_probe(Gst.PadProbeType.BUFFER, on_buffer)

    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        Gst.CLOCK_TIME_NONE, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        sys.exit("read_meta.py: " + message.parse_error()[0].message)


if __name__ == "__main__":
    main()
