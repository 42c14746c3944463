#!/usr/bin/env bash
# Runs the tests under the thread sanitizer and under the address sanitizer, which also looks for
# leaks: `Scripts/sanitize.sh [thread|address] [swift test's options]`. The build is optimized,
# since an unoptimized one takes hours.
set -euo pipefail
cd "$(dirname "$0")/.."

which=(thread address)
if [[ ${1:-} == thread || ${1:-} == address ]]; then
  which=("$1")
  shift
fi

# Tests that are left out, for reasons other than findings of the sanitizers:
# - KillTests kill child processes hundreds of times, and a killed process reports nothing;
# - CheckpointMemoryTests measure the process's memory, of which a sanitizer takes several times as
#   much;
# - WorkerPoolTests.fork: a sanitizer's own threads do not survive a fork;
# - FiguresTests and ToolTests print, draw and train on one thread, with the steps that DescentTests
#   run on many. The ToolTests that step on devices are kept.
skip=(KillTests CheckpointMemoryTests WorkerPoolTests/fork FiguresTests
  'ToolTests\.(?!(Verify|Tune|DriverFailure)Tests)')

for sanitizer in "${which[@]}"; do
  options=(-c release -Xswiftc -enable-testing --sanitize="$sanitizer" --disable-xctest
    --scratch-path ".build-$sanitizer")
  for name in "${skip[@]}"; do options+=(--skip "$name"); done
  # Memory that a driver built on LLVM or a system library keeps until the process ends is not a
  # leak of this package. A test allocates more memory than there is, and must receive the failure.
  LSAN_OPTIONS="suppressions=$PWD/Scripts/leaks.txt:print_suppressions=0" \
    ASAN_OPTIONS=allocator_may_return_null=1 \
    TSAN_OPTIONS="suppressions=$PWD/Scripts/races.txt:allocator_may_return_null=1" \
    "${SWIFT:-swift}" test "${options[@]}" "$@"
done
