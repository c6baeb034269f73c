"""Figures of what single images of a set do for single test images, and the explorer."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.display import HTML
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.distilled import DistilledSet
from ddlib.experiment.bench import Sets
from ddlib.experiment.records import Record
from ddlib.plots.explorer import Explored, Sides
from ddlib.plots.explorer import explorer as explorer_of
from ddlib.plots.marks import strip
from ddlib.plots.style import (
    GRAY,
    LOOKS,
    SMALL,
    WIDTH,
    Look,
    closed,
    finish,
    legend_below,
    name_rows,
    panels,
)
from ddlib.questions.influence.findings import by_chance, in_rounds, instruments
from ddlib.questions.influence.measures import TOP

# Of the ten airplane images of BPTT that the study shows, each with the nine test images it helps
# most: how many are airplanes, by eye, and how many different ones there are, in percent.
RELEASED = {"own": 100.0, "distinct": 100 * 88 / 90}
THEIRS = Look("released (BPTT)", "#000000", "*")
KINDS = {
    "same": Look("the same image, in another network", "#000000", "o"),
    "other": Look("another image of its class, there", "#7F7F7F", "s"),
}
WIDTHS = {
    "usual": Look("usual width", "#000000", "o"),
    "narrow": Look("a quarter of it", "#D55E00", "^"),
}


def beside_released(record: Record) -> Figure:
    """Who is on the lists of the nine helped most: the released list and ours; a point a round."""
    table = in_rounds(record)
    figure, axes = panels(2, sharey=True, height=3.1)
    titles = {
        "own": "of the class\nof the image",
        "distinct": "different ones in the\nlists of its class",
    }
    names = [LOOKS[tag].label for tag in record.settings["beside"]]
    for axis, (value, title) in zip(axes, titles.items(), strict=True):
        strip(axis, table, value)
        axis.plot(RELEASED[value], len(names), THEIRS.marker, color=THEIRS.color, markersize=9)
        axis.axvline(by_chance(record)[value], color=GRAY, linestyle=":", label="chance")
        axis.set_xlim(0, 104)
        axis.set_title(title, fontsize=SMALL)
        axis.set_xlabel("percent of a list")
        name_rows(axis, [*names, THEIRS.label])
    axes[1].legend(*_last(axes[1]), fontsize=SMALL, frameon=False, loc="lower left")
    return finish(figure, axes, record.profile, record.settings["usual"])


def _last(axis: Axes) -> tuple[list[Any], list[Any]]:
    """The line of chance alone: the rows name all other series."""
    lines, names = axis.get_legend_handles_labels()
    return lines[-1:], names[-1:]


def repeated(record: Record) -> Figure:
    """Does another network say the same of an image, and only of this image? A point a round."""
    table = in_rounds(record)
    figure, axes = panels(2, sharey=True, height=3.4)
    values = {
        "repeat": "rank correlation over\ntest images of the class",
        "overlap": f"percent of the {TOP} helped\nmost that come back",
    }
    for axis, (value, label) in zip(axes, values.items(), strict=True):
        long = table.melt(["method", "round"], [f"{value} same", f"{value} other"], "kind", value)
        long["kind"] = long["kind"].str.removeprefix(f"{value} ")
        strip(axis, long, value, by="kind", looks=KINDS)
        axis.axvline(by_chance(record)[value], color=GRAY, linestyle=":", label="chance")
        axis.set_xlabel(label)
    legend_below(figure)
    return finish(figure, axes, record.profile, record.settings["usual"])


def instrument(record: Record) -> Figure:
    """The same in two widths of network: how well an image's pattern repeats, how large the noise.

    A point is a round in the usual width, a network in the narrow one. Noise is there in one
    network of a method in the usual width.
    """
    table = instruments(record)
    figure, axes = panels(2, sharey=True, height=3.4)
    values = {
        "beyond": "rank correlation: the same\nimage less another",
        "noise": "change by a nudged start,\npercent of an image's",
    }
    for axis, (value, label) in zip(axes, values.items(), strict=True):
        strip(axis, table, value, by="width", looks=WIDTHS)
        axis.set_xlim(0, None)
        axis.set_xlabel(label)
    legend_below(figure)
    both = f"{record.settings['usual']}, {record.settings['network']}"
    return finish(figure, axes, record.profile, both)


def helped_and_harmed(
    record: Record, sets: Sets, tag: str, images: Sequence[int], most: int = 4
) -> Figure:
    """Some images of a set; beside each the test images that it helps and harms most."""
    pool = record.arrays["thumbnails"]
    listed = record.rows(condition="mean", method=tag)["listed"].iloc[0][..., :most]
    figure, axes = plt.subplots(
        len(images), 2 * most + 2, figsize=(WIDTH, 0.58 * len(images) + 0.3),
        width_ratios=[1.3] + [1] * most + [0.4] + [1] * most, squeeze=False,
    )  # fmt: skip
    own = sets[tag][0].pixels().cpu()[record.arrays["image"]]
    for row, j in zip(axes, images, strict=True):
        for axis in row:
            axis.axis("off")
        _draw(row[0], own[j])
        for side, first in ((0, 1), (1, most + 2)):
            for axis, t in zip(row[first : first + most], listed[j, side].tolist(), strict=True):
                _draw(axis, pool[t] / 255)
    for i, text in ((0, "image"), (1, "helps most"), (most + 2, "harms most")):
        axes[0][i].set_title(text, fontsize=SMALL, loc="left")
    figure.subplots_adjust(0, 0, 1, 0.88, wspace=0.08, hspace=0.08)
    return closed(figure)


def _draw(axis: Axes, pixels: Tensor) -> None:
    picture = pixels.permute(1, 2, 0).expand(-1, -1, 3).numpy()
    axis.imshow(picture, interpolation="nearest")


# ---- the explorer ----------------------------------------------------------------------------


def explorer(record: Record, sets: Sets) -> HTML:
    """Choose an image, see whom it helps and harms; works without a kernel or a network."""
    chosen = {method: sets[method][0] for method in record.settings["methods"]}
    explored = {
        method: Explored(LOOKS[method].label, _shown(record, one), effects(record, method))
        for method, one in chosen.items()
    }
    classes, nets = next(iter(chosen.values())).classes, record.settings["nets"]
    key = f"dd-explorer-{record.dataset}"
    return explorer_of(key, explored, record.arrays["thumbnails"], classes, nets)


def _shown(record: Record, one: DistilledSet) -> UInt8[Tensor, "n c h w"]:
    return (one.pixels().cpu()[record.arrays["image"]] * 255).round().byte()


def effects(record: Record, method: str) -> list[Sides]:
    """For each image, helped and harmed: test image, mean change, in spreads, networks alike."""
    mean = record.rows(condition="mean", method=method).iloc[0]
    tests, shown = record.arrays["test"], record.arrays["shown"]
    change = mean["influence"][:, torch.isin(tests, shown)].float()
    spread = change.std(0)
    listed, alike = mean["listed"].tolist(), mean["alike"].tolist()

    def side(j: int, which: int) -> list[tuple[int, float, float, int]]:
        return [
            (t, round(v := float(change[j, t]), 3), round(v / float(spread[t]), 1), n)
            for t, n in zip(listed[j][which], alike[j][which], strict=True)
        ]

    return [(side(j, 0), side(j, 1)) for j in range(len(listed))]
