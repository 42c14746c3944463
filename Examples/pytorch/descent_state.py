#!/usr/bin/env python3
"""Carries a PyTorch optimizer's state to Descent and back, as a safetensors file.

In a training script:

    import descent_state
    descent_state.save("run.safetensors", optimizer, model.named_parameters())
    descent_state.load("run.safetensors", optimizer, model.named_parameters())

On the command line, for files that hold {"model": model.state_dict(), "optimizer":
optimizer.state_dict()}:

    python descent_state.py export run.pt run.safetensors --optimizer AdamW
    python descent_state.py import run.safetensors run.pt

Swift opens the file as it is, `try Optimizer(Checkpoint("run.safetensors"))`, and writes one with
`try optimizer.save(to: "run.safetensors", parameters: parameters, naming: .pyTorch)`; a file under
Descent's own names is converted by `descent checkpoint convert IN OUT --to pytorch`.

The file has the parameters by their names, `optimizer.STATE.NAME` for each state, such as
`optimizer.exp_avg.fc.weight`, and the groups' settings and every parameter's step count as JSON in
the metadata `pytorch.optimizer`. Everything is float32. torch.optim's SGD, Adagrad, RMSprop,
Adadelta, Adam, AdamW, Adamax, NAdam, RAdam, Rprop, Muon and Adafactor are known. NAdam's
`mu_product` is an entry like the step counts. SGD and Muon count no steps; `steps` says how many
there were, where that matters.

`lr` is the rate of the coming step and `initial_lr` the group's rate in the run. Both are in the
file, so that a scheduler goes on: after n steps make it with `last_epoch=n - 1`, or make it before
`load` and then load its own `state_dict()`.
"""
import argparse
import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

VERSION = "1"
PREFIX = "optimizer."

# What PyTorch's schedulers keep in a group; all but the first are OneCycleLR's.
SCHEDULER = ["initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum"]

# Settings that PyTorch has as tuples, and JSON as lists.
PAIRS = ["betas", "etas", "step_sizes", "ns_coefficients"]

# The states of each class by PyTorch's names, its groups' settings, and whether it counts steps.
CLASSES = {
    "SGD": (
        ["momentum_buffer"],
        ["momentum", "dampening", "weight_decay", "nesterov", "maximize"], False,
    ),
    "Adagrad": (
        ["sum"],
        ["lr_decay", "eps", "weight_decay", "initial_accumulator_value", "maximize"], True,
    ),
    "RMSprop": (
        ["square_avg", "grad_avg", "momentum_buffer"],
        ["momentum", "alpha", "eps", "centered", "weight_decay", "maximize"], True,
    ),
    "Adadelta": (["square_avg", "acc_delta"], ["rho", "eps", "weight_decay", "maximize"], True),
    "Adam": (
        ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        ["betas", "eps", "weight_decay", "amsgrad", "maximize", "decoupled_weight_decay"], True,
    ),
    "AdamW": (
        ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        ["betas", "eps", "weight_decay", "amsgrad", "maximize", "decoupled_weight_decay"], True,
    ),
    "Adamax": (["exp_avg", "exp_inf"], ["betas", "eps", "weight_decay", "maximize"], True),
    "NAdam": (
        ["exp_avg", "exp_avg_sq"],
        ["betas", "eps", "weight_decay", "momentum_decay", "maximize", "decoupled_weight_decay"],
        True,
    ),
    "RAdam": (
        ["exp_avg", "exp_avg_sq"],
        ["betas", "eps", "weight_decay", "maximize", "decoupled_weight_decay"], True,
    ),
    "Rprop": (["prev", "step_size"], ["etas", "step_sizes", "maximize"], True),
    "Adafactor": (
        ["row_var", "col_var", "variance"],
        ["beta2_decay", "eps", "d", "weight_decay", "maximize"], True,
    ),
    "Muon": (
        ["momentum_buffer"],
        ["weight_decay", "momentum", "nesterov", "ns_coefficients", "eps", "ns_steps",
         "adjust_lr_fn"], False,
    ),
}

# Classes that have no counterpart, with what to do.
REFUSED = {
    "ASGD": "it is SGD with a rate that falls and an average of the parameters, which in Descent "
            "are the run's own: use SGD with a schedule and Optimizer.averaging",
}


class StateError(Exception):
    """What cannot be carried over, and why."""


def plain(value):
    """A setting as JSON holds it; a rate may be a tensor."""
    if isinstance(value, torch.Tensor):
        return value.item()
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def pack(class_name, state_dict, names, parameters, steps=None, defaults=None):
    """The tensors and the metadata of a file.

    names: the parameters' names in the order of the groups; parameters: tensors by name; defaults:
    the optimizer's, if they are known.
    """
    states, settings, counts = class_of(class_name)
    tensors, groups, taken, products = {}, [], {}, {}
    for name in names:
        tensors[name] = parameters[name]
    for group in state_dict["param_groups"]:
        own = [names[index] for index in group["params"]]
        groups.append({"params": own, "lr": plain(group["lr"])})
        groups[-1] |= {key: plain(group[key]) for key in settings + SCHEDULER if key in group}
        if "name" in group:
            groups[-1]["name"] = group["name"]
        for index, name in zip(group["params"], own):
            state = state_dict["state"].get(index, {})
            found = [key for key in states if state.get(key) is not None]
            # PyTorch makes a state at a parameter's first gradient; before, all of them are 0.
            for key in needed(class_name, group, parameters[name]):
                value = state[key] if key in found else zeros(key, parameters[name])
                tensors[f"{PREFIX}{key}.{name}"] = value
            if counts:
                taken[name] = int(plain(state.get("step", 0)))
                if "mu_product" in state:
                    products[name] = plain(state["mu_product"])
            else:
                taken[name] = int(bool(found)) if steps is None else steps
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in tensors.items()
    }
    optimizer = {"class": class_name, "groups": groups, "steps": taken}
    if products:
        optimizer["mu_product"] = products
    # The optimizer's own rate, if it is a group's: a class's default rate says nothing of the run.
    if defaults and any(
        plain(defaults["lr"]) == group.get("initial_lr", group["lr"]) for group in groups
    ):
        optimizer["base"] = {
            key: plain(defaults[key]) for key in ("lr", "weight_decay") if key in defaults
        }
    return tensors, {
        "format": "pt", "pytorch.version": VERSION, "pytorch.optimizer": json.dumps(optimizer),
    }


def class_of(name):
    """A class's states, settings and whether it counts steps; raises for those not known."""
    if name in REFUSED:
        raise StateError(f"{name} has no counterpart: {REFUSED[name]}")
    if name not in CLASSES:
        raise StateError(f"{name} is not known; allowed are {', '.join(CLASSES)}")
    return CLASSES[name]


def zeros(key, parameter):
    """A state before the first gradient."""
    shape = list(parameter.shape)
    if key in ("row_var", "col_var"):
        shape[-1 if key == "row_var" else -2] = 1
    return torch.zeros(shape)


def needed(class_name, group, parameter):
    """The states that a group's settings and a parameter's shape ask for."""
    if class_name == "Adafactor":
        return ["row_var", "col_var"] if parameter.dim() > 1 else ["variance"]
    if class_name == "SGD":
        return ["momentum_buffer"] if group["momentum"] else []
    if class_name == "RMSprop":
        return (
            ["square_avg"] + (["grad_avg"] if group["centered"] else [])
            + (["momentum_buffer"] if group["momentum"] else [])
        )
    if class_name in ("Adam", "AdamW"):
        return ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if group["amsgrad"] else [])
    return CLASSES[class_name][0]


def unpack(path):
    """(class name, parameters by name, state_dict) of a file."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if "pytorch.optimizer" not in metadata:
            raise StateError(
                f"{path}: no PyTorch optimizer in it; `descent checkpoint convert` with "
                "--to pytorch writes one"
            )
        if metadata.get("pytorch.version") != VERSION:
            version = metadata.get("pytorch.version")
            raise StateError(f"{path}: version {version}; allowed is {VERSION}")
        optimizer = json.loads(metadata["pytorch.optimizer"])
        states, settings, counts = class_of(optimizer["class"])
        available = set(file.keys())
        parameters, state, groups, index = {}, {}, [], 0
        for group in optimizer["groups"]:
            entry = {
                key: group[key] for key in ["lr", *settings, *SCHEDULER, "name"]
                if group.get(key) is not None or key in group and key == "adjust_lr_fn"
            }
            entry |= {key: tuple(entry[key]) for key in PAIRS if key in entry}
            if isinstance(entry.get("eps"), list):
                entry["eps"] = tuple(entry["eps"])
            entry["params"] = []
            for name in group["params"]:
                if name in available:
                    parameters[name] = file.get_tensor(name)
                own = {}
                for key in states:
                    if f"{PREFIX}{key}.{name}" in available:
                        own[key] = file.get_tensor(f"{PREFIX}{key}.{name}")
                # Before the first step PyTorch's SGD has no buffer, and lets the gradient in whole.
                if optimizer["steps"][name] == 0 and optimizer["class"] != "Adagrad":
                    own = {}
                elif counts:
                    own["step"] = torch.tensor(float(optimizer["steps"][name]))
                    if name in optimizer.get("mu_product", {}):
                        own["mu_product"] = torch.tensor(float(optimizer["mu_product"][name]))
                if own:
                    state[index] = own
                entry["params"].append(index)
                index += 1
            groups.append(entry)
    return optimizer["class"], parameters, {"state": state, "param_groups": groups}


def names_in_order(optimizer, named_parameters):
    """The names of an optimizer's parameters in the order of its groups."""
    named = {id(parameter): name for name, parameter in named_parameters}
    names = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in named:
                raise StateError("the optimizer has a parameter that is not among the named ones")
            names.append(named[id(parameter)])
    return names


def save(path, optimizer, named_parameters, steps=None, scaler=None, metadata=None):
    """Writes an optimizer's state and its parameters to a safetensors file, with a GradScaler's if
    there is one."""
    named = list(named_parameters)
    tensors, entries = pack(
        type(optimizer).__name__, optimizer.state_dict(), names_in_order(optimizer, named),
        dict(named), steps, optimizer.defaults,
    )
    if scaler is not None and scaler.is_enabled():
        entries["pytorch.grad_scaler"] = json.dumps(scaler.state_dict())
    save_file(tensors, path, entries | (metadata or {}))


@torch.no_grad()
def load(path, optimizer, named_parameters, scaler=None):
    """Copies the file's parameters, and sets the optimizer's state and its groups' settings, and a
    GradScaler's state if the file has one. `optimizer.defaults` gets the rate and decay of the run,
    if the file says them."""
    named = dict(named_parameters)
    class_name, parameters, state_dict = unpack(path)
    check_class(path, class_name, state_dict["param_groups"], optimizer)
    # The file's groups need not be in the optimizer's order, nor their parameters.
    description = json_description(path)
    order = [name for group in description["groups"] for name in group["params"]]
    own = names_in_order(optimizer, named.items())
    if sorted(order) != sorted(own):
        raise StateError(f"{path} has other parameters: {sorted(set(order) ^ set(own))}")
    group_of = {
        order[index]: group for group in state_dict["param_groups"] for index in group["params"]
    }
    result, start = optimizer.state_dict(), 0
    for group in result["param_groups"]:
        members = own[start:start + len(group["params"])]
        start += len(members)
        settings = [
            {key: value for key, value in group_of[name].items() if key not in ("params", "name")}
            for name in members
        ]
        if any(other != settings[0] for other in settings):
            raise StateError(f"{path}: the parameters {members} are in groups of other settings")
        group.update(settings[0] if settings else {})
    places = {name: index for index, name in enumerate(own)}
    result["state"] = {places[order[index]]: state for index, state in state_dict["state"].items()}
    optimizer.load_state_dict(result)
    optimizer.defaults |= description.get("base", {})
    for name, value in parameters.items():
        named[name].copy_(value)
    if scaler is not None:
        with safe_open(path, framework="pt") as file:
            state = file.metadata().get("pytorch.grad_scaler")
        if state is not None:
            scaler.load_state_dict(json.loads(state))


def check_class(path, class_name, groups, optimizer):
    """Raises unless the optimizer does what the file's does. AdamW is Adam with decoupled decay."""
    own = type(optimizer).__name__
    if {class_name, own} <= {"Adam", "AdamW"}:
        for group in groups:
            group.setdefault("decoupled_weight_decay", class_name == "AdamW")
        decoupled = {group["decoupled_weight_decay"] for group in groups}
        found = {group["decoupled_weight_decay"] for group in optimizer.param_groups}
        if class_name == own or decoupled == found:
            return
        raise StateError(
            f"{path} is of {class_name} with decoupled_weight_decay {decoupled}; the optimizer is "
            f"{own} with {found}")
    if class_name != own:
        raise StateError(f"{path} is of {class_name}; the optimizer is {own}")


def json_description(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["pytorch.optimizer"])


def export_file(arguments):
    saved = torch.load(arguments.input, map_location="cpu", weights_only=True)
    groups = saved["optimizer"]["param_groups"]
    if all("param_names" in group for group in groups):
        names = [name for group in groups for name in group["param_names"]]
    elif len(groups) == 1:
        names = list(saved["model"])[: len(groups[0]["params"])]
        if len(saved["model"]) != len(names):
            raise StateError(
                "the model has buffers or parameters beside the optimizer's; make the optimizer of "
                "model.named_parameters(), so that it knows their names"
            )
    else:
        raise StateError("several groups: make the optimizer of named parameters")
    tensors, metadata = pack(
        arguments.optimizer, saved["optimizer"], names, saved["model"], arguments.steps)
    save_file(tensors, arguments.output, metadata)


def import_file(arguments):
    class_name, parameters, state_dict = unpack(arguments.input)
    torch.save(
        {"class": class_name, "model": parameters, "optimizer": state_dict}, arguments.output)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("export", help="from torch.save's file to a safetensors file")
    command.add_argument("input")
    command.add_argument("output")
    command.add_argument("--optimizer", required=True, choices=[*CLASSES, *REFUSED])
    command.add_argument(
        "--steps", type=int, help="steps taken, for SGD, which does not count them")
    command.set_defaults(run=export_file)
    command = commands.add_parser("import", help="from a safetensors file to torch.save's")
    command.add_argument("input")
    command.add_argument("output")
    command.set_defaults(run=import_file)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (StateError, OSError) as error:
        sys.exit(f"{sys.argv[0]}: {error}")


if __name__ == "__main__":
    main()
