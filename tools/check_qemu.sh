#!/bin/bash
# The same output on every CPU. Whole output files of `pixpool process` are compared between the kernels this machine
# has, an x86-64 without AVX2, one with AVX2 alone, and AArch64; the kernel tests run on AArch64 as well. Emulated by
# qemu-user, with AArch64's libraries unpacked from Debian's packages below BUILD, so that nothing is installed for it.
#
#     check_qemu.sh     BUILD holds the native pixpool; the last line is "N same, N different"
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
work=$build/qemu
root=$PWD/$build/arm64-root
triple=aarch64-linux-gnu
same=0 different=0

say_wrong() {
    echo "WRONG: $*" >&2
    different=$((different + 1))
}

# AArch64: libraries and programs.

# apt with a state of its own, in which nothing is installed and every package is arm64's.
arm_apt() {
    local state=$PWD/$work/apt
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    touch "$state/status"
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$state" \
        -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" "$@"
}

arm_root() {
    local packages deb
    read -ra packages <<<"$(tools/deps.sh libraries) check"
    if [ "$(cat "$root/.packages" 2>/dev/null)" = "${packages[*]}" ]; then return; fi
    echo "== libraries for AArch64"
    { arm_apt update && arm_apt install -d -y --no-install-recommends "${packages[@]}"; } >"$work/apt.log" 2>&1 || return
    mkdir -p "$root"
    for deb in "$work"/apt/cache/archives/*.deb; do
        dpkg -x "$deb" "$root" || return
    done
    echo "${packages[*]}" >"$root/.packages"
}

arm_build() {
    local to=$build/aarch64
    PKG_CONFIG_LIBDIR=$root/usr/lib/$triple/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
        make --no-print-directory BUILD="$to" CC="$triple-gcc --sysroot=$root" AR="$triple-ar" \
        "$to/pixpool" "$to/tests/kernels/test_kernels" "$to/tests/unit/test_scale" "$to/tests/unit/test_weights" \
        >"$work/build.log" 2>&1
}

# What is compared.

# image, then options of one output a line
orders() {
    cat <<'END'
photo.jpg w=500,h=333,format=jpeg
photo.jpg w=1100,format=png
photo.jpg w=1500,enlarge=1,format=jpeg
photo.jpg w=150,h=150,fit=cover,format=webp
progressive.jpg w=217,format=jpeg
grey.jpg w=333,format=png
plain.png w=250,format=jpeg
alpha.png w=123,format=png
alpha.png w=211,format=webp
alpha.webp w=77,format=png
palette.png w=301,format=png
still.webp w=200,format=jpeg
turned.jpg w=120,format=jpeg
turned.jpg w=151,kernel=mitchell,format=png
END
}

# name, command: makes all outputs and the list of their hashes
produce() {
    local name=$1 n=0 image options
    shift
    mkdir -p "$work/$name"
    while read -r image options; do
        n=$((n + 1))
        "$@" process "$work/in/$image" -o "$work/$name/$n" "$options" --quiet </dev/null \
            2>"$work/$name.err" || say_wrong "$name: $image $options: $(tail -n 1 "$work/$name.err")"
    done < <(orders)
    (cd "$work/$name" && sha256sum -- *) >"$work/$name.sums"
}

# Of PNGs on AArch64 only the pixels must be the same: its libdeflate is of another build, and was not tried for bytes.
same_pixels() {
    case $1 in aarch64-*) ;; *) return 1 ;; esac
    /usr/bin/python3 -c '
import sys
from PIL import Image
a, b = (Image.open(name) for name in sys.argv[1:])
sys.exit(not (a.format == b.format == "PNG" and a.mode == b.mode and a.size == b.size and a.tobytes() == b.tobytes()))
' "$work/c/$2" "$work/$1/$2"
}

compare() {
    local name=$1 n sum
    while read -r sum n; do
        if grep -qx "$sum  $n" "$work/$name.sums" || same_pixels "$name" "$n"; then
            same=$((same + 1))
        else
            say_wrong "$name: output of: $(orders | sed -n "${n}p")"
        fi
    done <"$work/c.sums"
}

# name, the level that must be chosen, command
variant() {
    local name=$1 level=$2 chosen
    shift 2
    echo "== $name"
    # qemu warns of what it does not emulate
    chosen=$("$@" --cpu 2>/dev/null | head -n 1)
    if [ "$chosen" != "vscale_u8 $level" ]; then say_wrong "$name: kernels of the wrong level: $chosen"; fi
    produce "$name" "$@"
    compare "$name"
}

native_levels() {
    local level
    for level in avx2 avx512; do
        if PIXPOOL_ISA=$level "$build/pixpool" --cpu | grep -qx "vscale_u8 $level"; then
            variant "$level" "$level" env PIXPOOL_ISA="$level" "$build/pixpool"
        else
            echo "== $level: this machine does not have it"
        fi
    done
}

arm_levels() {
    local run=(qemu-aarch64 -L "$root") test
    if ! { arm_root && arm_build; }; then
        say_wrong "no AArch64 build: $work/apt.log $work/build.log"
        return
    fi
    for test in kernels/test_kernels unit/test_scale unit/test_weights; do
        echo "== aarch64 $test"
        CK_DEFAULT_TIMEOUT=300 "${run[@]}" "$build/aarch64/tests/$test" || say_wrong "aarch64 $test"
    done
    variant aarch64-neon neon "${run[@]}" "$build/aarch64/pixpool"
    variant aarch64-c c "${run[@]}" -E PIXPOOL_ISA=c "$build/aarch64/pixpool"
}

if [ "$(uname -m)" != x86_64 ]; then
    echo "check_qemu.sh compares with an x86-64 machine's own kernels and runs on one only" >&2
    exit 1
fi
rm -rf "${work:?}"/{in,c,avx2,avx512,nehalem,haswell,aarch64-*}
mkdir -p "$work/in"
(cd tests && /usr/bin/python3 -c 'import pathlib, sys; from samples import write_samples; write_samples(pathlib.Path(sys.argv[1]))' \
    "$OLDPWD/$work/in") || exit 1

produce c env PIXPOOL_ISA=c "$build/pixpool"
native_levels
variant nehalem c qemu-x86_64 -cpu Nehalem "$build/pixpool"
variant haswell avx2 qemu-x86_64 -cpu Haswell "$build/pixpool"
arm_levels
echo "$same same, $different different"
[ "$different" = 0 ] && [ "$same" != 0 ]
