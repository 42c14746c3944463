"""Times several sides of one case by turns, and looks whether they computed the same."""

import math
import statistics
import time

# Threads of the side before are asleep by then: OpenMP's look out for work for some milliseconds.
PAUSE = 0.02
# A round lasts so long on the fastest side, but not longer than that on the slowest.
SHORTEST, LONGEST = 0.02, 2.0
SAMPLES = 1 << 16


def compare(rule, model, sides, rounds):
    """A row of results for each side. The sides take turns, each round in another order."""
    for side in sides:
        side.run(0, 1)
    check(sides, model.count, tolerance=1e-5)
    steps = _steps(sides)
    lead = max(1, steps // 10)
    times = {side: [] for side in sides}
    for index in range(rounds):
        turn = index % len(sides)
        for side in sides[turn:] + sides[:turn]:
            time.sleep(PAUSE)
            times[side].append(side.run(lead, steps))
    # Over thousands of steps the sides' roundings add up.
    check(sides, model.count, tolerance=1e-2)
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


def check(sides, count, tolerance):
    """Raises unless all sides have the first one's parameters."""
    stride = max(1, count // SAMPLES)
    expected, expected_sum = sides[0].sample(stride)
    largest = max((abs(value) for value in expected), default=0)
    for side in sides[1:]:
        values, total = side.sample(stride)
        if len(values) != len(expected):
            raise RuntimeError(f"{side.name} has {len(values)} samples, not {len(expected)}")
        apart = max((abs(a - b) for a, b in zip(values, expected)), default=0)
        # Written so that NaN fails.
        if not (
            apart <= tolerance * largest and abs(total - expected_sum) <= tolerance * expected_sum
        ):
            raise RuntimeError(
                f"{side.name} and {sides[0].name} do not agree: {apart} apart where the largest is "
                f"{largest}; sums are {total} and {expected_sum}"
            )


def _row(rule, model, side, seconds):
    """A side's results as they are written, from its seconds per step by round."""
    median = statistics.median(seconds)
    size = rule.bytes_per_element * model.count
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
        "gigabytesPerSecond": size / median * 1e-9,
        "secondsPerStep": seconds,
    }


def show(rows):
    """A line for people."""
    sides = "; ".join(
        f"{row['side']} {row['medianSeconds'] * 1e6:,.1f} µs, {row['gigabytesPerSecond']:.1f} GB/s"
        for row in rows
    )
    print(f"{rows[0]['rule']} on {rows[0]['case']}: {sides}", flush=True)
