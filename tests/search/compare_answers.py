#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_answers.py reference.json gemma4-search OPTION...: asks each question of the reference and
compares the moments: the same ones in the same order, scores within 2e-5."""
import json
import subprocess
import sys

FRAME = 500_000_000  # ns, of films.py


def main():
    reference, search, options = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(reference, encoding="utf-8") as file:
        answers = json.load(file)["answers"]
    for answer in answers:
        expected = answer["moments"]
        found = json.loads(subprocess.check_output(
            [search, "query", answer["query"], "--json", "--top", str(len(expected)), *options]))
        names = [(m["stream"].rsplit("/", 1)[1].split(".")[0], m["start"], m["best"], m["end"])
                 for m in found]
        wanted = [(m["film"], m["start"] * FRAME, m["best"] * FRAME, m["end"] * FRAME)
                  for m in expected]
        assert names == wanted, f"{answer['query']}: {names}, expected {wanted}"
        for a, b in zip(found, expected):
            assert abs(a["score"] - b["score"]) < 2e-5, f"{answer['query']}: {a}, expected {b}"


if __name__ == "__main__":
    main()
