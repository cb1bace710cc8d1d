# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034
#
# Sourced by the shell tests: prints TAP, and gives each test a folder of its own in $tmp.
#
# meson sets G4_PIPELINES (the recipes), G4_BUILD, G4_TEST_DATA, G4_TEST_TMP, GST_REGISTRY, and
# where the elements are.

tmp=$(mktemp -d "${G4_TEST_TMP:?}/pipelines.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$tmp"' EXIT
tools=$G4_BUILD/pipelines
model=$G4_TEST_DATA/cases/square
python=$(PATH=/usr/bin:$PATH command -v python3) # the one that Debian's packages are for
n_checks=0 n_failed=0

# check NAME COMMAND...: the command must succeed.
check()
{
    n_checks=$((n_checks + 1))
    check_name=$1
    shift
    if "$@" >"$tmp/check.log" 2>&1; then
        echo "ok $n_checks $check_name"
    else
        n_failed=$((n_failed + 1))
        echo "not ok $n_checks $check_name"
        sed 's/^/# /' "$tmp/check.log"
    fi
}

# refuses NAME PATTERN COMMAND...: the command must fail by itself (no signal) and say PATTERN.
refuses()
{
    refuse_name=$1 refuse_pattern=$2
    shift 2
    check "$refuse_name" refused_with "$refuse_pattern" "$@"
}

refused_with()
{
    refused_pattern=$1 refused_rc=0
    shift
    "$@" >"$tmp/refused.log" 2>&1 || refused_rc=$?
    cat "$tmp/refused.log"
    [ $refused_rc -ne 0 ] && [ $refused_rc -lt 124 ] && grep -q -- "$refused_pattern" "$tmp/refused.log"
}

# skip NAME REASON
skip()
{
    n_checks=$((n_checks + 1))
    echo "ok $n_checks $1 # SKIP $2"
}

finish()
{
    echo "1..$n_checks"
    [ $n_failed -eq 0 ]
}

# has_lines FILE N
has_lines()
{
    [ "$(wc -l <"$1")" -eq "$2" ]
}

# make_film FILE: 24 frames at 12 a second, two shots of one second, H.264 where there is an
# encoder for it, else JPEG.
make_film()
{
    if gst-inspect-1.0 --exists openh264enc; then
        set -- "$1" openh264enc ! h264parse
    else
        set -- "$1" jpegenc
    fi
    film_out=$1
    shift
    gst-launch-1.0 -q concat name=c ! videoconvert ! video/x-raw,format=I420 ! "$@" ! mp4mux \
        ! filesink location="$film_out" \
        videotestsrc pattern=smpte num-buffers=12 ! video/x-raw,width=160,height=120,framerate=12/1 ! c. \
        videotestsrc pattern=ball num-buffers=12 ! video/x-raw,width=160,height=120,framerate=12/1 ! c.
}
