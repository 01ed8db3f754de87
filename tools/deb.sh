#!/bin/bash
# What `make deb` runs: packs the program that was built into a package for this Debian, in build/deb.
#
# debhelper does it, in a copy of packaging/debian where it may leave what it likes. The version is the one that the
# program tells; a changelog is made of it, because dpkg takes it from there.
set -euo pipefail
cd "$(dirname "$0")/.."

export TOP=$PWD BUILD=${BUILD:-build}
out=$BUILD/deb
version=$(sed -n 's/^#define IC_VERSION "\(.*\)"$/\1/p' imgcore/imgcore.h)
maintainer=$(sed -n 's/^Maintainer: //p' packaging/debian/control)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

rm -rf "$out"
mkdir -p "$out/pixpool-$version"
cp -r packaging/debian "$out/pixpool-$version/"
cd "$out/pixpool-$version"

libraries=$("$TOP/tools/deps.sh" libraries)
sed -i "s/@LIBRARIES@/$(sed -e 's/ *$//' -e 's/ /, /g' <<<"$libraries"), pkg-config/" debian/control
cat >debian/changelog <<END
pixpool ($version) unstable; urgency=medium

  * Built from the sources of pixpool $version.

 -- $maintainer  $(LC_ALL=C date -R -u -d "@$SOURCE_DATE_EPOCH")
END

unset MAKEFLAGS MAKELEVEL MFLAGS
dpkg-buildpackage --build=binary --no-sign >../build.log 2>&1 || {
    tail -n 40 ../build.log >&2
    exit 1
}
cd ..
rm -rf "pixpool-$version"
echo "$out/$(echo pixpool_*.deb)"
