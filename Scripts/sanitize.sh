#!/usr/bin/env bash
# Runs the tests under the thread sanitizer and under the address sanitizer, which also looks for
# leaks: `Scripts/sanitize.sh [thread|address] [swift test's options]`. Optimized, or it takes
# hours.
set -euo pipefail
cd "$(dirname "$0")/.."

which=(thread address)
if [[ ${1:-} == thread || ${1:-} == address ]]; then
  which=("$1")
  shift
fi

# Left out, for reasons that are not the sanitizers' findings:
# - KillTests kill children hundreds of times, and what is killed reports nothing;
# - CheckpointMemoryTests count the process's memory, of which a sanitizer takes several times as
#   much;
# - WorkerPoolTests.fork: a sanitizer's own threads do not survive a fork;
# - FiguresTests and ToolTests print, draw and train on one thread what DescentTests step on many;
#   of ToolTests those stay that step on devices.
skip=(KillTests CheckpointMemoryTests WorkerPoolTests/fork FiguresTests
  'ToolTests\.(?!(Verify|Tune|DriverFailure)Tests)')

for sanitizer in "${which[@]}"; do
  options=(-c release -Xswiftc -enable-testing --sanitize="$sanitizer" --disable-xctest
    --scratch-path ".build-$sanitizer")
  for name in "${skip[@]}"; do options+=(--skip "$name"); done
  # Memory that a driver built on LLVM or a system library keeps until the end is not our leak. A
  # test allocates more memory than there is, and must receive the failure.
  LSAN_OPTIONS="suppressions=$PWD/Scripts/leaks.txt:print_suppressions=0" \
    ASAN_OPTIONS=allocator_may_return_null=1 \
    TSAN_OPTIONS="suppressions=$PWD/Scripts/races.txt:allocator_may_return_null=1" \
    "${SWIFT:-swift}" test "${options[@]}" "$@"
done
