#!/usr/bin/env bash
# Installs the Debian 12 packages that building and testing ashlar needs. Idempotent: when every
# package is there it touches nothing and needs no network.
set -euo pipefail

packages=(
  # Compilers and build. clang gives libFuzzer, which GCC has not.
  g++ clang-14 libclang-rt-14-dev cmake ninja-build pkg-config ccache make git
  # Style.
  clang-format-14 clang-tidy-14
  # Libraries.
  libfmt-dev libspdlog-dev libcli11-dev nlohmann-json3-dev libssl-dev
  libpcre2-dev libutf8proc-dev libboost1.81-dev libtomlplusplus-dev
  # Loaded when a network is shrunk; nothing is linked to it.
  libopenblas0-pthread
  # Tests and benchmarks. Strace, skopeo and npm serve tests that skip visibly without them.
  libgtest-dev libgmock-dev libbenchmark-dev
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
    missing+=("$package")
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
