#!/bin/bash
# Writes again what the program knows about itself: the table in docs/options.md, between its two marks, and
# conf/pixpool.conf. BUILD is where the program is.
#
#     docs.sh            writes
#     docs.sh --check    writes nothing; fails where something is out of date
#
# shellcheck disable=SC2317  # options is reached through refresh
set -euo pipefail
cd "$(dirname "$0")/.."

pixpool=${BUILD:-build}/pixpool
begin='<!-- begin: pixpool --print-options -->' end='<!-- end -->'

options() {
    sed "/^$begin\$/q" docs/options.md
    "$pixpool" --print-options
    sed -n "/^$end\$/,\$p" docs/options.md
}

new=$(mktemp)
trap 'rm -f "$new"' EXIT
status=0

# file, command that prints what it should hold
refresh() {
    "${@:2}" >"$new"
    if cmp -s "$new" "$1"; then return; fi
    if [ "${check:-}" = yes ]; then
        echo "$1 is out of date: make docs"
        status=1
    else
        cat "$new" >"$1"
        echo "$1 written"
    fi
}

if [ "${1:-}" = --check ]; then check=yes; fi
refresh docs/options.md options
refresh conf/pixpool.conf "$pixpool" --print-config
exit "$status"
