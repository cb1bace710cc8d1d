#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# live: a source that ends, a camera that is missing, an RTSP server killed in mid-stream.
set -u
. "$(dirname "$0")/tap.sh"
live=$tools/live

# eventually COMMAND...: tries for 60 seconds.
eventually()
{
    tries=600
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

at_least_lines()
{
    [ "$({ wc -l <"$1"; } 2>/dev/null || echo 0)" -ge "$2" ]
}

ends_well()
{
    kill -INT "$1" && wait "$1"
}

# Time of day of the newest record, in seconds since 1970: within a minute of ours.
tells_the_time()
{
    "$python" -c 'import json, sys, time
utc = [json.loads(line)["utc"] for line in open(sys.argv[1]) if line.endswith("\n")][-1]
sys.exit(utc is None or abs(utc / 1e9 - time.time()) > 60)' "$1"
}

times_rise()
{
    sed 's/.*"running_time":\([0-9]*\),.*/\1/' "$1" >"$tmp/times"
    sort -n -u "$tmp/times" | cmp - "$tmp/times"
}

check 'a source that ends is built again and the file goes on' \
    timeout 60 "$live" --model "$model" --location "$tmp/ends.jsonl" --embeddings 12 \
    'videotestsrc is-live=true num-buffers=5 ! video/x-raw,width=64,height=48,framerate=20/1'
check 'with at least twelve embeddings' at_least_lines "$tmp/ends.jsonl" 12
check 'whose running time goes on across the gaps' times_rise "$tmp/ends.jsonl"

"$live" --model "$model" --location "$tmp/camera.jsonl" /dev/video-none >/dev/null 2>"$tmp/camera.log" &
pid=$!
check 'a camera that is missing is tried again' eventually grep -q 'attempt 2' "$tmp/camera.log"
check 'and given up at an interrupt' ends_well $pid

refuses 'a bad model ends it' 'none' "$live" --model "$tmp/none" --location "$tmp/bad.jsonl" \
    'videotestsrc is-live=true'
refuses 'a launch line that makes no sense ends it' 'nosuchsrc' \
    "$live" --model "$model" --location "$tmp/bad.jsonl" nosuchsrc

server=$G4_BUILD/tests/pipelines/rtsp_server
if [ -x "$server" ]; then
    "$server" 0 >"$tmp/port" 2>"$tmp/server.log" &
    first=$!
    check 'a local RTSP server starts' eventually test -s "$tmp/port"
    port=$(cat "$tmp/port")
    "$live" --model "$model" --location "$tmp/rtsp.jsonl" --properties inference-interval=1 \
        "rtspt://127.0.0.1:$port/test" >/dev/null 2>"$tmp/rtsp.log" &
    pid=$!
    check 'embeddings come from the server' eventually at_least_lines "$tmp/rtsp.jsonl" 3
    check 'and say when, once the server has told the time' eventually tells_the_time "$tmp/rtsp.jsonl"
    kill -KILL $first
    wait $first 2>/dev/null
    check 'its death is noticed' eventually grep -q 'source lost' "$tmp/rtsp.log"
    before=$(wc -l <"$tmp/rtsp.jsonl")
    "$server" "$port" >"$tmp/port2" 2>>"$tmp/server.log" &
    second=$!
    check 'embeddings come again after its restart' \
        eventually at_least_lines "$tmp/rtsp.jsonl" $((before + 3))
    check 'an interrupt completes the file' ends_well $pid
    check 'whose running time goes on across the gap' times_rise "$tmp/rtsp.jsonl"
    kill $second
    wait $second 2>/dev/null
    check 'every line is complete' "$python" -c \
        'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$tmp/rtsp.jsonl"
else
    skip 'embeddings come again after an RTSP server restarts' 'built without gst-rtsp-server'
fi
finish
