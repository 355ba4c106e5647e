#!/usr/bin/env bash
# Runs the client tests through the gateway against two real vLLM replicas on CPU, then loads one
# of them with more than it can take, through a gateway that is told an objective and nothing else.
# Given arguments for pytest it leaves the load out.
#
#   scripts/test-vllm.sh [--ports A,B] [--keep] [-- PYTEST_ARGUMENT...]
#
#   --ports A,B   ports of the replicas [8101,8102]
#   --keep        leave the replicas running, for the next run; they are reused then
#
# The replica that the last test kills is started again by the next run.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" >&2
  exit 2
}

ports=(8101 8102)
keep=no
while [ $# -gt 0 ]; do
  case $1 in
    --ports)
      [ $# -ge 2 ] || usage
      IFS=, read -r -a ports <<<"$2"
      [ ${#ports[@]} -eq 2 ] || { echo "test-vllm: --ports takes two ports, as in 8101,8102" >&2; exit 2; }
      shift 2
      ;;
    --keep) keep=yes; shift ;;
    --) shift; break ;;
    *) usage ;;
  esac
done

[ -x .build/release/sluice ] ||
  { echo "test-vllm: .build/release/sluice is missing; run: make test-vllm" >&2; exit 1; }
scripts/python.sh

logs=.build/logs
mkdir -p "$logs"
gateway=
started=()
end() {
  local status=$?
  if [ -n "$gateway" ]; then
    kill -TERM "$gateway" 2>/dev/null || true
    wait "$gateway" || { echo "test-vllm: the gateway did not end cleanly" >&2; status=1; }
  fi
  if [ $keep = no ] && [ ${#started[@]} -gt 0 ]; then scripts/real-vllm.sh stop "${started[@]}"; fi
  exit $status
}
trap end EXIT

missing=()
running=$(scripts/real-vllm.sh status)
for port in "${ports[@]}"; do
  grep -q "^$port .* running$" <<<"$running" || missing+=("$port")
done
started=("${ports[@]}")
[ ${#missing[@]} -eq 0 ] || scripts/real-vllm.sh start "${missing[@]}"

replicas=()
flags=()
for port in "${ports[@]}"; do
  replicas+=("http://127.0.0.1:$port")
  flags+=(--replica "http://127.0.0.1:$port")
done
.build/release/sluice serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 "${flags[@]}" \
  >"$logs/test-vllm-gateway.log" 2>&1 &
gateway=$!

# The gateway names its ports in its ready line.
ready=
for ((i = 0; i < 100; i++)); do
  ready=$(grep -m 1 '^sluice ready ' "$logs/test-vllm-gateway.log" || true)
  [ -z "$ready" ] || break
  kill -0 "$gateway" 2>/dev/null || break
  sleep 0.1
done
[ -n "$ready" ] || { cat "$logs/test-vllm-gateway.log" >&2; exit 1; }
data=$(grep -oE 'http://[0-9.]+:[0-9]+' <<<"$ready" | head -n 1)
admin=$(sed -n 's/.* admin=\(http:[^ ]*\).*/\1/p' <<<"$ready")
for ((i = 0; i < 100; i++)); do
  if curl -fs -o /dev/null -m 2 "$admin/readyz"; then break; fi
  sleep 0.1
done

export SLUICE_URL=$data SLUICE_ADMIN_URL=$admin SLUICE_REPLICA_URLS="${replicas[*]}"
export SLUICE_KILL_REPLICA="scripts/real-vllm.sh kill"
pytest=(.venv/bin/python -m pytest -v -p no:cacheprovider Tests/Clients)
failed=0
"${pytest[@]}" -m "not loss" "$@" || failed=$?
missed=0
if [ $# -eq 0 ]; then
  bench/objective.py "${replicas[0]}" --json "$logs/test-vllm-objective.json" || missed=$?
fi
# Last: it ends a replica. Exit 5 (nothing chosen) is what a filter may come to.
lost=0
"${pytest[@]}" -m loss "$@" || lost=$?
for status in $failed $lost; do
  [ "$status" -eq 0 ] || [ "$status" -eq 5 ] || exit "$status"
done
[ $((failed + lost)) -lt 10 ] || { echo "test-vllm: no test was chosen" >&2; exit 5; }
[ $missed -eq 0 ] || { echo "test-vllm: the objective was missed under load" >&2; false; }
