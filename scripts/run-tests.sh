#!/usr/bin/env bash
# run-tests.sh PRESET [MODULE...]: runs the test binaries of these modules, or all that were built,
# in quarters, one more at once than there are cores: tests of servers wait as long as they compute.
# Prints what failed, whole, and what was skipped; fails when anything failed. (ctest runs a process
# per test: with a sanitizer, starting them takes longer than the tests.)
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
logs=build/$preset/test-logs
rm -rf "$logs" && mkdir -p "$logs"

run_quarter() {  # LOGS BINARY QUARTER
  local log=$1/$(basename "$2").$3
  GTEST_TOTAL_SHARDS=4 GTEST_SHARD_INDEX=$3 timeout 900 "$2" --gtest_brief=1 >"$log" 2>&1 ||
    echo "exit code $?" >"$log.failed"
}
export -f run_quarter

binaries=("build/$preset"/tests/ashlar_*_test "build/$preset"/ashlar_*_test)
if [[ $# -gt 0 ]]; then
  binaries=("${@/#/build/$preset/ashlar_}")
  binaries=("${binaries[@]/%/_test}")
fi
missing=()
for binary in "${binaries[@]}"; do
  [[ -x $binary ]] || missing+=("$binary")
done
if [[ ${#missing[@]} -gt 0 ]]; then
  echo "run-tests.sh: expected these test binaries, and they are not there: ${missing[*]}" >&2
  echo "Build them (ninja -C build/$preset), or name modules that have tests." >&2
  exit 2
fi
# The largest first: what tests most takes longest.
ls -S "${binaries[@]}" |
  while read -r binary; do printf '%s\n' "$binary "{0..3}; done |
  xargs -P $(($(nproc) + 1)) -L 1 bash -c 'run_quarter "$0" "$1" "$2"' "$logs"

for failed in "$logs"/*.failed; do
  [[ -e $failed ]] || continue
  echo "---- ${failed%.failed} ($(<"$failed"))"
  cat "${failed%.failed}"
done
grep -hA1 'Skipped$' "$logs"/*.[0-3] | grep -vE 'Skipped$|^--$' | sort | uniq -c |
  sed -E 's/^ *([0-9]+) /skipped (\1): /' || true
awk '/^\[  PASSED  \]/ {passed += $4} END {print passed " tests passed"}' "$logs"/*.[0-3]
! compgen -G "$logs/*.failed" >/dev/null
