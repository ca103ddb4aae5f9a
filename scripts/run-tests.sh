#!/usr/bin/env bash
# run-tests.sh PRESET: runs every test binary that was built, in halves, as many at once as there
# are cores. Prints what failed, whole, and what was skipped; fails when anything failed. (ctest
# runs a process per test: with a sanitizer, starting them takes longer than the tests.)
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
logs=build/$preset/test-logs
rm -rf "$logs" && mkdir -p "$logs"

run_half() {  # LOGS BINARY HALF
  local log=$1/$(basename "$2").$3
  GTEST_TOTAL_SHARDS=2 GTEST_SHARD_INDEX=$3 timeout 900 "$2" --gtest_brief=1 >"$log" 2>&1 ||
    echo "exit code $?" >"$log.failed"
}
export -f run_half

# The longest first.
find "build/$preset" -name 'ashlar_*_test' -type f -perm -u+x -printf '%f %p\n' |
  sort -k1,1 -r | sed 's/^ashlar_end_to_end/0&/' | sort -s -k1,1.1 | cut -d' ' -f2 |
  while read -r binary; do printf '%s\n' "$binary 0" "$binary 1"; done |
  xargs -P "$(nproc)" -L 1 bash -c 'run_half "$0" "$1" "$2"' "$logs"

for failed in "$logs"/*.failed; do
  [[ -e $failed ]] || continue
  echo "---- ${failed%.failed} ($(<"$failed"))"
  cat "${failed%.failed}"
done
grep -hA1 'Skipped$' "$logs"/*.[01] | grep -vE 'Skipped$|^--$' | sort | uniq -c |
  sed -E 's/^ *([0-9]+) /skipped (\1): /' || true
awk '/^\[  PASSED  \]/ {passed += $4} END {print passed " tests passed"}' "$logs"/*.[01]
! compgen -G "$logs/*.failed" >/dev/null
