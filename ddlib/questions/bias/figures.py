"""Figures of bias: how much networks go by the color, and against what that is held."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.marks import lines, strip
from ddlib.plots.style import GRAY, LOOKS, SMALL, Look, finish, legend_below, panels
from ddlib.questions.bias.experiment import IPC
from ddlib.questions.bias.findings import (
    expected_own,
    findings,
    gap,
    moved,
    of_all,
    of_method,
    percent,
)

# A reader can follow six series with all real images; gradient matching stands here without
# augmentation, and herding and DSA beside all others in `baselines`.
DRAWN = ("random", "mtt", "dm", "bptt", "dc")
BESIDE = {
    "full": Look("all real images", "#000000", "*"),
    "random": Look("random images, as few", "#7F7F7F", "o"),
    "start": Look("the images it began with", "#B09A74", "h"),
}
CHANGES = {
    "plain": "no augmentation",
    "colorless": "no color change",
    "even": "from even colors",
    "harder": "rate × 10",
    "softer": "rate / 10",
}
STEPS, REMEDIES = ("mtt-harder", "dm-harder", "dc-softer"), ("random-even", "dm-even")
AUGMENTED = ("dm-plain", "dm-colorless", "dsa-colorless")
CHANCE = "chance that a training image\nwears the color of its class"


def _drawn(record: Record) -> list[str]:
    return [method for method in DRAWN if method in record.settings["methods"]]


def _at(record: Record, method: str, level: float) -> list[float]:
    """The gap of each set, the mean over its networks; "real": of networks on all images."""
    steps = record.settings["steps"]
    found = of_all(record, steps, level) if method == "real" else of_method(record, method, level)
    return gap(found).mean(-1).tolist()


def gaps(record: Record) -> Figure:
    """The gap over the strength of the tie between color and class; a pale line is a set."""
    table = pd.DataFrame(
        {"method": method, "level": level, "set": i, "gap": value}
        for method in ("real", *_drawn(record))
        for level in record.settings["levels"]
        for i, value in enumerate(_at(record, method, level))
    )
    figure, (axis,) = panels(height=3.6)
    lines(axis, table, "level", "gap", each=["set"])
    axis.axhline(0, color=GRAY, linewidth=0.8)
    axis.set_xlabel(CHANCE)
    axis.set_ylabel("gap, points")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def baselines(record: Record) -> Figure:
    """How much larger the gap of each source is than that of three baselines; a point a set."""
    found = findings(record).query("contrast == 'over'")
    found = found[found["method"].isin(_learned_last(record))]
    means = found.groupby(["method", "beside", "set"], sort=False)["value"].mean().reset_index()
    figure, (axis,) = panels(height=3.8)
    strip(axis, means, "value", by="beside", looks=BESIDE)
    axis.axvline(0, color=GRAY, linewidth=1)
    axis.set_xlabel(f"points of gap beyond a baseline, at chance {record.settings['level']}")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def _learned_last(record: Record) -> list[str]:
    """All sources but the baselines, chosen ones first."""
    return [method for method in record.settings["methods"] if method not in ("random", "start")]


def paths(record: Record, level: float) -> Figure:
    """Both accuracies of networks on all real images as they train, and where the sets end."""
    figure, (axis,) = panels(height=3.6)
    marks = record.settings["marks"]
    path = [of_all(record, mark, level).mean((0, 2))[:2].tolist() for mark in marks]
    x, y = zip(*path, strict=True)
    real = LOOKS["real"]
    axis.plot(x, y, ".-", color=real.color, linewidth=1, label=f"{real.label}, step by step")
    for mark, across, up in list(zip(marks, x, y, strict=True))[:-1]:  # the last lie together
        axis.annotate(
            f"{mark}", (across, up), (-4, 4), textcoords="offset points", fontsize=SMALL, ha="right"
        )
    for method in _drawn(record):
        look, ends = LOOKS[method], of_method(record, method, level)[:, :2].mean(-1)
        axis.plot(*ends.T, look.marker, color=look.color, label=look.label, alpha=0.8)
    axis.set_xlabel("right on drawings in the color of their class, percent")
    axis.set_ylabel("right in another color, percent")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def sizes(record: Record) -> Figure:
    """The gap over the number of random images, all methods of one size beside it."""
    level, sizes = record.settings["level"], record.settings["sizes"]
    table = pd.DataFrame(
        {"method": "random", "size": size, "set": i, "gap": value}
        for size in sizes
        for i, value in enumerate(gap(percent(record, condition="size", size=size)).mean(-1))
    ).astype({"gap": float})
    figure, (axis,) = panels(height=3.4)
    lines(axis, table, "size", "gap", each=["set"])
    for i, method in enumerate(m for m in _drawn(record) if m != "random"):
        look, values = LOOKS[method], _at(record, method, level)
        at = [IPC * 1.15 ** (i + 1)] * len(values)
        axis.plot(at, values, look.marker, color=look.color, label=look.label, alpha=0.8)
    full = _at(record, "real", level)
    axis.axhline(sum(full) / len(full), color="black", linewidth=1, label=LOOKS["real"].label)
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.set_xlabel(f"images per class (sets of {IPC} moved to the right)")
    axis.set_ylabel(f"gap at chance {level}, points")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def distance(record: Record) -> Figure:
    """What distilling added to the gap: by how far images moved, and with other step sizes.

    Left a point is a set, at the distance of the images of its method that were kept. Right each
    pair of rows is one method at its rate and at another one.
    """
    methods, level = record.settings["methods"], record.settings["level"]
    far = dict(zip(methods, moved(record).tolist(), strict=True))
    figure, axes = panels(2, height=3.8, width_ratios=(1, 0.7))
    for method in (m for m in _learned_last(record) if m != "herding"):
        look = LOOKS[method]
        mine, begun = (_at(record, m, level) for m in (method, "start"))
        added = [a - b for a, b in zip(mine, begun, strict=True)]
        axes[0].plot(
            [far[method]] * len(added), added, look.marker, color=look.color, label=look.label,
            markerfacecolor="white" if method == "dsa" else look.color,
        )  # fmt: skip
    axes[0].axhline(0, color=GRAY, linewidth=1)
    axes[0].set_xlim(left=0)
    axes[0].set_xlabel("distance from the first images\n(gray levels of 255)")
    axes[0].set_ylabel("points of gap added to\nthat of the first images")
    _variants(axes[1], record, STEPS)
    legend_below(figure)
    return finish(figure, axes, record.scale)


def remedies(record: Record) -> Figure:
    """The gap with other augmentation, and from even colors, each below what it is a variant of."""
    figure, (axis,) = panels(height=3.4)
    _variants(axis, record, (*REMEDIES, *AUGMENTED))
    axis.axvline(0, color=GRAY, linewidth=1)
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def _variants(axis: Axes, record: Record, chosen: Sequence[str]) -> None:
    """Rows of gaps: a method, and below it its variants; a point a set."""
    some = [variant for variant in chosen if variant in record.settings["variants"]]
    level, rows, names = record.settings["level"], [], {}
    for base in dict.fromkeys(variant.split("-")[0] for variant in some):
        for row in (base, *(v for v in some if v.split("-")[0] == base)):
            if row == base:
                values = _at(record, base, level)
            else:
                values = gap(percent(record, condition="variant", variant=row)).mean(-1).tolist()
            rows += [{"row": row, "method": base, "gap": value} for value in values]
            names[row] = CHANGES[row.split("-")[1]] if row != base else LOOKS[base].label
    strip(axis, pd.DataFrame(rows), "gap", rows="row", by="method", names=names)
    axis.set_xlabel(f"gap, points\n(chance {level})")


def colors(record: Record) -> Figure:
    """How much of what has color in a set wears the color of its class; a pale line is a set."""
    levels = list(record.settings["levels"])
    own = record.rows(condition="look")
    own = own[own["variant"].isna()] if "variant" in own else own
    table = pd.concat([own[own["method"] == m] for m in ("herding", *_drawn(record)) if m != "mtt"])
    figure, (axis,) = panels(height=3.4)
    lines(axis, table, "level", "own", each=["set"])
    expected = expected_own(levels, 5)
    axis.plot(levels, expected, "-", color="black", linewidth=1, label=LOOKS["real"].label)
    axis.set_xlabel(CHANCE)
    axis.set_ylabel("percent of colored pixels\nin the color of the class")
    legend_below(figure)
    return finish(figure, [axis], record.scale)
