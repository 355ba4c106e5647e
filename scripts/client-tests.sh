#!/usr/bin/env bash
# Runs the suites that are written in Python: official clients and faults against the release
# binaries, and the validation of deploy/.
#
#   scripts/client-tests.sh [PYTEST_ARGUMENT...]       default Tests/Clients Tests/Faults Tests/Overload Tests/Deploy
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
tests() { .venv/bin/python -m pytest -q -p no:cacheprovider "$@"; }
if [ $# -gt 0 ]; then
  tests "$@"
else
  # What mostly waits runs two files at a time; what measures times has the machine to itself.
  tests -n 2 --dist loadfile --ignore Tests/Clients/test_diagnosis.py Tests/Clients Tests/Deploy
  tests Tests/Clients/test_diagnosis.py Tests/Faults Tests/Overload
fi
