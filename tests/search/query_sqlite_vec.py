#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""query_sqlite_vec.py INDEX VECTOR.json: the ten frames nearest to a vector, found by sqlite-vec in
the table as it is. Prints seconds, cosine and stream."""
import sqlite3
import sys

import sqlite_vec


def main():
    database = sqlite3.connect(sys.argv[1])
    database.enable_load_extension(True)
    sqlite_vec.load(database)
    with open(sys.argv[2], encoding="utf-8") as file:
        vector = file.read()
    for row in database.execute(
            "SELECT pts / 1e9, 1 - vec_distance_cosine(vector, vec_f32(?)) AS score, stream.name "
            "FROM embedding JOIN stream ON stream.id = stream ORDER BY score DESC LIMIT 10",
            (vector,)):
        print("%.3f\t%.6f\t%s" % row)


if __name__ == "__main__":
    main()
