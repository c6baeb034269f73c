"""Figures of transfer: what is left of each set's gain in each architecture, and by protocol."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.marks import matrix, strip
from ddlib.plots.style import GRAY, LOOKS, SMALL, Look, finish, legend_below, name_rows, panels
from ddlib.questions.transfer.experiment import MATCHING, UNROLLED
from ddlib.questions.transfer.findings import (
    accuracies,
    agreement,
    architectures,
    costs,
    distilled,
    gains,
    kept,
    orders,
)
from ddlib.questions.transfer.protocols import two_way

ByProtocol = tuple[Sequence[str], Float[Tensor, "m p s"]]
SETS = MATCHING + UNROLLED
THREE = {
    "random": LOOKS["random"],
    "herding": LOOKS["herding"],
    "distilled": Look("distilled sets, mean of the methods", "#D55E00", "D"),
    "ceiling": Look("10 times as many real images", "#000000", "*"),
}
PARTS = {
    "method": Look("method", "#0072B2", "o"),
    "protocol": Look("protocol", "#000000", "s"),
    "interaction": Look("interaction", "#D55E00", "D"),
    "noise": Look("interaction from noise alone", "#7F7F7F", "^"),
}


def gain_table(record: Record) -> Figure:
    """Points above random images in the same architecture, as colors and as mean ± spread."""
    table = gains(record).drop(columns="random")
    names, methods = architectures(record), [str(method) for method in table]
    means = table.groupby("architecture", sort=False).mean()
    each = dict(list(table.groupby("architecture")))
    figure, (axis,) = panels(width=0.66 * len(methods) + 1.9, height=0.46 * len(names) + 1.2)
    labels = [LOOKS[method].label.replace(" ", "\n") for method in methods]
    text = [[_mean(each[name][method]) for method in methods] for name in names]
    matrix(axis, means.to_numpy(), names, labels, text=text, center=0.0)
    for row in _group_starts(record):
        axis.axhline(row - 0.5, color="white", linewidth=4)
    axis.set_xlabel(f"points above random images in the same network,\n{_runs(record)}")
    return finish(figure, [], record.profile)


def _group_starts(record: Record) -> list[int]:
    """Rows of the architectures with which other norms, other kinds, other widths begin."""
    settings = record.settings
    groups = ([settings["home"]], *(settings[k] for k in ("norms", "others", "widths")))
    ends = list(accumulate(len(group) for group in groups))
    return [row for row in ends if row < len(architectures(record))]


def _mean(runs: pd.Series) -> str:
    spread = f"\n± {runs.std():.1f}" if len(runs) > 1 else ""
    return f"{runs.mean():+.1f}{spread}"


def _runs(record: Record) -> str:
    """How many runs stand behind one number."""
    runs = record.rows(condition="own")
    sets, networks = runs["set"].nunique(), runs["network"].nunique()
    return f"n = {networks} (sets: {sets}, networks for each: {networks // sets})"


def three_numbers(record: Record) -> Figure:
    """Test accuracy in each architecture: random images, chosen, distilled, the ceiling.

    A point is a set, the mean over its networks; `distilled` is the mean over all methods.
    """
    own = accuracies(record)
    chosen = [name for name in ("random", "herding") if name in own]
    means = own[chosen].assign(distilled=own[distilled(record)].mean(axis=1))
    means = means.groupby(["architecture", "set"], sort=False).mean()
    table = means.melt(var_name="method", value_name="accuracy", ignore_index=False).reset_index()
    top = record.rows(condition="ceiling")[["architecture", "accuracy"]]
    table = pd.concat([table, top.assign(method="ceiling")])
    return _rows(record, table, "accuracy", "test accuracy in percent", THREE)


def kept_by_set(record: Record) -> Figure:
    """The part of the room between random images and the ceiling that each set filled."""
    share = kept(record).drop(columns="random").groupby(["architecture", "set"], sort=False).mean()
    table = share.melt(var_name="method", value_name="kept", ignore_index=False).reset_index()
    figure = _rows(record, table, "kept", "percent of the room above random images", LOOKS)
    axis = figure.axes[0]
    axis.axvline(0, color=LOOKS["random"].color, linestyle="--")
    axis.axvline(100, color="black", linewidth=1.2)
    return figure


def _rows(
    record: Record, table: pd.DataFrame, value: str, label: str, looks: Mapping[str, Look]
) -> Figure:
    """A row for each architecture, points in it sets; a line parts the groups."""
    names = architectures(record)
    figure, (axis,) = panels(height=0.55 * len(names) + 1.5)
    strip(axis, table, value, rows="architecture", looks=looks)
    for row in _group_starts(record):
        axis.axhline(row - 0.5, color=GRAY, linewidth=0.8)
    axis.set_xlabel(label)
    axis.grid(False, axis="y")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def what_costs(record: Record) -> Figure:
    """Percent of the room lost by another norm, and by another architecture; a point a set."""
    lost = {
        f"another {what}": each[distilled(record)].mean(axis=1).groupby("set").mean()
        for what, each in costs(record).items()
    }
    table = pd.concat([
        part.rename("lost").reset_index().assign(changed=what, method="distilled")
        for what, part in lost.items()
    ])  # fmt: skip
    figure, (axis,) = panels(height=1.7)
    strip(axis, table, "lost", rows="changed", looks=THREE)
    axis.axvline(0, color=GRAY, linewidth=1)
    axis.set_xlabel("percent of the room lost, mean of the distilled sets")
    return finish(figure, [axis], record.profile)


def order(record: Record) -> Figure:
    """How far each architecture ranks the distilled sets as home does; gray: random orders."""
    found, chance = agreement(record), orders(len(distilled(record)))
    low, high = chance.quantile(torch.tensor([0.025, 0.975])).tolist()
    figure, (axis,) = panels(height=0.28 * len(found) + 1.3)
    axis.axvspan(low, high, color="#DDDDDD", label="95 percent of random orders")
    axis.plot(found, range(len(found)), "o", color="black", label="the order in this network")
    name_rows(axis, [str(name) for name in found.index])
    axis.set_xlim(-1.05, 1.05)
    axis.set_xlabel("Kendall's tau with the order at home")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def two_protocols(tables: Mapping[int, ByProtocol], profile: str) -> Figure:
    """Lead over random images under `augmented` over that under `plain`, a point for each set.

    On the line the protocol changes nothing but the level. One panel for each ipc.
    """
    figure, axes = panels(len(tables), height=2.9)
    for axis, (ipc, (tags, y)) in zip(axes, tables.items(), strict=True):
        gain = y - y[tags.index("random")].mean(1)[None, :, None]
        for tag, points in zip(tags, gain, strict=True):
            if tag in ("herding", *SETS):
                look = LOOKS[tag]
                axis.plot(*points, look.marker, color=look.color, alpha=0.8, label=look.label)
        axis.axline((0, 0), slope=1, color="#BBBBBB", linewidth=1)
        axis.set_title(f"{ipc} per class", fontsize=SMALL)
    axes[len(axes) // 2].set_xlabel("gain under 'plain', points")
    axes[0].set_ylabel("gain under 'augmented'")
    legend_below(figure)
    return finish(figure, axes, profile)


def protocol_parts(tables: Mapping[int, ByProtocol], profile: str) -> Figure:
    """How far the distilled sets of one size are moved apart by method, protocol, and both.

    Root mean squares in points. A size with fewer than two methods, or with one set of each, cannot
    be taken apart and is left out.
    """
    rows = []
    for ipc, (tags, y) in tables.items():
        known = [i for i, tag in enumerate(tags) if tag in SETS]
        parts = two_way(y[known])
        if parts.sets > 1 and len(known) > 1:
            sizes = {**parts.sizes, "noise": parts.noise}
            rows += [{"ipc": ipc, "part": part, "points": v} for part, v in sizes.items()]
    table = pd.DataFrame(rows)
    figure, (axis,) = panels(height=2.4)
    names = {str(ipc): f"{ipc} per class" for ipc in table["ipc"].unique()}
    strip(axis, table, "points", rows="ipc", by="part", names=names, looks=PARTS)
    axis.set_xlim(0, None)
    axis.set_xlabel("points of accuracy (root mean square)")
    legend_below(figure)
    return finish(figure, [axis], profile)
