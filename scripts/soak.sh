#!/usr/bin/env bash
# The long forms of tests: whole perplexities, hundreds of kills of a writing process, a server under
# load and faults and one whose memory moves, each for ASHLAR_SOAK_SECONDS (default ten minutes),
# random tests from many seeds.
# SOAK_ROUNDS (default 20) is how many seeds.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh release all
export ASHLAR_LONG=1 ASHLAR_KILL_ROUNDS=${ASHLAR_KILL_ROUNDS:-500}
export ASHLAR_SOAK_SECONDS=${ASHLAR_SOAK_SECONDS:-600}
# Not by ctest: its --timeout does not lengthen what the tests were given for the short forms.
for binary in build/release/tests/ashlar_*_test build/release/ashlar_*_test; do
  timeout 14400 "$binary" --gtest_brief=1 --gtest_filter='*Perplexit*:*Kill*:*Process*:Import.*:*Soak*'
done
for ((round = 1; round <= ${SOAK_ROUNDS:-20}; ++round)); do
  export ASHLAR_SEED=$RANDOM$RANDOM
  echo "seed $ASHLAR_SEED"
  ctest --test-dir build/release -j "$(nproc)" --output-on-failure --quiet \
    -R 'Random|Model|Exact|Fault|Conformance'
done
