#!/usr/bin/env bash
# Writes docs/compatibility.md: what the code says it reads (tests/compatibility_test.cc), and what
# the tests measured of each thing on the fixtures. Needs ../shared, or $ASHLAR_SHARED.
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/compatibility.md
shared=${ASHLAR_SHARED:-../shared}
[[ -d $shared/fixtures ]] || { echo "no fixtures in $shared: set ASHLAR_SHARED" >&2; exit 1; }
scripts/build.sh release ashlar_codec_test ashlar_text_test ashlar_end_to_end_test

mkdir -p build
export ASHLAR_EVIDENCE=$PWD/build/evidence.tsv
export ASHLAR_SEED=1  # the same random texts each time, so that the page changes with the code only
rm -f "$ASHLAR_EVIDENCE"
run() {  # BINARY FILTER
  "build/release/$1" --gtest_brief=1 --gtest_filter="$2" >build/compatibility.log 2>&1 || failed=1
}
failed=0
# The claims are what this first run is for: the page that it reads is the one to be replaced.
run tests/ashlar_end_to_end_test 'Compatibility.*'
failed=0
run tests/ashlar_end_to_end_test '*ReferenceTest*:*DeepSeekV2Test*:GgufArchitectures.*:GgufImport.Of*:Mxfp4Import.*:Fp8Import.*:ExportPeer.*EveryArchitecture'
run ashlar_codec_test 'BlockTypes.*'
run ashlar_text_test '*Reference*:*LlamaCppGives:*SentencepieceGives:ChatTemplate.Renders*:Peer.*'

{
  cat <<'TEXT'
# Compatibility

Written by `make compatibility` out of a run of the tests; a test fails when a row is missing. A row
is a thing that the code says it reads: what it was measured against, the figure, and whether that
is what was promised. Logits are those of a whole f32 forward pass, the worst over all instruction
sets, against the reference implementation's; a promise of 2e-4 (of converted GGUF files 3e-4).
Of files that ashlar exported, llama.cpp must choose the tokens that ashlar chooses.
A kernel "by rows" decodes a row at a time to f32; the others compute on the packed form.
Names without a figure have a reason in its place.
`fixtures/` are files that some machines have beside the repository.
TEXT
  LC_ALL=C sort -t $'\t' -k2,2 -k3,3f -k4,4 "$ASHLAR_EVIDENCE" | awk -F '\t' '
    $1 == "claim" {reasons[$2 FS $3] = $4; tables[++count] = $2 FS $3}
    $1 == "found" {
      row = sprintf("| %s | %s | %s | %s |", $3, $4, $5, $6 == 1 ? "yes" : "**no**")
      if (!seen[$2 FS row]++) rows[$2 FS $3] = rows[$2 FS $3] row "\n"
      found[$2 FS $3] = 1
    }
    function end_table(  j) {
      for (j = 1; j <= unmeasured_count; ++j)
        printf "| %s | | %s | |\n", unmeasured[order[j]], order[j]
      delete unmeasured
      unmeasured_count = 0
    }
    END {
      for (i = 1; i <= count; ++i) {
        if (done[tables[i]]++) continue
        split(tables[i], part, FS)
        if (part[1] != table) {
          end_table()
          table = part[1]
          printf "\n## %s\n\n| what | measured against | measured | holds |\n|---|---|---|---|\n", table
        }
        reason = reasons[tables[i]]
        if (tables[i] in found) printf "%s", rows[tables[i]]
        else if (reason == "") printf "| %s | nothing | | **no** |\n", part[2]
        else if (reason in unmeasured) unmeasured[reason] = unmeasured[reason] ", " part[2]
        else {
          unmeasured[reason] = part[2]
          order[++unmeasured_count] = reason
        }
      }
      end_table()
      for (name in found) if (!(name in done)) print "measured, but not claimed: " name >"/dev/stderr"
    }'
} >build/page.md
mv build/page.md "$page"
echo "wrote $page: $(grep -c '^| .* yes |$' "$page") rows hold, $(grep -c '\*\*no\*\* |$' "$page" || true) do not"
[[ $failed -eq 0 ]] || { cat build/compatibility.log; exit 1; }
