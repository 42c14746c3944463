#!/usr/bin/env bash
# Checks the CPU rules on emulated arm64: cross-compiles them with a small C program, and compares
# the pinned digest of every setting under qemu. The same runs on this machine first, to check the
# program itself.
set -euo pipefail
cd "$(dirname "$0")/.."
DESCENT=${DESCENT:-.build/release/descent}
# Swift's clang: the rules need ext_vector_type, which gcc lacks, and #embed, which old clangs lack.
swift=$(command -v swift) || {
  echo "missing: swift" >&2
  exit 1
}
CLANG=${CLANG:-$(dirname "$(readlink -f "$swift")")/clang}

missing=()
for tool in "$CLANG" "$DESCENT" qemu-aarch64 aarch64-linux-gnu-ld; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
[[ -e /usr/aarch64-linux-gnu/lib/libc.a ]] || missing+=("libc for aarch64")
[[ ${#missing[@]} -eq 0 ]] || {
  echo "missing: ${missing[*]}" >&2
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile() { # program, options
  local program=$1
  shift
  "$CLANG" "$@" -std=gnu2x -Wall -Werror -IKernels/include Kernels/cpu/*.c Tests/Arm/check.c \
    -o "$work/$program" -lm
}

"$DESCENT" verify --emit-cases "$work/cases"
compile host -O2
printf '%s: ' "$(uname -m)"
"$work/host" "$work/cases"

# The levels of SwiftPM's release and debug builds. Static, so that the emulator needs no arm64
# libraries.
for level in -O2 -O0; do
  compile "arm$level" "$level" --target=aarch64-linux-gnu -static \
    -fuse-ld="$(command -v aarch64-linux-gnu-ld)"
  printf 'aarch64 %s: ' "$level"
  qemu-aarch64 "$work/arm$level" "$work/cases"
  "$CLANG" "$level" -std=gnu2x -DLANES=4 -Wall -Werror -Wno-unused-function -IKernels \
    Tests/Storage/check.c -o "$work/storage$level" --target=aarch64-linux-gnu -static \
    -fuse-ld="$(command -v aarch64-linux-gnu-ld)"
  printf 'aarch64 %s: ' "$level"
  qemu-aarch64 "$work/storage$level" 10007
done
