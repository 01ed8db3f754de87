#!/bin/bash
# Installs through apt what is missing, after saying what. Nothing missing: no output, no apt, a few milliseconds.
#
#     deps.sh run     what builds pixpool and what `make run` starts
#     deps.sh test    the same and what `make test` needs
#     deps.sh bench   what builds pixpool and its peers in `make bench`
#     deps.sh dev     the same and what lint, format, the sanitizers and fuzzing need
#     deps.sh deb     what builds pixpool and its package
#     deps.sh portable    what builds for hosts without our libraries
#     deps.sh fresh   what makes a Debian without anything, to try packages in, and the tests'
#     deps.sh qemu    the tests', and what runs and builds for other CPUs
#     deps.sh libraries    installs nothing: prints the libraries to build with
set -euo pipefail

build=(gcc libc6-dev make pkg-config binutils libfcgi-dev libjpeg62-turbo-dev libpng-dev libisal-dev libdeflate-dev
    libwebp-dev liblcms2-dev libseccomp-dev libjansson-dev libsodium-dev libinih-dev
    libfreetype-dev libharfbuzz-dev libfribidi-dev)
run=(nginx curl mate-backgrounds fonts-dejavu-core)
tests=(check groff-base man-db apache2 libapache2-mod-fcgid lighttpd caddy systemd procps spawn-fcgi lintian
    python3 python3-numpy python3-pytest python3-pil
    python3-selenium chromium chromium-driver libjpeg-turbo-progs webp prometheus valgrind
    fonts-dejavu-core fonts-noto-core pngquant libimage-exiftool-perl)
bench=(libvips-dev python3 python3-numpy python3-pil libjpeg-turbo-progs mate-backgrounds)
deb=(dpkg-dev debhelper fakeroot)
fresh=(debootstrap)
dev=(clang libclang-rt-dev clang-format shellcheck)
qemu=(qemu-user gcc-aarch64-linux-gnu)

case "${1:-}" in
run) wanted=("${build[@]}" "${run[@]}") ;;
test) wanted=("${build[@]}" "${run[@]}" "${tests[@]}" "${deb[@]}") ;;
bench) wanted=("${build[@]}" "${bench[@]}") ;;
deb) wanted=("${build[@]}" "${deb[@]}") ;;
portable) wanted=("${build[@]}" "${fresh[@]}") ;;
fresh) wanted=("${build[@]}" "${run[@]}" "${tests[@]}" "${deb[@]}" "${fresh[@]}") ;;
dev) wanted=("${build[@]}" "${run[@]}" "${tests[@]}" "${dev[@]}") ;;
qemu) wanted=("${build[@]}" "${run[@]}" "${tests[@]}" "${qemu[@]}") ;;
libraries)
    printf '%s\n' "${build[@]}" | grep -- '^lib.*-dev$' | grep -v '^libc6-dev$' | tr '\n' ' '
    exit
    ;;
*)
    echo "usage: $0 run|test|bench|deb|portable|fresh|dev|qemu|libraries" >&2
    exit 2
    ;;
esac
# A client of the tests and lint are run by node, and any node from 18 on will do.
if [ "$1" != run ] && ! command -v node >/dev/null; then wanted+=(nodejs); fi

if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian: install what corresponds to these packages yourself: ${wanted[*]}" >&2
    exit 0
fi

# dpkg-query fails for packages it has never heard of, which is no error here.
have=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for p in "${wanted[@]}"; do
    grep -qx "[ih]i $p" <<<"$have" || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

echo "Installing from Debian what is missing: ${missing[*]}"
case " ${missing[*]} " in
*" nginx "* | *" apache2 "* | *" lighttpd "* | *" caddy "*)
    echo "(Debian starts web servers of their own on port 80 with these. pixpool does not use them.)"
    ;;
esac
root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "This needs root, and there is no sudo. As root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo env DEBIAN_FRONTEND=noninteractive)
fi
"${root[@]}" apt-get update -q
"${root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
