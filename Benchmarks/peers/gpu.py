"""Times Descent on OpenCL and PyTorch on CUDA by turns on the same GPU, by the device's own clock.

Needs a Python that has PyTorch with CUDA, and nothing else. README.md says how it is measured.
"""

import argparse
import pathlib
import platform
import sys

from peers import ROOT, about_system, known_devices, run
from rules import RULES, model, rule
from side import Peer

HERE = pathlib.Path(__file__).resolve().parent
CASES = "65536,1048576,33554432,1073741824,2000x1000,resnet-50,gpt2-124m,llama-3-8b"
COPY = 1 << 30


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--descent", default=ROOT / ".build/release/descent", help="the command")
    parser.add_argument("--output", default="gpu.json")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rules", default="all", help="PyTorch's, between commas, or all")
    parser.add_argument("--cases", default=CASES, help="between commas: see rules.py")
    parser.add_argument("--cuda", default="cuda:0", help="PyTorch's device")
    parser.add_argument("--opencl", help="Descent's device; otherwise the one of the same name")
    return parser.parse_args()


def require_cuda(device):
    try:
        import torch
    except ImportError as error:
        raise SystemExit(f"{sys.executable} has no PyTorch, so nothing is compared: {error}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit(f"PyTorch {torch.__version__} finds no CUDA device: nothing is compared")


def opencl_device(known, wanted, name):
    """Descent's device: the one wanted, else the one of that name."""
    if wanted in known:
        return known[wanted]
    if wanted is None:
        for row in known.values():
            if row["name"].startswith("opencl:") and row["description"].strip() == name:
                return row
    described = ", ".join(f"{row['name']} ({row['description']})" for row in known.values())
    raise SystemExit(f"no OpenCL device is {wanted or name}; Descent finds {described}")


def fitted(rule, model, bytes_free, largest):
    """The model, or as large a part of it as leaves room for both sides and PyTorch's
    intermediate results; None where Adam alone speaks for all, since billions of numbers take
    minutes to make."""
    whole, divisor = model, 1
    per_element = 4 * (2 * (2 + rule.states) + 3)
    while model.count * per_element > bytes_free or model.count * 4 > largest:
        divisor *= 2
        model = whole.divided(divisor)
    return model if model.count < 1 << 31 or rule.name == "adam" else None


def main():
    arguments = options()
    require_cuda(arguments.cuda)
    rules = RULES if arguments.rules == "all" else [rule(n) for n in arguments.rules.split(",")]
    rules = [each for each in rules if each.pytorch]
    models = [model(text) for text in arguments.cases.split(",")]
    known, version = known_devices(arguments.descent)
    pytorch = Peer([sys.executable, HERE / "pytorch_peer.py"])
    cuda = pytorch.ask("about", device=arguments.cuda)
    device = opencl_device(known, arguments.opencl, cuda.get("device"))
    # What both processes need besides is far below a tenth.
    free = int(0.9 * cuda.get("freeBytes", 1 << 33))
    descent = Peer([arguments.descent, "peer"])

    def sides(rule, model):
        yield descent.side(
            "descent opencl", *rule.descent, model, device=device["name"], deviceTimes=True
        )
        yield pytorch.side("pytorch", *rule.pytorch, model, device=arguments.cuda)

    def fitting(rule, model):
        largest = device["largestAllocationBytes"]
        return fitted(rule, model, free, largest) if rule.suits(model) else None

    document = about_system() | {
        "rounds": arguments.rounds,
        "versions": {"descent": version, "python": platform.python_version()} | cuda,
        "devices": [device],
    }
    try:
        if arguments.cuda.startswith("cuda"):
            count = min(COPY, free // 16)
            document["copy"] = pytorch.ask("copy", count=count, device=arguments.cuda)
            document["copy"]["count"] = count
            print(f"copy: {document['copy']['gigabytesPerSecond']:.0f} GB/s", flush=True)
        run(document, rules, models, sides, arguments.rounds, arguments.output, fitting)
    finally:
        for peer in (descent, pytorch):
            peer.close()


if __name__ == "__main__":
    main()
