#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# gemma4-search as anybody runs it: answers equal to the reference's, killed and gone on with,
# what cannot be decoded, what is not an index.
set -u
. "$G4_SOURCE/tests/pipelines/tap.sh"
. "$G4_SOURCE/tests/search/films.sh"

# ask INDEX SQL: what SQLite says.
ask()
{
    "$python" -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1], timeout=20)
for row in c.execute(sys.argv[2]): print("|".join(str(v) for v in row))' "$1" "$2" 2>/dev/null
}

# says PATTERN COMMAND...: the command's output has it, whatever its status.
says()
{
    said=$1
    shift
    "$@" >"$tmp/says.log" 2>&1
    cat "$tmp/says.log"
    grep -q -- "$said" "$tmp/says.log"
}

# fails_with STATUS COMMAND...
fails_with()
{
    wanted=$1 got=0
    shift
    "$@" || got=$?
    echo "status $got"
    [ $got -eq "$wanted" ]
}

is_png()
{
    [ "$(head -c 8 "$1" | od -An -v -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
}

# told COMMAND: the manual page has its options, each by name, under the command's own heading or
# among those that all take, and no others there.
told()
{
    "$search" "$1" --help >"$tmp/help" || return 1
    sed -n 's/^ *\(-[a-z], \)\{0,1\}--\([a-z-]*\).*/\2/p' "$tmp/help" | grep -vx help |
        sort >"$tmp/has"
    # A heading is "All commands take:", or ".Cm NAME , Cm NAME :" at the beginning of its line.
    awk -v command="$1" '
        /^\.Sh/ { options = $2 == "OPTIONS"; of = 0 }
        /^All commands take/ { of = 1 }
        /^\.Cm .* :$/ { of = index($0 " ", " " command " ") > 0 }
        options && of && /^\.It Fl/ { print $0 }' "$G4_SOURCE/pipelines/search/gemma4-search.1" |
        sed 's/.*Fl -\([a-z-]*\).*/\1/' | sort >"$tmp/tells"
    diff "$tmp/has" "$tmp/tells"
}

commands=$("$search" --help | sed -n 's/^  gemma4-search \([a-z]*\) .*/\1/p')
for command in $commands; do
    check "the manual page has the options of $command" told "$command"
    check "and $command itself" sh -c 'grep -qx "\.Cm $1" "$2" && grep -q "^\.It Cm .*$1" "$2"' sh \
        "$command" "$G4_SOURCE/pipelines/search/gemma4-search.1"
done
check 'eight commands, or seven without a server' \
    sh -c '[ $# -eq 8 ] || [ $# -eq 7 ] && case " $* " in *" serve "*) [ $# -eq 8 ] ;; esac' sh $commands

# completes WORD... EXPECTED: what bash offers for the last of the words begun so far.
completes()
{
    bash -c '. "$1/pipelines/search/gemma4-search.bash"
        expected=${*: -1} COMP_WORDS=("${@:2:$# - 2}") COMP_CWORD=$(($# - 3))
        _gemma4_search
        echo "${COMPREPLY[*]}"
        [ "${COMPREPLY[*]}" = "$expected" ]' bash "$G4_SOURCE" "$search" "$@"
}
check 'bash completes commands' completes i 'index info'
check 'and nothing that is none' completes f ''
check 'and their options' completes query --s '--sheet'
check 'and a precision' completes query --precision b bf16
check 'and files' completes index "$here/test_pro" "$here/test_program.sh"

make_films sea street tower

check 'three films are indexed, two at once' "$search" index "$tmp/sea.mov" "$tmp/street.mov" \
    "$tmp/tower.mov" --db "$tmp/joint.db" --model "$joint" --precision f32 --rate 0 --streams 2
check 'and each of their frames is there' \
    test "$(ask "$tmp/joint.db" 'SELECT count(*), min(done) FROM embedding JOIN stream
                                 ON stream.id = stream')" = '48|1'
check 'the answers to sentences are those of Transformers' "$python" "$here/compare_answers.py" \
    "$here/reference.json" "$search" --db "$tmp/joint.db" --precision f32
check 'a film that is there is not indexed again' \
    says 'already there, 16 embeddings' "$search" index "$tmp/sea.mov" --db "$tmp/joint.db"
check 'a moment of a film finds itself' says '0:03.0 .* 1.0000 .*/street.mov' \
    "$search" similar "$tmp/street.mov@0:03" --db "$tmp/joint.db" --precision f32 --top 1
check 'the contact sheet is drawn' "$search" query 'a red car' --db "$tmp/joint.db" \
    --sheet "$tmp/sheet.png"
check 'as a PNG' is_png "$tmp/sheet.png"
check 'the timeline is drawn' "$search" timeline 'a red car' --db "$tmp/joint.db" \
    --out "$tmp/line.png"
check 'as a PNG, too' is_png "$tmp/line.png"
refuses 'a folder that is missing is named, and why' 'none/line.png: No such file' \
    "$search" timeline 'a red car' --db "$tmp/joint.db" --out "$tmp/none/line.png"
check 'what is in the index is told' says '3 streams, 48 embeddings' \
    "$search" info --db "$tmp/joint.db"
check 'a vector is a JSON array' "$python" -c 'import json, subprocess, sys
v = json.loads(subprocess.check_output(sys.argv[1:]))
assert len(v) == 40 and abs(sum(x * x for x in v) - 1) < 1e-5' \
    "$search" embed 'a red car' --model "$joint"
refuses 'a prompt that there is not is named with those that there are' 'no prompt "poem".*query' \
    "$search" embed 'a red car' --model "$joint" --prompt poem
refuses 'text that is not UTF-8 is refused' 'UTF-8' \
    "$search" query "$(printf 'a\377b')" --db "$tmp/joint.db"

cp "$tmp/sea.mov" "$tmp/copy.mov"
refuses 'another model is refused' 'replace=true' \
    "$search" index "$tmp/copy.mov" --db "$tmp/joint.db" --model "$pooled"
check 'and has changed nothing' \
    test "$(ask "$tmp/joint.db" 'SELECT count(DISTINCT model), count(*) FROM embedding')" = '1|48'
refuses 'another budget is refused' 'made with --max-soft-tokens' \
    "$search" index "$tmp/copy.mov" --db "$tmp/joint.db" --max-soft-tokens 20

echo 'no film' >"$tmp/text.mov"
check 'what cannot be decoded is skipped with a line, and the rest is done' \
    fails_with 1 "$search" index "$tmp/text.mov" "$tmp/none.mov" "$tmp/copy.mov" \
    --db "$tmp/joint.db"
check 'the others are there' says '4 streams, 64 embeddings' "$search" info --db "$tmp/joint.db"
check 'a film is removed' says '16 embeddings removed' \
    "$search" remove "$tmp/copy.mov" --db "$tmp/joint.db"
mkdir "$tmp/folder"
cp "$tmp/sea.mov" "$tmp/folder/gone.mov"
ln -s folder "$tmp/link"
"$search" index "$tmp/link/gone.mov" --db "$tmp/gone.db" --model "$pooled" >/dev/null 2>&1
rm "$tmp/folder/gone.mov"
check 'one that is gone, too, by the way that it was given' says '8 embeddings removed' \
    "$search" remove "$tmp/link/gone.mov" --db "$tmp/gone.db"
refuses 'but once' 'not in' "$search" remove "$tmp/copy.mov" --db "$tmp/joint.db"
check 'the answers are as before' "$python" "$here/compare_answers.py" \
    "$here/reference.json" "$search" --db "$tmp/joint.db" --precision f32

refuses 'pooled vectors are not searched by text' 'cannot be searched by text' sh -c \
    '"$1" index "$2" --db "$3" --model "$4" && "$1" query car --db "$3"' \
    sh "$search" "$tmp/sea.mov" "$tmp/pooled.db" "$pooled"
check 'but by a picture' says '/sea.mov' \
    "$search" similar "$tmp/sea.mov@0:02" --db "$tmp/pooled.db"
refuses 'but not by the eyes of another checkpoint, whose vectors are as long' 'its vision tower has' \
    "$search" similar "$tmp/sea.mov@0:02" --db "$tmp/pooled.db" --model "$G4_TEST_DATA/cases/aspect"
refuses 'a missing index is named' 'none.db: No such file' \
    "$search" query car --db "$tmp/none.db"
refuses 'a file that is no index is refused' 'text.mov' \
    "$search" query car --db "$tmp/text.mov"
refuses 'nor indexed into' 'text.mov' "$search" index "$tmp/sea.mov" --db "$tmp/text.mov" \
    --model "$joint"
gst-launch-1.0 -q audiotestsrc num-buffers=9 ! wavenc ! filesink location="$tmp/sound.wav"
refuses 'a file without pictures is said to have none' 'sound.wav: skipped: no video in it' \
    "$search" index "$tmp/sound.wav" --db "$tmp/sound.db" --model "$joint"
named="$tmp/$(printf 'a\nb \033[2J 100%% \303\251.mov')"
cp "$tmp/sea.mov" "$named"
check 'a film may have any name' "$search" index "$named" --db "$tmp/named.db" --model "$joint"
check 'and is one line' says '0:0.*/a?b ?\[2J 100% é.mov$' \
    "$search" query car --db "$tmp/named.db" --top 1
check 'and goes by its name' says 'embeddings removed' "$search" remove "$named" --db "$tmp/named.db"
check 'a wrong option is a usage error' fails_with 2 "$search" query car --db x --top 0

# Killed three times on its way, each time when the file has some more rows; the vectors are those
# of a run that nobody disturbed.
gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=1500 \
    ! video/x-raw,width=160,height=120,framerate=25/1 ! jpegenc ! avimux \
    ! filesink location="$tmp/long.avi"
"$search" index "$tmp/long.avi" --db "$tmp/whole.db" --model "$pooled" --rate 25/2 \
    >/dev/null 2>&1
for more in 50 250 450; do
    "$search" index "$tmp/long.avi" --db "$tmp/killed.db" --model "$pooled" --rate 25/2 \
        >/dev/null 2>&1 &
    pid=$!
    until [ "$(ask "$tmp/killed.db" 'SELECT count(*) FROM embedding' || echo 0)" -gt $more ] \
        2>/dev/null || ! kill -0 $pid 2>/dev/null; do
        sleep 0.02
    done
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
done
check 'after three kills it goes on to the end' \
    "$search" index "$tmp/long.avi" --db "$tmp/killed.db" --model "$pooled" --rate 25/2
check 'with nothing lost, repeated or changed' sh -c '[ -n "$1" ] && [ "$1" = "$2" ]' sh \
    "$(ask "$tmp/whole.db" 'SELECT pts, hex(vector) FROM embedding ORDER BY pts' | cksum)" \
    "$(ask "$tmp/killed.db" 'SELECT pts, hex(vector) FROM embedding ORDER BY pts' | cksum)"
check 'and nothing is left to do' says 'already there, 750 embeddings' \
    "$search" index "$tmp/long.avi" --db "$tmp/killed.db"
finish
