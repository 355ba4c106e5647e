#!/usr/bin/env bash
# Runs the Swift suites once and keeps their summary.
#
#   scripts/swift-tests.sh plain|thread|address [FILTER]
#   scripts/swift-tests.sh --build plain|thread|address     builds them only
#
# FILTER is a regular expression of test names; empty runs all. The sanitizer runs have
# build directories of their own, so that no run rebuilds what another has built.
set -euo pipefail
cd "$(dirname "$0")/.."

builds_only=false
if [ "${1:-}" = --build ]; then builds_only=true; shift; fi
kind=${1:?plain, thread or address}
filter=${2:-}
logs=.build/logs
mkdir -p "$logs"
log=$logs/tests-$kind.log

# XCTest would add a line about the zero tests it ran.
flags=(--disable-xctest --enable-swift-testing)
building=()
# Fleets are simulated in one thread and without unsafe code: nothing to find for a sanitizer, under
# which they take ten times as long.
lean=(--skip SluiceSimulationTests)
case $kind in
  plain) ;;
  thread)
    building=(--sanitize=thread --scratch-path .build-tsan)
    flags+=("${lean[@]}")
    export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
    ;;
  address)
    building=(--sanitize=address --scratch-path .build-asan)
    flags+=("${lean[@]}")
    # The Swift runtime keeps metadata for the life of the process; permits, descriptors,
    # timers and buffers are counted by the tests themselves.
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:detect_stack_use_after_return=0}
    ;;
  *) echo "swift-tests: plain, thread or address, not '$kind'" >&2; exit 2 ;;
esac
[ -z "$filter" ] || flags+=(--filter "$filter")

# An interactive backtrace would wait for a key that nobody presses.
export SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-enable=yes,interactive=no,color=no}

# A test that hangs must not hang CI. Not at a terminal: timeout would take Ctrl-C away.
limit=()
if [ "${CI:-}" = true ]; then limit=(timeout --kill-after=10 "${TEST_TIME_LIMIT:-1200}"); fi

# logged WHAT COMMAND...: into the log, of which a failure shows what matters.
logged() {
  local what=$1 status=0
  shift
  "${limit[@]}" "$@" >"$log" 2>&1 || status=$?
  [ $status -ne 0 ] || return 0
  grep -vE '^(◇|✔|\[[0-9]+/[0-9]+\])' "$log" | tail -n 400 || true
  echo "swift-tests: the $kind $what failed ($status); all of it is in $log" >&2
  exit 1
}

began=$SECONDS
if $builds_only; then
  logged build swift build --build-tests "${building[@]}"
  echo "$kind: built in $((SECONDS - began)) s"
  exit
fi
logged run swift test "${building[@]}" "${flags[@]}"
summary=$(grep -E 'Test run with [0-9]+ tests? ' "$log" | tail -n 1 || true)
case $summary in
  *"with 0 tests"* | "") echo "swift-tests: the $kind run executed no test; see $log" >&2; exit 1 ;;
  *) ;;
esac
echo "$kind: $summary [$((SECONDS - began)) s with building]"
printf '%s\n' "$summary" >"$logs/summary-$kind"
