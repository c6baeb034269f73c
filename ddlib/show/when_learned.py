"""Figures of recognition on the way: by step, by test accuracy, by image, by recipe, for long."""

from collections.abc import Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.analysis.when_learned import SETTLED, SOURCES, settled
from ddlib.plots.style import LOOKS, Look, finish
from ddlib.studies import Study

YARDSTICK_LOOKS = {
    "test": Look("real test images", "#000000", "*"),
    "random": Look("random training images", "#7F7F7F", "o"),
}
ALL = LOOKS | YARDSTICK_LOOKS
# The released figure, read off by eye: percent after so many steps, one network and one set each.
PUBLISHED_STEPS = (10, 20, 30, 50, 75, 100, 125, 150, 200, 250, 295)
PUBLISHED = {
    "bptt": (23, 36, 44, 75, 89, 98, 100, 100, 100, 100, 100),
    "mtt": (28, 40, 50, 66, 87, 99, 99, 100, 100, 100, 100),
    "dc": (34, 44, 56, 65, 77, 79, 81, 85, 82, 83, 82),
    "dm": (33, 45, 47, 52, 64, 64, 68, 68, 77, 71, 75),
    "test": (29, 37, 42, 47, 52, 56, 58, 60, 62, 65, 66),
}


def published_curves() -> Study:
    """The curves of the study, as read off its released figure, in the form of ours."""
    sources = tuple(PUBLISHED)[:-1]
    arrays = {
        "recognition": torch.tensor([PUBLISHED[s] for s in sources]).T[None, ..., None].float(),
        "test": torch.tensor([PUBLISHED["test"]]).float(),
    }
    axes = {"net": (0,), "step": PUBLISHED_STEPS, "source": sources, "set": (0,)}
    dims = {"recognition": ("net", "step", "source", "set"), "test": ("net", "step")}
    return Study("when_learned", "cifar10", {"epoch": 196}, axes, dims, arrays, profile="full")


def single(study: Study, net: int = 0, which: int = 0) -> Study:
    """What one network and one set of each source would have shown: a study without a spread."""
    arrays = {
        "recognition": study.arrays["recognition"][net, ..., which][None, ..., None],
        "test": study.arrays["test"][net][None],
    }
    axes = {**study.axes, "net": (net,), "set": (which,)}
    return replace(study, axes=axes, arrays=arrays)


def in_order(
    images: Float[Tensor, "n c h w"], first: Float[Tensor, "m n"], classes: int
) -> Float[Tensor, "n c h w"]:
    """The images of each class, those first that most networks recognize first."""
    first = first.unflatten(1, (classes, -1))  # class after class, as sets are
    rank = (first[..., :, None] > first[..., None, :]).sum(3).float().mean(0)
    own = images.unflatten(0, (classes, -1))
    return torch.stack([i[r.argsort()] for i, r in zip(own, rank, strict=True)]).flatten(0, 1)


def learning_curves(study: Study, sources: Sequence[str]) -> Figure:
    """Recognition of each source: by training step, and by test accuracy at that step."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True, layout="constrained")
    steps, test = study.axes["step"], study.arrays["test"]
    _band(axes[0], steps, test.T, "test")
    axes[1].plot([0, 100], [0, 100], ":", color="#000000", label="as well as the test images")
    for source in sources:
        curves = study.pick("recognition", source=source).movedim(1, 0).flatten(1)
        _band(axes[0], steps, curves, source)
        _line(axes[1], test.mean(0), curves.mean(1), source)
    axes[0].set(xlabel="training steps on real images", ylabel="recognized, percent")
    axes[0].set(ylim=(0, 102), xlim=(0, steps[-1]))
    axes[1].set(xlabel="accuracy on real test images, percent", xlim=(10, 100))
    axes[1].legend(fontsize=7, frameon=False, loc="lower right")
    return finish(figure, list(axes), study.profile)


def settling_steps(study: Study, sources: Sequence[str] = SOURCES) -> Figure:
    """The step at which each curve has nine tenths of its own final level, network by network."""
    figure, axis = plt.subplots(figsize=(7, 0.3 * len(sources) + 1.3), layout="constrained")
    steps, test = study.axes["step"], study.arrays["test"]
    rows = {"test": test.T} | {
        s: study.pick("recognition", source=s).movedim(1, 0).flatten(1) for s in sources
    }
    for row, (source, curves) in enumerate(rows.items()):
        look, found = ALL[source], torch.tensor([settled(c, steps) for c in curves.T])
        axis.plot(found, [row] * len(found), look.marker, color=look.color, alpha=0.35)
        axis.plot(found.mean(), row, look.marker, color=look.color, markersize=9)
    axis.axvline(torch.tensor([settled(t, steps) for t in test]).mean(), color="#000000", ls=":")
    axis.set_yticks(range(len(rows)), [ALL[s].label for s in rows], fontsize=8)
    axis.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, steps[-1]))
    axis.set_xlabel(f"step at which a curve has {100 * SETTLED:.0f} percent of its final level")
    return finish(figure, [axis], study.profile)


def first_steps(study: Study, sources: Sequence[str]) -> Figure:
    """The share of images that are recognized from some step on, for all; the rest never is."""
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    steps = torch.tensor(study.axes["step"])
    for source in sources:
        first = study.pick("first", source=source).flatten()
        _line(axis, steps, 100 * (first <= steps[:, None]).float().mean(1), source)
    axis.set(xlabel="step from which an image is recognized", ylabel="images, percent")
    axis.set(ylim=(0, 102), xlim=(0, int(steps[-1])))
    axis.legend(fontsize=7, frameon=False, loc="lower right")
    return finish(figure, [axis], study.profile)


def other_recipes(study: Study, sources: Sequence[str]) -> Figure:
    """Recognition by test accuracy, as released and with other rates and another network."""
    panels = {"as released": (study.arrays["test"], "recognition", {})}
    for i, recipe in enumerate(study.axes["recipe"]):
        test = study.arrays["recipe_test"][i]
        panels[recipe] = (test, "recipe_recognition", {"recipe": recipe})
    figure, axes = plt.subplots(
        1, len(panels), figsize=(9, 2.9), sharey=True, sharex=True, layout="constrained"
    )
    for axis, (title, (test, array, where)) in zip(axes, panels.items(), strict=True):
        axis.plot([0, 100], [0, 100], ":", color="#000000")
        for source in sources:
            curves = study.pick(array, source=source, **where).movedim(1, 0).flatten(1)
            _line(axis, test.mean(0), curves.mean(1), source)
        axis.set_title(title, fontsize=9)
        axis.set(xlim=(10, 100), ylim=(0, 102))
    figure.supxlabel("accuracy on real test images, percent", fontsize=9)
    axes[0].set_ylabel("recognized, percent")
    axes[-1].legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return finish(figure, list(axes), study.profile)


def long_training(study: Study, sources: Sequence[str]) -> Figure:
    """Recognition when training goes on, in epochs; each pale line is one network and one set."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
    epochs = torch.tensor(study.axes["long_step"]) / study.settings["epoch"]
    _line(axis, epochs, study.arrays["long_test"].mean(0), "test")
    for source in sources:
        curves = study.pick("long_recognition", source=source).movedim(1, 0).flatten(1)
        axis.plot(epochs, curves, color=ALL[source].color, alpha=0.2, linewidth=0.8)
        _line(axis, epochs, curves.mean(1), source)
    axis.axvline(study.axes["step"][-1] / study.settings["epoch"], color="#000000", ls=":")
    axis.set(xlabel="epochs of training on real images", ylabel="recognized, percent")
    axis.set_ylim(0, 102)
    axis.legend(fontsize=7, frameon=False, ncols=2, loc="lower right")
    return finish(figure, [axis], study.profile)


def _band(axis: Axes, x: Sequence[int] | Tensor, curves: Float[Tensor, "t m"], source: str) -> None:
    """Mean over networks and sets, and a standard deviation to both sides."""
    mean = curves.mean(1)
    _line(axis, x, mean, source)
    if curves.shape[1] > 1:
        spread = curves.std(1)
        axis.fill_between(
            x, mean - spread, mean + spread, color=ALL[source].color, alpha=0.15, linewidth=0
        )


def _line(axis: Axes, x: Sequence[int] | Tensor, y: Tensor, source: str) -> None:
    """One source in its look, with a marker now and then; DSA is dashed, having DC's color."""
    look = ALL[source]
    axis.plot(
        x, y, color=look.color, marker=look.marker, markersize=4, markevery=max(1, len(y) // 8),
        linestyle="--" if source in ("dsa", "herding") else "-", linewidth=1.4, label=look.label,
    )  # fmt: skip
