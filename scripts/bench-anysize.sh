#!/usr/bin/env bash
# Measures two stored networks at many sizes, and writes the curves of docs/anysize.md and their
# plots beside it. Needs node, and the networks and texts of the shared files.
#   bench-anysize.sh           all of it: an hour or so
#   bench-anysize.sh speeds    speeds alone, which want a quiet machine, of what is there from before
set -euo pipefail
[[ ${1:-speeds} == speeds ]] || { echo "bench-anysize.sh [speeds], not \"$1\"" >&2; exit 1; }
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo 'make bench-anysize needs node' >&2; exit 1; }
shared=${ASHLAR_SHARED:-../shared}
[[ -d $shared/models/lab && -d $shared/eval ]] ||
  { echo "make bench-anysize needs models/lab and eval in $shared" >&2; exit 1; }
scripts/build.sh release ashlar
results=()
for model in "$shared/models/lab" demo; do
  network=$(basename "$model")
  folder=build/anysize/$network
  mkdir -p "$folder"
  with=(--ashlar build/release/ashlar --store "$folder/store")
  if [[ ${1:-} != speeds ]]; then
    node bench/anysize/quality.mjs "${with[@]}" --network "$network" --model "$model" \
      --texts "$shared/eval" >"$folder/quality.json"
  fi
  results+=("$folder/measured.json")
  node bench/anysize/speed.mjs "${with[@]}" --qualities "$folder/quality.json" >"${results[-1]}"
done
node bench/anysize/render.mjs docs "${results[@]}" >build/anysize/curves.md
scripts/write-section.sh curves docs/anysize.md <build/anysize/curves.md
