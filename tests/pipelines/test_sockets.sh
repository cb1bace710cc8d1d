#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Live recipes: several cameras in one process, and JSON over a socket.
set -u
. "$(dirname "$0")/tap.sh"

camera='videotestsrc is-live=true pattern=ball num-buffers=40
    ! video/x-raw,width=64,height=48,framerate=20/1'

# records FILE: every line is a record of the pooled vector; at least one.
cat >"$tmp/records.py" <<'END'
import json
import sys
with open(sys.argv[1], encoding="utf-8") as f:
    lines = [json.loads(line) for line in f]
assert lines, "no record"
for line in lines:
    assert len(line["embedding"]) == line["shape"][0] * line["shape"][1], line
frames = [line["frame"] for line in lines]
assert frames == sorted(set(frames)), frames
END
records()
{
    "$python" "$tmp/records.py" "$1"
}

check 'several_cameras.sh embeds three cameras in one process' \
    timeout 120 "$G4_PIPELINES/several_cameras.sh" "$model" "$tmp/cameras" \
    "$camera" "$camera" "$camera"
for i in 1 2 3; do
    check "camera $i has its embeddings" records "$tmp/cameras/$i.jsonl"
done
refuses 'a source that is missing is named' 'no such file' \
    "$G4_PIPELINES/several_cameras.sh" "$model" "$tmp/cameras" "$tmp/none.mp4"

# receive.py PROTOCOL OUT SCRIPT MODEL: starts the recipe on a free port and keeps five of the lines
# that come.
cat >"$tmp/receive.py" <<'END'
import socket
import subprocess
import sys
import time

protocol, out, script, model = sys.argv[1:]
udp = protocol == "udp"
s = socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
s.bind(("127.0.0.1", 0))
port = s.getsockname()[1]
if not udp:
    s.close()
recipe = subprocess.Popen([script, model,
                           "videotestsrc is-live=true pattern=ball"
                           " ! video/x-raw,width=64,height=48,framerate=20/1",
                           protocol, "127.0.0.1", str(port)])
try:
    lines = []
    if udp:
        s.settimeout(60)
        while len(lines) < 5:
            lines.append(s.recv(65536).decode())
    else:
        for _ in range(600):
            try:
                s = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        with s.makefile(encoding="utf-8") as f:
            lines = [f.readline() for _ in range(5)]
    with open(out, "w", encoding="utf-8") as f:
        f.writelines(lines)
finally:
    recipe.terminate()
    recipe.wait()
END
for protocol in tcp udp; do
    check "json_socket.sh sends over $protocol" timeout 120 "$python" "$tmp/receive.py" $protocol \
        "$tmp/$protocol.jsonl" "$G4_PIPELINES/json_socket.sh" "$model"
    check "one record a line, over $protocol" records "$tmp/$protocol.jsonl"
done
refuses 'another protocol is refused' 'expected tcp or udp' \
    "$G4_PIPELINES/json_socket.sh" "$model" "$camera" sctp 127.0.0.1 1
finish
