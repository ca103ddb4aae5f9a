#!/usr/bin/env bash
# Measures two stored networks at many sizes, and writes the curves of docs/anysize.md and their
# plots beside it. Needs node, and the networks and texts of the shared files. Quiet machine, please.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo 'make bench-anysize needs node' >&2; exit 1; }
shared=${ASHLAR_SHARED:-../shared}
[[ -d $shared/models/lab && -d $shared/eval ]] ||
  { echo "make bench-anysize needs models/lab and eval in $shared" >&2; exit 1; }
scripts/build.sh release ashlar
mkdir -p build/anysize
results=()
for model in "$shared/models/lab" demo; do
  network=$(basename "$model")
  results+=("build/anysize/$network.json")
  node bench/anysize/measure.mjs --ashlar build/release/ashlar --store build/anysize/store \
    --network "$network" --model "$model" --texts "$shared/eval" >"${results[-1]}"
done
node bench/anysize/render.mjs docs "${results[@]}" >build/anysize/curves.md
scripts/write-section.sh curves docs/anysize.md <build/anysize/curves.md
