#!/usr/bin/env bash
# Imports point one way: CDescentOpenCL ← OpenCLHost ← Descent ← everything else,
# DescentKernels ← Descent, and Safetensors ← Descent. No Foundation in the libraries.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
forbid() { # what, then where
  local what=$1 status=0
  shift
  grep -rnE "^ *(@?[a-z]+ )*import $what\b" --include='*.swift' "$@" || status=$?
  # 1 is nothing found; anything else is an import, or a folder that is not there.
  if [[ $status -ne 1 ]]; then
    echo "$what must not be imported in $*" >&2
    failed=1
  fi
}

forbid CDescentOpenCL Sources/Safetensors Sources/Descent Sources/DescentC Sources/descent-tool Snippets
forbid DescentKernels Sources/OpenCLHost Sources/Safetensors Sources/DescentC Sources/descent-tool Snippets
forbid Descent Sources/OpenCLHost Sources/Safetensors
forbid OpenCLHost Sources/Safetensors
forbid Safetensors Sources/OpenCLHost
forbid "Foundation(Essentials)?" Sources/OpenCLHost Sources/Safetensors Sources/Descent Sources/DescentC
# The C modules are no part of the libraries' interfaces.
if grep -rnE "^ *(public )?import (CDescentOpenCL|DescentKernels)\b" --include='*.swift' Sources; then
  echo "C modules are imported internally" >&2
  failed=1
fi
exit $failed
