"""Times Descent, PyTorch and Optax by turns on this processor. README.md says how."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

from rounds import compare, show
from rules import RULES, model, rule
from side import Peer

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CASES = "65536,1048576,33554432,2000x1000,resnet-50,gpt2-124m"
# What a reader must know of the environment, since it changes speed.
SETTINGS = tuple("OMP_ GOMP_ KMP_ MALLOC_ GLIBC_ THP_ XLA_ JAX_ POCL_ DESCENT_".split())


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--descent", default=ROOT / ".build/release/descent", help="the command")
    parser.add_argument("--output", default=ROOT / "Benchmarks/results/peers.json")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, help="of every side; otherwise one a processor")
    parser.add_argument("--rules", default="all", help="between commas, or all")
    parser.add_argument(
        "--model-rules", default="adam",
        help="those of the rules to compare on many tensors, where some need half a second a step; "
        "rules with sums over tensors always are, and only there",
    )
    parser.add_argument("--cases", default=CASES, help="between commas: see rules.py")
    parser.add_argument("--devices", default="cpu,opencl:0", help="Descent's, between commas")
    parser.add_argument("--peers", default="pytorch,pytorch-compiled,optax")
    return parser.parse_args()


def confine(threads):
    """All sides inherit this process's processors and environment. XLA takes a thread for every
    processor it may use and cannot be told otherwise."""
    usable = sorted(os.sched_getaffinity(0))
    threads = threads or len(usable)
    if not 1 <= threads <= len(usable):
        raise SystemExit(f"--threads is {threads}; allowed is 1 to {len(usable)}")
    os.sched_setaffinity(0, usable[:threads])
    for name in ("OMP_NUM_THREADS", "POCL_MAX_PTHREAD_COUNT", "DESCENT_THREADS"):
        os.environ[name] = str(threads)
    os.environ["JAX_PLATFORMS"] = "cpu"
    return threads


def known_devices(command):
    """Every engine and OpenCL device of Descent's by name, and Descent's version."""
    output = subprocess.run(
        [command, "devices", "--json", "-"], capture_output=True, text=True, check=True
    ).stdout
    document = json.loads(output)
    return {row["name"]: row for row in document["results"]}, document["version"]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def revision():
    """The commit that is measured, with -dirty where files differ from it."""
    command = ["git", "-C", ROOT, "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None


def system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def command(arguments):
    """The command as it is worth repeating: without where programs and results lie."""
    kept = [pathlib.Path(arguments[0]).name]
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in ("--descent", "--output"):
            next(rest, None)
        elif not argument.startswith(("--descent=", "--output=")):
            kept.append(argument)
    return " ".join(kept)


def about_system():
    pages = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return {
        "command": command(sys.argv),
        "revision": revision(),
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": system(),
        "kernel": platform.release(),
        "hugePages": pages.read_text().strip() if pages.exists() else None,
        "settings": {k: v for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)},
    }


def run(document, rules, models, sides, rounds, output, fitting=lambda rule, model: model):
    """Compares what `sides(rule, model)` gives for every rule and model, into the document.
    `fitting` may take another model, or none, in a model's place."""
    document["results"] = []
    for each_model in models:
        for each_rule in rules:
            fitted = fitting(each_rule, each_model)
            if fitted is None:
                continue
            playing = list(sides(each_rule, fitted))
            rows = compare(each_rule, fitted, playing, rounds)
            for side in playing:
                side.drop()
            document["results"] += rows
            # What is finished stays if the rest is interrupted.
            pathlib.Path(output).write_text(json.dumps(document, indent=1) + "\n")
            show(rows)


def main():
    arguments = options()
    threads = confine(arguments.threads)
    rules = RULES if arguments.rules == "all" else [rule(n) for n in arguments.rules.split(",")]
    models = [model(text) for text in arguments.cases.split(",")]
    known, version = known_devices(arguments.descent)
    devices = [name for name in arguments.devices.split(",") if name in known]
    for name in arguments.devices.split(","):
        if name not in known:
            print(f"Left out: Descent has no device {name} here.", file=sys.stderr)
    descent = Peer([arguments.descent, "peer"])
    peers = arguments.peers.split(",")
    pytorch = Peer([sys.executable, HERE / "pytorch_peer.py"])
    optax = Peer([sys.executable, HERE / "optax_peer.py"])

    def sides(rule, model):
        for device in devices:
            engine = {"threads": threads} if device == "cpu" else {}
            yield descent.side(f"descent {device}", *rule.descent, model, device=device, **engine)
        if "pytorch" in peers and rule.pytorch:
            yield pytorch.side("pytorch", *rule.pytorch, model)
        # Where there is a fused form, a compiler has nothing to add, and with many tensors it takes
        # minutes.
        if "pytorch-compiled" in peers and rule.pytorch and len(model.shapes) == 1:
            if not pytorch.ask("fused", rule=rule.pytorch[0])["fused"]:
                yield pytorch.side("pytorch-compiled", *rule.pytorch, model, form="compiled")
        if "optax" in peers and rule.optax:
            yield optax.side("optax", *rule.optax, model, ahead=rule.optax_ahead)

    def fitting(rule, model):
        takes_tensors = rule.sums or rule.name in arguments.model_rules.split(",")
        is_asked_for = len(model.shapes) == 1 or takes_tensors
        return model if is_asked_for and rule.suits(model) else None

    versions = {"descent": version, "python": platform.python_version()}
    versions |= pytorch.ask("about") | optax.ask("about")
    document = about_system() | {
        "threads": threads,
        "rounds": arguments.rounds,
        "versions": versions,
        "devices": [known[name] for name in devices],
    }
    try:
        run(document, rules, models, sides, arguments.rounds, arguments.output, fitting)
    finally:
        for peer in (descent, pytorch, optax):
            peer.close()


if __name__ == "__main__":
    main()
