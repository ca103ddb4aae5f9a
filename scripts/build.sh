#!/usr/bin/env bash
# build.sh PRESET TARGET...: configures when needed and builds, quietly unless something fails.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
log=build/$preset-build.log
mkdir -p build
if [[ ! -f build/$preset/build.ninja || CMakePresets.json -nt build/$preset/CMakeCache.txt ]]; then
  cmake --preset "$preset" >"$log" 2>&1 || { cat "$log"; exit 1; }
fi
if [[ -t 1 ]]; then
  NINJA_STATUS="building [%f/%t] " ninja -C "build/$preset" "$@"
else
  ninja -C "build/$preset" "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
fi
