#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The short recipes, and that their results agree with each other.
set -u
. "$(dirname "$0")/tap.sh"

# The part of each line that does not name the stream.
vectors()
{
    sed 's/.*"embedding"/"embedding"/' "$1"
}

same_vectors()
{
    vectors "$1" >"$tmp/a" && vectors "$2" >"$tmp/b" && [ -s "$tmp/a" ] && cmp "$tmp/a" "$tmp/b"
}

check 'a test film is made' make_film "$tmp/film.mp4"
check 'the reference' "$G4_PIPELINES/embed_film.sh" "$model" "$tmp/film.mp4" "$tmp/film"

check 'test_source.sh writes JSON Lines' \
    "$G4_PIPELINES/test_source.sh" "$model" "$tmp/source.jsonl"
check 'ten of them' has_lines "$tmp/source.jsonl" 10
check 'test_source.sh takes a property and writes NPY' \
    "$G4_PIPELINES/test_source.sh" "$model" "$tmp/source.npy" output=tokens
check 'ten records beside it' has_lines "$tmp/source.npy.jsonl" 10

"$G4_PIPELINES/json_lines.sh" "$model" "$tmp/film.mp4" >"$tmp/stdout.jsonl" 2>"$tmp/stderr"
check 'json_lines.sh writes the same vectors to standard output' \
    same_vectors "$tmp/film.jsonl" "$tmp/stdout.jsonl"
check 'and nothing else' test ! -s "$tmp/stderr"

check 'several_films.sh embeds three films in one process' \
    "$G4_PIPELINES/several_films.sh" "$model" "$tmp/many" \
    "$tmp/film.mp4" "file://$tmp/film.mp4" "$tmp/film.mp4"
for i in 1 2 3; do
    check "film $i has the vectors it has alone" \
        same_vectors "$tmp/film.jsonl" "$tmp/many/$i-film.mp4.jsonl"
done
refuses 'several_films.sh names a film that is missing' 'no such file' \
    "$G4_PIPELINES/several_films.sh" "$model" "$tmp/many" "$tmp/none.mp4"
refuses 'a recipe without arguments says how it is called' 'usage: test_source.sh' \
    "$G4_PIPELINES/test_source.sh"
finish
