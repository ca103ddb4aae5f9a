# The front door. `make demo` and `make test` install what is missing and do the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test soak bench bench-peers bench-serving bench-anysize compatibility fuzz format lint clean release packages

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 600

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

packages:
	@scripts/install-packages.sh

packages-%:  # those of a set, besides what building needs
	@scripts/install-packages.sh build $(filter-out build,$*)

release: packages-build
	@scripts/build.sh release ashlar

demo: release  ## build, import the network in demo/, derive three more from it and run all four
	@scripts/demo.sh

test: packages-test  ## every test: release, ASan+UBSan, TSan, and each fuzzer for a few seconds
	@scripts/test.sh

soak: packages-build  ## the long forms: whole perplexities, hundreds of kills, long random runs
	@scripts/soak.sh

bench: packages-bench  ## networks, tokenizer, kernels; writes their part of docs/benchmarks.md
	@scripts/bench.sh

bench-peers: packages-build  ## ashlar beside llama.cpp (npm, half an hour); writes its part of the same
	@scripts/bench-peers.sh

bench-serving: packages-bench  ## a server against its goals (node, ten minutes); writes docs/serving.md
	@scripts/bench-serving.sh

bench-anysize: packages-build  ## one network at many sizes (node, shared files); writes docs/anysize.md
	@scripts/bench-anysize.sh

compatibility: packages-build  ## what can be read, measured on the fixtures; writes docs/compatibility.md
	@scripts/compatibility.sh

fuzz: packages-test  ## each fuzzer for FUZZ_SECONDS (default 600)
	@scripts/fuzz.sh $(FUZZ_SECONDS)

format:  ## rewrite the sources in the project's style
	@git ls-files '*.cc' '*.h' | xargs clang-format-14 -i

lint: packages-style  ## clang-format and clang-tidy, changing nothing
	@scripts/lint.sh

clean:  ## remove everything that was built
	@rm -rf build
