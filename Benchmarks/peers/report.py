"""Makes of peers.py's results the tables and the picture in Benchmarks/results, and the part of the
README between its two markers. With --check it only compares what stands there."""

import argparse
import json
import pathlib
import sys

from results import LARGE, RULES, Results, number

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "Benchmarks/results"
BEGIN = "<!-- Made by Benchmarks/peers/report.py from Benchmarks/results/peers.json: -->"
END = "<!-- End of what is made. -->"


def table(header, rows, left=1):
    """A Markdown table, all but the first `left` columns of numbers."""
    marks = ["---" if index < left else "---:" for index in range(len(header))]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in [header, marks, *rows])


def duration(seconds):
    for unit, size in (("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds * 1e9)} ns"


def machine(document):
    """Who measured what, in a sentence or two."""
    versions = document["versions"]
    names = ["Descent", "PyTorch", "CUDA", "Optax", "JAX"]
    keys = zip(names, ["descent", "torch", "cuda", "optax", "jax"])
    libraries = ", ".join(f"{name} {versions[key]}" for name, key in keys if key in versions)
    drivers = [
        f"{row['description'].strip()} ({row['platform']} {row['driver']})"
        for row in document["devices"]
        if row.get("platform")
    ]
    threads = f", {document['threads']} threads on every side" if "threads" in document else ""
    return (
        f"{document['processor']} ({document['processors']} processors){threads}, "
        f"{document['system']}; {libraries}"
        + "".join(f"; OpenCL: {driver}" for driver in drivers)
        + f". {document['date']}."
    )


def ceilings(bench):
    """The share of the device's ceiling that is reached at LARGE, by Descent's side and rule, as
    `descent bench --json` tells it."""
    if not bench:
        return {}
    return {
        (f"descent {row['device']}", row["rule"]): row["fractionOfCeiling"]
        for row in bench["results"]
        if str(row["count"]) == LARGE and row["tensors"] == 1
    }


def readme(results, bench):
    """The part between the markers."""
    document, parts = results.document, []
    shares = ceilings(bench)
    parts.append(
        "Descent, PyTorch and Optax by turns in one run: the same rules, numbers and threads, "
        f"medians of {document['rounds']} rounds. {int(LARGE):,} elements, more than a cache "
        "holds, in GB/s: the bytes of one pass, from the table of optimizers above, over the time "
        "of a step. *Times PyTorch* is the median of the rounds' ratios."
        + (
            " In parentheses: the share of the fastest that the device's memory allows, a bare "
            "pass over the same streams, by `make bench`; above 1 is noise."
            if shares
            else ""
        )
        + "\n"
    )
    labels = {side: results.label(side) for side in results.sides}
    header = ["", *labels.values(), "times PyTorch"]
    rows = []
    for rule in results.rules:
        if not results.row(rule, LARGE, results.ours):
            continue
        cells = [RULES[rule]]
        for side in results.sides:
            row, share = results.row(rule, LARGE, side), shares.get((side, rule))
            note = f" ({row['engine']})" if row and side == "pytorch" else ""
            note += f" ({share:.2f})" if share else ""
            absent = "–" if results.lacks(rule, side) else ""
            cells.append(number(row["gigabytesPerSecond"]) + note if row else absent)
        rows.append([*cells, number(results.times(rule, LARGE, "pytorch"))])
    if rows:
        parts.append(table(header, rows))
    sides = [side for side in results.sides if side != "pytorch-compiled"]
    rows = []
    for case in results.cases:
        found = [results.row("adam", case, side) for side in sides]
        if case != LARGE and any(found):
            cells = [duration(row["medianSeconds"]) if row else "" for row in found]
            times = number(results.times("adam", case, "pytorch"))
            rows.append([results.title(case), *cells, times])
    if rows:
        header = ["Adam, a step", *(labels[side] for side in sides), "times PyTorch"]
        parts.append(table(header, rows))
    picture = "Every rule's speed, and how many times PyTorch's it is"
    parts.append(f"![{picture}](Benchmarks/results/peers.svg)\n")
    parts.append(
        f"{machine(document)} PyTorch runs in its fastest form, fused where it has one, else "
        "foreach or the loop over tensors, whichever is faster; Optax is one jitted function with "
        "donated buffers. On a large vector every fused step waits for the memory; the CPU engine "
        "keeps its states in huge pages where the system gives some, and so waits less. The rest "
        "of the gain is in rules that others run unfused, in small vectors and in many tensors. "
        "[All cases](Benchmarks/results/peers.md), and [how they are "
        "measured](Benchmarks/peers/README.md); `make bench-peers` does it anew.\n"
    )
    return "\n".join(parts)


def page(results, name):
    """All cases, for Benchmarks/results."""
    document = results.document
    parts = [
        f"# Descent beside other libraries, {document['date']}\n",
        f"{machine(document)}\n\n`{document['command']}` at {document['revision']}, "
        f"{document['rounds']} rounds; every time in [{name}.json]({name}.json). GB/s are the "
        "bytes that one pass over parameters, gradients and states needs, over the median time of "
        "a step; a side that makes several passes moves more. *Times* is how many times as fast "
        f"{results.label(results.ours)} is: the median of the rounds' ratios, in which what else "
        "the machine does weighs little, and the ratio of the medians.\n",
    ]
    if any(results.lacks(rule, side) for rule in results.rules for side in results.sides):
        parts.append("– means that the library has no such rule.\n")
    if any(row["gigabytesPerSecond"] is None for row in document["results"]):
        parts.append(
            "GB/s are left out for rules with sums over tensors, since each side makes passes of "
            "its own.\n"
        )
    if document.get("settings"):
        settings = ", ".join(f"`{key}={value}`" for key, value in document["settings"].items())
        parts.append(f"Settings: {settings}; transparent huge pages {document['hugePages']}.\n")
    if document.get("copy"):
        parts.append(
            f"A copy of {document['copy']['count']:,} elements moves "
            f"{document['copy']['gigabytesPerSecond']:,.0f} GB/s.\n"
        )
    for case in results.cases:
        first = next(row for row in document["results"] if row["case"] == case)
        parts.append(f"## {first['title']} ({first['count']:,} elements)\n")
        header = ["rule", "side", "form", "median", "least", "GB/s", "times", "of medians"]
        rows = []
        for rule in results.rules:
            ours = results.row(rule, case, results.ours)
            for side in results.sides if ours else []:
                row = results.row(rule, case, side)
                if not row:
                    if results.lacks(rule, side):
                        rows.append([RULES[rule], results.label(side), "–", *[""] * 5])
                    continue
                ratio = row["medianSeconds"] / ours["medianSeconds"]
                rows.append(
                    [
                        RULES[rule],
                        results.label(side),
                        row["engine"],
                        duration(row["medianSeconds"]),
                        duration(row["minimumSeconds"]),
                        number(row["gigabytesPerSecond"]),
                        "" if row is ours else number(results.times(rule, case, side)),
                        "" if row is ours else number(ratio),
                    ]
                )
        parts.append(table(header, rows, left=3))
    return "\n".join(parts)


def between_markers(text, part):
    """The README with the part in its place."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md lacks the lines\n{BEGIN}\n{END}")
    return f"{head}{BEGIN}\n\n{part}\n{END}{tail}" if part else f"{head}{BEGIN}\n{END}{tail}"


def load(path):
    return json.loads(path.read_text()) if path.is_file() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=pathlib.Path, default=RESULTS / "peers.json")
    parser.add_argument("--bench", type=pathlib.Path, default=RESULTS / "bench.json")
    parser.add_argument("--readme", type=pathlib.Path, default=ROOT / "README.md")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if it would")
    arguments = parser.parse_args()
    document, bench = load(arguments.results), load(arguments.bench)
    if document is None and not arguments.check:
        raise SystemExit(f"there is no {arguments.results}: run make bench-peers first")
    wanted = {}
    is_default = arguments.results.resolve() == RESULTS / "peers.json"
    is_readme = is_default or arguments.readme.resolve() != ROOT / "README.md"
    results = Results(document) if document else None
    if results:
        name = arguments.results.stem
        wanted[arguments.results.with_suffix(".md")] = page(results, name)
    if is_readme:
        text = arguments.readme.read_text()
        wanted[arguments.readme] = between_markers(text, readme(results, bench) if results else "")
    stale = [
        path for path, text in wanted.items() if not path.is_file() or path.read_text() != text
    ]
    if arguments.check:
        for path in stale:
            print(f"{path} is not what report.py makes: run make bench-report", file=sys.stderr)
        raise SystemExit(1 if stale else 0)
    for path in stale:
        path.write_text(wanted[path])
    # Only here: to check needs no matplotlib.
    import picture

    picture.draw(results, arguments.results.with_suffix(".svg"))


if __name__ == "__main__":
    main()
