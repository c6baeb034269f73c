"""Figures of what single images mean: whom they help, and what chance would give."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.cells import Label
from ddlib.experiment.records import Record
from ddlib.names import scale_of
from ddlib.plots.marks import strip
from ddlib.plots.style import GRAY, LOOKS, SMALL, WIDTH, closed, finish, legend_below, panels
from ddlib.questions.semantics.attributes import ATTRIBUTES
from ddlib.questions.semantics.findings import findings
from ddlib.questions.shared.arrays import named
from ddlib.questions.shared.figures import beside_chance
from ddlib.questions.shared.permutation import Permuted


def helped(
    images: Float[Tensor, "m 3 h w"],
    most: Float[Tensor, "m k 3 h w"],
    chance: Float[Tensor, "m k 3 h w"],
) -> Figure:
    """Each image (left), test images that it helps most (middle), and others by chance (right)."""
    blocks = [images[:, None], most, chance]
    widths = [block.shape[1] for block in blocks]
    figure, axes = plt.subplots(
        1, 3, figsize=(WIDTH, 0.32 * len(images) + 0.4), width_ratios=widths, layout="constrained"
    )
    for axis, block, title in zip(axes, blocks, ("image", "helped most", "chance"), strict=True):
        # Frames of white around each image, then rows and columns side by side.
        framed = torch.nn.functional.pad(block, (1, 1, 1, 1), value=1.0).cpu()
        m, k, _, h, w = framed.shape
        sheet = framed.permute(0, 3, 1, 4, 2).reshape(m * h, k * w, 3)
        axis.imshow(sheet.clamp(0, 1).numpy(), interpolation="nearest")
        axis.set_title(title, fontsize=SMALL)
        axis.set_axis_off()
    return closed(figure)


def shuffles(test: Permuted, scale: str) -> Figure:
    """The correlation that was found, among those of shuffled attributes."""
    figure, (axis,) = panels(height=2.9)
    axis.hist(test.null, bins=40, color="#BBBBBB", label="attributes shuffled within the class")
    axis.axvline(test.value, color=LOOKS["dm"].color, linewidth=2, label="as they are")
    axis.set(xlabel="correlation of influence and likeness", ylabel="shuffles")
    legend_below(figure)
    return finish(figure, [axis], scale)


def p_values(found: Mapping[str, Sequence[float]], scale: str) -> Figure:
    """Histograms of p-values under null data; those of a sound test are flat."""
    figure, axes = panels(len(found), sharey=True, height=2.8)
    for axis, (title, values) in zip(axes, found.items(), strict=True):
        axis.hist(values, bins=20, range=(0, 1), color=GRAY)
        axis.axhline(len(values) / 20, color="#D55E00", linestyle="--", label="as high everywhere")
        low = 100 * sum(v <= 0.05 for v in values) / len(values)
        axis.set_title(f"{title}\n{low:.0f} % of {len(values)} at most 0.05", fontsize=SMALL)
        axis.set_xlabel("p-value")
    axes[0].set_ylabel("made-up attributes")
    legend_below(figure)
    return finish(figure, axes, scale)


def meaning(drawn: Record, photographs: Record) -> Figure:
    """Does an image help what shares its traits, beyond the class? On shapes and on photographs."""
    figure, axes = panels(2, height=4.0)
    own: dict[str, Label] = {"level": 0.0, "meaning": "measured", "place": "own"}
    beside_chance(axes[0], drawn, "attribute", ATTRIBUTES, own)
    beside_chance(axes[1], photographs, "trait", _traits(photographs), {"meaning": "measured"})
    return _of_both(figure, axes, drawn, photographs)


def beyond(drawn: Record, photographs: Record, of_traits: pd.DataFrame) -> Figure:
    """The same, less the correlation of random real images in the same class; a point a set.

    `of_traits` are the findings of the photographs, another question's.
    """
    figure, axes = panels(2, height=3.4)
    found = findings(drawn).query("contrast == 'beyond'")
    by = ["method", "attribute", "set"]
    strip(axes[0], _mean(found, by), "value", rows="attribute")
    found = of_traits.query("contrast == 'beyond'")
    strip(axes[1], _mean(found, ["method", "trait"]), "value", rows="trait")
    for axis in axes:
        axis.axvline(0, color=LOOKS["random"].color, linewidth=1.5, label="random images")
        axis.set_xlim(-0.5, 0.5)
        axis.set_xlabel("correlation beyond that\nof random images")
    return _of_both(figure, axes, drawn, photographs)


def _traits(photographs: Record) -> list[str]:
    return named(photographs.rows(condition="association"), "trait")


def _mean(found: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The mean over classes."""
    return found.groupby(by, sort=False)["value"].mean().reset_index()


def _of_both(figure: Figure, axes: list[Axes], drawn: Record, photographs: Record) -> Figure:
    names = {"drawn shapes": drawn, "photographs": photographs}
    for axis, name in zip(axes, names, strict=True):
        axis.set_title(name, fontsize=SMALL)
    legend_below(figure)
    finish(figure, axes, photographs.scale, photographs.settings["network"])
    both = (scale_of(one.scale, one.settings["network"]) for one in names.values())
    figure.suptitle("\n".join(both), fontsize=SMALL, color="#555555", x=0.01, ha="left")
    return figure
