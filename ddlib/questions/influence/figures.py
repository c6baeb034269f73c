"""Figures of what single images of a set do for single test images, and the explorer."""

from collections.abc import Sequence, Sized

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from ddlib.distilled import DistilledSet
from ddlib.experiment.bench import Sets
from ddlib.experiment.records import Record
from ddlib.plots.explorer import Explored, Sides
from ddlib.plots.explorer import explorer as explorer_of
from ddlib.plots.style import GRAY, LOOKS, closed, finish, name_rows
from ddlib.questions.influence.attribution import costs
from ddlib.questions.influence.findings import chance
from ddlib.questions.influence.measures import (
    JUDGES,
    KINDS,
    OVERLAPS,
    REPEATS,
    SCALINGS,
    SIDES,
    TOP,
)
from ddlib.questions.shared.arrays import as_array, named

NOISE_LOOKS = {"reordered": ("images in another order", "|"), "nudged": ("start nudged", "_")}
# Of the ten airplane images that the study shows, each with the nine test images it helps most.
PUBLISHED = {"shown": 90, "airplanes, by eye": 90, "different ones": 88}
OF_CLASS = "rank correlation over\ntest images of the class"
OVERLAP = f"overlap of the {TOP}\nhelped most, in percent"


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


def published_top() -> str:
    """What the study's figure shows, as a line of text."""
    return ", ".join(f"{name}: {value}" for name, value in PUBLISHED.items())


def helped_and_harmed(record: Record, sets: Sets, tag: str, images: Sequence[int]) -> Figure:
    """Some images of a set; beside each the test images that it helps and harms most."""
    pool = record.arrays["thumbnails"]
    listed = record.rows(condition="mean", method=tag)["listed"].iloc[0]
    places = listed.shape[-1]
    figure, axes = plt.subplots(
        len(images), 2 * places + 2, figsize=(9, 0.62 * len(images) + 0.5),
        width_ratios=[1.4] + [1] * places + [0.4] + [1] * places, squeeze=False,
    )  # fmt: skip
    own = sets[tag][0].pixels().cpu()[record.arrays["image"]]
    for row, j in zip(axes, images, strict=True):
        for axis in row:
            axis.axis("off")
        _draw(row[0], own[j])
        for side, first in ((0, 1), (1, places + 2)):
            for axis, t in zip(row[first : first + places], listed[j, side].tolist(), strict=True):
                _draw(axis, pool[t] / 255)
    for i, text in ((0, "image"), (1, "helps most"), (places + 2, "harms most")):
        axes[0][i].set_title(text, fontsize=8, loc="left")
    figure.subplots_adjust(0, 0, 1, 0.88, wspace=0.08, hspace=0.08)
    return closed(figure)


def _draw(axis: Axes, pixels: Tensor) -> None:
    picture = pixels.permute(1, 2, 0).expand(-1, -1, 3).numpy()
    axis.imshow(picture, interpolation="nearest")


def influence_sizes(record: Record) -> Figure:
    """How large influence is in each network, and how large what rounding alone changes."""
    methods = record.settings["methods"]
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(methods) + 1.6), layout="constrained")
    for row, tag in enumerate(methods):
        mine = record.rows(condition="network", method=tag)
        axis.plot(mine["spread"], _at(row, mine), LOOKS[tag].marker, color=LOOKS[tag].color)
        for name, (_, marker) in NOISE_LOOKS.items():
            axis.plot(mine[name], _at(row, mine), marker, color=GRAY, markersize=9)
    for label, marker in NOISE_LOOKS.values():
        axis.plot([], [], marker, color=GRAY, label=label, linestyle="", markersize=9)
    axis.set_xscale("log")
    axis.set_xlim(None, 1.2)
    axis.xaxis.set_minor_formatter(NullFormatter())
    name_rows(axis, [LOOKS[tag].label for tag in methods])
    axis.set_xlabel("typical change of the loss of a test image (root of the mean square)")
    axis.legend(
        title="the same training, but", fontsize=7, title_fontsize=7, frameon=False,
        loc="upper left", bbox_to_anchor=(1, 1),
    )  # fmt: skip
    return finish(figure, [axis], record.profile, record.settings["network"])


def _at(row: int, values: Sized) -> list[float]:
    """Heights of points in a row, a little apart."""
    return [row + 0.06 * (i - (len(values) - 1) / 2) for i in range(len(values))]


def own_shares(record: Record) -> Figure:
    """How many test images at both ends have the class of the image; each network a point."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    methods = record.settings["methods"]
    for axis, side in zip(axes, SIDES, strict=True):
        for row, tag in enumerate(methods):
            for scaling, fill in zip(SCALINGS, ("full", "none"), strict=True):
                where = {"method": tag, "side": side, "scaling": scaling}
                share = 100 * record.rows(condition="top", **where)["own"]
                axis.plot(
                    share, _at(row, share), LOOKS[tag].marker, color=LOOKS[tag].color,
                    fillstyle=fill,
                )  # fmt: skip
        axis.axvline(100 * chance(record), color=GRAY, linestyle=":")
        axis.set_title(f"{TOP} {side} most", fontsize=9)
        axis.set_xlabel("share of its own class, in percent", fontsize=8)
        axis.set_xlim(-4, 104)
        name_rows(axis, [LOOKS[tag].label for tag in methods])
    axes[1].plot([], [], "o", color=GRAY, label="raw change")
    axes[1].plot([], [], "o", color=GRAY, fillstyle="none", label="standardized")
    axes[1].plot([], [], ":", color=GRAY, label="chance")
    axes[1].legend(fontsize=7, frameon=False)
    return finish(figure, list(axes), record.profile, record.settings["network"])


def sums_and_groups(record: Record) -> Figure:
    """Does what single images do add up to what a group does? By size and kind of the group."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), layout="constrained")
    sizes = record.settings["sizes"]
    for axis, value in zip(axes, ("correlation", "slope"), strict=True):
        for kind, shift, fill in zip(KINDS, (-0.1, 0.1), ("full", "none"), strict=True):
            for i, size in enumerate(sizes):
                points = record.rows(condition="added", kind=kind, size=size)[value]
                axis.plot(
                    [i + shift] * len(points), points, "o", color=LOOKS["bptt"].color,
                    fillstyle=fill, label=f"of {kind}" if i == 0 else None,
                )  # fmt: skip
        axis.set_xticks(range(len(sizes)), [str(n) for n in sizes])
        axis.set_xlabel("images left out at once")
        axis.axhline(1, color=GRAY, linestyle=":")
    axes[0].set_title("correlation of the sum with the group", fontsize=9)
    axes[1].set_title("group divided by sum", fontsize=9)
    axes[0].legend(fontsize=7, frameon=False)
    return finish(figure, list(axes), record.profile, record.settings["network"])


def substitutes(record: Record) -> Figure:
    """Each attribution against exact leave-one-out and against trainings on halves of the set."""
    rows, s = record.rows(condition="judged"), record.settings
    names = named(rows, "attribution")
    figure, axes = plt.subplots(
        1, len(JUDGES), figsize=(9, 3.2), sharey=True, sharex=True, layout="constrained"
    )
    n = len(record.arrays["image"]) // s["alone"] * 10
    tests, others = len(record.arrays["test"]), s["nets"] - 1
    spent, training = costs(s["steps"], n, tests, 10, s["stops"], others), s["steps"] * n
    for axis, judge in zip(axes, JUDGES, strict=True):
        for row, name in enumerate(names):
            found = rows.loc[rows["attribution"] == name, judge]
            axis.plot(found, _at(row, found), "o", color=LOOKS["bptt"].color)
        axis.set_title(judge, fontsize=9)
        axis.axvline(0, color=GRAY, linestyle=":")
    labels = [f"{name} ({spent[name] / training:.3g})" for name in names]
    name_rows(axes[0], labels)
    axes[0].set_xlabel("rank correlation", fontsize=8)
    return finish(figure, list(axes), record.profile, record.settings["network"])


# ---- does another network say the same of an image? ------------------------------------------


def repeated(record: Record) -> Figure:
    """Does another network say the same? One image, against two images of one class."""
    methods = record.settings["methods"]
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True, layout="constrained")
    for row, tag in enumerate(methods):
        pairs = record.rows(condition="pair", method=tag)
        alike, overlap = (pairs[list(names)] for names in (REPEATS[2:4], OVERLAPS))
        _draw_same_and_other(axes[0], row, alike.to_numpy(), tag)
        _draw_same_and_other(axes[1], row, 100 * overlap.to_numpy(), tag)
    chances = {OF_CLASS: 0, OVERLAP: 100 * TOP / len(record.arrays["test"])}
    for axis, (title, by_chance) in zip(axes, chances.items(), strict=True):
        axis.axvline(by_chance, color=GRAY, linestyle=":")
        axis.set_xlabel(title, fontsize=8)
    name_rows(axes[0], [LOOKS[tag].label for tag in methods])
    axes[1].set_xlim(0, None)
    _explain(figure, axes[1])
    return finish(figure, list(axes), record.profile, record.settings["network"])


def _draw_same_and_other(axis: Axes, row: int, both: Float[np.ndarray, "v 2"], tag: str) -> None:
    """Values (v, 2): above, full, of one image with itself; below, empty, with another one."""
    for values, shift, fill in zip(both.T, (-0.13, 0.13), ("full", "none"), strict=True):
        _draw_points(axis, row, values, tag, shift, fill)


def _draw_points(
    axis: Axes,
    row: int,
    values: Float[np.ndarray, " v"],
    tag: str,
    shift: float = 0.0,
    fill: str = "full",
) -> None:
    look, heights = LOOKS[tag], [row + shift] * len(values)
    axis.plot(values, heights, look.marker, color=look.color, fillstyle=fill, alpha=0.7)


def _explain(figure: Figure, axis: Axes) -> None:
    for label, fill in (("the same image", "full"), ("another of its class", "none")):
        axis.plot([], [], "o", color=GRAY, fillstyle=fill, label=label)
    axis.plot([], [], ":", color=GRAY, label="chance")
    figure.legend(fontsize=7, frameon=False, ncols=3, loc="outside upper right")


def repeat_table(record: Record) -> str:
    """Rank correlations with other networks, by source, as text: mean over pairs."""
    widths = [max(8, len(name) + 3) for name in REPEATS]
    head = (f"{name:>{width}s}" for name, width in zip(REPEATS, widths, strict=True))
    lines = [f"{'':24s}" + "".join(head)]
    for tag in record.settings["methods"]:
        mean = record.rows(condition="pair", method=tag).reindex(columns=REPEATS).mean()
        cells = (f"{v:{width}.2f}" for v, width in zip(mean, widths, strict=True))
        lines.append(f"{LOOKS[tag].label:24s}" + "".join(cells))
    return "\n".join(lines)


def usual_width(record: Record) -> Figure:
    """A few images in the usual network: whom do they help, and does it repeat? A point a round."""
    methods = record.settings["beside"]
    figure, axes = plt.subplots(
        1, 3, figsize=(9, 0.4 * len(methods) + 1.2), sharey=True, layout="constrained"
    )
    for row, tag in enumerate(methods):
        own, repeat, overlap = (_of_rounds(record, k, tag) for k in ("shares", "repeat", "overlap"))
        _draw_points(axes[0], row, 100 * own, tag)
        _draw_same_and_other(axes[1], row, repeat, tag)
        _draw_same_and_other(axes[2], row, 100 * overlap, tag)
    of_class = f"share of the class among the\n{TOP} helped most, in percent"
    chances = {
        of_class: 100 * chance(record), OF_CLASS: 0, OVERLAP: 100 * TOP / len(record.arrays["test"])
    }  # fmt: skip
    for axis, (title, by_chance) in zip(axes, chances.items(), strict=True):
        axis.axvline(by_chance, color=GRAY, linestyle=":")
        axis.set_xlabel(title, fontsize=8)
    axes[0].set_xlim(0, 104)
    name_rows(axes[0], [LOOKS[tag].label for tag in methods])
    _explain(figure, axes[2])
    return finish(figure, list(axes), record.profile, record.settings["usual"])


def _of_rounds(record: Record, name: str, tag: str) -> Float[np.ndarray, "r *two"]:
    """Means over images and networks: shares (r,), or same and other image (r, 2)."""
    rows = record.rows(condition="round" if name == "shares" else "rounds", method=tag)
    rows = rows.assign(place=rows.groupby("round").cumcount())
    values = as_array(rows, name, "round", "place")
    return values.mean((1, 2)).numpy()


def usual_table(record: Record) -> str:
    """The same as text: mean and spread over rounds, and what a nudge changes beside an image."""
    columns = ("own class", "different", "same image", "other image", "overlap", "of others")
    rounds = record.settings["rounds"]
    lines = [f"{f'n = {rounds} rounds':24s}" + "".join(f"{c:>13s}" for c in (*columns, "nudge"))]
    for tag in record.settings["beside"]:
        own, repeat, overlap = (_of_rounds(record, k, tag) for k in ("shares", "repeat", "overlap"))
        rows = record.rows(condition="round", method=tag)
        different = rows.groupby("round")["distinct"].mean().to_numpy()
        each = (own, different, *repeat.T, *overlap.T)
        nudged = record.rows(condition="usual", method=tag)["nudged"].iloc[0]
        noise = nudged / rows["spread"].iloc[0]  # in the network that was nudged
        texts = [f"{v.mean():.2f} ± {v.std(ddof=1):.2f}" for v in each] + [f"{noise:.2f}"]
        lines.append(f"{LOOKS[tag].label:24s}" + "".join(f"{text:>13s}" for text in texts))
    return "\n".join(lines)
