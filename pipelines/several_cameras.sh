#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# several_cameras.sh MODEL OUTDIR SOURCE...
#
# Several cameras in one process: one copy of the weights, and the processor in fair turns. With
# async=true no picture waits: each camera's newest frame is embedded whenever it is that camera's
# turn, the others pass. A SOURCE is a URI or, in quotes, the beginning of a launch line. Writes
# OUTDIR/N.jsonl until Ctrl-C or until all sources end.
set -eu
. "$(dirname "$0")/env.sh"

[ $# -ge 3 ] || usage 'MODEL OUTDIR SOURCE...'
model=$(quote "$1") outdir=$2
shift 2
mkdir -p "$outdir"

# Each camera's branch goes to the end of the list, as its source leaves the front. Where the
# picture is wanted, too, a tee behind gemma4embed has it with the embeddings on it.
set -f # the words of a source are words and no patterns
n=$# i=0
while [ $i -lt $n ]; do
    source=$(source_of "$1") i=$((i + 1))
    shift
    set -- "$@" $source ! gemma4embed model="$model" async=true ${G4_PROPERTIES-} \
        ! embeddingsink location="$(quote "$outdir/$i.jsonl")" stream="camera-$i"
done
exec gst-launch-1.0 -q -e "$@"
