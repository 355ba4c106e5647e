#!/usr/bin/env bash
# Runs the Swift suites under several sanitizers side by side, since most tests wait; leaves nothing
# running.
#
#   scripts/sanitizers.sh FILTER KIND...       as scripts/swift-tests.sh takes them
set -euo pipefail
cd "$(dirname "$0")/.."

filter=$1
shift
# Each run is a group of processes of its own, which can be ended as a whole.
set -m
runs=()
trap 'exit 130' INT TERM
trap 'for run in "${runs[@]}"; do kill -TERM -- "-$run" 2>/dev/null || true; done' EXIT
for kind in "$@"; do
  scripts/swift-tests.sh "$kind" "$filter" </dev/null &
  runs+=($!)
done
status=0
for run in "${runs[@]}"; do wait "$run" || status=1; done
runs=()
exit $status
