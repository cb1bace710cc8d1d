#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# zones: a record for each zone of each frame, and what is wrong said.
set -u
. "$(dirname "$0")/tap.sh"
zones=$tools/zones
still='videotestsrc pattern=smpte num-buffers=5 ! video/x-raw,format=I420,width=160,height=120,framerate=5/1'

# matches FILE PATTERN N: as many lines of the file.
matches()
{
    grep -c -- "$2" "$1"
    [ "$(grep -c -- "$2" "$1")" -eq "$3" ]
}

embed()
{
    "$zones" --model "$model" --source "$still" --zone 'door=0.25,0,0.5,1' \
        --zone 'far corner=0.75,0,0.25,0.5' "$@"
}

check 'zones are embedded' sh -c '"$@" >"$0"' "$tmp/said" \
    "$zones" --model "$model" --source "$still" --zone 'door=0.25,0,0.5,1' \
    --zone 'far corner=0.75,0,0.25,0.5' --location "$tmp/out.jsonl"
check 'a record for each zone of each frame' has_lines "$tmp/out.jsonl" 10
check 'with its place, id and name' matches "$tmp/out.jsonl" \
    '"region":\[0.25,0,0.5,1\],"region_id":"1","track":null,"label":"door"' 5
check 'of both zones' matches "$tmp/out.jsonl" \
    '"region":\[0.75,0,0.25,0.5\],"region_id":"2","track":null,"label":"far corner"' 5
check 'a zone in which nothing happens costs nothing' matches "$tmp/said" \
    '^5 frames, 2 vectors computed, 8 reused$' 1
check 'properties are passed on' embed --location "$tmp/both.jsonl" region=both inference-interval=5
check 'the whole frame beside its zones' matches "$tmp/both.jsonl" '"region":null' 1
check 'each once' has_lines "$tmp/both.jsonl" 3
check 'one class of them' embed --location "$tmp/door.jsonl" object-class=door
check 'without the other' has_lines "$tmp/door.jsonl" 5

for zone in door '=0,0,1,1' 'door=0,0,1' 'door=0,0,1,1,1' 'door=0,0,2,1' 'door=-1,0,1,1' \
    'door=nan,0,1,1' 'door=0,0,1,1x'; do
    refuses "$zone is no zone" 'expected NAME=LEFT,TOP,WIDTH,HEIGHT' \
        "$zones" --model "$model" --source "$still" --zone "$zone" --location "$tmp/none.jsonl"
done
refuses 'no zone is an error' '--zone is missing' "$zones" --model "$model" --source "$still" \
    --location "$tmp/none.jsonl"
refuses 'a property that is none is named' 'sharpness=1' embed --location "$tmp/none.jsonl" \
    sharpness=1
refuses 'a missing model is named' 'none' \
    "$zones" --model "$tmp/none" --source "$still" --zone a=0,0,1,1 --location "$tmp/none.jsonl"
finish
