#!/usr/bin/env bash
# Runs the commands of README.md's tour as they stand. check-tour.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "$1")
tour=$(awk '/^```sh tour$/ {inside = 1; next} /^```$/ {inside = 0} inside' README.md)
[[ -n $tour ]] || { echo "README.md has no tour"; exit 1; }
rm -rf build/tour-store
mkdir -p build
ashlar() { "$binary" "$@"; }
set -x
eval "$tour"
