#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# embed_film.sh MODEL FILM|URI OUT [PROPERTY=VALUE...]
#
# A film in, OUT.jsonl and OUT.npy out: one embedding a frame, or fewer with max-rate=2/1 or
# inference-interval=10. The properties are gemma4embed's. Prints the position every second.
set -eu
. "$(dirname "$0")/env.sh"

[ $# -ge 3 ] || usage 'MODEL FILM|URI OUT [PROPERTY=VALUE...]'
model=$1 uri=$(uri_of "$2") out=$3
name=$(basename "$2")
shift 3

exec gst-launch-1.0 uridecodebin uri="$(quote "$uri")" ! progressreport update-freq=1 \
    ! gemma4embed model="$(quote "$model")" "$@" ! tee name=t \
    t. ! queue ! embeddingsink location="$(quote "$out.jsonl")" stream="$(quote "$name")" \
    t. ! queue ! embeddingsink location="$(quote "$out.npy")" stream="$(quote "$name")"
