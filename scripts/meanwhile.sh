#!/usr/bin/env bash
# Runs one command, and another with the time that it leaves over: at the lowest priority, its
# output kept until the first has ended. Fails where either fails; leaves nothing running.
#
#   scripts/meanwhile.sh COMMAND -- OTHER_COMMAND
#
# Both are lines of the shell.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -ne 3 ] || [ "$2" != -- ]; then
  echo "meanwhile: COMMAND -- OTHER_COMMAND, each quoted" >&2
  exit 2
fi
log=$(mktemp)
other=
trap 'exit 130' INT TERM
# The whole group: what it started goes with it.
trap 'if [ -n "$other" ]; then kill -TERM -- "-$other" 2>/dev/null || true; fi; rm -f "$log"' EXIT

setsid nice -n 19 bash -c "$3" >"$log" 2>&1 </dev/null &
other=$!
status=0
bash -c "$1" || status=$?
if [ "$status" -ne 0 ]; then cat "$log"; exit "$status"; fi
wait "$other" || status=$?
other=
cat "$log"
exit "$status"
