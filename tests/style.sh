#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# style.sh: what every text file keeps to. Writes TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
n=0 failed=0

# The project's own text files: those that git knows, or all outside build folders.
files()
{
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard
    else
        find . -path './build*' -prune -o -path './results' -prune -o -type f -print |
            sed 's|^\./||'
    fi | grep -E '\.(c|h|py|sh|build|txt|md)$|^\.ci/|^\.editorconfig$|^\.clang-format$' |
        grep -v '^tests/data/cases/' | sort
}
sources()
{
    files | grep -E '\.(c|h|py|sh)$|^\.ci/'
}

# report NAME: passes when $found is empty.
report()
{
    n=$((n + 1))
    if [ ! -s "$found" ]; then
        echo "ok $n $1"
    else
        failed=$((failed + 1))
        echo "not ok $n $1"
        sed 's/^/# /' "$found"
    fi
}

found=$(mktemp)
trap 'rm -f "$found"' EXIT
export LC_ALL=C.UTF-8
tab=$(printf '\t')

files | xargs grep -nH "$tab" >"$found"
report 'no tabs'
files | xargs grep -nHE ' +$' >"$found"
report 'no trailing blanks'
files | while read -r file; do
    [ -z "$(tail -c 1 "$file")" ] || echo "$file"
done >"$found"
report 'every file ends with a newline'
files | xargs grep -lU "$(printf '\r')" >"$found"
report 'no carriage returns'
sources | while read -r file; do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
done >"$found"
report 'every source begins with its licence'
# A launch line in an element's documentation is one line, whatever its length.
files | grep -E '\.(c|h)$' | xargs grep -nHE '^.{101,}' | grep -v ':[0-9]*: \* gst-launch' >"$found"
report 'no line of C is longer than 100 columns'
files | grep -E '(^|/)(util|utils|common|misc|helper|helpers)\.[ch]$' >"$found"
report 'no file is named after nothing'
files | grep -E '\.(c|h)$' | xargs wc -l | awk '$2 != "total" && $1 > 1000' >"$found"
report 'no file of C is longer than 1000 lines'
echo "1..$n"
[ $failed -eq 0 ]
