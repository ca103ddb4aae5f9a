#!/usr/bin/env bash
# fuzz.sh SECONDS [PRESET]: runs each fuzzer of the build PRESET (default fuzz) for SECONDS, from the
# corpus in tests/corpus and what earlier runs found (build/fuzz-corpus). A crash prints its input's
# path and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
preset=${2:-fuzz}
scripts/build.sh "$preset" fuzzers
shopt -s nullglob
run_one() {
  local fuzzer=$1 seconds=$2
  local name
  name=$(basename "$fuzzer")
  local found=build/fuzz-corpus/$name seeds=tests/corpus/$name
  mkdir -p "$found" build/fuzz-crashes
  local inputs=("$found")
  [[ -d $seeds ]] && inputs+=("$seeds")
  local log=build/fuzz-crashes/$name.log
  if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
      -artifact_prefix="build/fuzz-crashes/$name-" -print_final_stats=1 "${inputs[@]}" \
      >"$log" 2>&1; then
    tail -40 "$log"
    echo "FAILED: $name (log: $log)"
    return 1
  fi
  awk -v name="$name" '
    /stat::number_of_executed_units/ {runs = $2}
    /stat::average_exec_per_sec/ {rate = $2}
    match($0, /cov: [0-9]+/) {coverage = substr($0, RSTART + 5, RLENGTH - 5)}
    END {printf "  %-28s %9d runs %8d/s  coverage %d\n", name, runs, rate, coverage}' "$log"
}
export -f run_one
fuzzers=$(find "build/$preset" -maxdepth 1 -name '*_fuzz' -type f -perm -u+x | sort)
[[ -n $fuzzers ]] || { echo "no fuzzer was built in build/$preset"; exit 1; }
echo "$fuzzers" |
  xargs -P "$(nproc)" -I{} bash -c 'run_one {} '"$seconds"
