#!/usr/bin/env bash
# fuzz-record.sh FUZZER SECONDS RUNS EDGES [RECORD]: adds a run to tests/corpus/record.tsv, and prints
# for how many seconds of processor time this fuzzer has run on the code as it is now.
#
# The record has a line for each fuzzer: the digest of the code that it runs, and of this code the
# seconds, the inputs and the edges covered; the seconds of code that was otherwise; the last day. The
# code is every source of the modules that the fuzzer includes, and of its own, but for tests: when
# one has changed, its seconds begin anew.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzzer=$1 seconds=$2 runs=$3 edges=$4 record=${5:-tests/corpus/record.tsv}

own=ashlar/${fuzzer%%_*}
[[ -d $own ]] || own=tests
source=$(find "$own" -name "${fuzzer#*_}.cc")
[[ -f $source ]] || { echo "no source of $fuzzer in $own: found \"$source\"" >&2; exit 1; }
# (All include something of base, which would make every change there one of all.)
modules=$(grep -oE '^#include "ashlar/[a-z]+' "$source" | cut -d '"' -f 2 | grep -vx ashlar/base || true)
[[ $own == tests ]] || modules+=" $own"
# shellcheck disable=SC2086  # a list of folders
code=$( (echo "$source"; find $modules \( -name '*.cc' -o -name '*.h' \) \
  ! -name '*_test.cc' ! -name '*_bench.cc' ! -name '*_fuzz.cc' ! -name 'testing*') |
  LC_ALL=C sort -u | xargs sha256sum | sha256sum | cut -c 1-12)

exec 9>"${TMPDIR:-/tmp}/ashlar-fuzz-record.lock"
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
