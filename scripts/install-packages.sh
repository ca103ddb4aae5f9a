#!/usr/bin/env bash
# install-packages.sh [SET...]: installs the Debian 12 packages of these sets, or of all:
#   build   what building and running ashlar needs
#   test    Clang, for sanitizers and fuzzers, and what links much in little time
#   bench   what the benchmarks beside the code are linked to
#   style   what formats and reads the sources
# Idempotent: when every package is there it touches nothing and needs no network.
set -euo pipefail

declare -A sets=(
  [build]="g++ cmake ninja-build pkg-config make git
    libfmt-dev libcli11-dev nlohmann-json3-dev libssl-dev libpcre2-dev libutf8proc-dev
    libboost1.81-dev libtomlplusplus-dev libgtest-dev libgmock-dev
    libopenblas0-pthread"  # loaded when a network is shrunk; nothing is linked to it
  # Strace, skopeo and npm serve tests that skip visibly without them.
  [test]="clang-14 libclang-rt-14-dev lld"
  [bench]="libbenchmark-dev"
  [style]="clang-14 clang-format-14 clang-tidy-14"
)

[[ $# -gt 0 ]] || set -- "${!sets[@]}"
missing=()
for each in "$@"; do
  for package in ${sets[$each]?"there is no set $each; there are ${!sets[*]}"}; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$package")
  done
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

sudo=()
if [[ $(id -u) -ne 0 ]]; then
  sudo=(sudo)
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
