# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034
#
# Sourced by the recipes: where the elements and programs are. In a source tree they are those of
# $G4_BUILD (default: build/), else the installed ones. Sets `top` and `tools`.

top=$(cd "$(dirname "$0")/.." && pwd)
build=${G4_BUILD:-$top/build}
tools=
if [ -d "$build/plugin" ]; then
    GST_PLUGIN_PATH=$build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
    GI_TYPELIB_PATH=$build/plugin${GI_TYPELIB_PATH:+:$GI_TYPELIB_PATH}
    LD_LIBRARY_PATH=$build/core:$build/plugin${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export GST_PLUGIN_PATH GI_TYPELIB_PATH LD_LIBRARY_PATH
    tools=$build/pipelines/
fi

fail()
{
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# usage TEXT: for a call with too few arguments.
usage()
{
    echo "usage: $(basename "$0") $*" >&2
    exit 2
}

# quote TEXT: as a value in a launch line, whatever is in it.
quote()
{
    printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

# uri_of FILE|URI: a URI stays; of a file's path every byte that could be special is encoded.
uri_of()
{
    case $1 in
    *://*)
        printf '%s' "$1"
        return
        ;;
    esac
    [ -r "$1" ] || fail "$1: no such file"
    _path=$(realpath -- "$1")
    case $_path in
    *[!A-Za-z0-9/._-]*)
        _path=$(printf '%s' "$_path" | od -An -v -tx1 | tr -d '\n' | tr ' ' '%' | sed 's/%2f/\//g')
        ;;
    esac
    printf 'file://%s' "$_path"
}

# source_of SOURCE: the words that begin a launch line. A URI or a file becomes a uridecodebin; what
# has a blank in it is words of a launch line already, such as "v4l2src device=/dev/video0".
source_of()
{
    case $1 in
    *' '*) printf '%s' "$1" ;;
    *)
        _uri=$(uri_of "$1") || exit 1
        printf 'uridecodebin uri=%s' "$(quote "$_uri")"
        ;;
    esac
}
