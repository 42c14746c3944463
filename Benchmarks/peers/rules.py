"""The rules that all sides run, with the same hyper-parameters, and the models they run on."""

import json
import math
import pathlib
from dataclasses import dataclass

LAYOUTS = pathlib.Path(__file__).resolve().parent.parent / "layouts"


@dataclass(frozen=True)
class Rule:
    """A side is None where the library has no such rule."""

    name: str
    states: int  # vectors as long as the parameters
    descent: tuple  # the rule's name and its hyper-parameters
    pytorch: tuple | None = None  # a class of torch.optim and its arguments
    optax: tuple | None = None  # a function of optax and its arguments
    sums: bool = False  # over tensors or the model, so that a step takes several passes
    optax_ahead: int = 0  # steps that Optax takes before the others begin

    @property
    def bytes_per_element(self):
        """Parameters and states are read and written, gradients read: all of them Float32. None
        where a step takes several passes, of which each side makes its own."""
        return None if self.sums else 4 * (3 + 2 * self.states)

    def suits(self, model):
        """Sums over tensors need matrices and vectors: a convolution's kernel is many matrices to
        the Adafactor of PyTorch and of Optax, each its own, and one to Descent's."""
        return not self.sums or model.has_matrices


# Adam's hyper-parameters by each library's names.
_DESCENT = {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
_PYTORCH = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}
_OPTAX = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8}


def _momentum(name, nesterov):
    return Rule(
        name,
        1,
        ("momentum", {"learningRate": 0.01, "momentum": 0.9, "nesterov": nesterov}),
        ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": nesterov}),
        ("sgd", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": nesterov}),
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
    Rule("adam", 2, ("adam", _DESCENT), ("Adam", _PYTORCH), ("adam", _OPTAX)),
    Rule(
        "adamw",
        2,
        ("adamw", _DESCENT | {"weightDecay": 0.01}),
        ("AdamW", _PYTORCH | {"weight_decay": 0.01}),
        ("adamw", _OPTAX | {"weight_decay": 0.01}),
    ),
    Rule(
        "adamax",
        2,
        ("adamax", _DESCENT | {"epsilonInsideMaximum": True}),
        ("Adamax", _PYTORCH),
        ("adamax", _OPTAX),
    ),
    # PyTorch's momentum rises to β₁, Optax' is β₁ throughout. This rise is over by the first step.
    Rule(
        "nadam",
        2,
        ("nadam", _DESCENT | {"simpleSchedule": True}),
        ("NAdam", _PYTORCH | {"momentum_decay": 1e6}),
        ("nadam", _OPTAX),
    ),
    # PyTorch adds ε before the bias is corrected, which makes no difference for these gradients.
    Rule("radam", 2, ("radam", _DESCENT), ("RAdam", _PYTORCH), ("radam", _OPTAX)),
    # Optax 0.2.8 applies each update one step late.
    Rule(
        "rprop",
        2,
        (
            "rprop",
            {"learningRate": 0.01, "decreaseFactor": 0.5, "increaseFactor": 1.2}
            | {"minimumStep": 1e-6, "maximumStep": 50},
        ),
        ("Rprop", {"lr": 0.01, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50)}),
        (
            "rprop",
            {"learning_rate": 0.01, "eta_minus": 0.5, "eta_plus": 1.2}
            | {"min_step_size": 1e-6, "max_step_size": 50},
        ),
        optax_ahead=1,
    ),
    # Constant gradients leave nothing of s but its ε, which must then be above rounding errors.
    Rule(
        "adabelief",
        2,
        ("adabelief", _DESCENT | {"stateEpsilon": 1e-8}),
        optax=("adabelief", _OPTAX | {"eps_root": 1e-8}),
    ),
    Rule(
        "yogi",
        2,
        ("yogi", _DESCENT | {"epsilon": 1e-3}),
        optax=("yogi", _OPTAX | {"eps": 1e-3}),
    ),
    # Optax 0.2.8 has 1 − β₂ where β₂ belongs, so β₂ is one half.
    Rule(
        "adan",
        4,
        ("adan", _DESCENT | {"beta1": 0.98, "beta2": 0.5, "beta3": 0.99}),
        optax=("adan", _OPTAX | {"b1": 0.98, "b2": 0.5, "b3": 0.99, "eps_root": 0.0}),
    ),
    Rule(
        "adopt",
        2,
        ("adopt", _DESCENT | {"beta2": 0.9999, "epsilon": 1e-6}),
        optax=("contrib.adopt", _OPTAX | {"b2": 0.9999, "eps": 1e-6}),
    ),
    Rule(
        "ademamix",
        3,
        ("ademamix", _DESCENT | {"beta3": 0.9999, "alpha": 5}),
        optax=("contrib.ademamix", _OPTAX | {"b3": 0.9999, "alpha": 5}),
    ),
    Rule(
        "lion",
        1,
        ("lion", {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.99, "weightDecay": 0.01}),
        optax=("lion", {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.99, "weight_decay": 0.01}),
    ),
    Rule(
        "signum",
        1,
        ("signum", {"learningRate": 1e-3, "momentum": 0.9}),
        optax=("signum", {"learning_rate": 1e-3, "beta": 0.9}),
    ),
    Rule(
        "sign_sgd",
        0,
        ("signum", {"learningRate": 1e-3, "momentum": 0}),
        optax=("sign_sgd", {"learning_rate": 1e-3}),
    ),
    Rule(
        "schedule_free_adamw",
        2,
        ("schedule_free_adamw", _DESCENT | {"weightDecay": 0.01}),
        optax=("contrib.schedule_free_adamw", _OPTAX | {"weight_decay": 0.01}),
    ),
    Rule(
        "lamb",
        2,
        ("lamb", _DESCENT | {"epsilon": 1e-6, "weightDecay": 0.01}),
        optax=("lamb", _OPTAX | {"eps": 1e-6, "weight_decay": 0.01}),
        sums=True,
    ),
    Rule(
        "lars",
        1,
        (
            "lars",
            {"learningRate": 1.0, "momentum": 0.9, "trustCoefficient": 1e-3, "epsilon": 0}
            | {"weightDecay": 1e-4, "learningRateInBuffer": True, "normOfDecayedGradient": True},
        ),
        optax=(
            "lars",
            {"learning_rate": 1.0, "momentum": 0.9, "trust_coefficient": 1e-3, "eps": 0.0}
            | {"weight_decay": 1e-4},
        ),
        sums=True,
    ),
    # A gradient over its tensor's norm is small, so the rate is large.
    Rule(
        "novograd",
        1,
        ("novograd", _DESCENT | {"learningRate": 1.0, "beta2": 0.25, "weightDecay": 0.01}),
        optax=("novograd", _OPTAX | {"learning_rate": 1.0, "b2": 0.25, "weight_decay": 0.01}),
        sums=True,
    ),
    # The floors of Descent and PyTorch, and what Optax adds to g², are far below these gradients.
    # Descent and PyTorch limit the rate to 1/√t, which is above it for 10,000 steps.
    Rule(
        "adafactor",
        0,
        (
            "adafactor",
            {"learningRate": 0.01, "beta2Decay": -0.8, "epsilon2": 1e-3, "clippingThreshold": 1},
        ),
        ("Adafactor", {"lr": 0.01, "beta2_decay": -0.8, "eps": (None, 1e-3), "d": 1.0}),
        (
            "adafactor",
            {"learning_rate": 0.01, "decay_rate": 0.8, "clipping_threshold": 1.0}
            | {"min_dim_size_to_factor": 1},
        ),
        sums=True,
    ),
    # With constant gradients D grows without bound; with these values by little in so few steps.
    Rule(
        "prodigy",
        4,
        ("prodigy", _DESCENT | {"learningRate": 0.3, "initialScale": 0.01, "biasCorrection": True}),
        optax=(
            "contrib.prodigy",
            {"learning_rate": 0.3, "betas": (0.9, 0.999), "eps": 1e-8, "estim_lr0": 0.01},
        ),
        sums=True,
    ),
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

    @property
    def has_matrices(self):
        """Whether there are matrices, and nothing but matrices and vectors."""
        return max(len(shape) for shape in self.shapes) == 2

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
