#!/bin/bash
# Writes the configuration of a private nginx to stdout: conf/nginx/run.conf.in with its words filled in.
# Called by tools/run.sh and by tests/conftest.py, so that both run the same thing.
#
#     [CACHE=off] nginx_conf.sh DIR PORT SOCKET [file with more lines for the server block]
#
# Tests switch the cache off: behind it, most of their requests would not reach pixpool.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 DIR PORT SOCKET [EXTRA_FILE]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$1 port=$2 socket=$3 extra=${4:-/dev/null}

case "$here$dir$socket" in
*[\"\\\$]* | *$'\n'*)
    echo "nginx cannot take a path with \", \\, \$ or a newline: $here, $dir, $socket" >&2
    exit 2
    ;;
esac

processes=$((2 * $(nproc) > 16 ? 2 * $(nproc) : 16))
cache=images
if [ "${CACHE:-on}" = off ]; then cache=off; fi
# As root, nginx would give its workers to a user who may not enter these directories. Only loopback can reach them.
user=
if [ "$(id -u)" = 0 ]; then user="user root;"; fi

# & and | are what sed's replacement would read as its own.
quote() { printf '%s' "$1" | sed 's/[&|]/\\&/g'; }

sed -e "s|@DIR@|$(quote "$dir")|g" \
    -e "s|@PORT@|$(quote "$port")|g" \
    -e "s|@SOCKET@|$(quote "$socket")|g" \
    -e "s|@WEB@|$(quote "$here/web")|g" \
    -e "s|@USER@|$user|" \
    -e "s|@CACHE@|$cache|" \
    -e "s|@PROCESSES@|$processes|" \
    -e "/@EXTRA@/{r $extra" -e 'd}' \
    "$here/conf/nginx/run.conf.in"
