#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""query_index.py INDEX TEXT [N [OPTION...]]

The N (10) frames of an index that are nearest to a sentence, in Python: the vectors are blobs in a
table of SQLite, read into one NumPy matrix, and the sentence's is what `gemma4-search embed` prints,
whose options may follow (--model DIR for an index that embeddingsink wrote). Prints time, score and
film, as `gemma4-search query --frames` finds them.
"""
import json
import os
import pathlib
import sqlite3
import subprocess
import sys

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))


def program():
    """gemma4-search of the source tree, if that is built, else the installed one."""
    build = os.environ.get("G4_BUILD", os.path.join(HERE, "..", "build"))
    built = os.path.join(build, "pipelines", "search", "gemma4-search")
    return built if os.path.exists(built) else "gemma4-search"


def read_index(path):
    """Vectors [n, cols] of length 1, and of each its film and its time in nanoseconds."""
    database = sqlite3.connect(pathlib.Path(path).absolute().as_uri() + "?mode=ro", uri=True)
    row = database.execute("SELECT id, rows * cols FROM model").fetchone()
    if row is None:
        sys.exit(f"query_index.py: {path}: nothing is indexed yet")
    model, cols = row
    blobs, frames = [], []
    for vector, film, pts in database.execute(
            "SELECT vector, stream.name, pts FROM embedding JOIN stream ON stream.id = stream "
            "WHERE model = ? AND length(vector) = ? ORDER BY embedding.id", (model, 4 * cols)):
        blobs.append(vector)
        frames.append((film, pts))
    return numpy.frombuffer(b"".join(blobs), dtype="<f4").reshape(-1, cols), frames


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: " + __doc__.splitlines()[0])
    index, text, top = sys.argv[1], sys.argv[2], int((sys.argv[3:] or ["10"])[0])
    try:
        matrix, frames = read_index(index)
    except sqlite3.Error as error:
        sys.exit(f"query_index.py: {index}: {error}")
    embed = subprocess.run([program(), "embed", "--db", index, "--text", *sys.argv[4:], "--", text],
                           stdout=subprocess.PIPE)
    if embed.returncode:
        sys.exit(embed.returncode)  # it has said why
    scores = matrix @ numpy.array(json.loads(embed.stdout), dtype=numpy.float32)
    for i in numpy.argsort(-scores, kind="stable")[:top]:
        film, pts = frames[i]
        print("%.3f\t%.6f\t%s" % (pts / 1e9, scores[i], film))


if __name__ == "__main__":
    main()
