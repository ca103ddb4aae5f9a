#!/usr/bin/env bash
# Fails when a source is not formatted, or clang-tidy has something to say. Changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.cc' '*.h' | xargs clang-format-14 --dry-run --Werror
# clang-tidy reads the compile commands of a build by Clang, of each source alone and without
# precompiled headers: it can read neither GCC's options nor its headers. Nothing is compiled.
mkdir -p build
cmake -S . -B build/lint -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_UNITY_BUILD=OFF -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >build/lint.log ||
  { cat build/lint.log; exit 1; }
git ls-files '*.cc' | grep -Ev '_(avx2|avxvnni|avx512|amx|fuzz|bench|test)\.cc$' |
  xargs -P "$(nproc)" -n 4 clang-tidy-14 -p build/lint --quiet --warnings-as-errors='*'
