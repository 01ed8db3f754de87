#!/bin/bash
# What `make test-deb` runs: the package's tests in a Debian of the same release, made once, that has nothing but systemd
# and what the package depends on. Needs root and a mirror.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
root=$PWD/$build/fresh/root
deb=$(echo "$build"/deb/pixpool_*.deb)
mirror=${MIRROR:-http://deb.debian.org/debian}

[ "$(id -u)" = 0 ] || { echo "make test-deb needs root: it makes a file system and boots a systemd in it" >&2; exit 1; }

if [ ! -e "$root/made" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    release=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)
    debootstrap --variant=minbase --include=systemd,procps "$release" "$root" "$mirror"
    touch "$root/made"
fi
# Its network ends where the tests begin, so what it depends on is installed before. The first of alternatives is there.
mapfile -t depends < <(dpkg-deb --field "$deb" Depends | tr ',' '\n' | sed -e 's/|.*//' -e 's/(.*//' -e 's/ //g')
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${depends[@]}"

PIXPOOL_BOX_ROOT=$root exec tools/test.sh tests/integration/test_deb.py
