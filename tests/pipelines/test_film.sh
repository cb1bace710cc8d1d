#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The main job: a film through decodebin and gemma4embed to JSON Lines, NPY and a picture.
set -u
. "$(dirname "$0")/tap.sh"

# A name with everything in it that a shell or a launch line could trip over.
film="$tmp/a 'film' \"of\" 100% \\ 2!.mp4"
check 'a test film is made' make_film "$tmp/plain.mp4"
cp "$tmp/plain.mp4" "$film"

check 'embed_film.sh embeds a film with an awkward name' \
    "$G4_PIPELINES/embed_film.sh" "$model" "$film" "$tmp/all"
check 'one JSON line a frame' has_lines "$tmp/all.jsonl" 24
check 'one record beside the NPY file a frame' has_lines "$tmp/all.npy.jsonl" 24
check 'JSON Lines and NPY hold the same vectors, and the picture is drawn' \
    "$tools/similarity" --jsonl "$tmp/all.jsonl" --npy "$tmp/all.npy" --film "$film" \
    --out "$tmp/all.png"
check 'max-rate embeds fewer frames' \
    "$G4_PIPELINES/embed_film.sh" "$model" "$film" "$tmp/some" max-rate=3/1
check 'six of them' has_lines "$tmp/some.jsonl" 6

check 'film.sh does the whole job' \
    "$G4_PIPELINES/film.sh" "$film" --no-setup --model "$model" --frames 8 --out "$tmp/out"
check 'film.sh embeds the number of frames asked for' has_lines "$tmp/out/film.jsonl" 8
check 'film.sh leaves a picture' test -s "$tmp/out/similarity.png"
check 'film.sh --every embeds every frame' \
    "$G4_PIPELINES/film.sh" "$film" --no-setup --model "$model" --every --out "$tmp/every"
check 'all 24' has_lines "$tmp/every/film.jsonl" 24
check 'film.sh takes a URI' \
    "$G4_PIPELINES/film.sh" "file://$tmp/plain.mp4" --no-setup --model "$model" --out "$tmp/uri"

refuses 'film.sh names a film that is missing' 'none.mp4: no such file' \
    "$G4_PIPELINES/film.sh" "$tmp/none.mp4" --no-setup --model "$model" --out "$tmp/none"
refuses 'film.sh names a model that is missing' 'none: no such folder' \
    "$G4_PIPELINES/film.sh" "$film" --no-setup --model "$tmp/none" --out "$tmp/none"
refuses 'film.sh says what is wrong with a model' 'safetensors' \
    "$G4_PIPELINES/film.sh" "$film" --no-setup --model "$tmp" --out "$tmp/bad"
refuses 'film.sh refuses an option it does not have' '--zoom: no such option' \
    "$G4_PIPELINES/film.sh" "$film" --zoom
printf 'no film' >"$tmp/text.mp4"
refuses 'film.sh fails on a file that is no film' 'the pipeline failed' \
    "$G4_PIPELINES/film.sh" "$tmp/text.mp4" --no-setup --model "$model" --out "$tmp/text"
finish
