#!/usr/bin/env bash
# Every test. Release runs all; ASan and UBSan run what reads outside bytes; TSan
# runs what has threads; each fuzzer runs for a few seconds from its corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzz_seconds=${ASHLAR_FUZZ_SECONDS:-2}
start=$SECONDS
sanitized=(base store codec graph text grammar formats runtime server
  server_exception)
threaded=(base runtime server server_exception)
# What a sanitizer need not see again: plain loops (kernels' reference forms), statistics, and
# tests of how long something takes or that read large files that are well known.
reduced='-*reference*:Sampler.Draws*:Peer.*:*NotQuadratic:*TakeTimeInProportion*:*DoNotHang:*_is_found_quickly:*NestDeeply*:*LlamaCppGives'

stage() { printf '\n== %s  (%d s)\n' "$1" $((SECONDS - start)); }
tests_of() { printf 'ashlar_%s_test ' "$@"; }

stage "release: build"
scripts/build.sh release all
stage "release: test"
scripts/run-tests.sh release
scripts/check-tour.sh build/release/ashlar
stage "Clang, ASan + UBSan: build"
scripts/build.sh debug $(tests_of "${sanitized[@]}") fuzzers
stage "Clang, ASan + UBSan: test"
GTEST_FILTER=$reduced scripts/run-tests.sh debug "${sanitized[@]}"
stage "fuzzers, $fuzz_seconds s each"
scripts/fuzz.sh "$fuzz_seconds" debug
stage "TSan: build"
scripts/build.sh tsan $(tests_of "${threaded[@]}")
stage "TSan: test"
GTEST_FILTER=$reduced scripts/run-tests.sh tsan "${threaded[@]}"
stage "done"
