#!/usr/bin/env bash
# fuzz-record.sh code FUZZER: the digest of the code that it would run, built now.
# fuzz-record.sh add FUZZER CODE SECONDS RUNS EDGES [RECORD]: adds a run of code with this digest to
# tests/corpus/record.tsv, and prints for how many seconds of processor time that has run.
# fuzz-record.sh show [RECORD]: the same of every fuzzer and the code as it is, and its seconds on code
# that was otherwise.
#
# The record has a line for each fuzzer: the digest of the code that it ran, and of this code the
# seconds, the inputs and the edges covered; the seconds of code that was otherwise; the last day. The
# code is every source of the modules that the fuzzer itself includes, base apart, and of its own, but
# for tests: when one has changed, its seconds begin anew. What these modules use is not looked at.
set -euo pipefail
cd "$(dirname "$0")/.."

code_of() {  # FUZZER
  local own source modules
  own=ashlar/${1%%_*}
  [[ -d $own ]] || own=tests
  source=$(find "$own" -name "${1#*_}.cc")
  [[ -f $source ]] || { echo "no source of $1 in $own: found \"$source\"" >&2; exit 1; }
  # (All include something of base, which would make every change there one of all.)
  modules=$(grep -oE '^#include "ashlar/[a-z]+' "$source" | cut -d '"' -f 2 |
    grep -vx ashlar/base || true)
  [[ $own == tests ]] || modules+=" $own"
  # shellcheck disable=SC2086  # a list of folders
  (echo "$source"; find $modules \( -name '*.cc' -o -name '*.h' \) \
    ! -name '*_test.cc' ! -name '*_bench.cc' ! -name '*_fuzz.cc' ! -name 'testing*') |
    LC_ALL=C sort -u | xargs sha256sum | sha256sum | cut -c 1-12
}

if [[ $1 == code ]]; then
  code_of "$2"
  exit
fi
if [[ $1 == show ]]; then
  printf '%-34s %16s %12s\n' fuzzer "as it is (s)" "older (s)"
  find ashlar tests -name '*_fuzz.cc' | while read -r source; do
    fuzzer=${source#ashlar/}
    fuzzer=${fuzzer%%/*}_$(basename "$source" .cc)
    awk -F '\t' -v fuzzer="$fuzzer" -v code="$(code_of "$fuzzer")" '
      $1 == fuzzer {now = $2 == code ? $3 : 0; older = $6 + $3 - now}
      END {printf "%-34s %16d %12d\n", fuzzer, now, older}' "${2:-tests/corpus/record.tsv}"
  done | LC_ALL=C sort
  exit
fi

[[ $1 == add ]] || { echo "fuzz-record.sh code, add or show, not \"$1\"" >&2; exit 1; }
fuzzer=$2 code=$3 seconds=$4 runs=$5 edges=$6 record=${7:-tests/corpus/record.tsv}
[[ $code =~ ^[0-9a-f]{12}$ ]] || { echo "no digest of code: \"$code\"" >&2; exit 1; }
exec 9<"$(dirname "$record")"
flock 9
touch "$record"
{
  printf 'fuzzer\tcode\tseconds\truns\tedges\tolder seconds\tlast\n'
  awk -F '\t' -v fuzzer="$fuzzer" -v code="$code" -v seconds="$seconds" -v runs="$runs" \
      -v edges="$edges" -v today="$(date -u +%F)" '
    NR == 1 && $1 == "fuzzer" {next}
    $1 != fuzzer {print; next}
    $2 == code {seconds += $3; runs += $4; older = $6; next}
    {older = $3 + $6}
    END {printf "%s\t%s\t%.0f\t%.0f\t%d\t%.0f\t%s\n", fuzzer, code, seconds, runs, edges, older, today}
  ' "$record" | LC_ALL=C sort
} >"$record.new"
mv "$record.new" "$record"
awk -F '\t' -v fuzzer="$fuzzer" '$1 == fuzzer {print $3}' "$record"
