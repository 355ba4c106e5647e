#!/usr/bin/env bash
# Runs the Swift suites once and keeps their summary.
#
#   scripts/swift-tests.sh plain|thread|address [FILTER]
#
# FILTER is a regular expression of test names; empty runs all. The sanitizer runs have
# build directories of their own, so that no run rebuilds what another has built.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?plain, thread or address}
filter=${2:-}
logs=.build/logs
mkdir -p "$logs"
log=$logs/tests-$kind.log

# XCTest would add a line about the zero tests it ran.
flags=(--disable-xctest --enable-swift-testing)
# Fleets are simulated in one thread and without unsafe code: nothing to find for a sanitizer, under
# which they take ten times as long.
lean=(--skip SluiceSimulationTests)
case $kind in
  plain) ;;
  thread)
    flags+=(--sanitize=thread --scratch-path .build-tsan "${lean[@]}")
    export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
    ;;
  address)
    flags+=(--sanitize=address --scratch-path .build-asan "${lean[@]}")
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
runner=(swift test)
if [ "${CI:-}" = true ]; then runner=(timeout --kill-after=10 "${TEST_TIME_LIMIT:-1200}" swift test); fi

began=$SECONDS
status=0
"${runner[@]}" "${flags[@]}" >"$log" 2>&1 || status=$?
if [ $status -ne 0 ]; then
  grep -vE '^(◇|✔|\[[0-9]+/[0-9]+\])' "$log" | tail -n 400 || true
  echo "swift-tests: the $kind run failed ($status); all of it is in $log" >&2
  exit 1
fi
summary=$(grep -E 'Test run with [0-9]+ tests? ' "$log" | tail -n 1 || true)
case $summary in
  *"with 0 tests"* | "") echo "swift-tests: the $kind run executed no test; see $log" >&2; exit 1 ;;
  *) ;;
esac
echo "$kind: $summary [$((SECONDS - began)) s with building]"
printf '%s\n' "$summary" >"$logs/summary-$kind"
