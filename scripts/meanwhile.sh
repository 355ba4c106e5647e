#!/usr/bin/env bash
# Runs one command, and another with the time that it leaves over: at the lowest priority, its
# output kept until the first has ended well. Fails where either fails; leaves nothing running.
#
# The kernel shares time between sessions first (sched(7), autogroup), and Swift's builds set the
# priority of what they start back to usual: so the whole session gets it.
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

# shellcheck disable=SC2016
setsid nice -n 19 bash -c '
  if [ -w /proc/self/autogroup ]; then echo 19 >/proc/self/autogroup; fi
  eval "$1"' meanwhile "$3" >"$log" 2>&1 </dev/null &
other=$!
status=0
bash -c "$1" || status=$?
if [ "$status" -ne 0 ]; then exit "$status"; fi # and what failed is the last that is printed
wait "$other" || status=$?
other=
cat "$log"
exit "$status"
