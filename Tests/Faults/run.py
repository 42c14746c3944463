#!/usr/bin/env python3
"""Makes each OpenCL function fail at each of its first calls, and looks at how a training run ends.

Every run is a process of its own under Tests/FaultLayer: in host memory, in device memory and in
a queue out of order, with programs from the cache; and once more without a cache, where the
functions that build programs fail. A function refuses by its status; a command also fails by its
event, later or at once, and is skipped as Intel's runtimes skip it. A run has to end with the right
bits or a typed error. Exit status 1 for one that is wrong, crashes or hangs, for one whose fault
was not made although its call came, and where there are no runs.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SWIFT = os.environ.get("SWIFT", "swift")
KINDS = ["host", "device", "outOfOrder"]
UNCACHED = "device, no cache"
BUILDING = [
    "clCreateProgramWithSource",
    "clBuildProgram",
    "clGetProgramBuildInfo",
    "clCreateKernel",
]
COMMANDS = [
    "clEnqueueNDRangeKernel",
    "clEnqueueReadBuffer",
    "clEnqueueWriteBuffer",
    "clEnqueueFillBuffer",
    "clEnqueueCopyBuffer",
    "clEnqueueUnmapMemObject",
    "clEnqueueMarkerWithWaitList",
]
OUT_OF_RESOURCES = -5
FAULTY = ["wrong", "crashed", "hung", "missed"]


def build(work):
    """The program of a run and the layer."""
    package = ["--package-path", str(HERE), "-c", "release"]
    subprocess.run([SWIFT, "build", *package], check=True, stdout=subprocess.DEVNULL)
    folder = subprocess.run(
        [SWIFT, "build", *package, "--show-bin-path"], check=True, capture_output=True, text=True
    ).stdout.strip()
    layer = work / "layer.so"
    source = HERE.parent / "FaultLayer" / "layer.c"
    for compiler in ["clang", "cc"]:
        try:
            subprocess.run([compiler, "-shared", "-fPIC", source, "-o", layer], check=True)
            return pathlib.Path(folder) / "fault-run", layer
        except FileNotFoundError:
            continue
    sys.exit("missing: clang or cc")


def attempt(program, layer, cache, kind, fault, limit):
    """How one run ends: right, recovered, refused, wrong, crashed, hung, or not reached or missed
    where its fault was not made; what it printed; and the calls of each function."""
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        counts = pathlib.Path(folder) / "counts.txt"
        environment = os.environ | {
            "OPENCL_LAYERS": str(layer),
            "DESCENT_CACHE": "off" if kind == UNCACHED else str(cache),
            "DESCENT_CALL_COUNTS": str(counts),
            "SWIFT_BACKTRACE": "enable=no",
        }
        environment |= {"DESCENT_FAULT": fault} if fault else {}
        try:
            done = subprocess.run(
                [program, kind.split(",")[0], folder],
                env=environment,
                timeout=limit,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            return "hung", f"no end after {limit} s", {}
        text = done.stdout.strip()
        if done.returncode not in (0, 1) or not text:
            return "crashed", f"status {done.returncode} {text} {done.stderr.strip()[-300:]}", {}
        lines = [line.split() for line in counts.read_text().splitlines()]
    called = {function: int(calls) for function, calls in lines}
    made = called.pop("fault")
    if fault and not made:
        function, nth, _ = fault.split(":")
        came = called.get(function.split(",")[0], 0) >= int(nth)
        return ("missed" if came else "not reached"), f"the fault was not made; {text}", called
    outcomes = [("right, after", "recovered"), ("right", "right"), ("refused", "refused")]
    for word, outcome in outcomes:
        if text.startswith(word):
            return outcome, text, called
    return "wrong", text, called


def faults(counts, most):
    for function, calls in sorted(counts.items()):
        for nth in range(1, min(calls, most) + 1):
            yield f"{function}:{nth}:{OUT_OF_RESOURCES}"
            for how in ["later", "now", "skipped"] if function in COMMANDS else []:
                yield f"{function}, {how}:{nth}:{OUT_OF_RESOURCES}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=40, help="calls of each function (40)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--limit", type=int, default=60, help="seconds until a run has hung (60)")
    parser.add_argument("--only", default="", help="faults whose text contains this")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        cache = work / "cache"
        cache.mkdir(mode=0o700)
        program, layer = build(work)
        runs = []
        for kind in [*KINDS, UNCACHED]:
            for _ in range(2):  # The first one fills the cache.
                outcome, text, called = attempt(program, layer, cache, kind, None, 600)
                if outcome != "right":
                    sys.exit(f"{kind}, without a fault: {outcome}: {text}")
            if kind == UNCACHED:
                called = {name: calls for name, calls in called.items() if name in BUILDING}
            runs += [(kind, fault) for fault in faults(called, arguments.calls)]
        runs = [run for run in runs if arguments.only in f"{run[0]} {run[1]}"]
        if not runs:
            sys.exit("no runs: no fault is one of --only's, or --calls is less than 1")
        tally = collections.Counter()
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            pending = {
                pool.submit(attempt, program, layer, cache, kind, fault, arguments.limit): (
                    kind,
                    fault,
                )
                for kind, fault in runs
            }
            for future in concurrent.futures.as_completed(pending):
                kind, fault = pending[future]
                outcome, text, _ = future.result()
                tally[outcome] += 1
                if outcome in FAULTY:
                    print(f"{kind}, {fault}: {outcome}: {text}", flush=True)
    print(
        f"{len(runs)} runs: {tally['right']} not affected, {tally['recovered']} recovered, "
        f"{tally['refused']} refused, {tally['not reached']} not reached, "
        + ", ".join(f"{tally[outcome]} {outcome}" for outcome in FAULTY)
    )
    # Counts of polls differ from run to run, so some faults may not be reached; not all of them.
    made = len(runs) - tally["not reached"]
    sys.exit(1 if made == 0 or any(tally[outcome] for outcome in FAULTY) else 0)


if __name__ == "__main__":
    main()
