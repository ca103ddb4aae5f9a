#!/usr/bin/env bash
# Every test. Release runs all; ASan and UBSan run what reads outside bytes; TSan
# runs what has threads; each fuzzer runs for a few seconds from its corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
fuzz_seconds=${ASHLAR_FUZZ_SECONDS:-2}
start=$SECONDS
export ASHLAR_SHORT=1  # long forms of random tests are for `make soak`
sanitized=(base store codec graph text)
threaded=(base runtime)

stage() { printf '\n== %s  (%d s)\n' "$1" $((SECONDS - start)); }
tests_of() { printf 'ashlar_%s_test ' "$@"; }

# ctest_in PRESET: its tests that were built; the output of those that fail, and every skip.
ctest_in() {
  ctest --test-dir "build/$1" -j "$jobs" --output-on-failure -E NOT_BUILT |
    grep -Ev '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed)|^(Test project|Internal)'
}

stage "release: build"
scripts/build.sh release all
stage "release: test"
ctest_in release
stage "Clang, ASan + UBSan: build"
scripts/build.sh debug $(tests_of "${sanitized[@]}") fuzzers
stage "Clang, ASan + UBSan: test"
ctest_in debug
stage "fuzzers, $fuzz_seconds s each"
scripts/fuzz.sh "$fuzz_seconds" debug
stage "TSan: build"
scripts/build.sh tsan $(tests_of "${threaded[@]}")
stage "TSan: test"
ctest_in tsan
stage "done"
