#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# bochs.sh BUILD-DIR
#
# Runs the native build's checkkernel and small goldens on processors with AVX-512, which Bochs
# emulates whole, with a small Linux on them: the machine code as it was compiled, assembly and all.
# The level must come out of CPUID and XGETBV alone. Shows what runs, and ends with one line
# `N passed, N failed, N skipped`.
#
# Bochs 3.0, the kernel and busybox are packages of Debian 13, unpacked (never installed) into a folder
# of the cache: $G4_CI_CACHE, or gst-gemma4 in $XDG_CACHE_HOME, /var/cache or ~/.cache. They come from
# the mirror that this machine's apt uses; its package database and lists stay as they are.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -eq 1 ] && [ -f "$1/build.ninja" ] || {
    sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
build=$1

. "$top/tests/cross/unpacked.sh"
sysroot=$cache/bochs
architecture=amd64
packages='bochs bochs-term bochsbios vgabios busybox-static isolinux syslinux-common xorriso'

# All of Debian 13.
download()
{
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
        awk '$2 == "Debian" { print $1; exit }')
    echo "deb ${mirror:-http://deb.debian.org/debian} trixie main" >"$sysroot/apt/sources.list"
    other_apt update && other_apt -y --download-only install $packages || return 1
    # The kernel alone, without what it would be installed with.
    kernel=$(other_apt -s install linux-image-cloud-amd64 |
        sed -n 's/^Inst \(linux-image-[0-9][^ ]*\) .*/\1/p')
    (cd "$sysroot/apt/archives" && other_apt download "$kernel")
}

if [ "$(cat "$sysroot/complete" 2>/dev/null)" != "$packages" ]; then
    echo "Unpacking $packages of Debian 13 into $sysroot"
    make_sysroot download bin lib lib64
    printf '%s' "$packages" >"$sysroot/complete"
fi

# Programs of the sysroot, with its own libraries.
unpacked()
{
    library_path=$sysroot/usr/lib/x86_64-linux-gnu
    program=$sysroot/usr/bin/$1
    shift
    exec "$sysroot/lib64/ld-linux-x86-64.so.2" \
        --library-path "$library_path:$library_path/bochs/plugins" "$program" "$@"
}

out=$(mktemp -d)
machines=
# Bochs ends at no other signal.
trap 'for machine in $machines; do kill -KILL "$(cat "$machine/pid")" 2>/dev/null || true; done
    rm -rf "$out"' EXIT
trap 'exit 1' HUP INT TERM

# The guest's files. Its init runs each test between two lines of ours.
root=$out/root
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/tmp" "$root/tests" "$root/data"
cp "$sysroot/usr/bin/busybox" "$root/bin/"
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
export G4_TEST_DATA=/data G4_TEST_TMP=/tmp G4_MAKE_CHECKPOINT=/tests/gemma4-make-checkpoint
result()
{
    echo "@ begin $1"
    shift
    "$@" 2>&1
    printf '\n@ end %s\n' $?
}
result flags grep -m 1 ^flags /proc/cpuinfo
result goldens /tests/test_golden
result precision /tests/test_golden_precision
# All of checkkernel, and the outliers, where all levels are; elsewhere what says which levels are.
# The outliers' levels below these would take long, and run natively.
if grep -q avx512_bf16 /proc/cpuinfo; then
    result checkkernel /tests/checkkernel --seed 1
    result outliers /tests/test_outliers -p /golden/outliers/avx512 \
        -p /golden/outliers/avx512vnni -p /golden/outliers/avx512bf16
else
    result checkkernel /tests/checkkernel --seed 1 --test gemm_int8
fi
echo '@ all'
exec sleep 1000000
END
chmod +x "$root/init"
for program in tests/checkkernel/checkkernel tests/golden/test_golden \
    tests/golden/test_golden_precision tests/golden/test_outliers pipelines/gemma4-make-checkpoint; do
    cp "$build/$program" "$root/tests/"
done
for library in $(ldd "$root"/tests/* | sed -n 's,^[^/]*\(/[^ ]*\) (.*,\1,p' | sort -u); do
    mkdir -p "$root/$(dirname "$library")"
    cp -L "$library" "$root/$library"
done
cp -r "$top/tests/data/cases" "$root/data/"

cd=$out/cd
mkdir "$cd"
(cd "$root" && find . | "$sysroot/usr/bin/busybox" cpio -o -H newc -R 0:0 2>/dev/null) |
    gzip -1 >"$cd/initrd"
cp "$sysroot"/boot/vmlinuz-* "$cd/linux"
cp "$sysroot/usr/lib/ISOLINUX/isolinux.bin" "$sysroot/usr/lib/syslinux/modules/bios/ldlinux.c32" \
    "$cd/"
# Without ACPI: Bochs 3.0 fails in the system management mode that it begins with. A panic ends Bochs.
cat >"$cd/isolinux.cfg" <<'END'
default linux
prompt 0
label linux
  kernel linux
  initrd initrd
  append console=ttyS0,115200 acpi=off noapic nokaslr mitigations=off quiet panic=-1 reboot=triple
END
(unpacked xorrisofs -o "$out/cd.iso" -b isolinux.bin -c boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$cd") >"$out/cd.log" 2>&1 || {
    cat "$out/cd.log" >&2
    exit 1
}

# boot NAME BOCHS-MODEL: lets the machine run. Linux wants no AMX without XFD, which Bochs lacks.
boot()
{
    machine=$out/$1
    machines="$machines $machine"
    mkdir "$machine"
    : >"$machine/serial"
    cat >"$machine/bochsrc" <<END
config_interface: textconfig
display_library: term
romimage: file=$sysroot/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=$sysroot/usr/share/vgabios/vgabios-stdvga.bin
cpu: model=$2, ips=100000000, reset_on_triple_fault=0, exclude_features="amx amx_int8 amx_bf16"
memory: guest=1024, host=1024
ata0-master: type=cdrom, path=$out/cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$machine/serial
log: $machine/log
panic: action=fatal
error: action=ignore
speaker: enabled=0
sound: driver=dummy
END
    (
        export TERM=vt100 BXSHARE="$sysroot/usr/share/bochs"
        export LTDL_LIBRARY_PATH="$sysroot/usr/lib/x86_64-linux-gnu/bochs/plugins"
        unpacked bochs-bin -q -f "$machine/bochsrc"
    ) </dev/null >"$machine/screen" 2>&1 &
    echo $! >"$machine/pid"
}

# Says what the machine begins with, once.
show_progress()
{
    begun=$(sed -n 's/^@ begin \([a-z]*\).*/\1/p' "$1/serial" | tail -n 1)
    [ "$begun" = "$(cat "$1/begun" 2>/dev/null)" ] || {
        echo "$begun" >"$1/begun"
        printf '%4d s  %s: %s\n' $(($(date +%s) - started)) "$(basename "$1")" "$begun"
    }
}

# Until each machine has run everything, or has ended by itself, or has taken two hours.
wait_for_machines()
{
    started=$(date +%s)
    running=1
    while [ $running -gt 0 ]; do
        sleep 2
        running=0
        for machine in $machines; do
            [ ! -f "$machine/ended" ] || continue
            show_progress "$machine"
            if grep -q '^@ all' "$machine/serial" || [ $(($(date +%s) - started)) -gt 7200 ]; then
                kill -KILL "$(cat "$machine/pid")" 2>/dev/null || true
            fi
            if kill -0 "$(cat "$machine/pid")" 2>/dev/null; then
                running=$((running + 1))
            else
                wait "$(cat "$machine/pid")" || true
                touch "$machine/ended"
            fi
        done
    done
}

# A test's output, in $machine/NAME, and its status.
split()
{
    tr -d '\r' <"$machine/serial" | (
        cd "$machine"
        awk '$1 == "@" && $2 == "begin" { name = $3; printf "" >name; next }
            $1 == "@" && $2 == "end" { print $3 >name ".status"; name = ""; next }
            name != "" { print >name }'
    )
}

passed=0 failed=0
# check NAME TEST COMMAND...: the test ended well, and the command finds in its output what it must.
check()
{
    name=$1 log=$machine/$2
    shift 2
    if [ "$(cat "$log.status" 2>/dev/null)" = 0 ] && "$@"; then
        passed=$((passed + 1))
        echo "ok - $processor: $name"
    else
        failed=$((failed + 1))
        echo "not ok - $processor: $name"
        tail -n 30 "$([ -s "$log" ] && echo "$log" || echo "$machine/serial")" |
            tr -d '\r' | awk '{ print "# " $0 }'
    fi
}

has_flags()
{
    for flag in $flags; do
        grep -qw "$flag" "$log" || return 1
    done
}

# Every level of checkkernel from avx512 on ran, or was missing.
ran_levels()
{
    for level in $levels; do
        grep -q "^$level .* ok, " "$log" || return 1
    done
    for level in $missing; do
        grep -qx "not run: $level (processor lacks it)" "$log" || return 1
    done
    ! grep -q FAILED "$log"
}

outliers_at_levels()
{
    for level in $levels; do
        grep -q "^ok [0-9]* /golden/outliers/$level\$" "$log" || return 1
    done
}

# All goldens passed, with kernels of AVX-512 and no other, and the level's own products among them.
passed_with()
{
    grep -q '^ok ' "$log" && ! grep -q '^not ok \|# SKIP' "$log" || return 1
    grep '^# kernels' "$log" | grep -v '^# kernels avx512\( (products [a-z0-9]*)\)\?,' && return 1
    for products; do
        grep -q "^# kernels avx512 (products $products)," "$log" || return 1
    done
}

# processor NAME LEVELS MISSING-LEVELS FLAGS PRODUCTS: what the machine of that name has to say.
processor()
{
    processor=$1 levels=$2 missing=$3 flags=$4 products=$5
    machine=$out/$processor
    split
    check "Linux sees $flags" flags has_flags
    check 'goldens at avx512' goldens passed_with
    check "goldens in bf16 and int8, products $products" precision passed_with $products
    check "checkkernel at $levels" checkkernel ran_levels
    [ -n "$missing" ] || check "outliers at $levels" outliers outliers_at_levels
}

boot skylake corei7_skylake_x
boot icelake corei7_icelake_u
boot sapphirerapids sapphire_rapids
wait_for_machines

base='avx512f avx512bw avx512dq avx512vl'
processor skylake 'avx512' 'avx512vnni avx512bf16' "$base" int16
processor icelake 'avx512 avx512vnni' avx512bf16 "$base avx512_vnni" 'int16 avx512vnni'
processor sapphirerapids 'avx512 avx512vnni avx512bf16' '' "$base avx512_vnni avx512_bf16" \
    'int16 avx512vnni avx512bf16'
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
