"""Figures of mixing: doses, controls, changed training, pixel ranges."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.style import LOOKS, beside, finish, legend_below, name_rows
from ddlib.questions.mixing.experiment import ALONE, CHANGES, CONTROLS, DOSES
from ddlib.questions.mixing.findings import JOINED
from ddlib.questions.shared.pixels import EDGES

IN_WORDS = {
    JOINED: "real images (as released)",
    "diluted": "no guests, rate diluted",
    "kept": "real images, set at full weight",
    "longer": "real images, twice the steps",
    "copies": "copies of the set",
    "noise": "noise images",
    "other": "another method's set",
    "twin": "the method's other set",
    "worthy": "more real images, same weight",
    ALONE: "as published",
}


def accuracies(record: Record, over: str | None = None) -> pd.DataFrame:
    """Accuracy of each run (row) by method and condition, or its gain over a method there."""
    trained = record.table[record.table["accuracy"].notna()]
    wide = trained.pivot(index="network", columns=["method", "condition"], values="accuracy")
    wide = wide.sort_index()[list(trained.groupby(["method", "condition"], sort=False).groups)]
    return wide.sub(wide[over], level="condition") if over else wide


def doses(record: Record, over: str | None = None) -> Figure:
    """Accuracy over real images per class: pale points are runs, lines join the means.

    With a method `over` the gain over it within each run, in points.
    """
    wide = accuracies(record, over)
    names = {name: 0 if name == ALONE else int(name.split()[0]) for name in _doses(wide)}
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for i, method in enumerate(_methods(wide)):
        if method == over:
            continue
        look, means = LOOKS[method], {}
        for name, k in names.items():
            if (method, name) in wide:
                runs = wide[method, name].dropna()
                at = (k + 1) * 1.03 ** (i - 2)  # a little apart, and none is a place on the axis
                axis.plot([at] * len(runs), runs, look.marker, color=look.color, alpha=0.35)
                means[at] = runs.mean()
        style = "--" if method == "random" else "-"
        axis.plot(
            list(means), list(means.values()), style, marker=look.marker, color=look.color,
            label=look.label,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xticks([k + 1 for k in names.values()], [f"10 + {k}" for k in names.values()])
    axis.minorticks_off()
    axis.set(xlabel="images per class: of the set + real", ylabel="test accuracy in percent")
    if over:
        axis.axhline(0, color=LOOKS[over].color, linestyle="--")
        axis.set_ylabel(f"points ahead of {LOOKS[over].label} images")
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], record.profile)


def dips(record: Record) -> Figure:
    """Change in accuracy when real images join, one point a run, the mean as a bar."""
    wide = accuracies(record)
    figure, axis = _changes_axis(len(_methods(wide)))
    for row, method in enumerate(_methods(wide)):
        _points(axis, row, _added(wide, method, JOINED), method)
    name_rows(axis, [LOOKS[method].label for method in _methods(wide)])
    axis.set_xlabel(f"points of accuracy gained when {JOINED} images per class join")
    return finish(figure, [axis], record.profile)


def controls(record: Record, *methods: str) -> Figure:
    """What each guest, or the dilution alone, does to the accuracy of some methods' sets."""
    wide = accuracies(record)
    made = [name for name in CONTROLS if (methods[0], name) in wide and "then" not in name]
    names, wide = (JOINED, *made), wide[wide[methods[0], made[0]].notna()]  # the runs of controls
    figure, axis = _changes_axis(len(names) * (1 + len(methods)) / 2)
    for i, method in enumerate(methods):
        for row, name in enumerate(names):
            at = row + beside(i, len(methods))
            _points(axis, at, _added(wide, method, name), method, 0.7 / len(methods))
        look = LOOKS[method]
        axis.plot([], [], look.marker, color=look.color, label=look.label)
    name_rows(axis, [IN_WORDS.get(name, name) for name in names])
    axis.set_xlabel("points gained against the same set alone")
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], record.profile)


def changes(record: Record) -> Figure:
    """Sets alone when one thing in their training is changed; a line is a mean, points are runs.

    Accuracies on the left, on the right the gain over random images whose training is changed, too.
    """
    wide, gain = accuracies(record), accuracies(record, over="random")
    methods = list(dict.fromkeys(m for m, name in _pairs(wide) if name in CHANGES))
    names = (ALONE, *(name for name in CHANGES if (methods[0], name) in wide))
    runs = wide[methods[0], names[1]].notna()  # the runs of changes
    wide, gain = wide[runs], gain[runs]
    figure, axes = plt.subplots(
        1, 2, figsize=(7.6, 0.1 * len(names) * (len(methods) + 1) + 1.4),
        sharey=True, layout="constrained",
    )  # fmt: skip
    for i, method in enumerate(methods):
        at = beside(i, len(methods))
        for row, name in enumerate(names):
            _runs(axes[0], row + at, wide[method, name], method)
            if method != "random":
                _runs(axes[1], row + at, gain[method, name], method)
        look = LOOKS[method]
        axes[0].plot([], [], look.marker, color=look.color, label=look.label)
    for row in range(1, len(names), 2):
        for axis in axes:
            axis.axhspan(row - 0.5, row + 0.5, color="#F3F3F3")
    name_rows(axes[0], [IN_WORDS.get(name, name) for name in names])
    axes[0].set_xlabel("test accuracy in percent")
    axes[1].axvline(0, color=LOOKS["random"].color, linestyle="--")
    axes[1].set_xlabel("points ahead of random images")
    legend_below(figure)
    return finish(figure, [*axes], record.profile)


def pixels(record: Record) -> Figure:
    """Histograms of all pixel values of whole sets; gray is where real pixels can be."""
    shown = record.rows(condition="pixels")
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    axis.axvspan(0, 1, color="#EEEEEE")
    for method, shares in zip(shown["method"], shown["histogram"], strict=True):
        axis.stairs(
            shares, EDGES, color=LOOKS[method].color, label=LOOKS[method].label,
            linestyle="--" if method == "random" else "-", linewidth=1.4,
        )  # fmt: skip
    axis.set_yscale("log")
    axis.set(xlabel="pixel value (0 black, 1 white)", ylabel="share of pixels in each bin")
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], record.profile)


def _pairs(wide: pd.DataFrame) -> list[tuple[str, str]]:
    """The methods and conditions that its columns are named by."""
    columns: Any = wide.columns  # pairs, which the types of pandas do not know
    return list(columns)


def _methods(wide: pd.DataFrame) -> list[str]:
    """The methods that were trained without guests, in the order of the plan."""
    return [method for method, name in _pairs(wide) if name == ALONE]


def _doses(wide: pd.DataFrame) -> list[str]:
    """The doses that were trained, from none on."""
    named = {name for _, name in _pairs(wide)}
    return [name for name in DOSES if name in named]


def _added(wide: pd.DataFrame, method: str, name: str) -> pd.Series:
    """Points that a condition adds to the set alone, run by run."""
    return (wide[method, name] - wide[method, ALONE]).dropna()


def _changes_axis(rows: float) -> tuple[Figure, Axes]:
    """An axis of differences with a line at zero, as high as so many rows need."""
    figure, axis = plt.subplots(figsize=(6, 0.42 * rows + 1.1), layout="constrained")
    axis.axvline(0, color="#555555", linewidth=1)
    return figure, axis


def _points(axis: Axes, at: float, values: pd.Series, method: str, height: float = 0.5) -> None:
    """The mean as a bar, and one point a run."""
    look = LOOKS[method]
    axis.barh(at, float(values.mean()), color=look.color, alpha=0.35, height=height)
    axis.plot(values, [at] * len(values), look.marker, color=look.color, markersize=5)


def _runs(axis: Axes, at: float, values: pd.Series, method: str) -> None:
    """One pale point a run, and the mean as an upright line."""
    look = LOOKS[method]
    axis.plot(values, [at] * len(values), look.marker, color=look.color, markersize=4, alpha=0.4)
    mean = [float(values.mean())]
    axis.plot(mean, [at], "|", color=look.color, markersize=9, markeredgewidth=2.5)
