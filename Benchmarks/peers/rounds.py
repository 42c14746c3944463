"""Times several sides of one case by turns, and looks whether they computed the same."""

import math
import statistics
import time

# Threads of the side before are asleep by then: OpenMP's look out for work for some milliseconds.
PAUSE = 0.02
# The first comparison comes after so many steps: some rules only begin at the first one.
FIRST_STEPS = 3
# A round lasts so long on the fastest side, but not longer than that on the slowest.
SHORTEST, LONGEST = 0.02, 2.0
SAMPLES = 1 << 16


def compare(rule, model, sides, rounds):
    """A row of results for each side. The sides take turns, each round in another order."""
    start, _ = _sample(sides[0], model.count)
    for side in sides:
        side.run(0, FIRST_STEPS)
    # PyTorch's norm of GPT-2's embedding, 39 million elements in Float32, is 0.4 % off.
    check(sides, model.count, start, tolerance=1e-2 if rule.sums else 1e-3)
    steps = _steps(sides)
    lead = max(1, steps // 10)
    times = {side: [] for side in sides}
    for index in range(rounds):
        turn = index % len(sides)
        for side in sides[turn:] + sides[:turn]:
            time.sleep(PAUSE)
            times[side].append(side.run(lead, steps))
    # Over thousands of steps the sides' roundings add up.
    check(sides, model.count, start, tolerance=1e-2)
    # The device's clock where every side has one.
    clock = 0 if any(pair[1] is None for side in sides for pair in times[side]) else 1
    return [
        _row(rule, model, side, [pair[clock] / steps for pair in times[side]])
        | {"clock": ("host", "device")[clock], "stepsPerRound": steps}
        for side in sides
    ]


def _steps(sides):
    """How many steps make a round. All sides take as many, those that find it out included, so that
    their parameters can be compared."""
    steps = 1
    while True:
        seconds = [side.run(1, steps)[0] / steps for side in sides]
        wanted = math.ceil(min(SHORTEST / min(seconds), LONGEST / max(seconds)))
        if wanted <= steps:
            return max(1, wanted)
        steps = min(wanted, steps * 10)


def check(sides, count, start, tolerance):
    """Raises unless all sides have the first one's parameters, to within the tolerance's share of
    the farthest that one has come from `start`."""
    expected, expected_sum = _sample(sides[0], count)
    moved = _distance(expected, start)
    for side in sides[1:]:
        values, total = _sample(side, count)
        if len(values) != len(expected):
            raise RuntimeError(f"{side.name} has {len(values)} samples, not {len(expected)}")
        apart = _distance(values, expected)
        bound = tolerance * moved
        # Written so that NaN fails.
        if not (apart <= bound and abs(total - expected_sum) <= bound * count):
            raise RuntimeError(
                f"{side.name} and {sides[0].name} do not agree: {apart} apart where the farthest "
                f"has come {moved}; sums are {total} and {expected_sum}"
            )


def _sample(side, count):
    return side.sample(max(1, count // SAMPLES))


def _distance(values, others):
    return max((abs(a - b) for a, b in zip(values, others)), default=0)


def _row(rule, model, side, seconds):
    """A side's results as they are written, from its seconds per step by round."""
    median = statistics.median(seconds)
    size = rule.bytes_per_element and rule.bytes_per_element * model.count
    return {
        "rule": rule.name,
        "case": model.name,
        "title": model.title,
        "count": model.count,
        "tensors": len(model.shapes),
        "side": side.name,
        "engine": side.engine,
        "bytesPerStep": size,
        "medianSeconds": median,
        "minimumSeconds": min(seconds),
        "gigabytesPerSecond": size and size / median * 1e-9,
        "secondsPerStep": seconds,
    }


def show(rows):
    """A line for people."""
    sides = "; ".join(f"{row['side']} {row['medianSeconds'] * 1e6:,.1f} µs" for row in rows)
    print(f"{rows[0]['rule']} on {rows[0]['case']}: {sides}", flush=True)
