#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_tops.py ANSWERS.json LINES: `gemma4-search query --frames --json` against lines of seconds,
cosine and stream, as others print them: the same frames in the same order, cosines within 1e-5."""
import json
import os
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        expected = [(os.path.basename(a["stream"]), a["best"] / 1e9, a["score"])
                    for a in json.load(file)]
    with open(sys.argv[2], encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    found = [(os.path.basename(stream), float(seconds), float(score))
             for seconds, score, stream in lines]
    print("expected", *expected, "found", *found, sep="\n")
    assert len(expected) == 10 and len(set(expected)) == 10
    assert [(s, round(t, 3)) for s, t, _ in found] == [(s, round(t, 3)) for s, t, _ in expected]
    assert all(abs(a[2] - b[2]) < 1e-5 for a, b in zip(expected, found))


if __name__ == "__main__":
    main()
