#!/usr/bin/env bash
# Measures a running server against the goals of docs/serving.md, and writes their table there.
# Needs node and Google Benchmark. Quiet machine, please; some ten minutes. ASHLAR_SERVING_LARGE="" leaves the network of
# a billion parameters out. ASHLAR_SERVING_OPTIONS="--rounds 1 --mixed 50" measures less.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo 'make bench-serving needs node' >&2; exit 1; }
shared=${ASHLAR_SHARED:-../shared}
large=${ASHLAR_SERVING_LARGE-llama-1b}
scripts/build.sh release ashlar
ashlar=build/release/ashlar
export ASHLAR_STORE=build/serving/store

rm -rf build/serving
mkdir -p build/serving
# Two networks that share some of their weights, and one derived from each.
base=demo
tuned=demo
if [[ -d $shared/models/lab && -d $shared/models/lab-docs ]]; then
  base=$shared/models/lab
  tuned=$shared/models/lab-docs
fi
"$ashlar" import hf "$base" --as base >/dev/null
"$ashlar" import hf "$tuned" --as tuned >/dev/null
"$ashlar" derive base-short --from base drop --layers 3 >/dev/null
"$ashlar" derive tuned-short --from tuned drop --layers 3 >/dev/null
"$ashlar" encode base --as base-q4 --codec q4 >/dev/null
words=(--quantized base-q4)
compared=(base base-q4)
if [[ -n $large ]]; then
  "$ashlar" synth --shape "$large" --codec q4 --as "$large" >/dev/null
  "$ashlar" derive "$large-short" --from "$large" drop --layers 3 >/dev/null
  words+=(--large "$large" --large-derived "$large-short")
  compared+=("$large")
fi
if peer=$(tests/peers/install.sh llama); then
  cp bench/peers/*.mjs "$peer"
  files=()
  for network in "${compared[@]}"; do
    "$ashlar" export gguf "$network" "build/serving/$network.gguf" >/dev/null
    files+=("$network=build/serving/$network.gguf")
  done
  words+=(--peer "$peer" --gguf "$(IFS=,; echo "${files[*]}")")
else
  echo 'llama.cpp (npm node-llama-cpp) cannot be installed: measured without it' >&2
fi

# What masks cost is measured without a server, at a vocabulary that is larger than these networks'.
cmake --preset release -B build/bench -DASHLAR_BENCHMARKS=ON -DASHLAR_TESTS=OFF >/dev/null
ninja -C build/bench ashlar_grammar_bench >build/bench.log || { cat build/bench.log; exit 1; }
build/bench/ashlar_grammar_bench --benchmark_filter='FirstAnswer|NextAnswer' \
  --benchmark_min_time=0.2 --benchmark_format=json >build/serving/masks.json 2>/dev/null
words+=(--masks build/serving/masks.json)

ulimit -n "$(ulimit -Hn)"  # for ten thousand connections
node bench/load/goals.mjs --ashlar "$ashlar" --store "$ASHLAR_STORE" \
  --family base,base-short,tuned,tuned-short "${words[@]}" ${ASHLAR_SERVING_OPTIONS:-} \
  >build/serving/results.tmp
mv build/serving/results.tmp build/serving/results.json
node bench/load/render.mjs build/serving/results.json >build/serving/goals.md
scripts/write-section.sh goals docs/serving.md <build/serving/goals.md
