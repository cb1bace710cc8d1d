#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# test_source.sh MODEL OUT.jsonl|OUT.npy [PROPERTY=VALUE...]
#
# The shortest pipeline there is: ten frames of the moving ball, no film needed.
set -eu
. "$(dirname "$0")/env.sh"

[ $# -ge 2 ] || usage 'MODEL OUT.jsonl|OUT.npy [PROPERTY=VALUE...]'
model=$1 out=$2
shift 2

exec gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=10 \
    ! video/x-raw,width=320,height=240,framerate=10/1 \
    ! gemma4embed model="$(quote "$model")" "$@" ! embeddingsink location="$(quote "$out")"
