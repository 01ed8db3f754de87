#!/bin/bash
# What `make bench` runs: installs the peers, compiles those that are C, and starts tests/bench/bench.py.
#
#     bench.sh [arguments of bench.py, e.g. --tasks fit800,thumb200 --photos 2]
#
# Everything it makes lies in BUILD/bench; the report is BUILD/bench/bench.json. PHOTOS is a folder of further photographs.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
work=$build/bench
mkdir -p "$work"

# sharp comes from npm with a libvips of its own, built for this kind of machine.
if [ ! -d "$work/peers/node_modules/sharp" ]; then
    mkdir -p "$work/peers"
    cp tests/bench/package.json "$work/peers/"
    npm install --prefix "$work/peers" --no-audit --no-fund --loglevel=error
fi

# shellcheck disable=SC2046  # pkg-config prints words
cc -O2 -o "$work/peer_vips" tests/bench/peer_vips.c $(pkg-config --cflags --libs vips)
cc -O2 -o "$work/floors" tests/bench/floors.c -ljpeg

exec /usr/bin/python3 -B tests/bench/bench.py --pixpool "$build/pixpool" --vips "$work/peer_vips" \
    --floors "$work/floors" --sharp "$PWD/$work/peers" --work "$work" --json "$work/bench.json" ${PHOTOS:+--extra "$PHOTOS"} "$@"
