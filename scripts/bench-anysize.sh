#!/usr/bin/env bash
# Measures one stored network at many sizes, and writes the curves of docs/anysize.md and their plot
# beside it. Needs node, and the networks and texts of the shared files. Quiet machine, please.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo 'make bench-anysize needs node' >&2; exit 1; }
shared=${ASHLAR_SHARED:-../shared}
[[ -d $shared/models/lab && -d $shared/eval ]] ||
  { echo "make bench-anysize needs models/lab and eval in $shared" >&2; exit 1; }
scripts/build.sh release ashlar
mkdir -p build/anysize
node bench/anysize/measure.mjs --ashlar build/release/ashlar --store build/anysize/store \
  --model "$shared/models/lab" --texts "$shared/eval" >build/anysize/results.json
node bench/anysize/render.mjs build/anysize/results.json docs/anysize.svg >build/anysize/curves.md
scripts/write-section.sh curves docs/anysize.md <build/anysize/curves.md
