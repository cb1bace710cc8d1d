#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# symbols.sh PATTERN FILE|FOLDER...: every symbol with linkage that the libraries, or the objects
# in the folder, define matches the pattern. Names that begin with two underscores are the
# toolchain's. Writes TAP.
set -u
pattern=$1
shift
n=0 failed=0
[ ! -d "$1" ] || set -- "$1"/*.o
for file in "$@"; do
    n=$((n + 1))
    case $(basename "$file") in
    *.so | *.so.*) flags='--dynamic' may_be_empty=no ;;
    *) flags= may_be_empty=yes ;; # what an object holds may be left out of a build
    esac
    names=$(nm $flags --extern-only --defined-only --format=posix "$file" |
        awk 'NF >= 2 && $1 !~ /^__/ { sub(/@.*/, "", $1); print $1 }' | sort -u)
    foreign=$(printf '%s\n' "$names" | grep -vE "^($pattern)" | grep -v '^_\(init\|fini\|edata\|end\)$')
    if [ -z "$foreign" ] && { [ -n "$names" ] || [ $may_be_empty = yes ]; }; then
        echo "ok $n symbols of $(basename "$file") have the prefix"
    else
        failed=$((failed + 1))
        echo "not ok $n symbols of $(basename "$file") have the prefix"
        printf '# %s\n' ${foreign:-none found}
    fi
done
echo "1..$n"
[ $failed -eq 0 ]
