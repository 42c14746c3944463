#!/usr/bin/env bash
# Tests and times Descent on this machine's GPU. Needs the GPU's driver and bash, and nothing else;
# see --help.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/vendors.sh"

usage() {
  cat <<HELP
usage: run.sh [options]

  --only PARTS       some of: ${parts[*]}
                     devices    what there is
                     verify     every rule on every engine against the reference
                     tune       the fastest launch shapes, kept for the parts below
                     bench      every rule at $count elements
                     largest    the same at as many as fit, at most $largest
                     sweep      2^10 to 2^26 elements
                     layouts    tensors of ResNet-50, GPT-2 and Llama 3 8B, or what fits of them
                     peers-…    against PyTorch, if PYTHON has one with CUDA: flat vectors and
                                2,000 tensors; models; 2^30 elements and Llama
  --output FOLDER    otherwise results, in this folder; parts may be run one after the other into one
  --limit SECONDS    for each part, otherwise $limit; what it stops shows what it has until then
  --device NAME      of largest and layouts, otherwise opencl:0; bench, sweep take all
  --rules NAMES      between commas, otherwise all, and adam in sweep
  --count N          of bench, --largest N of largest: to try this script on a small machine
  --rounds N         otherwise $rounds
  --python PYTHON    otherwise python3
  --vendor-library FILE
                     the driver's OpenCL library, where it is not found; may be repeated

Drivers are looked for in /etc/OpenCL/vendors, the loader's cache and the usual folders. If
OCL_ICD_VENDORS is set, it is taken as it is. Exit status 1 if a command failed.
HELP
}

parts=(devices verify tune bench largest sweep layouts peers-flat peers-models peers-large)
only=("${parts[@]}")
output=$here/results
limit=480
device=opencl:0
rules=all
count=33554432
largest=1073741824
rounds=9
python=python3
vendors=()

wrong() {
  echo "run.sh: $1; see --help" >&2
  exit 64
}
number() { [[ $2 =~ ^[1-9][0-9]*$ ]] || wrong "$1 is \"$2\"; allowed is a number from 1 up"; }

while (($# > 0)); do
  case $1 in
    -h | --help)
      usage
      exit
      ;;
    --only | --output | --limit | --device | --rules | --count | --largest | --rounds | --python | \
      --vendor-library)
      (($# > 1)) || wrong "$1 needs a value"
      ;;
    *) wrong "there is no option \"$1\"" ;;
  esac
  case $1 in
    --only) IFS=, read -r -a only <<<"$2" ;;
    --output) output=$2 ;;
    --limit) limit=$2 ;;
    --device) device=$2 ;;
    --rules) rules=$2 ;;
    --count) count=$2 ;;
    --largest) largest=$2 ;;
    --rounds) rounds=$2 ;;
    --python) python=$2 ;;
    --vendor-library)
      [[ -f $2 ]] || wrong "there is no file $2"
      vendors+=("$(cd "$(dirname "$2")" && pwd)/$(basename "$2")")
      ;;
  esac
  shift 2
done
number --limit "$limit"
number --count "$count"
number --largest "$largest"
number --rounds "$rounds"
for part in "${only[@]}"; do
  [[ " ${parts[*]} " == *" $part "* ]] || wrong "there is no part \"$part\"; there is ${parts[*]}"
done

mkdir -p "$output/status" || exit 1
output=$(cd "$output" && pwd)
descent=$here/descent

# Tuned shapes and built programs are kept with the results: HOME may not exist.
export DESCENT_CACHE=$output/cache
mkdir -p "$DESCENT_CACHE"

find_drivers() {
  if [[ -n ${OCL_ICD_VENDORS:-} ]]; then
    echo "OCL_ICD_VENDORS is $OCL_ICD_VENDORS, as it was set"
    return
  fi
  write_vendors "$output/vendors" ${vendors[@]+"${vendors[@]}"}
  compgen -G "$output/vendors/*.icd" >/dev/null ||
    echo "No driver's OpenCL library was found; --vendor-library FILE names one."
  nvidia_gaps "$output/vendors"
}
find_drivers >"$output/drivers.txt"
if [[ -z ${OCL_ICD_VENDORS:-} ]]; then
  export OCL_ICD_VENDORS=$output/vendors
  beside=$(vendor_library_path "$output/vendors")
  [[ -z $beside ]] || export LD_LIBRARY_PATH=$beside${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
# The system's C++ library, which the driver may need, takes precedence over the bundled one.
lib=$here/lib
if ! "$descent" --version >/dev/null 2>&1; then
  lib=$here/lib/fallback
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$lib
fi

about() {
  echo "descent $("$descent" --version 2>&1 | head -n 3)"
  echo "$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 1);" \
    "$(<"$lib/glibc") or newer is needed"
  uname -srm
  grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2-
  grep MemTotal /proc/meminfo
  echo "processors: $(nproc 2>/dev/null)"
  [[ -z ${LD_LIBRARY_PATH:-} ]] || echo "LD_LIBRARY_PATH: $LD_LIBRARY_PATH"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --format=csv --query-gpu=name,driver_version,memory.total,clocks.max.mem,pcie.link.gen.max
  fi
  cat "$output/drivers.txt"
}
about >"$output/system.txt" 2>&1
cat "$output/system.txt"

deadline=0

# Runs a command in the time that is left for its part. Its output goes to NAME.txt.
attempt() { # NAME COMMAND...
  local name=$1 left=$((deadline - SECONDS)) began=$SECONDS status note=
  shift
  printf '%s: %s\n' "$name" "$*"
  rm -f "$output/$name.txt"
  if ((left < 5)); then
    echo "not run: its part's time was over" | tee "$output/status/$name"
    return 124
  fi
  timeout -s INT -k 45 "$left" "$@" >"$output/$name.txt" 2>&1 </dev/null
  status=$?
  case $status in
    0) ;;
    124) note=": stopped after $left s, with what it had until then" ;;
    137) note=": killed, as it did not stop after $left s" ;;
    *) note=": $(grep -v '^ *$' "$output/$name.txt" | tail -n 1)" ;;
  esac
  echo "exit status $status after $((SECONDS - began)) s$note" | tee "$output/status/$name"
  return "$status"
}

bench() { # NAME ARGUMENT...
  local name=$1
  shift
  attempt "$name" "$descent" bench "$@" --rounds "$rounds" \
    --json "$output/$name.json" --html "$output/$name.html"
}

# Measures at a size. If it does not fit in memory, measures at half of it, and so on.
fitting() { # NAME OPTION FIRST STEP ARGUMENT...
  local name=$1 option=$2 size=$3 step=$4
  shift 4
  while ! bench "$name" "$option" "$size" "$@"; do
    grep -qs "would fit" "$output/$name.txt" || return
    size=$((step > 0 ? size * step : size / 2))
    ((size > 0)) || return
  done
}

has_cuda() {
  "$python" -c 'import torch; assert torch.cuda.is_available()' 2>"$output/cuda.txt"
}

peers() { # NAME CASES
  if has_cuda; then
    attempt "$1" "$python" "$here/peers/gpu.py" --descent "$descent" --output "$output/$1.json" \
      --cases "$2" --rounds "$rounds" --rules "$rules"
  else
    echo "$1: left out, since $python has no PyTorch with CUDA:" \
      "$(tail -n 1 "$output/cuda.txt")" | tee "$output/$1.txt"
    echo "left out" >"$output/status/$1"
  fi
}

run_part() {
  deadline=$((SECONDS + limit))
  case $1 in
    devices) attempt devices "$descent" devices --json "$output/devices.json" ;;
    verify)
      attempt verify "$descent" verify --rule "$rules" --trajectories "$here/trajectories" \
        --json "$output/verify.json"
      ;;
    tune) attempt tune "$descent" tune --rule "$rules" --json "$output/tune.json" ;;
    bench) bench bench --count "$count" --rule "$rules" ;;
    largest)
      fitting largest --count "$largest" 0 --rule "$rules" --device "$device" --placements 1
      ;;
    sweep) bench sweep --sweep --rule "${rules/#all/adam}" ;;
    layouts)
      for layout in "$here"/layouts/*.json; do
        fitting "layout-$(basename "$layout" .json)" --scale 1 2 --layout "$layout" \
          --rule "$rules" --device "$device" --placements 1
      done
      ;;
    peers-flat) peers peers-flat 65536,1048576,33554432,2000x1000 ;;
    peers-models) peers peers-models resnet-50,gpt2-124m ;;
    peers-large) peers peers-large 1073741824,llama-3-8b ;;
  esac
}

for part in "${only[@]}"; do run_part "$part"; done

# The summary covers all parts that were ever run into this folder.
{
  cat "$output/system.txt"
  echo
  for file in "$output"/status/*; do
    printf '%-24s %s\n' "$(basename "$file")" "$(<"$file")"
  done
  [[ ! -f $output/devices.txt ]] || { echo && cat "$output/devices.txt"; }
} >"$output/summary.txt"
echo
echo "Results are in $output; summary.txt has the exit statuses."
! grep -qv -e '^exit status 0' -e '^left out' "$output"/status/*
