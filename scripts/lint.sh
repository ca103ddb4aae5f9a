#!/usr/bin/env bash
# Fails when a source is not formatted, or clang-tidy has something to say. Changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.cc' '*.h' | xargs clang-format-14 --dry-run --Werror
# clang-tidy reads the compile commands of the release build, with Clang's own notion of flags.
scripts/build.sh release ashlar >/dev/null
git ls-files '*.cc' | grep -Ev '_(avx2|avx512|fuzz|bench|test)\.cc$' |
  xargs -P "$(nproc)" -n 4 clang-tidy-14 -p build/release --quiet --warnings-as-errors='*'
