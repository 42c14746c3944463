#!/usr/bin/env bash
# Fails if a step on the CPU engine allocates on the heap, or if an optimizer takes more memory than
# its states and a little.
set -euo pipefail
cd "$(dirname "$0")/../.."
DESCENT=${DESCENT:-.build/release/descent}
CC=${CC:-cc}
command -v "$CC" >/dev/null || CC=$(dirname "$(readlink -f "$(command -v swift)")")/clang

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$CC" -shared -fPIC -O2 -std=gnu11 -Wall -Werror Benchmarks/allocations/count.c -o "$work/count.so"

LD_PRELOAD=$work/count.so "$DESCENT" memory allocations 2>"$work/trace" || {
  echo "the first allocation:" >&2
  cat "$work/trace" >&2
  # Offsets in the executable become names where there is a tool that knows them.
  offsets=$(sed -nE "s|^$DESCENT\(\+(0x[0-9a-f]+)\).*|\1|p" "$work/trace")
  if [[ -n $offsets ]] && command -v addr2line >/dev/null; then
    addr2line -f -e "$DESCENT" $offsets | grep -v ':' | swift demangle --simplified >&2
  fi
  exit 1
}
for threads in 1 2; do
  for rule in sgd adam amsgrad muon; do
    "$DESCENT" memory peak --rule "$rule" --threads "$threads"
  done
done
