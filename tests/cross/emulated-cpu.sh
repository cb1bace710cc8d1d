#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# emulated-cpu.sh BUILD-DIR
#
# Runs the native build's small goldens, checkkernel and the encoder's tests on two x86 processors
# that qemu-user emulates: a Haswell (AVX2, no AVX-512) and a Nehalem (no AVX at all). The level
# must come out of CPUID and XGETBV alone, so G4_CPU is unset but where a level that is missing is
# asked for, which must be refused. Ends with one line `N passed, N failed, N skipped`.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -eq 1 ] && [ -f "$1/build.ninja" ] || {
    sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
build=$1
"$top/pipelines/setup.sh" qemu-user

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export G4_TEST_DATA="$top/tests/data"
unset G4_CPU

# result NAME COMMAND...: the command's status is the test's. All run at the same time.
results=0
result()
{
    results=$((results + 1))
    mkdir "$out/$results"
    echo "$1" >"$out/$results/name"
    shift
    (
        log=$out/$results/log
        export G4_TEST_TMP="$out/$results"
        "$@" && touch "$out/$results/ok"
    ) &
}

# emulate PROGRAM ARGUMENT...: on $cpu, its output in $log.
emulate()
{
    program=$build/tests/$1
    shift
    qemu-x86_64 -cpu "$cpu" "$program" "$@" >"$log" 2>&1
}

# goldens_at PROGRAM KERNELS: all goldens passed, each with kernels of that name and no other, but
# for products that the name says are made otherwise.
goldens_at()
{
    program=$1 kernels_line="^# kernels $2\\( (products [a-z0-9]*)\\)\\?,"
    emulate "golden/$program" && grep -q '^ok ' "$log" && ! grep -q '# SKIP' "$log" &&
        grep -q "$kernels_line" "$log" && ! grep '^# kernels' "$log" | grep -qv "$kernels_line"
}

# Every level of checkkernel ran (+LEVEL) or was missing (-LEVEL). qemu 7.2 reads the lanes, too,
# that a masked load leaves out.
checkkernel_with()
{
    emulate checkkernel/checkkernel --seed 1 --slack 32 || return 1
    for sign_level; do
        case $sign_level in
        +*) grep -q "^${sign_level#+} .* ok, " "$log" || return 1 ;;
        -*) grep -qx "not run: ${sign_level#-} (processor lacks it)" "$log" || return 1 ;;
        esac
    done
}

refused()
{
    ! G4_CPU=$1 emulate bench/gemma4-bench --model "$G4_TEST_DATA/cases/square" --frames 1 &&
        grep -q "G4_CPU=$1: this processor has no such level, its highest is $2" "$log"
}

# processor NAME QEMU-CPU LEVEL KERNELS MISSING-LEVEL...
processor()
{
    processor=$1 cpu=$2 level=$3 kernels=$4
    shift 4
    levels=
    for missing; do
        levels="$levels -$missing"
    done
    [ "$level" = c ] || levels=" +$level$levels"
    result "$processor: goldens at $kernels" goldens_at test_golden "$kernels"
    result "$processor: goldens in bf16 and int8 at $level" goldens_at test_golden_precision "$level"
    result "$processor: checkkernel, +c$levels" checkkernel_with +c $levels
    result "$processor: encoder" emulate unit/test_encoder
    if [ -x "$build/tests/bench/gemma4-bench" ]; then
        for missing; do
            result "$processor: G4_CPU=$missing is refused" refused "$missing" "$level"
        done
    fi
}

# Without BLAS, C's own product.
plain=c
! grep -q G4_HAVE_BLAS "$build/build.ninja" || plain=c+openblas
# Less what qemu cannot emulate, and warns of.
processor Haswell Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid avx2 avx2 \
    avx512 avx512vnni avx512bf16
processor Nehalem Nehalem c "$plain" avx2 avx512 avx512vnni avx512bf16

wait
passed=0
for number in $(seq $results); do
    if [ -f "$out/$number/ok" ]; then
        passed=$((passed + 1))
        echo "ok - $(cat "$out/$number/name")"
    else
        echo "not ok - $(cat "$out/$number/name")"
        tail -n 30 "$out/$number/log" | sed 's/^/# /'
    fi
done
echo "$passed passed, $((results - passed)) failed, 0 skipped"
[ "$passed" -eq "$results" ]
