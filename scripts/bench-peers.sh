#!/usr/bin/env bash
# Measures ashlar and llama.cpp (npm's node-llama-cpp) side by side and writes their section of
# docs/benchmarks.md, and build/peers/results.json with every round. Quiet machine, please. Needs
# node, npm and a network the first time. What is measured can be narrowed:
#   ASHLAR_PEER_NETWORKS="llama-1b:q4 demo:q8"   shapes of `ashlar synth`, demo, or lab (../shared)
#   ASHLAR_PEER_ISAS=avx2            instruction sets below the best to measure ashlar with as well
#   ASHLAR_PEER_OPTIONS="--rounds 1 --prompts 1,128 --batches 4"
set -euo pipefail
cd "$(dirname "$0")/.."
networks=${ASHLAR_PEER_NETWORKS:-llama-1b:q4 llama-1b:q8 llama-1b:bf16 lab:q8 demo:q8}
shared=${ASHLAR_SHARED:-../shared}
peer=$(tests/peers/install.sh llama) || { echo 'node-llama-cpp cannot be installed' >&2; exit 1; }
cp bench/peers/*.mjs "$peer"
scripts/build.sh release ashlar
ashlar=build/release/ashlar
export ASHLAR_STORE=build/peers/store

rm -rf "$ASHLAR_STORE"  # both sides run what this very build writes

# make_network SHAPE CODEC: the network SHAPE-CODEC and its file.
make_network() {
  local name=$1-$2
  case $1 in
    demo | lab)
      local folder=demo
      [[ $1 == lab ]] && folder=$shared/models/lab
      "$ashlar" import hf "$folder" --as "$1"
      "$ashlar" encode "$1" --as "$name" --codec "$2"
      ;;
    *) "$ashlar" synth --shape "$1" --codec "$2" --as "$name" ;;
  esac
  "$ashlar" export gguf "$name" "build/peers/$name.gguf"
}

pairs=()
for each in $networks; do
  if [[ $each == lab:* && ! -d $shared/models/lab ]]; then
    echo "$each: skipped, no $shared/models/lab" >&2
    continue
  fi
  make_network "${each%:*}" "${each#*:}"
  pairs+=("${each/:/-}=build/peers/${each/:/-}.gguf")
done
# What JavaScript takes is told from the demo in two depths.
"$ashlar" show demo-q8 >/dev/null 2>&1 || make_network demo q8
"$ashlar" derive demo-one --from demo-q8 keep --layers 0 >/dev/null
"$ashlar" export gguf demo-one build/peers/demo-one.gguf >/dev/null

# Unless others are named: what most machines have, where this one has more.
if [[ ! -v ASHLAR_PEER_ISAS ]]; then
  ASHLAR_PEER_ISAS=$("$ashlar" version --json | node -e '
    const { isa, isas } = JSON.parse(require("fs").readFileSync(0));
    console.log(["avx2", "avxvnni"].filter((each) => isas.includes(each) && each !== isa).join());')
fi

node "$peer/run.mjs" "${pairs[@]}" --ashlar "$ashlar" --layers 8 --isas "$ASHLAR_PEER_ISAS" \
  --one-layer build/peers/demo-one.gguf --all-layers build/peers/demo-q8.gguf \
  ${ASHLAR_PEER_OPTIONS:-} >build/peers/results.tmp
mv build/peers/results.tmp build/peers/results.json
node bench/peers/render.mjs build/peers/results.json >build/peers/peers.md
scripts/write-section.sh peers <build/peers/peers.md
