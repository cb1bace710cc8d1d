#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# setup.sh [PACKAGE...]: installs what the build, the tests and the recipes need on Debian 12 or 13,
# and the packages named besides. Touches neither network nor package database when nothing is
# missing. setup.sh --list prints the packages, one a line.
set -eu

needed='gcc libc6-dev meson ninja-build pkg-config python3
libglib2.0-dev libjansson-dev libopenblas-dev libcairo2-dev fonts-dejavu-core
libsqlite3-dev libsoup-3.0-dev
libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev
libgstrtspserver-1.0-dev gobject-introspection libgirepository1.0-dev
gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav gstreamer1.0-x
python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 python3-numpy'

if [ "${1-}" = --list ]; then
    printf '%s\n' $needed
    exit 0
fi
if ! command -v dpkg-query >/dev/null; then
    echo 'setup.sh: not a Debian system; these packages (or their like) are needed:' >&2
    printf '%s ' $needed "$@" >&2
    echo >&2
    exit 0
fi

missing=
for package in $needed "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null || true)
    case " $state" in
    *' installed '*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "setup.sh: as root, run: apt-get install$missing" >&2
        exit 1
    }
    root=sudo
fi
echo "Installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! {
    $root apt-get -q update &&
        $root env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install $missing
} >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "setup.sh: apt-get could not install$missing" >&2
    exit 1
fi
