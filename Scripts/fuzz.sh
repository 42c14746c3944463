#!/usr/bin/env bash
# Fuzzes everything that reads text from outside, with libFuzzer and the address sanitizer:
# `Scripts/fuzz.sh [SECONDS] [TARGET…]`, 10 seconds for each of all targets by default. The variable
# SEED fixes the random numbers.
#
# Inputs are up to 1 MiB long, CSV files 128 KiB: SwiftCSV normalizes Characters to compare them,
# which under the sanitizer takes 3 µs per byte of combining marks. An input fails if it crashes the
# target, if it takes more than a second of processor time, or if more than ten times its size plus
# 16 MiB are allocated at once (Tests/Fuzz/Sources/FuzzLimits). The script then exits with status 1,
# and names the file with the input: `.build-fuzz/release/TARGET FILE` runs it again. All inputs
# that were found are kept in out/fuzz. The next run starts with them, and runs the failed ones
# first.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-10}
shift || true
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(Header Metadata Index Optimizer CSV)

# With several --sanitize options the coverage is lost without an error.
"${SWIFT:-swift}" build --package-path Tests/Fuzz --scratch-path .build-fuzz -c release \
  --sanitize=fuzzer -Xswiftc -sanitize=fuzzer,address

# Swift's crash handler would end the process before libFuzzer has saved the input.
export SWIFT_BACKTRACE=enable=no
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

failed=()
for target in "${targets[@]}"; do
  found=out/fuzz/$target
  mkdir -p "$found"
  dictionary=Tests/Fuzz/json.dict longest=1048576
  [[ $target == CSV ]] && dictionary=Tests/Fuzz/csv.dict longest=131072
  echo "$target: $seconds s"
  for input in "out/fuzz/$target"-*; do
    [[ -f $input ]] || continue
    if ".build-fuzz/release/$target" -timeout=60 -rss_limit_mb=4096 \
      -artifact_prefix="out/fuzz/$target-" "$input" \
      >"out/fuzz/$target.log" 2>&1; then
      # It no longer fails, so it becomes an ordinary input.
      mv "$input" "$found/"
    else
      failed+=("$target")
      echo "$input fails again"
      grep -E 'ERROR|SUMMARY|limits:' "out/fuzz/$target.log" || tail "out/fuzz/$target.log"
      continue 2
    fi
  done
  # The limits count processor time; the timeout is for inputs that never end.
  if ! ".build-fuzz/release/$target" -seed="${SEED:-0}" -max_total_time="$seconds" \
    -max_len="$longest" -len_control=0 -timeout=60 -rss_limit_mb=4096 -dict="$dictionary" \
    -artifact_prefix="out/fuzz/$target-" -print_final_stats=1 -verbosity=1 "$found" "Tests/Fuzz/Corpus/$target" \
    >"out/fuzz/$target.log" 2>&1; then
    failed+=("$target")
    grep -E 'ERROR|SUMMARY|limits:|Test unit written' "out/fuzz/$target.log" \
      || tail "out/fuzz/$target.log"
  else
    grep -E 'limits:|number_of_executed_units|cov:' "out/fuzz/$target.log" | tail -3
  fi
done

if [[ ${#failed[@]} -gt 0 ]]; then
  echo "failed: ${failed[*]}; the inputs lie in out/fuzz" >&2
  exit 1
fi
