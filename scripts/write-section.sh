#!/usr/bin/env bash
# Replaces one section of a page, between its markers, by standard input.
# write-section.sh NAME [PAGE]
set -euo pipefail
cd "$(dirname "$0")/.."
page=${2:-docs/benchmarks.md}
for edge in begin end; do
  marker="<!-- $1: $edge -->"
  grep -qxF "$marker" $page || { echo "$page has no line $marker" >&2; exit 1; }
done
mkdir -p build
cat >"build/$1.section"
awk -v name="$1" '
  $0 == "<!-- " name ": end -->" {inside = 0}
  !inside {print}
  $0 == "<!-- " name ": begin -->" {
    inside = 1
    while ((getline line < ("build/" name ".section")) > 0) print line
  }' $page >build/page.md
mv build/page.md $page
echo "wrote $page: $1"
