#!/usr/bin/env bash
# tests/peers/install.sh NAME
#
# Installs the npm package that tests/peers/NAME pins into build/peers/NAME, unless it is there, and
# prints that folder. Fails without npm or a network. Runs no script of the package: what is
# compiled lies in a package of its own, and optional ones (for other machines) are left out.
# Several processes may run it at once: each installs into a folder of its own, and the first gives
# it the name.
set -euo pipefail
cd "$(dirname "$0")/../.."
sources=tests/peers/$1
installed=build/peers/$1
if [[ ! -d $installed/node_modules ]]; then
  own=$installed.$$
  mkdir -p "$own"
  trap 'rm -rf "$own"' EXIT
  cp "$sources"/package*.json "$own"
  (cd "$own" && timeout 300 npm install --no-save --omit=optional --ignore-scripts \
    --no-audit --no-fund >npm.log 2>&1)
  mkdir -p "$installed"
  mv -nT "$own/node_modules" "$installed/node_modules"
fi
cp "$sources"/*.mjs "$sources"/package*.json "$installed"
echo "$PWD/$installed"
