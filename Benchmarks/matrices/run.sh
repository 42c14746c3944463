#!/usr/bin/env bash
# Times products of matrices beside OpenBLAS, in one run: Benchmarks/matrices/README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Swift's clang, as in Scripts/check-arm.sh.
CLANG=${CLANG:-$(dirname "$(readlink -f "$(command -v swift)")")/clang}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$CLANG" -O2 -std=gnu2x -IKernels/include Kernels/cpu/*.c Benchmarks/matrices/product.c \
  -o "$work/product" -lopenblas -lm
"$work/product"
