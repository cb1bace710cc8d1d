#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tag: labels on the picture, changed while it plays, and the table of scores.
set -u
. "$(dirname "$0")/tap.sh"
tag=$tools/tag
model=$G4_TEST_DATA/embedding_case
film='videotestsrc num-buffers=8 ! video/x-raw,width=64,height=48,framerate=4/1'

# await PATTERN: until it is in what the program printed, for 60 seconds.
await()
{
    tries=600
    until grep -q -- "$1" "$tmp/typed" 2>/dev/null; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# says PATTERN FILE
says()
{
    cat "$2"
    grep -q -- "$1" "$2"
}

# pixels OUT OPTION...: the film as raw RGB.
pixels()
{
    out=$1
    shift
    "$tag" --model "$model" --synchronous --source "$film" \
        --sink "video/x-raw,format=RGB ! filesink location=$out" "$@" </dev/null
}

check 'a film is tagged to its end' pixels "$tmp/tagged.rgb" --labels 'a red car; a dog' \
    --threshold -1
check 'every frame arrives' test "$(wc -c <"$tmp/tagged.rgb")" -eq $((8 * 64 * 48 * 3))
check 'without a match as well' pixels "$tmp/plain.rgb" --labels 'a red car; a dog' --threshold 1
check 'as many frames' test "$(wc -c <"$tmp/plain.rgb")" -eq $((8 * 64 * 48 * 3))
check 'what matches is on the picture' sh -c '! cmp -s "$1" "$2"' sh \
    "$tmp/tagged.rgb" "$tmp/plain.rgb"

"$tag" --model "$model" --synchronous --source "$film" --sink fakesink --scores \
    --labels 'a red car; a dog' --threshold -1 </dev/null >"$tmp/scores" 2>&1
check 'a match begins' says '0.000  begins .*a dog' "$tmp/scores"
check 'and ends' says '2.000  ends .*a dog' "$tmp/scores"
check 'the table has every frame of a label' says '^ *8 .*  a red car$' "$tmp/scores"

# Lines that are typed while it plays, until they have come into force.
{
    echo 'a yellow bird; a dog'
    await 'yellow'
    echo 'labels-file=/nonexistent'
    await 'nonexistent'
    echo 'labels-file='
    echo 'a white cat'
    await 'white cat'
    kill -INT "$(cat "$tmp/pid")"
} | sh -c 'echo $$ >"$1"; exec "$2" --model "$3" --sink fakesink --threshold -1 --labels "a red car" \
    --source "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=20/1"' sh \
    "$tmp/pid" "$tag" "$model" >"$tmp/typed" 2>&1
check 'typed labels come into force' says 'begins .*a white cat' "$tmp/typed"
check 'and the former ones end' says 'ends .*a yellow bird' "$tmp/typed"
check 'a file that is missing is a warning' says 'tag: /nonexistent: ' "$tmp/typed"

refuses 'a model without a text encoder is refused' 'language_model\|text' \
    "$tag" --model "$G4_TEST_DATA/cases/square" --labels a --source "$film" --sink fakesink
refuses 'a missing model is named' 'none' "$tag" --model "$tmp/none" --source "$film" --sink fakesink
finish
