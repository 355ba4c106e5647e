#!/usr/bin/env bash
# Runs the suites that are written in Python: official clients and faults against the release
# binaries, and the validation of deploy/.
#
#   scripts/client-tests.sh [PYTEST_ARGUMENT...]       default Tests/Clients Tests/Faults Tests/Overload Tests/Deploy
#
# A few tests that fail are run once more, alone: most of what they measure is time, on a machine that
# others may be using too. What fails twice has failed.
#
# Without a reachable package index they are skipped, except in CI.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
scripts/python.sh || status=$?
if [ $status -eq 3 ] && [ "${CI:-}" != true ]; then
  echo "client tests: SKIPPED, the Python packages could not be installed"
  exit 0
fi
[ $status -eq 0 ] || exit $status
for binary in .build/release/sluice .build/release/vllm-sim; do
  [ -x "$binary" ] || { echo "client tests: $binary is missing; run: make build" >&2; exit 1; }
done

# Those that may fail and be repeated.
repeated_max=3
cache=.build/pytest
log=.build/logs/client-tests.log
mkdir -p .build/logs
tests() {
  local status=0 failed
  .venv/bin/python -m pytest -q -o cache_dir="$cache" --cache-clear "$@" 2>&1 | tee "$log" || status=$?
  failed=$(grep -c '": true' "$cache/v/cache/lastfailed" 2>/dev/null || true)
  # What is found at the end of a test, of all of them or of a process is no matter of time.
  if [ $status -ne 1 ] || [ "${failed:-0}" -eq 0 ] || [ "$failed" -gt $repeated_max ] ||
    grep -qE '^ERROR |ended with|ignored SIGTERM|Fatal error|LEAK' "$log"
  then
    return $status
  fi
  echo "client tests: once more, alone, what has failed among all ($failed)"
  .venv/bin/python -m pytest -q -o cache_dir="$cache" "$@" -n 0 --last-failed \
    --last-failed-no-failures none
}

if [ $# -gt 0 ]; then
  .venv/bin/python -m pytest -q -p no:cacheprovider "$@"
else
  # What mostly waits runs several files at a time; what uses all that the machine has, alone.
  tests -n 4 --dist loadfile Tests/Clients Tests/Deploy
  tests -n 2 --dist loadfile Tests/Faults
  tests Tests/Overload
fi
