"""The picture of a comparison: every side's GB/s on a large vector, and in every case how many
times PyTorch's speed ours is."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plot
from matplotlib.ticker import FuncFormatter, NullFormatter

from results import LARGE, RULES, number

# Hues of Okabe & Ito ("Color universal design", 2008), which differ for colour-blind eyes too and
# keep a contrast of 3 to white and to black grounds.
COLOURS = ["#0072b2", "#56a0d3", "#d55e00", "#b8860b", "#8a8f98"]
# Words and lines in the colour of the page's own text: see STYLE.
INK, GRID = "#24292f", "#d0d7de"
STYLE = f"""<style>
@media (prefers-color-scheme: dark) {{
  [style*="fill: {INK}"] {{ fill: #e6edf3 !important }}
  [style*="stroke: {INK}"] {{ stroke: #e6edf3 !important }}
  [style*="stroke: {GRID}"] {{ stroke: #3d444d !important }}
}}
</style>
"""


def draw(results, path):
    plot.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "descent",
            "font.family": "sans-serif",
            "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.edgecolor": INK,
            "grid.color": GRID,
        }
    )
    large = LARGE if LARGE in results.cases else results.cases[0]
    found = [(rule, results.row(rule, large, results.ours)) for rule in results.rules]
    rules = [rule for rule, row in found if row and row["gigabytesPerSecond"]]
    size = (11, 1.5 + 0.55 * max(len(rules), 4))
    figure, (left, right) = plot.subplots(
        1, 2, figsize=size, layout="constrained", width_ratios=[1.25, 1]
    )
    bars(left, results, large, rules)
    dots(right, results)
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plot.close(figure)
    text = path.read_text()
    # After the opening tag, where the picture's other definitions stand.
    place = text.index("<defs>")
    path.write_text(text[:place] + STYLE + text[place:])


def bars(axes, results, case, rules):
    height = 0.8 / len(results.sides)
    for index, side in enumerate(results.sides):
        places, speeds = [], []
        for place, rule in enumerate(rules):
            present = [name for name in results.sides if results.row(rule, case, name)]
            if side in present:
                offset = present.index(side) - (len(present) - 1) / 2
                places.append(place + offset * height)
                speeds.append(results.row(rule, case, side)["gigabytesPerSecond"])
        drawn = axes.barh(
            places, speeds, height * 0.9, color=COLOURS[index], label=results.label(side)
        )
        axes.bar_label(drawn, [number(speed) for speed in speeds], padding=2, fontsize=6.5)
    axes.set_yticks(range(len(rules)), [RULES[rule] for rule in rules])
    axes.invert_yaxis()
    axes.set_title(f"GB/s on {results.title(case)}", loc="left", fontsize=11)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, frameon=False, fontsize=8)
    finish(axes)


def dots(axes, results):
    """A dot for each rule, apart by whether PyTorch has it fused."""
    forms = (("fused", "PyTorch fused", COLOURS[0], "o"), (None, "not fused", COLOURS[2], "D"))
    labelled = set()
    for place, case in enumerate(results.cases):
        for rule in results.rules:
            times = results.times(rule, case, "pytorch")
            if times is None:
                continue
            fused = results.row(rule, case, "pytorch")["engine"] == "fused"
            _, name, colour, mark = forms[0 if fused else 1]
            axes.plot(
                times, place, mark, color=colour, markersize=6, alpha=0.85,
                label=None if name in labelled else name,
            )
            labelled.add(name)
            if rule == "adam":
                axes.annotate(
                    f"Adam {number(times)}", (times, place), (0, 8), textcoords="offset points",
                    ha="center", fontsize=7,
                )
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(results.cases)), [results.title(case) for case in results.cases])
    axes.set_ylim(len(results.cases) - 0.5, -0.6)
    axes.set_title(f"{results.label(results.ours)}: times PyTorch's speed", loc="left", fontsize=11)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2, frameon=False, fontsize=8)
    finish(axes)


def finish(axes):
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)
