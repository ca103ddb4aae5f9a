#!/usr/bin/env bash
# Measures the network of demo/, the tokenizer and the kernels on this machine and writes their
# section of docs/benchmarks.md, and docs/roofline.svg.
# Quiet machine, please: figures are medians, but a busy neighbour moves them.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release -B build/bench -DASHLAR_BENCHMARKS=ON -DASHLAR_TESTS=OFF >/dev/null
ninja -C build/bench ashlar ashlar_text_bench ashlar_grammar_bench >build/bench.log || { cat build/bench.log; exit 1; }
ashlar=build/bench/ashlar
export ASHLAR_STORE=build/bench-store
rm -rf "$ASHLAR_STORE"

number() { sed -E "s/.*\"$1\":([0-9.eE+-]+).*/\1/"; }
row() {  # NETWORK BATCH
  local json
  json=$("$ashlar" bench "$1" --prompt 128 --gen 64 --batch "$2" --rounds 5 --json)
  awk -v network="$1" -v batch="$2" -v p="$(number prompt_tokens_per_second <<<"$json")" \
    -v d="$(number decode_tokens_per_second <<<"$json")" -v w="$(number weight_bytes <<<"$json")" \
    'BEGIN {printf "| %s | %d | %.1f | %.0f | %.0f |\n", network, batch, w / 1e6, p, d}'
}

planes() {
  local plan least most round planes q4 json
  plan=$("$ashlar" plan llama-1b-planes --json)
  least=$(number floor_weights_bytes <<<"$plan") most=$(number most_weights_bytes <<<"$plan")
  measure() { "$ashlar" bench "$@" --prompt 128 --gen 32 --rounds 1 --json 2>/dev/null; }
  for round in 1 2 3 4 5; do
    q4=$(measure llama-1b-q4)
    for planes in 2 3 4; do
      json=$(measure llama-1b-planes --weights $((least + (planes - 2) * (most - least) / 6)))
      echo "$planes $(number weight_bytes <<<"$json")" \
        "$(number prompt_tokens_per_second <<<"$json") $(number decode_tokens_per_second <<<"$json")" \
        "$(number prompt_tokens_per_second <<<"$q4") $(number decode_tokens_per_second <<<"$q4")"
    done
  done | awk '
    function median(column,  i, j, n, sorted, value) {
      for (i = 1; i <= 5; ++i) {
        value = column == 6 ? at[n_planes, i, 3] / at[n_planes, i, 5] \
              : column == 7 ? at[n_planes, i, 4] / at[n_planes, i, 6] : at[n_planes, i, column]
        for (j = n++; j > 0 && sorted[j] > value; --j) sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
      }
      return sorted[3]
    }
    {round = ++rounds[$1]; for (i = 2; i <= 6; ++i) at[$1, round, i] = $i}
    END {for (n_planes = 2; n_planes <= 4; ++n_planes)
      printf "| %d | %.1f | %.1f | %.1f | %.2f | %.2f |\n", n_planes, at[n_planes, 1, 2] / 1e6,
        median(3), median(4), median(6), median(7)}'
}

"$ashlar" import hf demo --as demo-bf16 >/dev/null
for codec in f32 q8 q4; do
  "$ashlar" encode demo-bf16 --as "demo-$codec" --codec "$codec" >/dev/null
done

{
  echo "Written by \`make bench\` on $(date -u +%Y-%m-%d)."
  echo
  echo '```'
  lscpu | grep -E '^(Model name|CPU\(s\)|L2 cache|L3 cache)' | sed -E 's/ +/ /'
  "$ashlar" version
  c++ --version | head -1
  echo 'flags: -O2 -ffp-contract=off, kernels with those of their instruction set'
  echo '```'
  echo
  echo '## Networks'
  echo
  echo 'The network of `demo/` (7.3 M parameters): prompts of 128 tokens, 64 new ones per sequence,'
  echo 'median of 5 rounds (`ashlar bench NET --prompt 128 --gen 64 --batch N`). It fits in the'
  echo 'cache, so what limits it is not the memory.'
  echo
  echo '| network | sequences | weights (MB) | prompt (tokens/s) | decode (tokens/s) |'
  echo '|---|---:|---:|---:|---:|'
  for network in demo-f32 demo-bf16 demo-q8 demo-q4; do
    row "$network" 1
    row "$network" 8
  done
  echo
  echo '## Loading'
  echo
  echo 'A network of a thousand million weights (`ashlar synth --shape llama-1b --codec q4`), its'
  echo 'files in the page cache: what loading takes, and what the checks of its structure cost'
  echo 'against a load without them (`ashlar bench NET --load`).'
  echo
  echo '```'
  "$ashlar" synth --shape llama-1b --codec q4 --as llama-1b-q4 >/dev/null
  "$ashlar" bench llama-1b-q4 --load --rounds 5 2>/dev/null
  echo '```'
  echo
  echo '## Planes'
  echo
  echo 'The same network with levels (`ashlar encode llama-1b-q4 --as llama-1b-planes --codec bitplane`)'
  echo 'within the bytes that 2, 3 and 4 planes take, beside q4: medians over 5 rounds of what a round'
  echo 'has of each (`ashlar bench llama-1b-planes --prompt 128 --gen 32 --weights B`).'
  echo
  echo '| planes | weights (MB) | prompt (tokens/s) | decode (tokens/s) | prompt, of q4 | decode, of q4 |'
  echo '|---|---:|---:|---:|---:|---:|'
  "$ashlar" encode llama-1b-q4 --as llama-1b-planes --codec bitplane >/dev/null
  planes
  echo
  echo '## Tokenizer'
  echo
  echo 'The tokenizer of `demo/`, one thread (`build/bench/ashlar_text_bench`).'
  echo
  echo '| what | MB/s of text |'
  echo '|---|---:|'
  build/bench/ashlar_text_bench --benchmark_filter='Prose|StreamDecode' --benchmark_color=false \
    2>/dev/null | awk '/^BM_/ && match($0, /bytes_per_second=[0-9.]+[kMG]/) {
      rate = substr($0, RSTART + 17, RLENGTH - 17)
      unit = substr(rate, length(rate))
      rate *= unit == "G" ? 1073.74 : unit == "M" ? 1.048576 : 0.001024
      printf "| %s | %.1f |\n", $1, rate
    }'
  echo
  echo '## Grammars'
  echo
  echo 'What the masks of an answer cost at a vocabulary of 131072 tokens, in microseconds per token'
  echo '(`build/bench/ashlar_grammar_bench`): of the first answer to a grammar, and of those after it.'
  echo
  echo '| grammar | first answer, mean | first answer, worst | next answer, mean | reading it |'
  echo '|---|---:|---:|---:|---:|'
  build/bench/ashlar_grammar_bench --benchmark_format=csv 2>/dev/null | awk -F, '
    NR == 1 || /^name,/ {for (i = 1; i <= NF; ++i) column[$i] = i}
    {name = $(column["label"]); gsub(/"/, "", name)}
    /FirstAnswer/ {names[++count] = name
      first[name] = $(column["\"mean_us\""]); worst[name] = $(column["\"worst_us\""])}
    /NextAnswer/ {next_answer[name] = $(column["\"mean_us\""])}
    /ReadSource/ {read[name] = $(column["cpu_time"])}
    END {for (i = 1; i <= count; ++i) printf "| %s | %.0f | %.0f | %.1f | %.0f |\n", names[i],
      first[names[i]], worst[names[i]], next_answer[names[i]], read[names[i]]}'
  echo
  echo '## Kernels'
  echo
  echo 'Each kernel alone, on one thread, in each form that the processor can run'
  echo '(`ashlar bench kernels`). A peak is measured in the same run: what the thread reads from'
  echo 'memory at most, for sizes whose operands come from there, else what its instructions reach'
  echo 'from registers.'
  echo
  echo '![Linear kernels under their roofs](roofline.svg)'
  echo
  echo '```'
  "$ashlar" bench kernels --svg docs/roofline.svg
  echo '```'
} >build/bench.md
scripts/write-section.sh bench <build/bench.md
