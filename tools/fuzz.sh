#!/bin/bash
# Runs each fuzz target for FUZZ_SECONDS. Corpora stay below BUILD/corpus and grow from run to run; what makes a target
# fail is written beside them as crash-*.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build/fuzz}
status=0 ran=0
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || break
    name=$(basename "$source" .c)
    corpus=$build/corpus/$name
    mkdir -p "$corpus"
    echo "== $name, ${FUZZ_SECONDS:-30} s"
    seeds=tests/fuzz/seeds/$name
    if [ -d "$seeds" ]; then set -- "$seeds"; else set --; fi
    "$build/tests/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-30}" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="$corpus-" "$corpus" "$@" >"$corpus.log" 2>&1
    rc=$?
    grep -E 'number_of_executed_units|ERROR|SUMMARY' "$corpus.log"
    if [ "$rc" != 0 ]; then
        tail -n 30 "$corpus.log"
        status=1
    fi
    ran=$((ran + 1))
done
if [ "$ran" = 0 ]; then
    echo "there is no fuzz target in tests/fuzz" >&2
    status=1
fi
exit "$status"
