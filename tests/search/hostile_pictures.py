#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hostile_pictures.py DIR: small files that claim more pixels than anybody has memory for.

large.jpg and large.bmp say so in their headers; hidden.jpg begins as a small picture that is never
finished, and a parser that looks for the next one finds large.jpg."""
import pathlib
import struct
import sys


def jpeg(side):
    """Its header and tables, and its scan of nothing. Progressive: decoders want memory first."""
    tables = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    for kind in (0x00, 0x10):
        tables += b"\xff\xc4" + struct.pack(">HB", 20, kind) + bytes([1] + [0] * 16)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, side, side, 3) + \
        b"\1\x22\0\2\x11\0\3\x11\0"
    scan = b"\xff\xda" + struct.pack(">HB", 12, 3) + b"\1\0\2\0\3\0\0\0\0"
    return b"\xff\xd8" + tables + frame, scan + bytes(200) + b"\xff\xd9"


def bmp(side):
    """Run-length encoded, and at its end at once."""
    return b"BM" + struct.pack("<IHHI", 1082, 0, 0, 1078) + struct.pack(
        "<IiiHHIIiiII", 40, side, side, 1, 8, 1, 4, 0, 0, 256, 0) + bytes(1024) + b"\0\1\0\1"


def main():
    out = pathlib.Path(sys.argv[1])
    large = b"".join(jpeg(65500))
    (out / "large.jpg").write_bytes(large)
    (out / "hidden.jpg").write_bytes(jpeg(16)[0] + large)
    (out / "large.bmp").write_bytes(bmp(16000))


if __name__ == "__main__":
    main()
