#!/bin/bash
# What `make install` and `make uninstall` run. DESTDIR, PREFIX, SYSCONFDIR, UNITDIR and BUILD come from make.
#
#     install.sh install      copies; a configuration that is there already stays as it is
#     install.sh uninstall    removes what install copied, and the configuration where nobody changed it
#
# One list serves both, so that what is installed can't be forgotten in the other. The documentation keeps the shape it
# has in the sources: its links work.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
doc=$PREFIX/share/doc/pixpool
config=$SYSCONFDIR/pixpool/pixpool.conf

# They come into units, where a blank separates words, and through sed.
case "$PREFIX$SYSCONFDIR$UNITDIR" in
*[[:space:]\|\&\\%]*)
    echo "PREFIX, SYSCONFDIR and UNITDIR can't have blanks, |, &, % or \\ in them" >&2
    exit 1
    ;;
esac

# Lines of mode, source and destination.
files() {
    local f
    echo "755 $build/pixpool $PREFIX/bin/pixpool"
    echo "644 $build/man/pixpool.1 $PREFIX/share/man/man1/pixpool.1"
    echo "644 $build/man/pixpool.conf.5 $PREFIX/share/man/man5/pixpool.conf.5"
    echo "644 $build/man/pixpool.bash $PREFIX/share/bash-completion/completions/pixpool"
    echo "644 conf/systemd/pixpool.service $UNITDIR/pixpool.service"
    echo "644 conf/systemd/pixpool.socket $UNITDIR/pixpool.socket"
    echo "644 conf/systemd/sysusers.conf $PREFIX/lib/sysusers.d/pixpool.conf"
    for f in README.md LICENSE THIRD-PARTY.md tests/signing_vectors.json; do echo "644 $f $doc/$f"; done
    find conf docs web -type f -printf "644 %p $doc/%p\n" | sort
}

# The paths that units name are those of this installation.
fill_in() { sed -e "s|/usr/bin/pixpool|$PREFIX/bin/pixpool|" -e "s|/etc/pixpool/|$SYSCONFDIR/pixpool/|" "$1"; }

copy() {
    local mode=$1 from=$2 to=$DESTDIR$3 filled=''
    case $from in conf/systemd/*)
        filled=$(mktemp)
        fill_in "$from" >"$filled"
        from=$filled
        ;;
    esac
    install -D -m "$mode" "$from" "$to"
    if [ -n "$filled" ]; then rm "$filled"; fi
}

install_all() {
    local mode from to
    while read -r mode from to; do copy "$mode" "$from" "$to"; done < <(files)
    if [ ! -e "$DESTDIR$config" ]; then install -D -m 644 conf/pixpool.conf "$DESTDIR$config"; fi
    echo "pixpool is installed as $DESTDIR$PREFIX/bin/pixpool, its configuration is $DESTDIR$config."
    echo "As a service: $doc/docs/install.md"
}

# Directories go where they are ours and empty; those of the system stay.
uninstall_all() {
    local to
    if cmp -s conf/pixpool.conf "$DESTDIR$config"; then rm "$DESTDIR$config"; fi
    while read -r _ _ to; do rm -f "$DESTDIR$to"; done < <(files)
    for to in "$DESTDIR$doc" "$DESTDIR$SYSCONFDIR/pixpool"; do
        if [ -d "$to" ]; then find "$to" -depth -type d -empty -delete; fi
    done
    if [ -e "$DESTDIR$config" ]; then echo "$DESTDIR$config was changed, and stays."; fi
}

case "${1:-}" in
install) install_all ;;
uninstall) uninstall_all ;;
*)
    echo "usage: $0 install|uninstall" >&2
    exit 2
    ;;
esac
