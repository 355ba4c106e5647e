# `make run` and `make test` do all set-up on a fresh Debian or Ubuntu that has Swift.
# `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(PATH):$(CURDIR)/.build/tools/usr/bin

# Sanitizer runs of `make test`: none with SANITIZERS= ; a part of the tests with
# SANITIZER_FILTER=REGEX (names as `swift test --filter` takes them).
SANITIZERS ?= thread address
SANITIZER_FILTER ?=
# Tests of the plain run, and of nothing else: TEST_FILTER=REGEX.
TEST_FILTER ?=
# Scenarios of `make simulation`, and seeds: `sluice simulate --list` names them. All with five seeds
# are 100 s of one core, on all cores at once.
SCENARIOS ?= all
SEEDS ?= 5
# Arguments of `make bench`, for example BENCH=--quick
BENCH ?=
# Arguments of `make overload`, for example OVERLOAD='--only cold --dry'
OVERLOAD ?=
# What `make fuzz` fuzzes, a folder of Tests/FuzzTests/Corpus or all, and how long each
FUZZ ?= all
SECONDS ?= 60
# Arguments of `make soak`, for example SOAK='--minutes 60'
SOAK ?=
# How many times longer than in `make test` the faults of `make soak` last
STRETCH ?= 5

SIMULATION = .build/release/sluice simulate $(foreach name,$(SCENARIOS),--scenario $(name)) --seeds $(SEEDS)
CFLAGS_BENCH := -O2 -Wall -Wextra -Werror

.PHONY: help run demo build test lint format unit unit-and-build clients clients-and-builds simulation admission-docs \
	faults sanitizers sanitizers-and-simulation summary bench overload bench-tools soak fuzz instructions test-vllm container-check clean setup-run setup-test setup-count setup-bench
.NOTPARALLEL:

help: ## lists the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: setup-run build ## builds, then starts three simulated replicas, the gateway and a gentle load
	@exec .build/release/sluice demo

test: setup-test lint unit-and-build clients-and-builds sanitizers-and-simulation summary ## checks everything (what CI runs)

build: setup-run ## the release binaries, .build/release/sluice and vllm-sim
	@scripts/build-release.sh

lint: ## layout of sources, shell scripts
	@scripts/lint.sh

format: ## lays out the sources
	@swift format -i -p -r --configuration .swift-format Sources Tests Package.swift

unit: setup-test ## the Swift suites, unit and end to end
	@scripts/swift-tests.sh plain '$(TEST_FILTER)'

# Most tests wait, and the release is linked by one core.
unit-and-build: setup-run setup-test
	@scripts/swift-tests.sh --build plain
	@scripts/meanwhile.sh "scripts/swift-tests.sh --run plain '$(TEST_FILTER)'" -- \
	  'scripts/build-release.sh --ignore-lock'

clients: setup-test build ## official clients and faults against the binaries, validation of deploy/
	@scripts/client-tests.sh

# The Python suites mostly wait: what the sanitizers need is built in the time they leave over.
clients-and-builds: setup-test build
	@scripts/meanwhile.sh scripts/client-tests.sh -- \
	  'for kind in $(SANITIZERS); do scripts/swift-tests.sh --build $$kind || exit; done'

sanitizers: setup-test ## the Swift suites under thread and address sanitizer
	@scripts/sanitizers.sh '$(SANITIZER_FILTER)' $(SANITIZERS)

sanitizers-and-simulation: setup-test build
	@scripts/meanwhile.sh "scripts/sanitizers.sh '$(SANITIZER_FILTER)' $(SANITIZERS)" -- '$(SIMULATION)'

# The summary of the plain run last: it is the line that people and machines look for.
summary:
	@cat .build/logs/summary-plain

bench: setup-bench build bench-tools ## compares with nginx and HAProxy, writes docs/benchmarks.md
	@python3 bench/run.py $(BENCH)

overload: setup-bench setup-test build ## overload on sockets beside HAProxy and round robin, writes docs/benchmarks.md
	@.venv/bin/python bench/overload.py $(OVERLOAD)

simulation: build ## promises of docs/admission.md, in the simulator (SCENARIOS='T3 T5')
	@$(SIMULATION)

admission-docs: build ## figures and pictures of docs/admission.md, from the simulator
	@python3 scripts/admission_docs.py

faults: setup-test build ## every fault of replicas, host and operators, with its figures
	@scripts/client-tests.sh Tests/Faults

soak: setup-bench setup-test build bench-tools ## long mixed load with faults, looks for leaks (SOAK=--minutes N)
	@python3 bench/soak.py $(SOAK)
	@python3 bench/soak.py --minutes 10 --overload
	@SLUICE_FAULTS_STRETCH=$(STRETCH) scripts/client-tests.sh Tests/Faults

fuzz: setup-run ## looks for inputs that break a parser, guided by coverage (FUZZ=request SECONDS=600)
	@scripts/fuzz.sh '$(FUZZ)' '$(SECONDS)'

instructions: setup-count build bench-tools ## user-mode instructions per request and event, with limits
	@bench/instructions.sh

bench-tools: .build/bench/load .build/bench/stub

.build/bench/%: bench/%.c
	@mkdir -p $(@D)
	@cc $(CFLAGS_BENCH) -o $@ $<

test-vllm: ## two real vLLM replicas on CPU: the client suite, and an objective under overload (6 GB)
	@scripts/setup.sh vllm
	@$(MAKE) --no-print-directory build
	@scripts/test-vllm.sh

container-check: ## the container image's content in a debootstrap root (as root)
	@scripts/setup.sh container
	@deploy/container/check.sh

clean: ## removes everything that was built
	@rm -rf .build .build-tsan .build-asan .build-fuzz .build-static .venv

setup-run:
	@scripts/setup.sh run

setup-test:
	@scripts/setup.sh test

setup-count:
	@scripts/setup.sh count

setup-bench:
	@scripts/setup.sh bench
