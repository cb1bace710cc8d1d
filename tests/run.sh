#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [-b BUILD-DIR] [-x SUITE]... [MESON-OPTION...]
#
# Installs what is missing, builds (into build/) and runs every test; ends with one line
# `N passed, N failed, N skipped`. Each skip is listed and must be on tests/skips.txt.
# -x leaves a suite out: `full` (the full-size goldens, a few minutes) is the only long one.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
leave_out=
while [ $# -ge 2 ]; do
    case $1 in
    -b) build=$2 ;;
    -x) leave_out="$leave_out --no-suite $2" ;;
    *) break ;;
    esac
    shift 2
done
case ${1-} in
'' | -D*) ;;
*)
    sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

"$top/pipelines/setup.sh"
# The distribution's meson, not one that a Python environment puts before it.
meson=$(PATH=/usr/bin:$PATH command -v meson)
if [ -f "$build/build.ninja" ]; then
    [ $# -eq 0 ] || "$meson" configure "$build" "$@"
else
    "$meson" setup "$build" "$top" "$@"
fi
ninja -C "$build"

log=$build/meson-logs/testlog.json
rm -f "$log"
# Its exit status says no more than the log, which is counted below.
"$meson" test -C "$build" --no-rebuild --print-errorlogs $leave_out || true
[ -z "$leave_out" ] || echo "Left out:$leave_out"
exec python3 "$top/tests/count_results.py" "$build" "$top/tests/skips.txt"
