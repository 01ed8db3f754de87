#!/bin/bash
# What `make portable` runs: builds pixpool inside of Debian 11, for Linux systems of that age and later that lack its
# libraries. Needs root (it makes file systems and enters them) and a mirror. In build/portable:
#
#     bare/              a Debian 11 that has nothing; for tests
#     root/              the same with compiler and libraries
#     pixpool/           the result: the program, lib/, licences; pixpool-VERSION-ARCH.tar.gz is that folder
#
# Libraries under permissive licences are linked into the program where Debian has them so. The others lie in lib/ beside
# it, where whoever gets the folder can replace them: that is what the LGPL asks for. libc is the system's own.
set -euo pipefail
cd "$(dirname "$0")/.."

here=$PWD
release=bullseye
mirror=${MIRROR:-http://deb.debian.org/debian}
out=$here/build/portable
folder=$out/pixpool

inside=(fcgi harfbuzz freetype brotlidec-static brotlicommon-static png16 jpeg webpmux webp jansson sodium inih deflate z)
beside=(isal lcms2 seccomp fribidi graphite2)
# pkg-config's names of those that have one in Debian 11
pkgs="libjpeg libpng libisal libwebp libwebpmux lcms2 libseccomp jansson libsodium inih freetype2 harfbuzz fribidi"

[ "$(id -u)" = 0 ] || { echo "make portable needs root: it makes a Debian 11 and builds in it" >&2; exit 1; }

# dir, then what else belongs in it, made whole or not at all
make_root() {
    local dir=$1
    shift
    [ ! -e "$dir/.made" ] || return 0
    rm -rf "$dir"
    mkdir -p "$out"
    "$@"
    touch "$dir/.made"
}

bare() { debootstrap --variant=minbase "$release" "$out/bare" "$mirror"; }

with_compiler() {
    local packages
    read -ra packages <<<"$("$here/tools/deps.sh" libraries)"
    cp -a "$out/bare" "$out/root"
    rm -f "$out/root/.made"
    mkdir "$out/root/src"
    chroot "$out/root" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        gcc libc6-dev make pkg-config binutils libbrotli-dev "${packages[@]}"
}

# A command in root/, with the sources in /src as they are, not to be changed.
inside_root() {
    # shellcheck disable=SC2016  # the inner shell's
    unshare --mount -- /bin/sh -c 'mount --bind "$1" "$2/src" && mount -o remount,bind,ro "$2/src" &&
        mount -t proc proc "$2/proc" && root=$2 && shift 2 && exec chroot "$root" "$@"' sh "$here" "$out/root" "$@"
}

build() {
    local static dynamic
    static=$(printf ' -l%s' "${inside[@]/%-static/}")
    dynamic=$(printf ' -l%s' "${beside[@]}")
    # shellcheck disable=SC2016  # $ORIGIN is the loader's, and make halves the dollars
    inside_root env LDFLAGS="-static-libgcc -Wl,--disable-new-dtags -Wl,-rpath,'\$\$ORIGIN/lib'" \
        make -C /src -j"$(nproc)" --no-print-directory BUILD=/build PKGS="$pkgs" \
        LDLIBS="-Wl,-Bstatic$static -Wl,-Bdynamic$dynamic -lm -lpthread" all
}

# What the program needs and Debian 11's libc is not.
needed() {
    inside_root ldd /build/pixpool | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' |
        grep -vE '/(libc|libm|libpthread|libdl|librt|ld-linux[^/]*)\.so'
}

# The packages that files are from, whichever of their paths dpkg knows; it fails for the others.
packages_of() {
    # shellcheck disable=SC2016  # the inner shell's
    inside_root sh -c 'for f; do dpkg -S "$f" "$(readlink -f "$f")" "${f#/usr}" "/usr$f" || true; done 2>/dev/null' sh "$@" |
        sed 's/:.*//' | sort -u
}

# Their licences, and what their sources are called.
licences() {
    local package
    echo "# The Debian 11 sources of what is inside: apt-get source NAME=VERSION, or snapshot.debian.org" >"$folder/SOURCES"
    for package in $(packages_of "$@"); do
        install -D -m 644 "$out/root/usr/share/doc/$package/copyright" "$folder/licences/$package"
        # shellcheck disable=SC2016  # dpkg's own variables
        inside_root dpkg-query -W -f '${source:Package}=${source:Version}\n' "$package"
    done | sort -u >>"$folder/SOURCES"
}

collect() {
    local libraries archives
    mapfile -t libraries < <(needed)
    mapfile -t archives < <(printf "/usr/lib/$(gcc -dumpmachine)/lib%s.a\n" "${inside[@]/%-static/}")
    rm -rf "$folder"
    install -D "$out/root/build/pixpool" "$folder/pixpool"
    strip "$folder/pixpool"
    for library in "${libraries[@]}"; do install -D -m 644 "$out/root$library" "$folder/lib/${library##*/}"; done
    install -m 644 LICENSE THIRD-PARTY.md conf/pixpool.conf "$folder"
    cp -r conf/shared-hosting "$folder/"
    licences "${libraries[@]}" "${archives[@]}"
}

pack() {
    local version
    version=$(sed -n 's/^#define IC_VERSION "\(.*\)"$/\1/p' imgcore/imgcore.h)
    tar -C "$out" --owner=0 --group=0 --numeric-owner -czf "$out/pixpool-$version-$(uname -m).tar.gz" pixpool
    echo "$out/pixpool-$version-$(uname -m).tar.gz"
}

make_root "$out/bare" bare
make_root "$out/root" with_compiler
build
collect
pack
