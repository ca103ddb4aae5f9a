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

# What of a step is spent outside of kernels, in percent: when prompts are read, and when tokens are decoded.
outside_kernels() {  # NETWORK
  "$ashlar" bench "$1" --prompt 128 --gen 64 --rounds 1 --profile --json 2>/dev/null |
    grep -oE '"overhead_share":[0-9.eE+-]+' | cut -d: -f2 |
    awk -v network="$1" '{share[NR] = 100 * $1}
      END {printf "| %s | %.1f | %.1f |\n", network, share[1], share[2]}'
}

# beside_q4 LABEL=ARGUMENTS...: a row of a table for each network of `ashlar bench ARGUMENTS`, beside
# llama-1b-q4 in the same round.
beside_q4() {
  local each round json q4
  measure() { "$ashlar" bench "$@" --prompt 128 --gen 32 --rounds 1 --json 2>/dev/null; }
  figures() {
    number weight_bytes <<<"$1"
    number prompt_tokens_per_second <<<"$1"
    number decode_tokens_per_second <<<"$1"
  }
  for round in 1 2 3 4 5; do
    q4=$(measure llama-1b-q4)
    for each; do
      read -ra words <<<"${each#*=}"
      json=$(measure "${words[@]}")
      echo "${each%%=*}" $(figures "$json") $(figures "$q4")
    done
  done | awk '
    function median(label, column,  i, j, n, sorted, value) {
      for (i = 1; i <= rounds[label]; ++i) {
        value = at[label, i, column]
        for (j = n++; j > 0 && sorted[j] > value; --j) sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
      }
      return sorted[int((n + 1) / 2)]
    }
    {
      if (!rounds[$1]++) labels[++count] = $1
      for (i = 2; i <= 4; ++i) at[$1, rounds[$1], i] = $i
      at[$1, rounds[$1], "prompt"] = $3 / $6
      at[$1, rounds[$1], "decode"] = $4 / $7
      at[$1, rounds[$1], "bytes"] = $4 * $2 / ($7 * $5)
    }
    END {for (i = 1; i <= count; ++i)
      printf "| %s | %.1f | %.1f | %.1f | %.2f | %.2f | %.2f |\n", labels[i],
        median(labels[i], 2) / 1e6, median(labels[i], 3), median(labels[i], 4),
        median(labels[i], "prompt"), median(labels[i], "decode"), median(labels[i], "bytes")}'
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
  echo '## Outside kernels'
  echo
  echo 'What of the time of a step is spent outside of kernels, in percent (`ashlar bench NET --profile`).'
  echo
  echo '| network | prompt of 128 tokens | decode |'
  echo '|---|---:|---:|'
  for network in demo-q8 llama-1b-q4; do
    outside_kernels "$network"
  done
  echo
  echo '## Types of GGUF'
  echo
  echo 'The same network in types of GGUF (`ashlar encode llama-1b-q8 --as NAME --codec q4_k`), beside q4:'
  echo 'medians over 5 rounds of what a round has of each (`ashlar bench NAME --prompt 128 --gen 32`). The'
  echo 'last column is what decoding reads of weights in a second, of what q4 reads.'
  echo
  echo '| type | weights (MB) | prompt (tokens/s) | decode (tokens/s) | prompt, of q4 | decode, of q4 | bytes, of q4 |'
  echo '|---|---:|---:|---:|---:|---:|---:|'
  "$ashlar" synth --shape llama-1b --codec q8 --as llama-1b-q8 >/dev/null
  types=()
  for type in q4_1 q4_k q6_k; do
    "$ashlar" encode llama-1b-q8 --as "llama-1b-$type" --codec "$type" >/dev/null
    types+=("$type=llama-1b-$type")
  done
  beside_q4 q8=llama-1b-q8 "${types[@]}"
  echo
  echo '## Planes'
  echo
  echo 'The same network with levels (`ashlar encode llama-1b-q4 --as llama-1b-planes --codec bitplane`)'
  echo 'within the bytes that 2, 3 and 4 planes take, likewise'
  echo '(`ashlar bench llama-1b-planes --prompt 128 --gen 32 --weights B`).'
  echo
  echo '| planes | weights (MB) | prompt (tokens/s) | decode (tokens/s) | prompt, of q4 | decode, of q4 | bytes, of q4 |'
  echo '|---|---:|---:|---:|---:|---:|---:|'
  "$ashlar" encode llama-1b-q4 --as llama-1b-planes --codec bitplane >/dev/null
  plan=$("$ashlar" plan llama-1b-planes --json)
  least=$(number floor_weights_bytes <<<"$plan") most=$(number most_weights_bytes <<<"$plan")
  budgets=()
  for planes in 2 3 4; do
    budgets+=("$planes=llama-1b-planes --weights $((least + (planes - 2) * (most - least) / 6))")
  done
  beside_q4 "${budgets[@]}"
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
