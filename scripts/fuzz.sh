#!/usr/bin/env bash
# fuzz.sh SECONDS [PRESET]: runs each fuzzer of the build PRESET (default fuzz) for SECONDS, from the
# corpus in tests/corpus and what earlier runs found (build/fuzz-corpus), and prints a table: inputs
# run, in all and per second, edges covered, seconds of processor time, and those of all runs so far
# on the code as it is now: runs of the preset fuzz are added to tests/corpus/record.tsv
# (fuzz-record.sh). A crash prints its input's path and fails. FUZZ_ONLY names a single fuzzer,
# FUZZ_JOBS how many run at once (default: one for each processor).
# `fuzz.sh keep` puts into tests/corpus the least inputs that cover what was found, at most 32 new
# ones of at most 2 KiB per fuzzer.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
preset=${2:-fuzz}
code_of=()  # the digests of what is built now, NAME=DIGEST
if [[ $preset == fuzz && $seconds != keep ]]; then
  while read -r source; do
    name=${source#ashlar/}
    name=${name%%/*}_$(basename "$source" .cc)
    code_of+=("$name=$(scripts/fuzz-record.sh code "$name")")
  done < <(find ashlar tests -name '*_fuzz.cc')
fi
export code_of_all=${code_of[*]:-}
scripts/build.sh "$preset" "${FUZZ_ONLY:-fuzzers}"
mkdir -p build/fuzz-crashes

run_one() {  # FUZZER SECONDS
  local name log inputs
  name=$(basename "$1")
  log=build/fuzz-crashes/$name.log
  inputs=("build/fuzz-corpus/$name")
  mkdir -p "${inputs[0]}"
  [[ -d tests/corpus/$name ]] && inputs+=("tests/corpus/$name")
  local TIMEFORMAT='cpu %U %S'
  if ! { time "$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=1024 \
      -artifact_prefix="build/fuzz-crashes/$name-" -print_final_stats=1 "${inputs[@]}"; } \
      >"$log" 2>&1; then
    tail -40 "$log"
    echo "FAILED: $name (log: $log)"
    return 1
  fi
  local runs rate coverage cpu total=-
  read -r runs rate coverage cpu < <(awk '
    /stat::number_of_executed_units/ {runs = $2}
    /stat::average_exec_per_sec/ {rate = $2}
    match($0, /cov: [0-9]+/) {coverage = substr($0, RSTART + 5, RLENGTH - 5)}
    /^cpu / {cpu = $2 + $3}
    END {printf "%d %d %d %.0f\n", runs, rate, coverage, cpu}' "$log")
  if [[ $preset == fuzz ]]; then
    local code=${code_of_all##*"$name="}
    total=$(scripts/fuzz-record.sh add "$name" "${code%% *}" "$cpu" "$runs" "$coverage") ||
      { echo "FAILED: no record of $name"; return 1; }
  fi
  printf '%-34s %9d %7d %8d %7d %10s\n' "$name" "$runs" "$rate" "$coverage" "$cpu" "$total"
}
export -f run_one
export preset

# The smallest inputs first, so that what is kept is small.
keep_one() {  # FUZZER
  local name seeds merged
  name=$(basename "$1")
  seeds=tests/corpus/$name
  merged=build/fuzz-merged/$name
  rm -rf "$merged" && mkdir -p "$merged" "$seeds"
  cp "$seeds"/* "$merged" 2>/dev/null || true
  "$1" -merge=1 -max_len=2048 "$merged" "build/fuzz-corpus/$name" >/dev/null 2>&1
  find "$merged" -type f -printf '%s %f\n' | sort -n | cut -d ' ' -f 2 |
    while read -r file; do [[ -e $seeds/$file ]] || echo "$file"; done | head -32 |
    while read -r file; do cp "$merged/$file" "$seeds/${file:0:12}"; done
  echo "$seeds: $(find "$seeds" -type f | wc -l) inputs"
}
export -f keep_one

fuzzers=$(find "build/$preset" -maxdepth 1 -name "${FUZZ_ONLY:-*_fuzz}" -type f -perm -u+x | sort)
[[ -n $fuzzers ]] || { echo "no fuzzer was built in build/$preset"; exit 1; }
if [[ $seconds == keep ]]; then
  xargs -P "$(nproc)" -I{} bash -c 'keep_one {}' <<<"$fuzzers"
  exit
fi
printf '%-34s %9s %7s %8s %7s %10s\n' fuzzer runs runs/s coverage "cpu (s)" "so far (s)"
xargs -P "${FUZZ_JOBS:-$(nproc)}" -I{} bash -c 'run_one {} '"$seconds" <<<"$fuzzers" | tee build/fuzz.table
awk '{runs += $2; cpu += $5} END {printf "%-34s %9d %7s %8s %7.0f\n", "all", runs, "", "", cpu}' \
  build/fuzz.table
