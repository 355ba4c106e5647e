#!/usr/bin/env bash
# Fuzzes what reads bytes of peers and operators, guided by coverage: libFuzzer and the address
# sanitizer, with optimised code that still asserts. Needs minutes to build at first.
#
#   scripts/fuzz.sh [TARGET] [SECONDS]       all targets in turn where none is named; 60 s each
#   scripts/fuzz.sh --repeat TARGET FILE     one input again
#   scripts/fuzz.sh --keep TARGET            what was found becomes a part of the corpus
#
# It begins with Tests/FuzzTests/Corpus and with what earlier runs have found to reach further, which is
# in .build/fuzz/corpus. An input that breaks a rule ends the run; it belongs into the target's folder of
# Tests/FuzzTests/Corpus, which `make test` replays, once what it breaks is repaired.
set -euo pipefail
cd "$(dirname "$0")/.."

product=.build-fuzz/release/SluiceFuzz
kept=Tests/FuzzTests/Corpus
found=.build/fuzz
mkdir -p "$found"
targets=()
for directory in "$kept"/*/; do targets+=("$(basename "$directory")"); done

usage() {
  echo "fuzz: [TARGET] [SECONDS], --repeat TARGET FILE, --keep TARGET; targets: ${targets[*]}" >&2
  exit 2
}

is_target() { [[ " ${targets[*]} " == *" $1 "* ]]; }

# The compiler heeds the last of several `-sanitize`, and SwiftPM puts its two in an order of chance: so
# one for both comes after them.
build() {
  local log=$found/build.log
  if ! SLUICE_FUZZ=1 swift build -c release --scratch-path .build-fuzz --product SluiceFuzz \
    --sanitize fuzzer --sanitize address -Xswiftc -sanitize=fuzzer,address \
    -Xswiftc -assert-config -Xswiftc Debug >"$log" 2>&1
  then
    tail -n 40 "$log" >&2
    echo "fuzz: the build failed; libFuzzer has to be a part of the toolchain (libclang_rt.fuzzer)" >&2
    exit 1
  fi
}

# run TARGET ARGUMENTS...: no leaks are looked for, which ptrace(2) would be needed for.
run() {
  local target=$1
  shift
  SLUICE_FUZZ_TARGET=$target ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0} \
    SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-enable=no} "$product" -timeout=10 "$@"
}

# corpus TARGET: what is there to begin with, a file for each input.
corpus() {
  mkdir -p "$found/corpus/$1"
  python3 scripts/fuzz_corpus.py unpack "$kept/$1.base64" "$found/corpus/$1"
}

if [ "${1:-}" = --keep ]; then
  if [ $# -ne 2 ] || ! is_target "$2"; then usage; fi
  build
  corpus "$2"
  # For each edge of the code one small input that reaches it.
  rm -rf "$found/merged"
  mkdir "$found/merged"
  run "$2" -set_cover_merge=1 -use_counters=0 "$found/merged" "$kept/$2" "$found/corpus/$2" \
    >"$found/merge.log" 2>&1 || { tail -n 20 "$found/merge.log" >&2; exit 1; }
  for named in "$kept/$2"/*; do rm -f "$found/merged/$(sha1sum <"$named" | cut -d ' ' -f 1)"; done
  python3 scripts/fuzz_corpus.py pack "$found/merged" "$kept/$2.base64"
  echo "$2: $(wc -l <"$kept/$2.base64") inputs beside the named ones"
  exit
fi

if [ "${1:-}" = --repeat ]; then
  if [ $# -ne 3 ] || ! is_target "$2" || [ ! -f "$3" ]; then usage; fi
  build
  run "$2" "$3"
  exit
fi

seconds=60
while [ $# -gt 0 ]; do
  if is_target "$1"; then
    targets=("$1")
  elif [[ $1 =~ ^[1-9][0-9]*$ ]]; then
    seconds=$1
  elif [ "$1" != all ]; then
    usage
  fi
  shift
done

build
status=0
for target in "${targets[@]}"; do
  log=$found/$target.log
  corpus "$target"
  ended=0
  run "$target" -dict=Tests/FuzzTests/words.dict -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$found/$target-" "$found/corpus/$target" "$kept/$target" \
    >"$log" 2>&1 || ended=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  if [ $ended -eq 0 ] && ! grep -q ' cov: ' "$log"; then
    echo "fuzz: $target was built without coverage, see $log" >&2
    status=1
    continue
  fi
  if [ $ended -eq 0 ]; then
    printf '%-10s %9s inputs, %5s edges, nothing found\n' "$target" "$runs" "$edges"
    continue
  fi
  status=1
  grep -aE 'Fatal error|ERROR: ' "$log" | cut -c 1-1000 >&2 || tail -n 20 "$log" >&2
  input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  if [ -n "$input" ]; then echo "fuzz: again: scripts/fuzz.sh --repeat $target $input" >&2; fi
done
exit $status
