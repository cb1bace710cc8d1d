#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# json_lines.sh MODEL FILM|URI [PROPERTY=VALUE...] | your-program
#
# Embeddings as buffers: embeddingtensor turns them into application/x-json, one line each, and
# fdsink writes them to standard output, for jq, a database's loader or a socket.
set -eu
. "$(dirname "$0")/env.sh"

[ $# -ge 2 ] || usage 'MODEL FILM|URI [PROPERTY=VALUE...]'
model=$1 uri=$(uri_of "$2")
shift 2

exec gst-launch-1.0 -q uridecodebin uri="$(quote "$uri")" \
    ! gemma4embed model="$(quote "$model")" "$@" \
    ! embeddingtensor ! application/x-json ! fdsink fd=1 sync=false
