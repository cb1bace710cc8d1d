#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# gemma4-search serve: what the page asks for, and what others might.
set -u
. "$G4_SOURCE/tests/pipelines/tap.sh"
. "$G4_SOURCE/tests/search/films.sh"

make_films sea
"$search" index "$tmp/sea.mov" --db "$tmp/sea.db" --model "$joint" --precision f32 \
    --rate 0 >/dev/null 2>&1
# Few descriptors, so that a crowd has them all.
(
    # shellcheck disable=SC3045 # dash and bash have it
    ulimit -n 100
    exec "$search" serve --db "$tmp/sea.db" --precision f32 --port 0 --name films.example
) >"$tmp/url" 2>"$tmp/serve.log" &
server=$!
tries=600
until [ -s "$tmp/url" ] || [ $tries -eq 0 ]; do
    tries=$((tries - 1))
    sleep 0.1
done
url=$(cat "$tmp/url")

# asked STATUS PATH OPTION...
asked()
{
    "$python" "$here/ask_page.py" "$url" "$@"
}

check 'the page is served' asked 200 / --has search.js
check 'and says what is in the index' asked 200 /api/index --has '"frames":16'
check 'a sentence finds moments' asked 200 '/api/search?q=a+red+car' --has sea.mov
check 'a frame is a PNG' asked 200 /frame/1/1000000000 --has PNG
check 'a range of the film is sent' asked 206 /film/1 --header Range:bytes=100-199 --bytes 100
check 'a range of anything else is the whole' asked 200 /style.css \
    --header Range:bytes=0-1,3-4 --bytes "$(wc -c <"$G4_SOURCE/pipelines/search/page/style.css")"
check 'the whole film, too' asked 200 /film/1 --bytes "$(wc -c <"$tmp/sea.mov")"
"$python" -c 'import sys, urllib.request as u
open(sys.argv[2], "wb").write(u.urlopen(sys.argv[1] + "frame/1/1000000000").read())' \
    "$url" "$tmp/frame.png"
check 'a picture finds its moment' asked 200 /api/similar --post "$tmp/frame.png" --has sea.mov

echo 'no picture' >"$tmp/text"
head -c 40000000 /dev/zero >"$tmp/large"
check 'what is no picture is refused' asked 415 /api/similar --post "$tmp/text"
check 'a body that is too large as well' asked 413 /api/similar --post "$tmp/large"
check 'and text that is not UTF-8' asked 400 '/api/search?q=%ff'
check 'and no text' asked 400 /api/search
check 'a film that is not in the index is not found' asked 404 /film/2
check 'nor a path that climbs' asked 404 /film/../../../../../../etc/passwd
check 'one that climbs in disguise is no path' asked 400 '/film/%2e%2e%2f%2e%2e%2fetc%2fpasswd'
check 'another host name is refused' asked 403 / --header Host:elsewhere.example
check 'one that was allowed is not' asked 200 / --header Host:films.example
check "another site's page as well" asked 403 /api/similar --post "$tmp/frame.png" \
    --header Origin:http://elsewhere.example
# in_memory COMMAND...: 600 MB more than before at most, of which a sanitizer may hold some back.
most_memory()
{
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$server/status
}
in_memory()
{
    before=$(most_memory)
    "$@" || return 1
    after=$(most_memory)
    echo "$before kB at most before, $after after"
    [ $((after - before)) -lt 600000 ]
}
"$python" "$here/hostile_pictures.py" "$tmp"
for picture in large.jpg hidden.jpg large.bmp; do
    # Of hidden.jpg the decoder gets, as it happens, the second picture or both in one.
    check "$picture is not believed" in_memory asked 415,422 /api/similar --post "$tmp/$picture"
done
check 'a body of a gigabyte is not kept' in_memory "$python" "$here/pour.py" "$url" 413 1024
check "nor another site's" in_memory "$python" "$here/pour.py" "$url" 403 1024 \
    Origin:http://elsewhere.example
check 'a silent crowd keeps nobody out' "$python" "$here/crowd.py" "$url" 150

# A browser keeps its connection for the next request, and goes away without a word.
keeps_no_connection()
{
    before=$(ls /proc/$server/fd | wc -l)
    "$python" -c 'import http.client, sys
for _ in range(40):
    c = http.client.HTTPConnection(sys.argv[1], timeout=60)
    c.request("GET", "/style.css")
    assert c.getresponse().read()
    c.close()' "$(expr "$url" : 'http://\([^/]*\)')" || return 1
    tries=100
    until [ "$(ls /proc/$server/fd | wc -l)" -lt $((before + 20)) ] || [ $tries -eq 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    after=$(ls /proc/$server/fd | wc -l)
    echo "$before descriptors before, $after after 40 connections"
    [ "$after" -lt $((before + 20)) ]
}
check 'a client that leaves takes its descriptor along' keeps_no_connection
check 'after all this it still answers' asked 200 '/api/search?q=sea' --has sea.mov

# Where it does not, what it said (a sanitizer's report among it) is in the check's log.
ends_well()
{
    kill -INT $server
    wait $server || {
        rc=$?
        cat "$tmp/serve.log"
        echo "status $rc"
        return 1
    }
}
check 'an interrupt ends it well' ends_well
finish
