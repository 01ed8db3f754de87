#!/bin/bash
# Runs the suites of tools/suites and sums them up. The last line is "N passed, N failed"; the exit status is 0 only if
# every suite ran, none was missing, and nothing failed or was skipped.
#
#     test.sh [prefix...]     all, or those whose path begins with one of the prefixes
#
# BUILD is where the programs are. A suite that takes longer than its time is stopped and has failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
reports=$build/reports
unit_seconds=${UNIT_SECONDS:-120}
pytest_seconds=${PYTEST_SECONDS:-420}
passed=0 failed=0 left_out=0
red=()
unset MAKEFLAGS MAKELEVEL MFLAGS # test_run.py calls make
# Check's own 4 seconds a test are too few on a busy machine; the suite as a whole is bounded below.
export CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60}

wanted() {
    local prefix
    [ $# -gt 1 ] || return 0
    for prefix in "${@:2}"; do
        case $1 in "$prefix"*) return 0 ;; esac
    done
    return 1
}

# suite, passed, failed, exit status, seconds, left out
note() {
    local word=ok
    # A suite that ended badly without naming a test, or that tested nothing, is one failure.
    local bad=$3
    if [ "$bad" = 0 ] && { [ "$4" != 0 ] || [ $(($2 + ${6:-0})) = 0 ]; }; then bad=1; fi
    if [ "$bad" != 0 ]; then
        word=FAIL
        red+=("$1 (exit $4)")
    fi
    passed=$((passed + $2)) failed=$((failed + bad)) left_out=$((left_out + ${6:-0}))
    printf '%-4s  %-45s %4d passed %3d failed %4ds\n' "$word" "$1" "$2" "$bad" "$5"
    if [ "${6:-0}" != 0 ]; then echo "      $6 left out: this user or this build can't run them"; fi
}

# A Check program. Its own last lines carry the counts: "95%: Checks: 20, Failures: 1, Errors: 0".
run_check() {
    local log=$reports/${1//\//_}.log start=$SECONDS rc counts
    timeout -k 10 "$unit_seconds" "$build/${1%.c}" >"$log" 2>&1
    rc=$?
    counts=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$log" |
        awk '{ bad += $2 + $3; all += $1 } END { print all - bad, bad + 0 }')
    note "$1" "${counts% *}" "${counts#* }" "$rc" $((SECONDS - start))
    if [ "$rc" != 0 ]; then tail -n 40 "$log"; fi
}

# INT, so that pytest stops what its fixtures started.
run_pytest() {
    local xml=$reports/${1//\//_}.xml log=$reports/${1//\//_}.log start=$SECONDS rc counts good bad out
    rm -f "$xml"
    PIXPOOL_BUILD=$build timeout -s INT -k 30 "$pytest_seconds" /usr/bin/python3 -B -m pytest -p no:cacheprovider -q -ra \
        --strict-markers -o xfail_strict=true --junitxml="$xml" "$1" >"$log" 2>&1
    rc=$?
    counts=$(/usr/bin/python3 tools/junit_counts.py "$xml" 2>>"$log") || counts="0 0 0"
    read -r good bad out <<<"$counts"
    note "$1" "$good" "$bad" "$rc" $((SECONDS - start)) "$out"
    if [ "$rc" != 0 ] || [ "$bad" != 0 ]; then tail -n 60 "$log"; fi
}

mkdir -p "$reports"
listed=$(grep -v '^#' tools/suites)
found=$(find tests -name 'test_*.c' -o -name 'test_*.py')
while read -r line; do
    echo "FAIL  tools/suites and tests/ differ: $line"
    red+=("$line") failed=$((failed + 1))
done < <(diff <(sort <<<"$listed") <(sort <<<"$found") | sed -n -e 's/^< \(.*\)/\1 is listed and missing/p' \
    -e 's/^> \(.*\)/\1 is not listed/p')

while read -r suite <&3; do
    wanted "$suite" "$@" || continue
    [ -e "$suite" ] || continue # counted above
    case $suite in
    *.c) run_check "$suite" ;;
    *.py) run_pytest "$suite" ;;
    esac
done 3<<<"$listed"

echo
if [ ${#red[@]} -gt 0 ]; then printf 'red: %s\n' "${red[@]}"; fi
if [ "$left_out" != 0 ]; then echo "$left_out left out"; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ] && { [ "$left_out" = 0 ] || [ -z "${ALL:-}" ]; }
