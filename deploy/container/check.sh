#!/usr/bin/env bash
# Does what the Containerfile does, without a container engine: links the runtime statically,
# makes a minimal Debian root with the same packages, and starts the binary in it as the
# image's user on a read-only file system. Needs root and debootstrap; takes minutes.
#
#   deploy/container/check.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

[ "$(id -u)" -eq 0 ] || { echo "container check: must run as root (chroot, mount)" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "container check: apt-get install debootstrap" >&2; exit 1; }

root=.build/container-root
swift build -c release --static-swift-stdlib --scratch-path .build-static --product sluice
if [ ! -e "$root/.complete" ]; then
  rm -rf "$root"
  debootstrap --variant=minbase --include=libssl3,libstdc++6,ca-certificates bookworm "$root"
  touch "$root/.complete"
fi
install -D -m 0755 -s .build-static/release/sluice "$root/usr/bin/sluice"
mkdir -p "$root/etc/sluice"
# The file inside the ConfigMap: what follows its key, less the indentation.
sed -n '/^  sluice.yaml: |$/,$ { s/^    //; /^  sluice.yaml/!p; }' deploy/kubernetes/configmap.yaml \
  >"$root/etc/sluice/sluice.yaml"

missing=$(chroot "$root" ldd /usr/bin/sluice | grep 'not found' || true)
[ -z "$missing" ] || { echo "container check: libraries the image lacks:"$'\n'"$missing" >&2; exit 1; }

# A mount namespace of its own: the read-only bind ends with this command.
# shellcheck disable=SC2016
unshare --mount bash -euc '
  mount --bind "$1" "$1"
  mount -o remount,bind,ro "$1"
  chroot --userspec=65532:65532 "$1" /usr/bin/sluice --version
  chroot --userspec=65532:65532 "$1" /usr/bin/sluice check /etc/sluice/sluice.yaml
' check "$root"
du -h "$root/usr/bin/sluice"
echo "container check: passed"
