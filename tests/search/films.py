#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""films.py DIR: three small films as raw RGB, by integer arithmetic alone.

    gst-launch-1.0 filesrc location=NAME.rgb ! rawvideoparse format=rgb width=W height=H \
        framerate=2/1 ! videoconvert ! pngenc ! qtmux ! filesink location=NAME.mov

Of each 16 frames, 2 a second; PNG keeps every value, so that whoever reads them sees the same.
"""
import pathlib
import sys

SIZES = {"sea": (96, 64), "street": (96, 64), "tower": (64, 96)}
FRAMES, RATE = 16, 2


def pixel(name, t, x, y):
    shot = t // 5  # a cut every five frames
    if name == "sea":
        wave = (x * 3 + y * 5 + t * 7 + shot * 40) % 64
        return 10 + shot * 20, 60 + wave, 140 + (y * 2 + wave) % 110
    if name == "street":
        car = (x - 6 * t) % 96 < 24 and 30 < y < 50
        return (220, 30 + shot * 30, 20) if car else (90 + shot * 30, 90, 80 + (x * y + t) % 32)
    inside = 20 + 3 * shot < x < 44 and y > 12 + 2 * (t % 5)
    return (200 - shot * 45, 180, 60 + t * 4) if inside else (40, 80 + shot * 50, 250 - y)


def frame(name, t):
    width, height = SIZES[name]
    return bytes(v for y in range(height) for x in range(width) for v in pixel(name, t, x, y))


def main():
    out = pathlib.Path(sys.argv[1])
    for name in SIZES:
        (out / f"{name}.rgb").write_bytes(b"".join(frame(name, t) for t in range(FRAMES)))


if __name__ == "__main__":
    main()
