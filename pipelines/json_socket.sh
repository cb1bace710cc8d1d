#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# json_socket.sh MODEL SOURCE tcp|udp HOST PORT [PROPERTY=VALUE...]
#
# Embeddings of a live source as JSON over a socket, one line each. tcp: serves whoever connects,
# from the next embedding on; a client that is 100 lines behind is disconnected, and nobody else
# waits for it. udp: sends each line as a datagram, which a pooled vector fits and tokens do not.
# A SOURCE is a URI or, in quotes, the beginning of a launch line.
set -eu
. "$(dirname "$0")/env.sh"

[ $# -ge 5 ] || usage 'MODEL SOURCE tcp|udp HOST PORT [PROPERTY=VALUE...]'
model=$(quote "$1") source=$(source_of "$2") protocol=$3 host=$(quote "$4") port=$5
shift 5

case $protocol in
tcp) sink="tcpserversink buffers-max=100 recover-policy=none" ;;
udp) sink=udpsink ;;
*) fail "$protocol: expected tcp or udp" ;;
esac
set -f # the words of a source are words and no patterns
exec gst-launch-1.0 -q -e $source ! gemma4embed model="$model" async=true "$@" \
    ! embeddingtensor ! application/x-json ! $sink host="$host" port="$port" sync=false
