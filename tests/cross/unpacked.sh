# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154
#
# Sourced: Debian packages of another machine, unpacked and never installed.
#
# cache is their folder: $G4_CI_CACHE, or gst-gemma4 in $XDG_CACHE_HOME, /var/cache or ~/.cache. The
# functions take $sysroot, a folder of it, and $architecture. They come from wherever this machine's
# apt gets its own; its package database and list of architectures stay as they are.

cache=${G4_CI_CACHE:-${XDG_CACHE_HOME:-/var/cache}/gst-gemma4}
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || {
    cache=$HOME/.cache/gst-gemma4
    mkdir -p "$cache"
}

# An apt of that machine, as it were, on which nothing is installed; of $sysroot/apt/sources.list, if
# there is one.
other_apt()
{
    [ ! -f "$sysroot/apt/sources.list" ] ||
        set -- -o Dir::Etc::sourcelist="$sysroot/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
            "$@"
    apt-get -q -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
        -o APT::Install-Recommends=false -o APT::Sandbox::User=root \
        -o Dir::State="$sysroot/apt" -o Dir::State::status="$sysroot/apt/status" \
        -o Dir::Cache="$sysroot/apt" -o Dir::Log="$sysroot/apt" -o Debug::NoLocking=true \
        "$@" </dev/null
}

# make_sysroot DOWNLOAD FOLDER...: $sysroot of what the function DOWNLOAD leaves in apt/archives.
# Packages hold /FOLDER in Debian 12 and /usr/FOLDER in 13, where the first links to the second.
make_sysroot()
{
    rm -rf "$sysroot"
    mkdir -p "$sysroot/apt/lists/partial" "$sysroot/apt/archives/partial"
    : >"$sysroot/apt/status"
    "$1" >"$sysroot.log" 2>&1 || {
        cat "$sysroot.log" >&2
        exit 1
    }
    shift
    for folder; do
        mkdir -p "$sysroot/usr/$folder"
        ln -s "usr/$folder" "$sysroot/$folder"
    done
    for package in "$sysroot"/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar -x --keep-directory-symlink --no-same-owner -C "$sysroot"
    done
    rm -r "$sysroot/apt"
}
