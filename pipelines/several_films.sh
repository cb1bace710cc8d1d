#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# several_films.sh MODEL OUTDIR FILM|URI...
#
# Several films at once in one process: a gemma4embed each, one copy of the weights for all, since
# elements on the same checkpoint share it. Writes OUTDIR/N-NAME.jsonl.
set -eu
. "$(dirname "$0")/env.sh"

[ $# -ge 3 ] || usage 'MODEL OUTDIR FILM|URI...'
model=$(quote "$1") outdir=$2
shift 2
mkdir -p "$outdir"

# Each film's branch goes to the end of the list, as its name leaves the front.
n=$# i=0
while [ $i -lt $n ]; do
    film=$1 i=$((i + 1))
    shift
    uri=$(uri_of "$film")
    name=$(basename "$film")
    set -- "$@" uridecodebin uri="$(quote "$uri")" \
        ! gemma4embed model="$model" ${G4_PROPERTIES-} \
        ! embeddingsink location="$(quote "$outdir/$i-$name.jsonl")" stream="$(quote "$name")"
done
exec gst-launch-1.0 -q "$@"
