#!/usr/bin/env bash
# Does what the Containerfile does, without a container engine: links the runtime statically,
# makes a minimal Debian root with the same packages, and serves a request from it as the
# image's user on a read-only file system. Needs root and debootstrap; takes minutes.
#
#   deploy/container/check.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "container check: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "must run as root (chroot, mount)"
command -v debootstrap >/dev/null || fail "debootstrap is missing; run: make container-check"

root=$PWD/.build/container-root
scripts/build-release.sh --static-swift-stdlib --scratch-path .build-static
if [ ! -e "$root/.complete" ]; then
  rm -rf "$root"
  debootstrap --variant=minbase --include=libssl3,libstdc++6,ca-certificates bookworm "$root"
  touch "$root/.complete"
fi
for product in sluice vllm-sim; do
  install -D -m 0755 -s .build-static/release/$product "$root/usr/bin/$product"
  missing=$(chroot "$root" ldd /usr/bin/$product | grep 'not found' || true)
  [ -z "$missing" ] || fail "libraries that the image lacks for $product:"$'\n'"$missing"
done
mkdir -p "$root/etc/sluice"
# The file inside the ConfigMap: what follows its key, less the indentation.
sed -n '/^  sluice.yaml: |$/,$ { s/^    //; /^  sluice.yaml/!p; }' deploy/kubernetes/configmap.yaml \
  >"$root/etc/sluice/sluice.yaml"

# Becomes a command of the image: read-only, as its user, with the /proc that every engine mounts.
# The mounts end with the command.
# shellcheck disable=SC2016
become() {
  exec unshare --mount bash -euc '
    mount --bind "$1" "$1"
    mount -t proc proc "$1/proc"
    mount -o remount,bind,ro "$1"
    exec chroot --userspec=65532:65532 "$@"
  ' become "$root" "$@"
}

(become /usr/bin/sluice --version)
(become /usr/bin/sluice check /etc/sluice/sluice.yaml) | tee .build/container-check.log
grep -q '^OK: ' .build/container-check.log || fail "the ConfigMap's file was not read"

port=${CONTAINER_CHECK_PORT:-18470}
pids=()
end() {
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
}
trap end EXIT
become /usr/bin/vllm-sim --model tiny --listen "127.0.0.1:$((port + 1))" >.build/container-sim.log 2>&1 &
pids+=($!)
become /usr/bin/sluice serve --listen "127.0.0.1:$port" --admin off \
  --replica "http://127.0.0.1:$((port + 1))" >.build/container-sluice.log 2>&1 &
gateway=$!
pids+=("$gateway")
answer=
for ((i = 0; i < 100; i++)); do
  answer=$(curl -fs -m 5 -H 'Content-Type: application/json' \
    -d '{"model":"tiny","messages":[{"role":"user","content":"hi"}],"max_tokens":3}' \
    "http://127.0.0.1:$port/v1/chat/completions" || true)
  [ -z "$answer" ] || break
  sleep 0.1
done
[ -n "$answer" ] || { cat .build/container-*.log >&2; fail "no request was served"; }
kill -TERM "$gateway"
status=0
wait "$gateway" || status=$?
[ $status -eq 0 ] || { cat .build/container-sluice.log >&2; fail "ended with $status after SIGTERM"; }
du -h "$root/usr/bin/sluice"
echo "container check: passed"
