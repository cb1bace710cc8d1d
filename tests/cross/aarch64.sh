#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# aarch64.sh BUILD-DIR [MESON-OPTION...]
#
# Builds core and tests for aarch64 and runs the unit tests, checkkernel and the small goldens at each
# level of kernels under qemu-user: once on a processor that has all that qemu knows, once on a
# Cortex-A53, which has no dot products. Ends with one line `N passed, N failed, N skipped`.
#
# The libraries are Debian's arm64 packages, unpacked (never installed) into a folder of the cache:
# $G4_CI_CACHE, or gst-gemma4 in $XDG_CACHE_HOME, /var/cache or ~/.cache. They come from wherever this
# machine's apt gets its own; its package database and list of architectures stay as they are.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 1 ] || {
    sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
build=$1
shift

"$top/pipelines/setup.sh" gcc-aarch64-linux-gnu qemu-user

. "$top/tests/cross/unpacked.sh"
sysroot=$cache/aarch64
architecture=arm64
libraries='libc6-dev libglib2.0-dev libjansson-dev libopenblas-dev'

download()
{
    other_apt update && other_apt -y --download-only install $libraries
}

if [ "$(cat "$sysroot/complete" 2>/dev/null)" != "$libraries" ]; then
    echo "Unpacking $libraries of arm64 into $sysroot"
    make_sysroot download lib
    # What the packages' scripts would do through update-alternatives.
    for library in libopenblas.so.0 libopenblas.so; do
        ln -s openblas-pthread/$library "$sysroot/usr/lib/aarch64-linux-gnu/$library"
    done
    ln -s ../openblas-pthread/pkgconfig/openblas.pc \
        "$sysroot/usr/lib/aarch64-linux-gnu/pkgconfig/openblas.pc"
    printf '%s' "$libraries" >"$sysroot/complete"
fi

meson=$(PATH=/usr/bin:$PATH command -v meson)
if [ -f "$build/build.ninja" ]; then
    [ $# -eq 0 ] || "$meson" configure "$build" "$@"
else
    printf "[constants]\nsysroot = '%s'\n" "$sysroot" >"$cache/aarch64-sysroot.ini"
    "$meson" setup "$build" "$top" --cross-file "$cache/aarch64-sysroot.ini" \
        --cross-file "$top/tests/cross/aarch64.ini" -Dplugin=disabled -Dbench=false "$@"
fi
ninja -C "$build"

log=$build/meson-logs/testlog.json
# run LOG TEST...: the tests' results go to the end of that of all. Emulated, a program takes about
# ten times as long.
run()
{
    results=$build/meson-logs/$1.json
    rm -f "$results"
    "$meson" test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 10 \
        --logbase "$@" || true
    cat "$results" >>"$log"
}

rm -f "$log"
tests=$("$meson" test -C "$build" --no-rebuild --list --suite unit 2>/dev/null |
    sed 's,.* / ,,' | grep -v '^checkkernel')
run unit $tests golden-c golden-precision-c golden-neon golden-precision-neon golden-dotprod \
    golden-precision-dotprod
# Of one program each: two at a time.
QEMU_CPU=cortex-a53 run a53-goldens golden-precision-neon &
run text --test-args='-p /text/int8/threads-1' golden-text-dotprod
wait
QEMU_CPU=cortex-a53 run a53 --test-args=--expect=neon checkkernel-fused &
run levels --test-args=--expect=dotprod checkkernel
wait
exec python3 "$top/tests/count_results.py" "$build" "$top/tests/skips.txt"
