"""What peers.py or gpu.py measured: read by report.py and picture.py."""

import statistics

RULES = {
    "sgd": "SGD",
    "momentum": "Momentum",
    "nesterov": "Nesterov's form",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adadelta": "AdaDelta",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "AdaMax",
    "nadam": "NAdam",
    "radam": "RAdam",
    "rprop": "Rprop",
    "adabelief": "AdaBelief",
    "yogi": "Yogi",
    "adan": "Adan",
    "adopt": "ADOPT",
    "ademamix": "AdEMAMix",
    "lion": "Lion",
    "signum": "Signum",
    "sign_sgd": "Sign SGD",
    "schedule_free_adamw": "Schedule-Free AdamW",
    "lamb": "LAMB",
    "lars": "LARS",
    "novograd": "NovoGrad",
    "adafactor": "Adafactor",
    "prodigy": "Prodigy",
}
# Sides as they are shown: Descent's first.
OTHERS = {"pytorch": "PyTorch", "pytorch-compiled": "PyTorch, compiled", "optax": "Optax"}
LIBRARIES = ("pytorch", "optax")
# The flat vector that no cache holds.
LARGE = "33554432"


class Results:
    """What peers.py or gpu.py wrote."""

    def __init__(self, document):
        self.document = document
        self.rows = {(row["rule"], row["case"], row["side"]): row for row in document["results"]}
        found = _in_order(row["side"] for row in document["results"])
        self.sides = [side for side in found if side not in OTHERS]
        self.sides += [side for side in OTHERS if side in found]
        self.rules = _in_order(row["rule"] for row in document["results"])
        self.cases = _in_order(row["case"] for row in document["results"])
        # What others are compared with: the CPU engine, or on a GPU the device.
        self.ours = self.sides[0]

    def row(self, rule, case, side):
        return self.rows.get((rule, case, side))

    def lacks(self, rule, side):
        """Whether the side is a library without that rule: no case has the two together."""
        present = {found for name, _, found in self.rows if name == rule}
        return side in LIBRARIES and side not in present

    def times(self, rule, case, peer):
        """How many times the peer's speed ours is: the median of the rounds' ratios."""
        ours, theirs = self.row(rule, case, self.ours), self.row(rule, case, peer)
        if not ours or not theirs:
            return None
        pairs = zip(theirs["secondsPerStep"], ours["secondsPerStep"])
        return statistics.median(their / our for their, our in pairs)

    def title(self, case):
        return next(row["title"] for row in self.document["results"] if row["case"] == case)

    def label(self, side):
        if side == "descent cpu":
            return "Descent, CPU engine"
        if side.startswith("descent"):
            name = side.partition(" ")[2]
            platforms = {row["name"]: row.get("platform") for row in self.document["devices"]}
            platform = platforms.get(name) or "OpenCL"
            return "Descent, " + {"Portable Computing Language": "PoCL"}.get(platform, platform)
        return OTHERS[side]


def _in_order(values):
    return list(dict.fromkeys(values))


def number(value):
    """Three digits that count."""
    if value is None:
        return ""
    for limit, digits in ((10, 2), (100, 1)):
        if value < limit:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}"
