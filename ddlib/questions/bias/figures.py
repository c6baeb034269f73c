"""Figures of bias: how much networks go by the color, and what the sets look like."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.sets import images
from ddlib.plots.style import LOOKS, finish, name_rows
from ddlib.questions.bias.experiment import IPC, METRICS
from ddlib.questions.bias.findings import (
    expected_own,
    gap,
    of_all,
    of_method,
    of_random,
    percent,
    pictures,
)
from ddlib.questions.shared.arrays import as_array

NAMES = {
    "aligned": "right, color of the class",
    "conflict": "right, another color",
    "color": "another color: taken for its class",
}
CHANGES = {
    "plain": "no augmentation",
    "colorless": "no color change",
    "even": "from even colors",
    "harder": "10 times the image rate",
    "softer": "a tenth of the image rate",
}


def _line(
    axis: Axes, x: Sequence[int | float], runs: Float[Tensor, "x *n"], method: str, shift: float = 0
) -> None:
    """The mean over all runs as a line, each run as a pale point."""
    look = LOOKS[method]
    moved = [one + shift for one in x]
    for at, some in zip(moved, runs.flatten(1).tolist(), strict=True):
        axis.plot([at] * len(some), some, look.marker, color=look.color, alpha=0.2, markersize=3)
    style = "--" if method in ("herding", "dsa", "start") else "-"
    means = runs.flatten(1).mean(1)
    axis.plot(
        moved, means, look.marker, linestyle=style, color=look.color, label=look.label, markersize=5
    )


def _methods(record: Record) -> list[str]:
    return ["real", *record.settings["methods"]]


def _whole(record: Record, level: float) -> Float[Tensor, "set metric net"]:
    """Networks on all real images, after as many steps as those on sets."""
    return of_all(record, record.settings["steps"], level)


def _own(record: Record, method: str) -> Float[Tensor, "level set"]:
    """Percent of the pixels of each set that wear the color of their class."""
    rows = record.table[record.table["variant"].isna() & (record.table["condition"] == "look")]
    return as_array(rows[rows["method"] == method], "own", "level", "set")


def _at(record: Record, method: str, level: float) -> Float[Tensor, "set metric net"]:
    return _whole(record, level) if method == "real" else of_method(record, method, level)


def gaps(record: Record) -> Figure:
    """The gap of every method over the strength of the tie between color and class."""
    figure, axis = plt.subplots(figsize=(6.8, 3.8), layout="constrained")
    levels = record.settings["levels"]
    for i, method in enumerate(_methods(record)):
        runs = [gap(_at(record, method, level)).flatten() for level in levels]
        _line(axis, list(levels), torch.stack(runs), method, 0.006 * (i - 4))
    axis.axhline(0, color="#999999", linewidth=0.8)
    axis.set_xlabel("chance that a training image wears the color of its class")
    axis.set_ylabel("gap, points")
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(figure, [axis], record.scale)


def groups(record: Record) -> Figure:
    """The three measures over the strength of the tie, a panel for each."""
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.4), sharey=True, layout="constrained")
    levels = record.settings["levels"]
    for row, (axis, metric) in enumerate(zip(axes, METRICS, strict=True)):
        for i, method in enumerate(_methods(record)):
            runs = [_at(record, method, level)[:, row].flatten() for level in levels]
            _line(axis, list(levels), torch.stack(runs), method, 0.006 * (i - 4))
        axis.set_title(NAMES[metric], fontsize=9)
        axis.set_xlabel("chance of the class's color", fontsize=8)
    axes[0].set_ylabel("percent of the drawings")
    axes[2].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(figure, list(axes), record.scale)


def paths(record: Record, level: float) -> Figure:
    """Both accuracies of networks on all real images as they train, and where the sets end."""
    figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    marks = record.settings["marks"]
    path = torch.stack([of_all(record, mark, level).mean((0, 2)) for mark in marks], 1)
    axis.plot(path[0], path[1], ".-", color=LOOKS["real"].color, linewidth=1)
    for mark, x, y in zip(marks, *path[:2].tolist(), strict=True):
        axis.annotate(
            f"{mark}", (x, y), (-4, 4), textcoords="offset points", fontsize=7, ha="right"
        )
    axis.plot([], [], ".-", color="black", label=f"{LOOKS['real'].label}, step by step")
    for method in record.settings["methods"]:
        x, y = of_method(record, method, level)[:, :2].movedim(1, 0).flatten(1)
        look = LOOKS[method]
        axis.plot(x, y, look.marker, color=look.color, alpha=0.25, markersize=4)
        axis.plot(x.mean(), y.mean(), look.marker, color=look.color, label=look.label)
    axis.set_xlabel("right on drawings in the color of their class, percent")
    axis.set_ylabel("right in another color, percent")
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(figure, [axis], record.scale)


def sizes(record: Record) -> Figure:
    """The gap over the number of random images, all methods of one size beside it."""
    figure, axis = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    level, sizes = record.settings["level"], record.settings["sizes"]
    runs = [gap(percent(record, condition="size", size=size)).flatten() for size in sizes]
    _line(axis, list(sizes), torch.stack(runs), "random")
    for i, method in enumerate(s for s in record.settings["methods"] if s != "random"):
        look, mean = LOOKS[method], gap(of_method(record, method, level)).mean()
        axis.plot(IPC * 1.12 ** (i + 1), mean, look.marker, color=look.color, label=look.label)
    full = float(gap(_whole(record, level)).mean())
    axis.axhline(full, color="black", linewidth=1, label=LOOKS["real"].label)
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.set_xlabel(f"images per class (sets of {IPC} moved to the right)")
    axis.set_ylabel(f"gap at chance {level}, points")
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(figure, [axis], record.scale)


def controls(record: Record) -> Figure:
    """The gap of each variant beside the set that it is a variant of."""
    variants = record.settings["variants"]
    bases = list(dict.fromkeys(v.split("-")[0] for v in variants))
    rows = [(b, v) for b in bases for v in ("", *(v for v in variants if v.split("-")[0] == b))]
    figure, axis = plt.subplots(figsize=(6.4, 0.36 * len(rows) + 1.2), layout="constrained")
    level, names = record.settings["level"], []
    for row, (base, variant) in enumerate(rows):
        where = {"condition": "variant", "variant": variant}
        found = percent(record, **where) if variant else _at(record, base, level)
        look, runs = LOOKS[base], gap(found).flatten()
        axis.plot(runs, [row] * len(runs), look.marker, color=look.color, alpha=0.3)
        axis.plot(runs.mean(), row, "|", color="black", markersize=14)
        names.append(CHANGES[variant.split("-")[1]] if variant else look.label)
    random, full = (float(gap(f(record, level)).mean()) for f in (of_random, _whole))
    axis.axvline(random, color="#7F7F7F", linewidth=1, label="random")
    axis.axvline(full, color="black", linewidth=1)
    name_rows(axis, names)
    axis.set_xlabel(
        f"gap at chance {level}, points: pale each run, bar their mean\n"
        "vertical lines: all real images (black), random images of the same size (gray)",
        fontsize=8,
    )
    return finish(figure, [axis], record.scale)


def colors(record: Record) -> Figure:
    """How much of what has color in a set wears the color of its class."""
    figure, axis = plt.subplots(figsize=(6.8, 3.4), layout="constrained")
    levels = list(record.settings["levels"])
    axis.plot(
        levels, expected_own(levels, 5), "-", color="black", linewidth=1, label="all real images"
    )
    for i, method in enumerate(record.settings["methods"]):
        _line(axis, levels, _own(record, method), method, 0.006 * (i - 4))
    axis.set_xlabel("chance that a training image wears the color of its class")
    axis.set_ylabel("pixels in the class's color,\npercent of all with color")
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(figure, [axis], record.scale)


def sets(record: Record, classes: tuple[str, ...]) -> Figure:
    """The first two images of each class of each method, where the color nearly gives it away."""
    panels = {}
    for method, kept in pictures(record).items():
        shown = kept.unflatten(0, (len(classes), -1))
        panels[LOOKS[method].label] = shown[:, :2].flatten(0, 1) / 255
    return images(panels, classes, width=4.5)
