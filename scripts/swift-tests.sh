#!/usr/bin/env bash
# Runs the Swift suites and keeps their summary. A few tests that fail are run once more, alone: most
# of what they measure is time, on a machine that others may be using too. What failed is told either
# way; a trap, a sanitizer's report, a leak and a test that fails again end the run.
#
#   scripts/swift-tests.sh plain|thread|address [FILTER]
#   scripts/swift-tests.sh --build plain|thread|address           builds them only
#   scripts/swift-tests.sh --run plain|thread|address [FILTER]    runs what is built
#
# FILTER is a regular expression of test names; empty runs all. The sanitizer runs have
# build directories of their own, so that no run rebuilds what another has built.
set -euo pipefail
cd "$(dirname "$0")/.."

builds=true
runs=true
case ${1:-} in
  --build) runs=false; shift ;;
  --run) builds=false; shift ;;
esac
kind=${1:?plain, thread or address}
filter=${2:-}
logs=.build/logs
mkdir -p "$logs"
log=$logs/tests-$kind.log

# 1 where LeakSanitizer works, 0 where it does not: it stops all threads with ptrace(2), which a
# container may forbid.
finds_leaks() {
  local probe=$logs/leak-probe
  if printf 'int main(void) { return 0; }\n' |
    clang -fsanitize=address -x c - -o "$probe" >"$probe.log" 2>&1 &&
    ASAN_OPTIONS=detect_leaks=1 "$probe" >>"$probe.log" 2>&1
  then
    echo 1
  else
    echo "address: no leaks are looked for, LeakSanitizer does not work here: $probe.log" >&2
    echo 0
  fi
}

# XCTest would add a line about the zero tests it ran.
flags=(--disable-xctest --enable-swift-testing)
building=()
# What is built to be run once is built a module at a time, and knows lines but no variables: a fifth
# less work for the compiler, which keeps the other core busy beside tests.
compiling=()
once=(-Xswiftc -wmo -Xswiftc -num-threads -Xswiftc 2 -Xswiftc -gline-tables-only)
# Fleets are simulated in one thread and without unsafe code: nothing to find for a sanitizer, under
# which they take ten times as long.
lean=(--skip SluiceSimulationTests)
case $kind in
  plain) ;;
  thread)
    building=(--sanitize=thread --scratch-path .build-tsan)
    compiling=("${once[@]}")
    flags+=("${lean[@]}")
    export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
    ;;
  address)
    building=(--sanitize=address --scratch-path .build-asan)
    compiling=("${once[@]}")
    flags+=("${lean[@]}")
    export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/scripts/leaks-known.txt:print_suppressions=0}
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=$(finds_leaks):detect_stack_use_after_return=0}
    ;;
  *) echo "swift-tests: plain, thread or address, not '$kind'" >&2; exit 2 ;;
esac
some=()
[ -z "$filter" ] || some=(--filter "$filter")

# An interactive backtrace would wait for a key that nobody presses.
export SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-enable=yes,interactive=no,color=no}

# A test that hangs must not hang CI. Not at a terminal: timeout would take Ctrl-C away.
limit=()
if [ "${CI:-}" = true ]; then limit=(timeout --kill-after=10 "${TEST_TIME_LIMIT:-1200}"); fi

status=0
# logged LOG COMMAND...: with all that it prints in the log; its end is the status. What has a limit of
# time is a group of its own: whoever ends this has to end that.
logged() {
  local into=$1 run
  shift
  status=0
  if [ ${#limit[@]} -eq 0 ]; then
    "$@" >"$into" 2>&1 || status=$?
    return
  fi
  "${limit[@]}" "$@" >"$into" 2>&1 &
  run=$!
  trap 'kill -TERM "$run" 2>/dev/null || true' TERM
  wait "$run" || status=$?
  trap - TERM
}

# fail WHAT: the log's part that matters, and what it comes to at the end.
fail() {
  grep -vE '^(◇|✔|\[[0-9]+/[0-9]+\])' "$log" | tail -n 400 || true
  if [ -s "$failures" ]; then cat "$failures"; fi
  echo "swift-tests: the $kind $1 failed ($status); all of it is in $log" >&2
  exit 1
}

began=$SECONDS
failures=$logs/failures-$kind
: >"$failures"
if $builds; then
  logged "$log" swift build --build-tests "${building[@]}" "${compiling[@]}"
  [ $status -eq 0 ] || fail build
  echo "$kind: built in $((SECONDS - began)) s"
fi
$runs || exit 0

# Those that may fail and be repeated.
repeated_max=3
events=$logs/events-$kind.json
rm -f "$events"
verdict=
logged "$log" swift test --skip-build "${building[@]}" "${flags[@]}" "${some[@]}" \
  --event-stream-output-path "$events" --event-stream-version 0
if [ $status -ne 0 ]; then
  # Ends well only where the run came to its own end, and every failure is a test's.
  python3 scripts/failed_tests.py "$events" >"$failures" || fail run
  count=$(grep -c '^✘' "$failures" || true)
  if [ $status -ne 1 ] || [ "$count" -eq 0 ] || [ "$count" -gt "$repeated_max" ] ||
    grep -qE '(Thread|Address|Leak)Sanitizer|Fatal error|unexpected signal|LEAK' "$log"
  then
    fail run
  fi
  again=$logs/tests-$kind-again.log
  alone=$(python3 scripts/failed_tests.py --filter "$events")
  logged "$again" swift test --skip-build "${building[@]}" "${flags[@]}" --filter "$alone"
  if [ $status -ne 0 ] || ! grep -qE "Test run with $count tests? .* passed" "$again"; then
    grep -vE '^(◇|✔|\[[0-9]+/[0-9]+\])' "$again" | tail -n 100 || true
    fail "run, and its repetition,"
  fi
  echo "$kind: failed among all and passed alone:"
  cat "$failures"
  verdict=" ($count when repeated alone)"
fi
summary=$(grep -E 'Test run with [0-9]+ tests? ' "$log" | tail -n 1 || true)
case $summary in
  *"with 0 tests"* | "") echo "swift-tests: the $kind run executed no test; see $log" >&2; exit 1 ;;
  *) ;;
esac
if [ -n "$verdict" ]; then
  summary=$(sed -E "s/^✘/✔/; s/ failed (after [0-9.]+ seconds) .*/ passed \1$verdict./" <<<"$summary")
fi
echo "$kind: $summary"
printf '%s\n' "$summary" >"$logs/summary-$kind"
