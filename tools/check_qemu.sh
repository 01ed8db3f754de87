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
arm_tests=(kernels/test_kernels kernels/test_reference unit/test_{scale,weights,halve,tone,blur,png_fast,placeholder})
font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
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
        make --no-print-directory -j"$(nproc)" BUILD="$to" CC="$triple-gcc --sysroot=$root" AR="$triple-ar" \
        "$to/pixpool" "${arm_tests[@]/#/$to/tests/}" >"$work/build.log" 2>&1
}

# What is compared.

# The samples of the tests, one with a uniform border, one that moves, and some in other colour spaces.
inputs() {
    mkdir -p "$work/in"
    (cd tests && /usr/bin/python3 -B - "$OLDPWD/$work/in") <<'END'
import pathlib, sys
import profiles
from PIL import ImageOps
from samples import scene, write_samples

root = pathlib.Path(sys.argv[1])
write_samples(root)
ImageOps.expand(scene((200, 150)), (30, 12, 17, 41), "ivory").save(root / "framed.png")
moving = [ImageOps.expand(scene((160 - 2 * i, 120 - 2 * i)), i, "teal") for i in (0, 9, 21)]
moving[0].save(root / "moving.webp", save_all=True, append_images=moving[1:], duration=80, quality=85)
scene((300, 200)).convert("CMYK").save(root / "cmyk.jpg", quality=90)
p3 = profiles.rgb(profiles.P3, profiles.curve_srgb())
adobe = profiles.rgb(profiles.ADOBE, profiles.curve_gamma(2.19921875))
table = profiles.table(b"RGB ", 3, lambda v: (100 * v[1], 60 * (v[0] - v[1]), 60 * (v[1] - v[2])))
scene((600, 400)).save(root / "p3.jpg", quality=90, icc_profile=p3)
scene((300, 200)).save(root / "adobe.png", icc_profile=adobe)
scene((300, 200)).save(root / "table.png", icc_profile=table)
END
}

# image, then options of one output a line; mark=upload is alpha.png
orders() {
    cat <<'END'
photo.jpg w=500,h=333,format=jpeg
photo.jpg w=1100,format=png
photo.jpg w=1500,enlarge=1,format=jpeg
photo.jpg w=150,h=150,fit=cover,format=webp
photo.jpg w=300,h=300,fit=cover,gravity=smart,format=png
photo.jpg w=200,h=300,fit=cover,gravity=entropy,format=jpeg
photo.jpg w=400,bri=10,con=15,sat=-30,gam=1.3,format=jpeg
photo.jpg w=400,hue=75,brightness=1.2,format=png
photo.jpg w=320,blur=2.5,format=png
photo.jpg w=320,blur=30,format=jpeg
photo.jpg w=320,sharp=1.5,format=jpeg
photo.jpg w=320,usm=150,2,3,format=webp
photo.jpg w=320,filt=sepia,format=jpeg
photo.jpg w=320,filt=duotone,format=png
photo.jpg w=320,tint=336699,pixel=9,format=png
photo.jpg w=350,rotate=20,bg=navy,format=jpeg
photo.jpg w=350,linear=1,format=jpeg
photo.jpg w=360,mark=upload,mark-alpha=70,mark-rot=15,format=jpeg
photo.jpg w=360,txt=qemu,txt-size=40,txt-color=gold,format=png
photo.jpg w=300,pad=10,border=3,teal,radius=25,format=png
photo.jpg w=1100,effort=9,format=png
photo.jpg w=200,palette=16,format=png
photo.jpg w=200,palette=1,dither=0,format=png
photo.jpg w=300,max_bytes=6000,format=jpeg
progressive.jpg w=217,format=jpeg
progressive.jpg w=150,linear=1,kernel=catrom,format=webp
grey.jpg w=333,format=png
grey.jpg w=90,blur=1,tint=tomato,format=jpeg
plain.png w=250,format=jpeg
plain.png w=250,linear=1,format=png
alpha.png w=123,format=png
alpha.png w=123,linear=1,format=png
alpha.png w=211,format=webp
alpha.png w=100,palette=64,format=png
alpha.png w=160,rotate=20,blur=1.5,format=png
alpha.webp w=77,format=png
palette.png w=301,format=png
framed.png trim=12,w=120,format=png
framed.png trim=12,rotate=-33,format=webp
still.webp w=200,format=jpeg
turned.jpg w=120,format=jpeg
turned.jpg w=151,kernel=mitchell,format=png
moving.webp w=90,format=webp
moving.webp w=90,blur=1,page=2,format=png
cmyk.jpg w=170,format=png
p3.jpg w=300,format=png
p3.jpg w=300,cs=keep,format=jpeg
adobe.png w=170,linear=1,format=jpeg
table.png w=170,format=png
END
}

# name, command: makes all outputs and the list of their hashes
produce() {
    local name=$1 n=0 image options
    shift
    mkdir -p "$work/$name"
    while read -r image options; do
        n=$((n + 1))
        "$@" process "$work/in/$image" -o "$work/$name/$n" "$options" --mark "$work/in/alpha.png" "--font.sans=$font" \
            --quiet </dev/null 2>"$work/$name.err" || say_wrong "$name: $image $options: $(tail -n 1 "$work/$name.err")"
    done < <(orders)
    (cd "$work/$name" && sha256sum -- *) >"$work/$name.sums"
}

compare() {
    local name=$1 n sum
    while read -r sum n; do
        if grep -qx "$sum  $n" "$work/$name.sums"; then
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
    for test in "${arm_tests[@]}"; do
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
inputs || exit 1

produce c env PIXPOOL_ISA=c "$build/pixpool"
native_levels
variant nehalem c qemu-x86_64 -cpu Nehalem "$build/pixpool"
variant haswell avx2 qemu-x86_64 -cpu Haswell "$build/pixpool"
arm_levels
echo "$same same, $different different"
[ "$different" = 0 ] && [ "$same" != 0 ]
