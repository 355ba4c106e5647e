#!/usr/bin/env bash
# Installs what is missing on a Debian or Ubuntu machine, and says what and why.
#
#   scripts/setup.sh run           what `make run` needs
#   scripts/setup.sh test          also what `make test` needs
#   scripts/setup.sh count         what `make instructions` needs
#   scripts/setup.sh bench         what `make bench` needs: nginx and HAProxy too
#   scripts/setup.sh vllm          also what `make test-vllm` needs
#   scripts/setup.sh container     also what `make container-check` needs
#
# Nothing is touched when nothing is missing. Needs root or sudo only to install.
set -euo pipefail
cd "$(dirname "$0")/.."

swift_minimum=6.2

say() { echo "set-up: $*"; }
fail() { echo "set-up: $*" >&2; exit 1; }

# True if version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

check_swift() {
  if ! command -v swift >/dev/null; then
    cat >&2 <<TEXT
set-up: Swift is not installed (or not on PATH). Sluice needs Swift $swift_minimum or newer.
        Get it from https://www.swift.org/install/linux/ , for example with swiftly:
          curl -O https://download.swift.org/swiftly/linux/swiftly-\$(uname -m).tar.gz
          tar zxf swiftly-\$(uname -m).tar.gz && ./swiftly init
        then open a new shell and run make again.
TEXT
    exit 1
  fi
}

# Once the packages are there: without them the toolchain does not even start.
check_swift_version() {
  local said found
  said=$(swift --version 2>&1) || fail "'swift --version' fails: $said"
  found=$(sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' <<<"$said" | head -n 1)
  [ -n "$found" ] || fail "'swift --version' names no version; is the installation complete?"
  at_least "$found" "$swift_minimum" ||
    fail "Swift $found is too old: $swift_minimum or newer is needed (https://www.swift.org/install/linux/)."
}

packages=()
# need PACKAGE REASON: remembers a package to install.
need() {
  packages+=("$1")
  say "missing: $1 ($2)"
}

# Libraries that the toolchain itself loads, which an unpacked archive does not bring along.
check_toolchain() {
  local directory library
  directory=$(dirname "$(readlink -f "$(command -v swift)")")
  for library in $(ldd "$directory"/swift-{frontend,build,package} 2>/dev/null |
    sed -n 's/^[[:space:]]*\(lib[^ ]*\) => not found$/\1/p' | sort -u); do
    case $library in
      libncurses.so.6) need libncurses6 "the Swift toolchain loads it" ;;
      libsqlite3.so.0) need libsqlite3-0 "the Swift toolchain loads it" ;;
      libcurl.so.4) need libcurl4 "the Swift toolchain loads it" ;;
      libxml2.so.2) need libxml2 "the Swift toolchain loads it" ;;
      libedit.so.2) need libedit2 "the Swift toolchain loads it" ;;
      libz3.so.4) need libz3-4 "the Swift toolchain loads it" ;;
      # What else there may be, 'swift --version' will say.
      *) say "missing: a package with $library (the Swift toolchain loads it)" ;;
    esac
  done
}

check_run() {
  check_toolchain
  compgen -G '/usr/lib/gcc/*/*/crtbeginS.o' >/dev/null ||
    need build-essential "start files and C library that Swift links with"
  command -v git >/dev/null || need git "Swift fetches the packages it depends on with it"
  command -v pkg-config >/dev/null || need pkg-config "finds OpenSSL for the build"
  [ -e /usr/include/openssl/ssl.h ] || need libssl-dev "TLS"
  [ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates "fetching packages, https:// replicas"
}

check_test() {
  check_run
  command -v openssl >/dev/null || need openssl "makes the certificates of the TLS tests"
  command -v curl >/dev/null || need curl "end-to-end tests use it as a client"
  command -v python3 >/dev/null || need python3 "runs the official OpenAI client against the gateway"
  python3 -c 'import ensurepip, venv' 2>/dev/null ||
    need python3-venv "keeps the Python packages of the tests in .venv"
  command -v ip >/dev/null || need iproute2 "puts up the bad line of a fault test"
  command -v tmux >/dev/null || need tmux "shows sluice top as a terminal does"
  # Ubuntu has it as a snap only: its tests are skipped there.
  if grep -q '^ID=debian' /etc/os-release 2>/dev/null; then
    command -v chromium >/dev/null || need chromium "looks at the live page as a browser does"
    command -v chromedriver >/dev/null || need chromium-driver "drives that browser"
  fi
  command -v shellcheck >/dev/null || need shellcheck "checks the scripts"
}

check_count() {
  check_run
  command -v cc >/dev/null || need build-essential "compiles the load generator"
  command -v curl >/dev/null || need curl "asks whether the gateway is up"
  command -v valgrind >/dev/null || need valgrind "counts instructions"
}

check_bench() {
  check_count
  command -v python3 >/dev/null || need python3 "runs the comparison"
  command -v taskset >/dev/null || need util-linux "pins processes to cores"
  command -v nginx >/dev/null || need nginx-light "is compared with"
  command -v haproxy >/dev/null || need haproxy "is compared with"
}

check_vllm() {
  check_test
  command -v ps >/dev/null || need procps "ends the processes of a replica"
  # vLLM's CPU kernels are compiled against it; the wheel does not bring it along.
  compgen -G '/usr/lib/*/libnuma.so.1' >/dev/null || need libnuma1 "vLLM on CPU loads it"
}

check_container() {
  check_run
  command -v curl >/dev/null || need curl "asks what runs in the image's root"
  command -v debootstrap >/dev/null || need debootstrap "makes the image's root without an engine"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "neither root nor sudo: have an administrator run: apt-get install ${packages[*]}"
  fi
}

# Runs apt-get update once, and only when something is to be fetched.
updated=0
update_lists() {
  if [ $updated -eq 0 ]; then as_root apt-get update -qq; fi
  updated=1
}

install() {
  [ ${#packages[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null ||
    fail "this is no Debian or Ubuntu (no apt-get); install what is listed above with your package manager."
  local servers=() name
  for name in nginx-light:nginx haproxy:haproxy; do
    case " ${packages[*]} " in *" ${name%:*} "*) servers+=("${name#*:}") ;; esac
  done
  say "installing: ${packages[*]}"
  update_lists
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "${packages[@]}" ||
    fail "apt-get could not install: ${packages[*]}"
  # Debian starts servers when it installs them; the benchmark starts its own.
  if [ ${#servers[@]} -gt 0 ] && [ -d /run/systemd/system ]; then
    say "stopping the services that came with the packages: ${servers[*]}"
    as_root systemctl disable --now -q "${servers[@]}" || true
  fi
}

# promtool and prometheus check our exposition. Installing Debian's package would start a
# server on this machine, so it is only unpacked, into .build/tools.
fetch_prometheus() {
  if command -v promtool >/dev/null || [ -x .build/tools/usr/bin/promtool ]; then return 0; fi
  command -v apt-get >/dev/null || return 0
  say "fetching promtool and prometheus into .build/tools (check the exposition of metrics)"
  local directory=.build/tools
  mkdir -p "$directory"
  update_lists || true
  if (cd "$directory" && apt-get download -qq prometheus) && dpkg-deb -x "$directory"/prometheus_*.deb "$directory"; then
    rm -f "$directory"/prometheus_*.deb
  elif [ "${CI:-}" = true ]; then
    fail "Debian's prometheus package could not be fetched"
  else
    say "not to be had; the tests that need it are skipped"
  fi
}

case ${1:-} in
  run) check_swift; check_run; install; check_swift_version ;;
  test) check_swift; check_test; install; check_swift_version; fetch_prometheus ;;
  count) check_swift; check_count; install; check_swift_version ;;
  bench) check_swift; check_bench; install; check_swift_version ;;
  vllm) check_swift; check_vllm; install; check_swift_version ;;
  container) check_swift; check_container; install; check_swift_version ;;
  *) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" >&2; exit 2 ;;
esac
