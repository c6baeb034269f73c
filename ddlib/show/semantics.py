"""Figures of what single images mean: whom they help, and what chance would give."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.permutation import Permuted
from ddlib.plots.style import GRAY, LOOKS, beside, closed, finish, legend_below
from ddlib.studies import Study

TITLES = {"own": "test images of its class", "other": "test images of other classes"}
READ = {"start": "traits of the real image it began with", "measured": "traits of the image itself"}


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


def meaning(study: Study, spurious: float = 0.0, read: str = "measured") -> Figure:
    """Does an image of shapes help what shares its attributes? Points by set and class."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
    for axis, place in zip(axes, TITLES, strict=True):
        where = dict(spurious=spurious, meaning=read, place=place)
        names = study.axes["attribute"]
        _rows(axis, study, names, [dict(where, attribute=name) for name in names])
        axis.set_title(TITLES[place], fontsize=9)
    legend_below(figure)
    return finish(figure, list(axes), study.scale, study.settings["network"])


def traits_meaning(study: Study) -> Figure:
    """Does a photograph help what shares its traits? Points by class, one panel each reading."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 4.2), sharey=True, layout="constrained")
    for axis, read in zip(axes, READ, strict=True):
        names = study.axes["trait"]
        _rows(axis, study, names, [dict(meaning=read, trait=name) for name in names])
        axis.set_title(READ[read], fontsize=9)
    legend_below(figure)
    return finish(figure, list(axes), study.scale, study.settings["network"])


def _rows(
    axis: Axes, study: Study, names: Sequence[str], where: Sequence[Mapping[str, str | float]]
) -> None:
    """A row for each name; sources one below the other, with the middle 95 % of shuffled means."""
    sources = study.axes["source"]
    for row, at in enumerate(where):
        for i, tag in enumerate(sources):
            y = row + beside(i, len(sources))
            values = study.pick("association", source=tag, **at).flatten()
            low, _, high = study.pick("null", source=tag, **at)
            axis.plot([low, high], [y, y], color="#BBBBBB", linewidth=5, solid_capstyle="butt")
            look = LOOKS[tag]
            axis.plot(values, [y] * len(values), look.marker, color=look.color, alpha=0.25, ms=4)
            label = look.label if not row else None
            axis.plot(values.nanmean(), y, look.marker, color=look.color, label=label)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.axvline(0, color="#555555", linewidth=0.8)
    axis.set_xlabel("correlation of influence and likeness\n(gray: chance)", fontsize=8)
    axis.locator_params(axis="x", nbins=6)


def spurious_color(study: Study) -> Figure:
    """Color where it is random and where it is tied to the class: sharing it, and the shortcut."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.5), layout="constrained")
    levels = study.axes["spurious"]
    for i, tag in enumerate(study.axes["source"]):
        look, shift = LOOKS[tag], 0.12 * (i - (len(study.axes["source"]) - 1) / 2)
        x = torch.arange(len(levels)) + shift
        for axis, place in zip(axes, TITLES, strict=False):
            values = study.pick(
                "association", source=tag, attribute="color", meaning="measured", place=place
            ).flatten(1)
            _points(axis, x, values, look.color, look.marker, look.label)
        gap = study.pick("accuracy", source=tag).diff(dim=-1).neg().flatten(1)
        _points(axes[2], x, gap, look.color, look.marker, look.label)
    for axis, title in zip(axes, (*TITLES.values(), "accuracy, tied minus other"), strict=True):
        axis.set_xticks(range(len(levels)), [f"{level:.0%}" for level in levels])
        axis.set_xlabel("training images in the color of their class", fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.axhline(0, color="#555555", linewidth=0.8)
    axes[0].set_ylabel("correlation of influence\nand shared color", fontsize=8)
    axes[2].set_ylabel("points", fontsize=8)
    legend_below(figure)
    return finish(figure, list(axes), study.scale, study.settings["network"])


def _points(
    axis: Axes, x: Tensor, values: Float[Tensor, "s n"], color: str, marker: str, label: str
) -> None:
    axis.plot(x, values, marker, color=color, alpha=0.25, markersize=4)
    axis.plot(x, values.nanmean(1), marker, color=color, label=label)
