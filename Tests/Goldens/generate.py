"""Makes schedule_free_sgd.json, adopt.json and ademamix.json of Tests/DescentTests/Goldens:

    Scripts/venv.sh Tests/Goldens
    cd Tests/Goldens
    .venv/bin/python generate.py ADOPT ADEMAMIX

ADOPT and ADEMAMIX are the files of the authors' code, which is in no package:

    https://github.com/iShohei220/adopt     src/adopt/adopt.py      (read at 6468572)
    https://github.com/apple/ml-ademamix    pytorch/ademamix.py     (read at c3d73c0)

Each case is a call of such code on the vectors of inputs.json or on a problem of problems.json, run
once in Float64 and once in Float32. No update rule is computed here. README.md there says what the
keys mean.
"""
import importlib.util
import json
import math
import pathlib
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pytorch_optimizer
import schedulefree
import torch

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "DescentTests" / "Goldens"


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------- numbers
def written(x):
    """The shortest hexadecimal float."""
    x = float(x)
    if not math.isfinite(x):
        return "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"
    mantissa, _, exponent = x.hex().partition("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa + "p" + exponent


def vector(values):
    return " ".join(written(x) for x in np.asarray(values, np.float64).ravel())


def read(text):
    return np.array([float.fromhex(word) for word in text.split()])


def ulp(x):
    return np.maximum(np.spacing(np.abs(x).astype(np.float32)).astype(np.float64), 2.0**-149)


# ---------------------------------------------------------------- problems
def loss_of(problem, dtype):
    def constant(key):
        return torch.tensor(read(problem[key]), dtype=dtype)

    kind = problem["kind"]
    if kind == "least_squares":
        a, b = constant("A").reshape(problem["rows"], -1), constant("b")
        return lambda p: torch.sum((a @ p - b) ** 2) / (2.0 * len(b))
    if kind == "logistic":
        a, y = constant("A").reshape(problem["rows"], -1), constant("b")

        def loss(p):
            z = -(y * (a @ p))
            data = torch.sum(torch.logaddexp(torch.zeros_like(z), z)) / len(y)
            return data + 0.5 * problem["l2"] * torch.sum(p * p)

        return loss
    if kind == "ravine":
        k = constant("curvature")
        return lambda p: 0.5 * torch.sum(k * p * p)
    raise KeyError(kind)


# ---------------------------------------------------------------- runs
def run(case, inputs, problems, dtype, code):
    torch.set_default_dtype(dtype)
    source = problems[case["problem"]] if case["problem"] else inputs[case["inputs"]]
    p = torch.nn.Parameter(torch.tensor(read(source["initial"]), dtype=dtype))
    optimizer = eval(case["call"], {**code, "p": p, "lr": case["hyper"]["learningRate"]})
    if hasattr(optimizer, "train"):
        optimizer.train()
    loss = loss_of(source, dtype) if case["problem"] else None
    path, states, losses = [], {}, []
    peak = np.abs(p.detach().double().numpy())
    for step in range(1, case["steps"] + 1):
        if case["rates"]:
            optimizer.param_groups[0]["lr"] = case["rates"][step - 1]
        if loss:
            optimizer.zero_grad()
            value = loss(p)
            value.backward()
            losses.append(float(value.detach()))
        else:
            p.grad = torch.tensor(read(source["gradients"][step - 1]), dtype=dtype)
        optimizer.step()
        x = p.detach().numpy().copy()
        peak = np.fmax(peak, np.abs(x.astype(np.float64)))
        if step not in case["checkpoints"]:
            continue
        path.append(x)
        for name, key in case["state"].items():
            states.setdefault(name, []).append(optimizer.state[p][key].detach().numpy().copy())
        if hasattr(optimizer, "eval"):
            kept = p.detach().clone()
            optimizer.eval()
            states.setdefault("x", []).append(p.detach().numpy().copy())
            optimizer.train()
            with torch.no_grad():
                p.copy_(kept)
    if loss:
        losses.append(float(loss(p).detach()))
    return path, states, losses, peak


def encoded(case, single, double, versions):
    path, states, losses, peak = double
    normal = peak >= 2.0**-126
    return {
        "id": "/".join(
            (case["optimizer"], case["peer"], case["name"], case["problem"] or case["inputs"])),
        "optimizer": case["optimizer"], "peer": case["peer"],
        "peerVersion": versions[case["peer"]], "peerCall": case["call"], "hyper": case["hyper"],
        "flags": case["flags"], "modes": {},
        "inputs": "" if case["problem"] else case["inputs"], "problem": case["problem"],
        "steps": case["steps"], "checkpoints": case["checkpoints"],
        "learningRates": case["rates"], "truthError": 1e-12, "float32Only": False, "note": "",
        "float64Parameters": [vector(x) for x in path],
        "float64States": {name: [vector(x) for x in rows] for name, rows in states.items()},
        "scalars": {}, "float32Parameters": [vector(x) for x in single[0]],
        "float32FinalStates": {name: vector(rows[-1]) for name, rows in single[1].items()},
        "peakMagnitudes": vector(peak.astype(np.float32)),
        "float64Losses": [written(x) for x in losses],
        "float32PeakULPs": [
            round(float(np.max(np.abs(a.astype(np.float64) - b)[normal] / ulp(peak[normal]))), 2)
            for a, b in zip(single[0], path)
        ],
    }


# ---------------------------------------------------------------- cases
def cases():
    result = []

    def add(optimizer, peer, name, call, hyper, state, inputs="mixed37", problem="", flags=(),
            rates=()):
        closed = bool(problem)
        result.append(dict(
            optimizer=optimizer, peer=peer, name=name, call=call, hyper=hyper, state=state,
            inputs=inputs, problem=problem, flags=sorted(flags), rates=list(rates),
            steps=100 if closed else 25,
            checkpoints=[1, 2, 5, 10, 25, 50, 100] if closed else [1, 2, 5, 25]))

    # The decay of the rate is there to move the largest one past a change.
    rates = [0.02 * min(1, (t + 1) / 5) * (1 - t / 50) for t in range(25)]

    sgd = {"learningRate": 0.05, "momentum": 0.9, "learningRatePower": 2.0}
    z = {"z": "z"}
    call = "schedulefree.SGDScheduleFree([p], lr=lr, %sforeach=False)"
    add("schedule_free_sgd", "schedulefree", "default", call % "", sgd, z)
    warm = {"learningRate": 0.02, "momentum": 0.95, "weightDecay": 0.05, "warmupSteps": 10,
            "stepPower": 0.5, "learningRatePower": 2.0}
    arguments = "momentum=0.95, weight_decay=0.05, warmup_steps=10, r=0.5, "
    add("schedule_free_sgd", "schedulefree", "warmup-decay", call % arguments, warm, z, "plain37")
    add("schedule_free_sgd", "schedulefree", "power-varying-lr", call % "weight_lr_power=1.5, ",
        {**sgd, "learningRatePower": 1.5}, z, rates=rates)
    for problem, rate in (("lsq20x6", 0.05), ("logreg40x5", 0.5), ("ravine", 0.02)):
        add("schedule_free_sgd", "schedulefree", "loop", call % "", {**sgd, "learningRate": rate},
            z, problem=problem)

    adopt = {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.9999, "epsilon": 1e-6,
             "clippingPower": 0.25}
    mv = {"m": "exp_avg", "v": "exp_avg_sq"}
    call = "adopt.ADOPT([p], lr=lr, %sforeach=False)"
    add("adopt", "adopt", "default", call % "", adopt, mv, flags=["clipped"])
    add("adopt", "adopt", "unclipped", call % "betas=(0.8, 0.99), eps=1e-4, clip_lambda=None, ",
        {"learningRate": 0.01, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-4}, mv)
    add("adopt", "adopt", "l2", call % "weight_decay=0.01, ", {**adopt, "weightDecay": 0.01}, mv,
        "plain37", flags=["clipped"])
    arguments = "weight_decay=0.1, decouple=True, maximize=True, clip_lambda=lambda t: t**0.5, "
    add("adopt", "adopt", "decoupled-max", call % arguments,
        {**adopt, "learningRate": 0.01, "weightDecay": 0.1, "clippingPower": 0.5}, mv,
        flags=["clipped", "decoupled", "maximize"])
    for problem in ("lsq20x6", "logreg40x5", "ravine"):
        add("adopt", "adopt", "loop", call % "", {**adopt, "learningRate": 0.02}, mv,
            problem=problem, flags=["clipped"])

    mix = {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.999, "beta3": 0.9999, "alpha": 2.0,
           "epsilon": 1e-8}
    apple = {**mix, "warmupEpsilon": 1e-8}
    msv = {"m": "exp_avg_fast", "slow": "exp_avg_slow", "v": "exp_avg_sq"}
    call = "ademamix.AdEMAMix([p], lr=lr%s)"
    add("ademamix", "ademamix", "default", call % "", apple, msv, flags=["decoupled"])
    arguments = ", alpha=8.0, alpha_warmup=20, beta3_warmup=15, weight_decay=0.1"
    add("ademamix", "ademamix", "warmup-decay", call % arguments,
        {**apple, "alpha": 8.0, "alphaWarmupSteps": 20, "beta3WarmupSteps": 15,
         "weightDecay": 0.1}, msv, flags=["decoupled"])
    for problem in ("lsq20x6", "logreg40x5", "ravine"):
        arguments = ", alpha=5.0, alpha_warmup=100, beta3_warmup=100"
        add("ademamix", "ademamix", "loop", call % arguments,
            {**apple, "learningRate": 0.01, "alpha": 5.0, "alphaWarmupSteps": 100,
             "beta3WarmupSteps": 100}, msv, problem=problem, flags=["decoupled"])
    call = "pytorch_optimizer.AdEMAMix([p], lr=lr, %sforeach=False)"
    msv = {**msv, "m": "exp_avg"}
    arguments = "alpha=5.0, t_alpha_beta3=20, weight_decay=0.05, weight_decouple=True, "
    paper = {**mix, "alpha": 5.0, "alphaWarmupSteps": 20, "beta3WarmupSteps": 20}
    add("ademamix", "pytorch_optimizer", "warmup-decoupled", call % arguments,
        {**paper, "weightDecay": 0.05}, msv, flags=["decoupled"])
    arguments = "alpha=5.0, betas=(0.8, 0.99, 0.999), eps=1e-6, weight_decay=0.01, maximize=True, "
    add("ademamix", "pytorch_optimizer", "l2-max", call % arguments,
        {"learningRate": 1e-3, "beta1": 0.8, "beta2": 0.99, "beta3": 0.999, "alpha": 5.0,
         "epsilon": 1e-6, "weightDecay": 0.01}, msv, "plain37", flags=["maximize"])
    return result


def main(adopt, ademamix):
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    code = dict(
        schedulefree=schedulefree, pytorch_optimizer=pytorch_optimizer,
        adopt=load("adopt", adopt), ademamix=load("ademamix", ademamix))
    versions = {name: version(name) for name in
                ("torch", "schedulefree", "pytorch_optimizer", "numpy")}
    versions.update(adopt="6468572", ademamix="c3d73c0")

    def named(file, key):
        rows = json.loads((FOLDER / file).read_text())[key]
        return {row["name"]: row for row in rows}

    inputs, problems = named("inputs.json", "inputs"), named("problems.json", "problems")
    files = {}
    for case in cases():
        single, double = (
            run(case, inputs, problems, dtype, code) for dtype in (torch.float32, torch.float64))
        files.setdefault(case["optimizer"], []).append(encoded(case, single, double, versions))
    for name, rows in files.items():
        lines = ",\n".join(json.dumps(row, separators=(",", ":"), allow_nan=False) for row in rows)
        head = json.dumps({"schema": 1, "versions": versions}, separators=(",", ":"))[:-1]
        (FOLDER / f"{name}.json").write_text(f'{head},"cases":[\n{lines}\n]}}\n')
        for row in rows:
            print(row["id"], row["float32PeakULPs"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
