#!/usr/bin/env python3
"""Ten steps in PyTorch, ten in Descent and ten in PyTorch, against thirty in PyTorch.

    python check.py --descent ../../.build/release/descent

Every optimizer that both know runs over the same gradients. After ten steps its state goes to
Descent in a safetensors file, `descent checkpoint step` takes ten, and PyTorch goes on from what that
leaves. The thirty steps of PyTorch alone are taken in Float64; each parameter may be 2t + 8 units in
the last place away from them after t steps, measured at the largest that it was, each state 1e-6 of
its largest element. Then a checkpoint under Descent's own names is opened, and its names and shapes
are compared with the documentation's.

Schedulers go on likewise: on either side of a file each of four moves the rates of two groups, in
either order, ten steps in turn, through rates of 0.

With --record FOLDER the files that the tests of the package replay are written.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import descent_state

SHAPES = {"weight": [4, 5], "bias": [5]}

# Name, class, settings; then settings of bias's own group, from which step on it has gradients, or
# whether there is none, as the class is for matrices.
CASES = [
    ("sgd", "SGD", dict(lr=0.05, weight_decay=0.01), {}),
    ("sgd-momentum", "SGD", dict(lr=0.05, momentum=0.9), {}),
    ("sgd-dampened", "SGD", dict(lr=0.05, momentum=0.9, dampening=0.1, maximize=True), {}),
    ("sgd-nesterov", "SGD", dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01), {}),
    ("sgd-dampened-whole", "SGD", dict(lr=0.05, momentum=0.9, dampening=1.0), {}),
    ("adagrad", "Adagrad", dict(lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1), {}),
    ("rmsprop", "RMSprop", dict(lr=0.01, weight_decay=0.01), {}),
    ("rmsprop-centered", "RMSprop", dict(lr=0.01, centered=True), {}),
    ("rmsprop-momentum", "RMSprop", dict(lr=0.01, momentum=0.9), {}),
    ("rmsprop-both", "RMSprop", dict(lr=0.01, momentum=0.9, centered=True), {}),
    ("adadelta", "Adadelta", dict(lr=1.0, weight_decay=0.01), {}),
    ("adam", "Adam", dict(lr=0.01, weight_decay=0.01), {}),
    ("adam-decoupled", "Adam", dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True), {}),
    ("adam-amsgrad-decoupled", "Adam",
     dict(lr=0.01, weight_decay=0.1, amsgrad=True, decoupled_weight_decay=True), {}),
    ("adam-amsgrad", "Adam", dict(lr=0.01, amsgrad=True, maximize=True), {}),
    ("adamw", "AdamW", dict(lr=0.01, weight_decay=0.1), {}),
    ("adamw-amsgrad", "AdamW", dict(lr=0.01, amsgrad=True), {}),
    ("adamw-groups", "AdamW", dict(lr=0.01), {"group": dict(lr=0.003, weight_decay=0.0)}),
    ("adam-late", "Adam", dict(lr=0.01), {"late": 5}),
    ("adamax", "Adamax", dict(lr=0.01, weight_decay=0.01), {}),
    ("nadam", "NAdam", dict(lr=0.01, weight_decay=0.01), {}),
    ("nadam-decoupled", "NAdam",
     dict(lr=0.01, weight_decay=0.1, momentum_decay=0.1, decoupled_weight_decay=True,
          maximize=True), {}),
    ("nadam-late", "NAdam", dict(lr=0.01), {"late": 5}),
    ("radam", "RAdam", dict(lr=0.01, weight_decay=0.01), {"late": 8}),
    ("radam-decoupled", "RAdam",
     dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True), {}),
    ("rprop", "Rprop", dict(lr=0.01), {"group": dict(lr=0.003)}),
    ("rprop-tight", "Rprop",
     dict(lr=0.05, etas=(0.3, 1.5), step_sizes=(0.01, 0.5), maximize=True), {}),
    ("adafactor", "Adafactor", dict(lr=0.05, weight_decay=0.01), {}),
    ("adafactor-maximize", "Adafactor",
     dict(lr=0.02, beta2_decay=-0.5, eps=(1e-6, 1e-2), d=1.5, maximize=True), {"late": 5}),
    ("muon", "Muon", dict(lr=0.02, weight_decay=0.1), {"matrix": True}),
    ("muon-match-rms", "Muon",
     dict(lr=0.02, momentum=0.9, nesterov=False, adjust_lr_fn="match_rms_adamw"),
     {"matrix": True}),
]

# PyTorch iterates Muon's matrices in bfloat16 whatever the parameters are.
BFLOAT16 = 2e-2 * 2**24


def gradients(steps):
    """The same on every machine: sines of whole numbers would not be."""
    state, result = 1, []
    for _ in range(steps):
        values = {}
        for name, shape in SHAPES.items():
            numbers = []
            for _ in range(math.prod(shape)):
                state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                numbers.append((state >> 40) / 2**23 - 1)
            values[name] = torch.tensor(numbers, dtype=torch.float64).reshape(shape).float()
        result.append(values)
    return result


class Run:
    """Parameters and an optimizer of a case."""

    def __init__(self, case, dtype):
        _, class_name, settings, extra = case
        self.late = extra.get("late", 1)
        self.parameters = {
            name: torch.nn.Parameter(
                ((torch.arange(math.prod(shape), dtype=torch.float64) - 7) / 16)
                .reshape(shape).to(dtype))
            for name, shape in SHAPES.items() if name == "weight" or "matrix" not in extra
        }
        groups = [{"params": list(self.parameters.values())}]
        if "group" in extra:
            weight, bias = self.parameters.values()
            groups = [{"params": [weight]}, {"params": [bias], **extra["group"]}]
        self.optimizer = getattr(torch.optim, class_name)(groups, **settings)
        self.peak = {name: value.detach().abs().clone() for name, value in self.parameters.items()}

    def steps(self, numbers, sequence):
        for number in numbers:
            for name, value in self.parameters.items():
                present = name != "bias" or number >= self.late
                value.grad = sequence[number - 1][name].to(value.dtype).clone() if present else None
            self.optimizer.step()
            for name, value in self.parameters.items():
                self.peak[name] = torch.maximum(self.peak[name], value.detach().abs())
        return self

    def states(self):
        """States by `STATE.NAME`."""
        names = list(self.parameters)
        found = {}
        for parameter, state in self.optimizer.state.items():
            name = next(name for name in names if self.parameters[name] is parameter)
            for key, value in state.items():
                if key != "step" and value is not None:
                    found[f"{key}.{name}"] = value.detach().clone()
        return found

    def values(self):
        return {name: value.detach().clone() for name, value in self.parameters.items()}


def path_ulps(value, truth, peak):
    """The largest distance in units in the last place of the largest that an element was."""
    unit = torch.from_numpy(np.spacing(peak.to(torch.float32).numpy())).double()
    return ((value.double() - truth).abs() / unit).max().item()


def check_case(case, descent, folder, sequence, record):
    name = case[0]
    path = lambda step: os.path.join(record or folder, f"{name}.{step}.safetensors")
    truth = Run(case, torch.float64).steps(range(1, 21), sequence)
    at20 = truth.values()
    truth.steps(range(21, 31), sequence)

    first = Run(case, torch.float32).steps(range(1, 11), sequence)
    descent_state.save(path(10), first.optimizer, first.parameters.items(), steps=10)
    later = os.path.join(record or folder, "gradients.11-20.safetensors")
    if "matrix" in case[3]:
        of_matrix = {"weight": load_file(later)["weight"]}
        later = os.path.join(record or folder, "gradients.matrix.11-20.safetensors")
        save_file(of_matrix, later)
    subprocess.run(
        [descent, "checkpoint", "step", path(10), later, path(20), "--device", "cpu"], check=True,
        stdout=subprocess.DEVNULL)
    mixed = Run(case, torch.float32)
    descent_state.load(path(20), mixed.optimizer, mixed.parameters.items())
    middle = max(
        path_ulps(value.detach(), at20[key], truth.peak[key])
        for key, value in mixed.parameters.items())
    mixed.steps(range(21, 31), sequence)
    worst = max(
        path_ulps(value.detach(), truth.parameters[key].detach(), truth.peak[key])
        for key, value in mixed.parameters.items())
    states = truth.states()
    found = mixed.states()
    assert states.keys() == found.keys(), (name, states.keys(), found.keys())
    state = max(
        [
            ((found[key].double() - states[key]).abs().max() / states[key].abs().max()).item()
            for key in states
        ],
        default=0.0)
    if record:
        tensors = {f"truth20.{key}": value for key, value in at20.items()}
        tensors |= {f"truth30.{key}": value for key, value in truth.values().items()}
        tensors |= {f"peak.{key}": value for key, value in truth.peak.items()}
        tensors |= {f"mixed30.{key}": value for key, value in mixed.values().items()}
        tensors |= {f"truth30.state.{key}": value for key, value in states.items()}
        tensors |= {f"mixed30.state.{key}": value for key, value in found.items()}
        save_file(tensors, path(30), {"torch": torch.__version__})
    bounds = (BFLOAT16, BFLOAT16) if case[1] == "Muon" else (48, 68)
    passed = middle <= bounds[0] and worst <= bounds[1] and state <= 1e-6
    print(f"{name:22} {middle:8.2f} {worst:8.2f} {state:10.1e}  {'ok' if passed else 'TOO FAR'}")
    return passed


BASE, FACTOR = 0.01, 0.1

# Name, PyTorch's scheduler for an optimizer, and the same schedule for Descent, in JSON.
SCHEDULERS = [
    (
        "LambdaLR",
        lambda optimizer, **last: torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 1 / (1 + 0.1 * epoch), **last),
        {"curve": {"inverseTime": {"rate": BASE, "decay": 0.1, "every": 1}}},
    ),
    (
        "StepLR",
        lambda optimizer, **last: torch.optim.lr_scheduler.StepLR(
            optimizer, step_size=7, gamma=0.5, **last),
        {"curve": {"step": {"rate": BASE, "factor": 0.5, "every": 7}}},
    ),
    (
        # At 0 after 20 steps, and then up again: PyTorch's alone climbs.
        "CosineAnnealingLR",
        lambda optimizer, **last: torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=20, **last),
        {"curve": {"cosine": {"from": BASE, "to": 0, "steps": 20}}},
    ),
    (
        "OneCycleLR",
        lambda optimizer, **last: torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=[group.get("max_lr", group["lr"]) for group in optimizer.param_groups],
            total_steps=41, cycle_momentum=False, **last),
        {"curve": {"knots": {"shape": "cosine", "points": [
            {"time": 0, "rate": BASE / 25}, {"time": 0.3 * 41 - 1, "rate": BASE},
            {"time": 40, "rate": BASE / 25 / 1e4}]}}, "lasts": 41},
    ),
]


class ScheduledRun(Run):
    """AdamW over two groups in one of two orders, with a scheduler."""

    def __init__(self, scheduler, reverse, dtype):
        super().__init__(("", "SGD", dict(lr=BASE), {}), dtype)
        groups = [
            {"params": [self.parameters["weight"]], "lr": FACTOR * BASE, "weight_decay": 0.0},
            {"params": [self.parameters["bias"]]},
        ]
        self.optimizer = torch.optim.AdamW(
            groups[::-1] if reverse else groups, lr=BASE, weight_decay=0.1)
        self.make, self.scheduler = scheduler, None

    def start(self):
        """As at the beginning of a run."""
        self.scheduler = self.make(self.optimizer)
        return self

    def go_on(self, path, steps):
        """As in a new process."""
        descent_state.load(path, self.optimizer, self.parameters.items())
        self.scheduler = self.make(self.optimizer, last_epoch=steps - 1)
        return self

    def steps(self, numbers, sequence):
        for number in numbers:
            super().steps([number], sequence)
            self.scheduler.step()
        return self


def check_scheduler(item, reverse, ours_first, descent, folder, sequence):
    """Ten steps here, ten there, ten here again, against thirty in PyTorch."""
    name, make, schedule = item
    truth = ScheduledRun(make, reverse, torch.float64).start()
    own = ScheduledRun(make, reverse, torch.float32).start()
    path = os.path.join(folder, "scheduled.safetensors")
    gradient_file = os.path.join(folder, "gradients.safetensors")
    descent_state.save(path, own.optimizer, own.parameters.items())
    worst = 0
    for part in range(3):
        numbers = range(10 * part + 1, 10 * part + 11)
        if part == 2 and ours_first and name == "CosineAnnealingLR":
            break  # ours does not climb again
        truth.steps(numbers, sequence)
        if (part == 1) != ours_first:
            save_file(
                {key: torch.stack([sequence[number - 1][key] for number in numbers])
                 for key in SHAPES}, gradient_file)
            subprocess.run(
                [descent, "checkpoint", "step", path, gradient_file, path, "--device", "cpu",
                 "--schedule", json.dumps([schedule])], check=True, stdout=subprocess.DEVNULL)
        else:
            own = ScheduledRun(make, reverse, torch.float32).go_on(path, numbers[0] - 1)
            own.steps(numbers, sequence)
            descent_state.save(path, own.optimizer, own.parameters.items())
        there = ScheduledRun(make, reverse, torch.float32)
        descent_state.load(path, there.optimizer, there.parameters.items())
        for key, value in there.parameters.items():
            distance = path_ulps(value.detach(), truth.parameters[key].detach(), truth.peak[key])
            worst = max(worst, distance / (2 * numbers[-1] + 8))
        for group, other in zip(there.optimizer.param_groups, truth.optimizer.param_groups):
            assert math.isclose(group["lr"], other["lr"], rel_tol=1e-12, abs_tol=1e-18), (
                name, reverse, ours_first, numbers[-1], group["lr"], other["lr"])
            assert math.isclose(group["initial_lr"], other["initial_lr"], rel_tol=1e-12), (
                name, reverse, ours_first, numbers[-1], group, other)
    order = "default first" if reverse else "default last"
    turn = "Descent first" if ours_first else "PyTorch first"
    print(f"{name:22} {order}, {turn}: {worst:6.3f} of the bound  "
          f"{'ok' if worst <= 1 else 'TOO FAR'}")
    return worst <= 1


def check_names(descent, folder):
    """A checkpoint of Descent's own has the names, shapes and metadata that its documentation gives."""
    own = os.path.join(folder, "own.safetensors")
    subprocess.run(
        [descent, "checkpoint", "convert", os.path.join(folder, "adam-amsgrad.10.safetensors"), own,
         "--to", "descent"], check=True, stdout=subprocess.DEVNULL)
    tensors = load_file(own)
    expected = {
        **SHAPES,
        **{f"optimizer.{state}.{name}": shape for state in ("m", "v", "vmax")
           for name, shape in SHAPES.items()},
    }
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    assert found == expected, (found, expected)
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values())
    with safe_open(own, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["optimizer.version"] == "1" and metadata["descent.format"] == "1"
    rule = json.loads(metadata["optimizer.rule"])
    assert rule["name"] == "amsgrad" and rule["hyperparameters"]["maximize"] is True, rule
    assert json.loads(metadata["optimizer.steps"]) == {
        "taken": 10, "skipped": 0, "groups": {"default": 10}}
    layout = json.loads(metadata["optimizer.layout"])
    assert [tensor["name"] for tensor in layout["tensors"]] == list(SHAPES), layout
    # And the moments are PyTorch's.
    theirs = load_file(os.path.join(folder, "adam-amsgrad.10.safetensors"))
    for own_name, name in [("m", "exp_avg"), ("v", "exp_avg_sq"), ("vmax", "max_exp_avg_sq")]:
        assert torch.equal(
            tensors[f"optimizer.{own_name}.weight"], theirs[f"optimizer.{name}.weight"])
    print("names, shapes and metadata are those of the documentation")


def check_command_line(descent, folder):
    """torch.save's file to a safetensors file, and back."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "descent_state.py")
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.named_parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()
    start, file, end = (os.path.join(folder, name) for name in ("a.pt", "a.safetensors", "b.pt"))
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, start)
    subprocess.run(
        [sys.executable, script, "export", start, file, "--optimizer", "AdamW"], check=True)
    subprocess.run([descent, "checkpoint", "verify", file], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, script, "import", file, end], check=True)
    saved = torch.load(end, weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(saved["model"][name], value)
    other = torch.optim.AdamW(model.named_parameters(), lr=0.5)
    other.load_state_dict(saved["optimizer"])
    for mine, theirs in zip(other.state.values(), optimizer.state.values()):
        for key in theirs:
            assert torch.equal(mine[key], theirs[key]), key
    assert other.param_groups[0]["lr"] == 0.01
    print("torch.save's file goes there and back")


def check_scaler(descent, folder):
    """A GradScaler's state goes along."""
    file, own, back = (os.path.join(folder, f"scaler-{name}.safetensors") for name in "abc")
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter])
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=5)
    for _ in range(3):
        scaler.scale(parameter.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    descent_state.save(file, optimizer, [("x", parameter)], scaler=scaler)
    for source, target, naming in [(file, own, "descent"), (own, back, "pytorch")]:
        subprocess.run(
            [descent, "checkpoint", "convert", source, target, "--to", naming], check=True,
            stdout=subprocess.DEVNULL)
    other = torch.amp.GradScaler("cpu")
    descent_state.load(back, optimizer, [("x", parameter)], scaler=other)
    assert other.state_dict() == scaler.state_dict(), (other.state_dict(), scaler.state_dict())
    assert scaler.state_dict()["_growth_tracker"] == 3
    print("a GradScaler's state goes there and back")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--descent", required=True, help="the command `descent`")
    parser.add_argument("--record", help="write the tests' files to this folder")
    arguments = parser.parse_args()
    print(f"PyTorch {torch.__version__}: ulps at step 20 and 30, states' relative error")
    sequence = gradients(30)
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.record or folder
        os.makedirs(place, exist_ok=True)
        save_file(
            {name: torch.stack([step[name] for step in sequence[10:20]]) for name in SHAPES},
            os.path.join(place, "gradients.11-20.safetensors"))
        results = [
            check_case(case, arguments.descent, folder, sequence, arguments.record)
            for case in CASES
        ]
        if not arguments.record:
            print("schedulers: parameters' distance from PyTorch's alone in Float64")
            results += [
                check_scheduler(item, reverse, ours_first, arguments.descent, folder, sequence)
                for item in SCHEDULERS for reverse in (False, True)
                for ours_first in (False, True)
            ]
            check_names(arguments.descent, folder)
            check_command_line(arguments.descent, folder)
            check_scaler(arguments.descent, folder)
    if not all(results):
        sys.exit(1)


if __name__ == "__main__":
    main()
