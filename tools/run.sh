#!/bin/bash
# What `make run` runs: pixpool and a private nginx in front of it, in the foreground, until Ctrl-C or SIGTERM.
#
# Everything it writes lies in RUN_DIR. Each of the two servers is a session of its own, so that Ctrl-C reaches this
# script alone, which then stops both in order; and nothing of a group survives the final SIGKILL, nor do pixpool's workers,
# sessions of their own, which end with their parent. Should the script itself be killed, the kernel sends both a SIGTERM.
#
# shellcheck disable=SC2317  # the functions below trap are reached through it
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
port=${PORT:-8080}
binary=$here/${BUILD:-build}/pixpool
[[ ${BUILD:-} == /* ]] && binary=$BUILD/pixpool
images=${IMAGES:-/usr/share/backgrounds/mate}
url=http://127.0.0.1:$port

pixpool='' nginx='' spare=''

say() { printf '%s\n' "$@"; }
die() {
    printf 'make run: %s\n' "$*" >&2
    exit 1
}

# Runs "$@" as the leader of a new session, and so of a process group with its own pid. Called with & only.
server() { exec setsid setpriv --pdeathsig TERM "$@" </dev/null 9>&-; }

lives() { kill -0 -- "$1" 2>/dev/null; }

# TERM, some seconds, then KILL, for a whole group.
stop_group() {
    local group=$1 tries=0
    [ -n "$group" ] || return 0
    kill -TERM -- "-$group" 2>/dev/null || return 0
    until ! lives "-$group" || [ $((tries += 1)) -gt 50 ]; do sleep 0.1; done
    kill -KILL -- "-$group" 2>/dev/null || true
}

stop_all() {
    trap '' INT TERM HUP
    stop_group "$nginx" # first: it would answer 502 while pixpool goes
    stop_group "$pixpool"
    wait 2>/dev/null || true
    if [ -n "$spare" ]; then rm -rf "$spare"; fi
}

# The images that the page shows: photographs first, names that JSON and a URL can carry, no hidden files.
# An empty list is no error; a reader that stops early (head) would be one, in a pipe of so many.
list_gallery() (
    cd "$images"
    set +e +o pipefail
    find . -name '.?*' -prune -o -type f -iregex '.*\.\(jpe?g\|png\|webp\)' -printf '%P\n' |
        LC_ALL=C.UTF-8 grep -ax '.*' | LC_ALL=C.UTF-8 grep -av '[[:cntrl:]]' |
        awk '{ rank = 0; if (tolower($0) !~ /\.jpe?g$/) rank += 2; if (tolower($0) !~ /nature|photo/) rank += 1
               print rank "/" $0 }' |
        LC_ALL=C sort | awk 'NR <= 24' | cut -d/ -f2- |
        sed -e 's/[\\"]/\\&/g' -e 's/.*/"&"/' | paste -sd, | sed -e 's/^/[/' -e 's/$/]/'
)

wait_ready() {
    local tries=0
    until curl -sf -o /dev/null --max-time 2 "$url/readyz"; do
        if ! lives "$pixpool"; then die "pixpool did not start. $(tail -n 5 "$run/pixpool.log")"; fi
        if ! lives "$nginx"; then die "nginx did not start: $(tail -n 3 "$run/nginx-error.log")"; fi
        [ $((tries += 1)) -lt 100 ] || die "no answer from $url/readyz"
        sleep 0.1
    done
}

[[ $port =~ ^[1-9][0-9]{0,4}$ && $port -lt 65536 ]] || die "PORT=$port is not a port"
[ -x "$binary" ] || die "$binary is missing: run make first"
[ -d "$images" ] || die "IMAGES=$images is not a directory"
images=$(cd "$images" && pwd)
mkdir -p "${RUN_DIR:=$here/build/run}"
run=$(cd "$RUN_DIR" && pwd)

exec 9>"$run/lock"
flock -n 9 || die "another make run uses $run: give this one its own RUN_DIR"
if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    die "port $port is in use: try make run PORT=$((port + 1))"
fi

mkdir -p "$run/tmp" "$run/cache" "$run/www" "$run/spool" "$run/store"
list_gallery >"$run/www/gallery.json"

trap stop_all EXIT
trap 'exit 0' INT TERM HUP

# A unix socket's path has room for 107 bytes.
socket=$run/pixpool.sock
if [ ${#socket} -gt 100 ]; then
    spare=$(mktemp -d /tmp/pixpool.XXXXXX)
    socket=$spare/pixpool.sock
fi
"$here/tools/nginx_conf.sh" "$run" "$port" "$socket" >"$run/nginx.conf"

: >"$run/pixpool.log"
: >"$run/nginx-error.log"

# For text: txt=Hello
font=(/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf)
if [ -r "${font[0]}" ]; then font=("--font.sans=${font[0]}"); else font=(); fi
server "$binary" serve --listen="unix:$socket" --image_root="$images" --log="$run/pixpool.log" \
    --spool_dir="$run/spool" --store_dir="$run/store" "${font[@]}" &
pixpool=$!
server nginx -e "$run/nginx-error.log" -p "$run" -c "$run/nginx.conf" &
nginx=$!
wait_ready

say "" "  pixpool is ready:  $url/" "" "  images  $images" "  logs    $run/pixpool.log" "  Ctrl-C stops it." ""

ended=
wait -n -p ended "$pixpool" "$nginx" || true
if [ "$ended" = "$pixpool" ]; then die "pixpool has ended; stopping nginx. Its last words: $(tail -n 3 "$run/pixpool.log")"; fi
die "nginx has ended; stopping pixpool. Its last words: $(tail -n 3 "$run/nginx-error.log")"
