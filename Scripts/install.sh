#!/usr/bin/env bash
# Installs the given Debian packages that are missing, and prints their names. On other systems it
# prints what to install by hand.
set -euo pipefail

command -v swift >/dev/null || {
  echo "Swift 6.3 or newer is needed: https://www.swift.org/install/linux" >&2
  exit 1
}
if ! command -v dpkg-query >/dev/null; then
  echo "Not Debian or Ubuntu: if the build fails, install what your system calls: $*" >&2
  exit 0
fi

missing=()
for package in "$@"; do
  state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [[ $state == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

echo "Installing ${missing[*]} with apt-get."
root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || {
    echo "Not root, and there is no sudo: install ${missing[*]} and run this again." >&2
    exit 1
  }
  root=(sudo)
fi
"${root[@]}" apt-get update -q
"${root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends "${missing[@]}"
