#!/bin/bash
# Everything `make lint` checks. Prints what is wrong; fails if anything was. CC, CFLAGS and BUILD come from make.
#
# shellcheck disable=SC2317  # the functions are reached through check
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# Libraries the program may be linked with: all of them under permissive licences, or LGPL and linked dynamically.
allowed='^lib(c|m|fcgi|jpeg|png16|isal|deflate|webp|webpmux|lcms2|seccomp|jansson|sodium|inih|freetype|harfbuzz|fribidi)\.so\.|^ld-linux'
status=0

check() {
    local what=$1 wrong
    wrong=$("${@:2}" 2>&1)
    if [ -n "$wrong" ]; then
        printf 'lint: %s\n%s\n' "$what" "$wrong"
        status=1
    fi
}

headers_alone() {
    local h flags
    read -ra flags <<<"$CFLAGS"
    while read -r h; do
        # The text comes by stdin: a header given as the main file would be made a precompiled one.
        printf '#include "%s"\n' "$h" | "${CC:-cc}" "${flags[@]}" -fsyntax-only -I. -x c - || echo "$h"
    done < <(find imgcore fcgi -name '*.h')
}

layering() {
    grep -rnE '#include.*(fcgi/|fcgiapp|syslog\.h|sys/socket\.h)' imgcore
    grep -rnE '#include "(\.\./)?imgcore/' fcgi --include='*.[ch]' | grep -v 'imgcore/imgcore\.h"'
}

libraries() {
    readelf -d "${BUILD:-build}/pixpool" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE "$allowed"
}

formatting() {
    find imgcore fcgi tests -name '*.[ch]' -print0 |
        xargs -0 clang-format --dry-run --ferror-limit=1 -Werror --style=file 2>&1 | grep 'error:'
}

mapfile -t scripts < <(find tools tests -name '*.sh')

check "formatting: make format" formatting
check "headers that do not compile alone" headers_alone
check "imgcore knows nothing of fcgi/, and imgcore.h is its only door" layering
check "libraries that are not on the list" libraries
check "shell scripts" shellcheck "${scripts[@]}" .ci/run
for script in web/*.js; do check "the page's script" node --check "$script"; done
if [ "$status" = 0 ]; then echo "lint: nothing to say"; fi
exit "$status"
