#!/usr/bin/env bash
# Checks the directions of imports: CDescentOpenCL ← OpenCLHost ← Descent ← everything else,
# DescentKernels ← Descent, and Safetensors ← Descent. The libraries must not import Foundation.
# Only the command's own tests import the command.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
forbid() { # what, then where
  local what=$1 status=0
  shift
  grep -rnE "^ *(@?[a-z]+ )*import $what\b" --include='*.swift' "$@" || status=$?
  # Status 1 means that nothing was found; anything else is an import, or a missing folder.
  if [[ $status -ne 1 ]]; then
    echo "$what must not be imported in $*" >&2
    failed=1
  fi
}

# The modules above Descent, from the lowest: each may import those before it.
over=(Sources/Verification Sources/Training Sources/Figures Sources/descent-tool)
suites=(Tests/DescentTestSupport Tests/DescentTests Tests/SafetensorsTests Tests/OpenCLHostTests
  Tests/FiguresTests)

forbid CDescentOpenCL Sources/Safetensors Sources/Descent Sources/DescentC "${over[@]}" Snippets
forbid DescentKernels Sources/OpenCLHost Sources/Safetensors Sources/DescentC "${over[@]}" Snippets
forbid Descent Sources/OpenCLHost Sources/Safetensors
forbid OpenCLHost Sources/Safetensors
forbid Safetensors Sources/OpenCLHost
forbid "(Verification|Training|Figures)" Sources/OpenCLHost Sources/Safetensors Sources/Descent \
  Sources/DescentC
forbid "(Training|Figures)" Sources/Verification
forbid "(Verification|Figures)" Sources/Training
forbid Verification Sources/Figures
forbid descent_tool "${suites[@]}"
forbid "Foundation(Essentials)?" Sources/OpenCLHost Sources/Safetensors Sources/Descent Sources/DescentC
# The C modules are not part of the libraries' interfaces.
if grep -rnE "^ *(public )?import (CDescentOpenCL|DescentKernels)\b" --include='*.swift' Sources; then
  echo "C modules are imported internally" >&2
  failed=1
fi
exit $failed
