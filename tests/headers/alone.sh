#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# alone.sh CC CFLAGS HEADER...: each public header compiles by itself, as the first and only one,
# in C and, where there is a C++ compiler, in C++. Writes TAP.
set -u
cc=$1 cflags=$2
shift 2
n=0 failed=0

# try LANGUAGE-FLAGS WHAT HEADER
try()
{
    n=$((n + 1))
    if printf '#include "%s"\n' "$3" |
        $cc $1 $cflags -Wall -Wextra -Werror -fsyntax-only - 2>"$log"; then
        echo "ok $n $(basename "$3") compiles alone as $2"
    else
        failed=$((failed + 1))
        echo "not ok $n $(basename "$3") compiles alone as $2"
        sed 's/^/# /' "$log"
    fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for header in "$@"; do
    try '-x c -std=gnu11' C "$header"
    if echo 'int x;' | $cc -x c++ -fsyntax-only - 2>/dev/null; then
        try '-x c++ -std=c++17' C++ "$header"
    fi
done
echo "1..$n"
[ $failed -eq 0 ]
