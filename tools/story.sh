#!/bin/bash
# What `make story` runs: installs the peers from npm, builds the probe, and starts tests/bench/story.py.
#
#     story.sh [--quick]
#
# story.json lies in BUILD/bench, and the picture in docs/story.svg; with --quick in BUILD/bench as well.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
work=$build/bench
mkdir -p "$work/peers"
if [ ! -d "$work/peers/node_modules/jimp" ] || [ ! -d "$work/peers/node_modules/sharp" ]; then
    cp tests/bench/package.json "$work/peers/"
    npm install --prefix "$work/peers" --no-audit --no-fund --loglevel=error
fi
cp tests/bench/peer_eventloop.mjs tests/bench/peer_threads.mjs "$work/peers/"
make --no-print-directory "$build/tests/bench/openloop"
PIXPOOL_BUILD=$build exec /usr/bin/python3 -B tests/bench/story.py --work "$work" "$@"
