"""The rules that all sides run, with the same hyper-parameters, and the models they run on."""

import json
import math
import pathlib
from dataclasses import dataclass

LAYOUTS = pathlib.Path(__file__).resolve().parent.parent / "layouts"


@dataclass(frozen=True)
class Rule:
    name: str
    states: int
    descent: tuple  # the rule's name and its hyper-parameters
    pytorch: tuple  # a class of torch.optim and its arguments
    optax: tuple  # a function of optax and its arguments

    @property
    def bytes_per_element(self):
        """Parameters and states are read and written, gradients read: all of them Float32."""
        return 4 * (3 + 2 * self.states)


def _momentum(name, nesterov):
    return Rule(
        name,
        1,
        ("momentum", {"learningRate": 0.01, "momentum": 0.9, "nesterov": nesterov}),
        ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": nesterov}),
        ("sgd", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": nesterov}),
    )


def _adam(name, decay):
    shared = {"weight_decay": decay} if decay else {}
    return Rule(
        name.lower(),
        2,
        (
            name.lower(),
            {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
            | ({"weightDecay": decay} if decay else {}),
        ),
        (name, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8} | shared),
        (name.lower(), {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8} | shared),
    )


RULES = [
    Rule(
        "sgd",
        0,
        ("sgd", {"learningRate": 0.01}),
        ("SGD", {"lr": 0.01}),
        ("sgd", {"learning_rate": 0.01}),
    ),
    _momentum("momentum", nesterov=False),
    # The form that takes the gradient at the parameters, as all three have it.
    _momentum("nesterov", nesterov=True),
    # Optax has its epsilon inside the root, which makes no difference for these gradients.
    Rule(
        "adagrad",
        1,
        ("adagrad", {"learningRate": 0.01, "epsilon": 1e-10}),
        ("Adagrad", {"lr": 0.01, "eps": 1e-10}),
        ("adagrad", {"learning_rate": 0.01, "initial_accumulator_value": 0.0, "eps": 1e-10}),
    ),
    Rule(
        "rmsprop",
        1,
        ("rmsprop", {"learningRate": 1e-3, "decay": 0.99, "epsilon": 1e-8}),
        ("RMSprop", {"lr": 1e-3, "alpha": 0.99, "eps": 1e-8}),
        ("rmsprop", {"learning_rate": 1e-3, "decay": 0.99, "eps": 1e-8, "eps_in_sqrt": False}),
    ),
    Rule(
        "adadelta",
        2,
        ("adadelta", {"learningRate": 1.0, "decay": 0.9, "epsilon": 1e-6}),
        ("Adadelta", {"lr": 1.0, "rho": 0.9, "eps": 1e-6}),
        ("adadelta", {"learning_rate": 1.0, "rho": 0.9, "eps": 1e-6}),
    ),
    _adam("Adam", decay=0),
    _adam("AdamW", decay=0.01),
]


@dataclass(frozen=True)
class Model:
    """Tensors' shapes; a flat vector is one tensor."""

    name: str
    title: str
    shapes: tuple

    @property
    def count(self):
        return sum(math.prod(shape) for shape in self.shapes)

    def divided(self, divisor):
        """The same tensors with a part of their rows each, rounded up."""
        shapes = tuple((-(-shape[0] // divisor), *shape[1:]) for shape in self.shapes)
        return Model(f"{self.name}/{divisor}", f"{self.title}, 1/{divisor} of its rows", shapes)


def model(text):
    """A model by what stands on the command line: 65536, 2000x1000 (tensors of so many elements
    each), or a file of Benchmarks/layouts by its name or path."""
    if text.isdecimal():
        return Model(text, f"{_short(int(text))} elements", ((int(text),),))
    tensors, _, count = text.partition("x")
    if tensors.isdecimal() and count.isdecimal():
        title = f"{int(tensors):,} tensors of {int(count):,}"
        return Model(text, title, ((int(count),),) * int(tensors))
    path = pathlib.Path(text)
    if not path.is_file():
        path = LAYOUTS / f"{text}.json"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in LAYOUTS.glob("*.json")))
        raise SystemExit(
            f'there is no model "{text}": give a number, TENSORSxELEMENTS, a file or one of {known}'
        )
    layout = json.loads(path.read_text())
    shapes = tuple(tuple(tensor["shape"]) for tensor in layout["tensors"])
    return Model(path.stem, f"{layout['model']}, {len(shapes)} tensors", shapes)


def _short(count):
    for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count:,}"


def rule(name):
    for rule in RULES:
        if rule.name == name:
            return rule
    known = ", ".join(rule.name for rule in RULES)
    raise SystemExit(f'there is no rule "{name}"; there is {known}')
