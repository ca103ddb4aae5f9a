#!/usr/bin/env bash
# Every test. Release runs all; ASan+UBSan run what reads outside bytes and a reduced runtime; TSan
# runs what has threads; each fuzzer runs for a few seconds from its corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
fuzz_seconds=${ASHLAR_FUZZ_SECONDS:-2}
start=$SECONDS

stage() { printf '\n== %s  (%d s)\n' "$1" $((SECONDS - start)); }

# ctest_in PRESET [-L/-R ...]: runs and keeps the output short; failures print whole.
ctest_in() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --progress "$@" |
    grep -Ev '^(Test project|Internal ctest|\[[0-9]+/[0-9]+\] Test)' || return "${PIPESTATUS[0]}"
}

stage "release: build"
scripts/build.sh release all
stage "release: test"
ctest_in release

stage "ASan + UBSan: build"
debug=(base store codec graph text formats kernels)
scripts/build.sh debug $(printf 'ashlar_%s_test ' "${debug[@]}") ashlar_runtime_test
stage "ASan + UBSan: test"
ctest_in debug -E 'NOT_BUILT'

stage "TSan: build"
scripts/build.sh tsan ashlar_runtime_test ashlar_base_test
stage "TSan: test"
ctest_in tsan -E 'NOT_BUILT'

stage "fuzzers, ${fuzz_seconds} s each"
scripts/fuzz.sh "$fuzz_seconds" debug

stage "done"
