#!/usr/bin/env bash
# Imports point one way: CDescentOpenCL ← OpenCLHost ← Descent ← everything else, and
# DescentKernels ← Descent. No Foundation in the libraries.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
forbid() { # what, where
  if grep -rnE "^ *(@?[a-z]+ )*import $1\b" --include='*.swift' $2; then
    echo "$1 must not be imported in $2" >&2
    failed=1
  fi
}

forbid CDescentOpenCL "Sources/Descent Sources/descent-tool Benchmarks/Sources Examples"
forbid DescentKernels "Sources/OpenCLHost Sources/descent-tool"
forbid Descent "Sources/OpenCLHost"
forbid "Foundation(Essentials)?" "Sources/OpenCLHost Sources/Descent"
exit $failed
