"""Figures of recognition on the way: by step, by test accuracy, by image, by recipe, for long."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import matplotlib.pyplot as plt
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.style import LOOKS, Look, finish
from ddlib.questions.when_learned.experiment import LONG, METHODS, RECIPES, RELEASED, TEST, steps_of
from ddlib.questions.when_learned.findings import SETTLED, curves, firsts, on_test, settled

BASELINE_LOOKS = {
    "test": Look("real test images", "#000000", "*"),
    "random": Look("random training images", "#7F7F7F", "o"),
}
ALL = LOOKS | BASELINE_LOOKS
# The released figure, read off by eye: percent after so many steps, one network and one set each.
RELEASED_STEPS = (10, 20, 30, 50, 75, 100, 125, 150, 200, 250, 295)
RELEASED_CURVES = {
    "bptt": (23, 36, 44, 75, 89, 98, 100, 100, 100, 100, 100),
    "mtt": (28, 40, 50, 66, 87, 99, 99, 100, 100, 100, 100),
    "dc": (34, 44, 56, 65, 77, 79, 81, 85, 82, 83, 82),
    "dm": (33, 45, 47, 52, 64, 64, 68, 68, 77, 71, 75),
    "test": (29, 37, 42, 47, 52, 56, 58, 60, 62, 65, 66),
}


def released_curves() -> Record:
    """The curves of the study, as read off its released figure, in the form of ours."""
    rows = [
        {"condition": RELEASED, "network": 0, "method": method, "set": 0}
        | {"recognized": torch.tensor(values).float()}
        for method, values in RELEASED_CURVES.items()
    ]
    return Record("when_learned", "cifar10", {}, pd.DataFrame(rows), profile="full")


def single(record: Record, network: int = 0, number: int = 0) -> Record:
    """What one network and one set of each method would have shown: a record without a spread."""
    table = record.table
    mine = (table["network"] == network) & ((table["set"] == number) | (table["method"] == TEST))
    return replace(record, table=table[mine.fillna(False).astype(bool)])


def _steps(record: Record, condition: str = RELEASED) -> list[int]:
    return list(steps_of(record.settings, condition)) if record.settings else [*RELEASED_STEPS]


def _each(record: Record, method: str, condition: str = RELEASED) -> Float[Tensor, "step curve"]:
    """One curve for each network and set."""
    return curves(record, method, condition).flatten(0, 1).T


def in_order(
    images: Float[Tensor, "n c h w"], first: Float[Tensor, "m n"], classes: int
) -> Float[Tensor, "n c h w"]:
    """The images of each class, those first that most networks recognize first."""
    first = first.unflatten(1, (classes, -1))  # class after class, as sets are
    rank = (first[..., :, None] > first[..., None, :]).sum(3).float().mean(0)
    own = images.unflatten(0, (classes, -1))
    return torch.stack([i[r.argsort()] for i, r in zip(own, rank, strict=True)]).flatten(0, 1)


def learning_curves(record: Record, methods: Sequence[str]) -> Figure:
    """Recognition of each method: by training step, and by test accuracy at that step."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True, layout="constrained")
    steps, test = _steps(record), on_test(record)
    _band(axes[0], steps, test.T, TEST)
    axes[1].plot([0, 100], [0, 100], ":", color="#000000", label="as well as the test images")
    for method in methods:
        each = _each(record, method)
        _band(axes[0], steps, each, method)
        _line(axes[1], test.mean(0), each.mean(1), method)
    axes[0].set(xlabel="training steps on real images", ylabel="recognized, percent")
    axes[0].set(ylim=(0, 102), xlim=(0, steps[-1]))
    axes[1].set(xlabel="accuracy on real test images, percent", xlim=(10, 100))
    axes[1].legend(fontsize=7, frameon=False, loc="lower right")
    return finish(figure, list(axes), record.profile)


def settling_steps(record: Record, methods: Sequence[str] = METHODS) -> Figure:
    """The step at which each curve has nine tenths of its own final level, network by network."""
    figure, axis = plt.subplots(figsize=(7, 0.3 * len(methods) + 1.3), layout="constrained")
    steps, test = _steps(record), on_test(record)
    rows = {TEST: test.T} | {method: _each(record, method) for method in methods}
    for row, (method, each) in enumerate(rows.items()):
        look, found = ALL[method], torch.tensor([settled(c, steps) for c in each.T])
        axis.plot(found, [row] * len(found), look.marker, color=look.color, alpha=0.35)
        axis.plot(found.mean(), row, look.marker, color=look.color, markersize=9)
    axis.axvline(fmean(settled(t, steps) for t in test), color="#000000", ls=":")
    axis.set_yticks(range(len(rows)), [ALL[s].label for s in rows], fontsize=8)
    axis.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, steps[-1]))
    axis.set_xlabel(f"step at which a curve has {100 * SETTLED:.0f} percent of its final level")
    return finish(figure, [axis], record.profile)


def first_steps(record: Record, methods: Sequence[str]) -> Figure:
    """The share of images that are recognized from some step on, for all; the rest never is."""
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    steps = torch.tensor(_steps(record))
    for method in methods:
        first = firsts(record, method).flatten()
        _line(axis, steps, 100 * (first <= steps[:, None]).float().mean(1), method)
    axis.set(xlabel="step from which an image is recognized", ylabel="images, percent")
    axis.set(ylim=(0, 102), xlim=(0, int(steps[-1])))
    axis.legend(fontsize=7, frameon=False, loc="lower right")
    return finish(figure, [axis], record.profile)


def other_recipes(record: Record, methods: Sequence[str]) -> Figure:
    """Recognition by test accuracy, as released and with other rates and another network."""
    panels = {"as released": RELEASED} | {recipe: recipe for recipe in RECIPES}
    figure, axes = plt.subplots(
        1, len(panels), figsize=(9, 2.9), sharey=True, sharex=True, layout="constrained"
    )
    for axis, (title, condition) in zip(axes, panels.items(), strict=True):
        axis.plot([0, 100], [0, 100], ":", color="#000000")
        for method in methods:
            each = _each(record, method, condition)
            _line(axis, on_test(record, condition).mean(0), each.mean(1), method)
        axis.set_title(title, fontsize=9)
        axis.set(xlim=(10, 100), ylim=(0, 102))
    figure.supxlabel("accuracy on real test images, percent", fontsize=9)
    axes[0].set_ylabel("recognized, percent")
    axes[-1].legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return finish(figure, list(axes), record.profile)


def long_training(record: Record, methods: Sequence[str]) -> Figure:
    """Recognition when training goes on, in epochs; each pale line is one network and one set."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
    epoch = int(record.arrays["epoch"])
    epochs = torch.tensor(_steps(record, LONG)) / epoch
    _line(axis, epochs, on_test(record, LONG).mean(0), TEST)
    for method in methods:
        each = _each(record, method, LONG)
        axis.plot(epochs, each, color=ALL[method].color, alpha=0.2, linewidth=0.8)
        _line(axis, epochs, each.mean(1), method)
    axis.axvline(_steps(record)[-1] / epoch, color="#000000", ls=":")
    axis.set(xlabel="epochs of training on real images", ylabel="recognized, percent")
    axis.set_ylim(0, 102)
    axis.legend(fontsize=7, frameon=False, ncols=2, loc="lower right")
    return finish(figure, [axis], record.profile)


def _band(axis: Axes, x: Sequence[int] | Tensor, curves: Float[Tensor, "t m"], method: str) -> None:
    """Mean over networks and sets, and a standard deviation to both sides."""
    mean = curves.mean(1)
    _line(axis, x, mean, method)
    if curves.shape[1] > 1:
        spread = curves.std(1)
        axis.fill_between(
            x, mean - spread, mean + spread, color=ALL[method].color, alpha=0.15, linewidth=0
        )


def _line(axis: Axes, x: Sequence[int] | Tensor, y: Tensor, method: str) -> None:
    """One source in its look, with a marker now and then; DSA is dashed, having DC's color."""
    look = ALL[method]
    axis.plot(
        x, y, color=look.color, marker=look.marker, markersize=4, markevery=max(1, len(y) // 8),
        linestyle="--" if method in ("dsa", "herding") else "-", linewidth=1.4, label=look.label,
    )  # fmt: skip
