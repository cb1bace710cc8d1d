#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Reading the meta: in C from an appsink, in Python through introspection.
set -u
. "$(dirname "$0")/tap.sh"

# Each reader's lines start with the same frame numbers and hold the same first values as the
# JSON Lines, to the six decimals that the readers print.
agrees()
{
    "$python" - "$1" "$2" <<'END'
import json, re, sys
lines = [l for l in open(sys.argv[1]) if l.startswith("frame ")]
records = [json.loads(l) for l in open(sys.argv[2])]
assert len(lines) == len(records) == 24, (len(lines), len(records))
for line, record in zip(lines, records):
    values = [float(v) for v in re.search(r" x \d+ +(.*) \.\.\.", line).group(1).split()]
    assert int(line.split()[1]) == record["frame"], line
    assert len(values) == 4, line
    assert all(abs(a - b) <= 5.1e-7 for a, b in zip(values, record["embedding"])), line
END
}

check 'a test film is made' make_film "$tmp/film.mp4"
check 'the reference' "$G4_PIPELINES/embed_film.sh" "$model" "$tmp/film.mp4" "$tmp/film"

"$tools/appsink" "$model" "$tmp/film.mp4" normalize=true >"$tmp/c" 2>&1
check 'appsink reads every embedding' agrees "$tmp/c" "$tmp/film.jsonl"
refuses 'appsink passes on why a model cannot be opened' 'none' \
    "$tools/appsink" "$tmp/none" "$tmp/film.mp4"

if [ -n "${G4_TYPELIB:-}" ]; then
    "$python" "$G4_PIPELINES/read_meta.py" "$model" "$tmp/film.mp4" normalize=true >"$tmp/py" 2>&1
    check 'read_meta.py reads every embedding' agrees "$tmp/py" "$tmp/film.jsonl"
    refuses 'read_meta.py passes on why a model cannot be opened' 'none' \
        "$python" "$G4_PIPELINES/read_meta.py" "$tmp/none" "$tmp/film.mp4"
else
    skip 'read_meta.py reads every embedding' 'built without introspection'
fi
finish
