#!/usr/bin/env bash
# Builds the release binaries, .build/release/sluice and .build/release/vllm-sim.
#
#   scripts/build-release.sh [OPTION OF SWIFT BUILD]...
#
# The linker optimises the whole program (LLVM's full LTO): a request takes 15 % fewer instructions than
# when each module is optimised for itself, an event 18 %, for two minutes more of building. In parts
# (--lto-partitions) it would be faster, and what it makes crashes (Swift 6.3). Debug information has
# lines only: the rest, once linked so, is not understood by Swift's own backtraces. A plain
# `swift build -c release` works as well, and its binary is slower.
set -euo pipefail
cd "$(dirname "$0")/.."

# Without colours: they are an option of the compiler, so that a build seen in a terminal and one in a file
# would each build everything again.
swift build --no-color-diagnostics -c release --experimental-lto-mode full -Xswiftc -use-ld=lld \
  -Xswiftc -gline-tables-only -Xlinker --lto-O3 "$@"
