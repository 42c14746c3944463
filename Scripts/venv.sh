#!/usr/bin/env bash
# Makes FOLDER/.venv with PyTorch and what FOLDER/requirements.txt names: `Scripts/venv.sh FOLDER`.
# Does nothing where that is there already.
set -euo pipefail
script="$(realpath "$0")"
cd "$1"
torch=torch==2.13.0+cpu
stamp=.venv/installed
wanted="$(cat "$script" requirements.txt | sha256sum)"
[[ -f $stamp && $(cat "$stamp") == "$wanted" ]] && exit 0

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed; this is $(python3 --version)." >&2
  exit 1
}
rm -rf .venv
python3 -m venv .venv || {
  echo "Python's venv module is missing: on Debian and Ubuntu install python3-venv." >&2
  exit 1
}
# PyPI's own wheel depends on gigabytes of CUDA, so it must be the +cpu one: from pip's configured
# index, or from PyTorch's.
.venv/bin/pip install --quiet "$torch" 2>/dev/null ||
  .venv/bin/pip install --quiet "$torch" --index-url https://download.pytorch.org/whl/cpu
.venv/bin/pip install --quiet -r requirements.txt
echo "$wanted" > "$stamp"
