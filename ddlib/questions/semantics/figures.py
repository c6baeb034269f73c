"""Figures of what single images mean: whom they help, and what chance would give."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.cells import Label
from ddlib.experiment.records import Record
from ddlib.plots.style import GRAY, LOOKS, closed, finish, legend_below
from ddlib.questions.semantics.attributes import ATTRIBUTES
from ddlib.questions.shared.figures import beside_chance
from ddlib.questions.shared.permutation import Permuted

TITLES = {"own": "test images of its class", "other": "test images of other classes"}


def helped(
    images: Float[Tensor, "m 3 h w"],
    most: Float[Tensor, "m k 3 h w"],
    chance: Float[Tensor, "m k 3 h w"],
) -> Figure:
    """Each image (left), test images that it helps most (middle), and others by chance (right)."""
    blocks = [images[:, None], most, chance]
    widths = [block.shape[1] for block in blocks]
    figure, axes = plt.subplots(
        1, 3, figsize=(8, 0.45 * len(images) + 0.4), width_ratios=widths, layout="constrained"
    )
    for axis, block, title in zip(axes, blocks, ("image", "helped most", "chance"), strict=True):
        # Frames of white around each image, then rows and columns side by side.
        framed = torch.nn.functional.pad(block, (1, 1, 1, 1), value=1.0).cpu()
        m, k, _, h, w = framed.shape
        sheet = framed.permute(0, 3, 1, 4, 2).reshape(m * h, k * w, 3)
        axis.imshow(sheet.clamp(0, 1).numpy(), interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    return closed(figure)


def shuffles(test: Permuted, scale: str) -> Figure:
    """The correlation that was found, among those of shuffled attributes."""
    figure, axis = plt.subplots(figsize=(6, 2.9), layout="constrained")
    axis.hist(test.null, bins=40, color="#BBBBBB", label="attributes shuffled within the class")
    axis.axvline(test.value, color=LOOKS["dm"].color, linewidth=2, label="as they are")
    axis.set(xlabel="correlation of influence and likeness", ylabel="shuffles")
    legend_below(figure)
    return finish(figure, [axis], scale)


def p_values(found: Mapping[str, Sequence[float]], scale: str) -> Figure:
    """Histograms of p-values under null data; those of a sound test are flat."""
    figure, axes = plt.subplots(
        1, len(found), figsize=(8, 2.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (title, values) in zip(axes[0], found.items(), strict=True):
        axis.hist(values, bins=20, range=(0, 1), color=GRAY)
        axis.axhline(len(values) / 20, color="#D55E00", linestyle="--", label="flat")
        low = 100 * sum(v <= 0.05 for v in values) / len(values)
        axis.set_title(f"{title}\n{low:.0f} % of {len(values)} at most 0.05", fontsize=9)
        axis.set_xlabel("p-value")
    axes[0, 0].set_ylabel("made-up attributes")
    axes[0, 0].legend(fontsize=8, frameon=False)
    return finish(figure, list(axes[0]), scale)


def meaning(record: Record, level: float = 0.0, read: str = "measured") -> Figure:
    """Does an image of shapes help what shares its attributes? Points by set and class."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
    for axis, place in zip(axes, TITLES, strict=True):
        where: dict[str, Label] = {"level": level, "meaning": read, "place": place}
        beside_chance(axis, record, "attribute", ATTRIBUTES, where)
        axis.set_title(TITLES[place], fontsize=9)
    legend_below(figure)
    return finish(figure, list(axes), record.scale, record.settings["network"])


def spurious_color(record: Record) -> Figure:
    """Color where it is random and where it is tied to the class: sharing it, and the shortcut."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.5), layout="constrained")
    levels, methods = record.settings["levels"], record.settings["methods"]
    gap = record.rows(condition="accuracy").pivot(
        index=["level", "method", "set", "network"], columns="worn", values="accuracy"
    )
    worn = (gap["tied"] - gap["free"]).rename("gap").reset_index()
    colors = record.rows(condition="association", attribute="color", meaning="measured")
    for i, tag in enumerate(methods):
        x = torch.arange(len(levels)) + 0.12 * (i - (len(methods) - 1) / 2)
        for axis, place in zip(axes, TITLES, strict=False):
            _points(axis, x, colors[colors["place"] == place], tag, "association")
        _points(axes[2], x, worn, tag, "gap")
    for axis, title in zip(axes, (*TITLES.values(), "accuracy, tied minus other"), strict=True):
        axis.set_xticks(range(len(levels)), [f"{level:.0%}" for level in levels])
        axis.set_xlabel("training images in the color of their class", fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.axhline(0, color="#555555", linewidth=0.8)
    axes[0].set_ylabel("correlation of influence\nand shared color", fontsize=8)
    axes[2].set_ylabel("points", fontsize=8)
    legend_below(figure)
    return finish(figure, list(axes), record.scale, record.settings["network"])


def _points(axis: Axes, x: Tensor, table: pd.DataFrame, tag: str, value: str) -> None:
    """The values of one method at every level, and their mean."""
    look, mine = LOOKS[tag], table[table["method"] == tag]
    each = [part[value].to_numpy() for _, part in mine.groupby("level")]
    for at, values in zip(x.tolist(), each, strict=True):
        axis.plot([at] * len(values), values, look.marker, color=look.color, alpha=0.25, ms=4)
    means = [np.nanmean(values) for values in each]
    axis.plot(x, means, look.marker, color=look.color, label=look.label)
