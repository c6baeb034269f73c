"""Figures of predictions: who predicts like whom, at equal accuracy."""

from math import ceil, nan
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.marks import matrix
from ddlib.plots.style import LOOKS, Look, beside, finish, name_rows, panels
from ddlib.questions.agreement.findings import gaps
from ddlib.questions.agreement.matching import POOLS, QUANTITIES, RELATIONS
from ddlib.questions.agreement.predictions import MEASURES

POOL_LOOKS = {
    "early": Look("all images, stopped early", "#000000", "*"),
    "subset": Look("subset, to the end", "#7F7F7F", "o"),
    "stopped": Look("larger subset, stopped early", "#7F7F7F", "^"),
    "full-batch": Look("subset, full batches", "#7F7F7F", "s"),
}
QUANTITY_LOOKS = {
    "gap": Look("networks of the source: early less subset", "#000000", "o"),
    "gap to stopped": Look("the same, subsets stopped early", "#000000", "^"),
    "gap to full-batch": Look("the same, subsets in full batches", "#000000", "s"),
    "reference": Look("reference: networks on real subsets", "#7F7F7F", "o"),
    "beyond reference": Look("gap less reference", "#D55E00", "D"),
}


def agreements(record: Record, measure: str = "agreement") -> Figure:
    """Each pair of networks as a pale point, a mean for each pool, by method.

    Means count each network of the method once, so that their differences are the gaps.
    """
    figure, axes = _panels(record, 0.35 * len(POOLS) + 0.5)
    for axis, method in zip(axes, methods(record), strict=True):
        for row, pool in enumerate(POOLS):
            _cloud(axis, row, partners(record, method, pool), measure, POOL_LOOKS[pool])
        _rows(axis, method)
    figure.supxlabel(f"{measure} with networks of each pool: pale points are pairs", fontsize=8)
    return finish(figure, axes, record.profile)


def matched_accuracies(record: Record) -> Figure:
    """Accuracy of the networks that are compared, and the number of pairs, by method."""
    figure, axes = _panels(record, 0.35 * len(POOLS) + 0.7)
    for axis, method in zip(axes, methods(record), strict=True):
        own = record.rows(condition="network", method=method)["accuracy"]
        look = LOOKS[method]
        axis.plot(own, [-1] * len(own), look.marker, color=look.color, alpha=0.6)
        for row, pool in enumerate(POOLS):
            pairs = partners(record, method, pool)
            _cloud(axis, row, pairs, "at", POOL_LOOKS[pool])
            note = f"{len(pairs)} pairs" if len(pairs) else "no network is near"
            axis.annotate(
                note, (1.01, row), xycoords=("axes fraction", "data"), fontsize=7, va="center"
            )
        _rows(axis, method, ["the networks themselves"])
    figure.supxlabel("test accuracy in percent, on the images that are compared", fontsize=8)
    return finish(figure, axes, record.profile)


def agreement_gaps(record: Record, measure: str = "agreement") -> Figure:
    """Gaps and their reference by method, with 95 percent intervals over networks and sets."""
    names = methods(record)
    figure, axis = plt.subplots(figsize=(7, 0.95 * len(names) + 1.3), layout="constrained")
    for row, method in enumerate(names):
        for i, quantity in enumerate(QUANTITIES):
            where = dict(method=method, quantity=quantity, measure=measure)
            mean, low, high = interval(record, **where)
            look, y = QUANTITY_LOOKS[quantity], row + 0.16 * (i - 2)
            axis.plot([low, high], [y, y], color=look.color, linewidth=1.5, alpha=0.6)
            axis.plot(
                mean, y, look.marker, color=look.color, markersize=5,
                label=look.label if row == 0 else None,
            )  # fmt: skip
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(names)), [LOOKS[method].label for method in names], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(f"difference of mean {measure}; bars: 95 percent intervals", fontsize=8)
    axis.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2)
    return finish(figure, [axis], record.profile)


def gaps_by_set(record: Record, measure: str = "agreement") -> Figure:
    """The gap of each set, joined to that of the real images it began with, and of each network."""
    names = methods(record)
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(names) + 1), layout="constrained")
    of = dict(list(gaps(record).groupby(["method", "set"])[measure]))
    for row, method in enumerate(names):
        color, marker = LOOKS[method].color, LOOKS[method].marker
        sets = [values for (name, _), values in of.items() if name == method]
        for i, values in enumerate(sets):
            y = row + beside(i, len(sets), width=0.4)
            if began(record, method):
                begun = LOOKS["start"]
                line = [of["start", i].mean(), values.mean()]
                axis.plot(line, [y, y], color=color, linewidth=1)
                axis.plot(line[0], y, begun.marker, color=begun.color, markersize=6)
            axis.plot(values, [y] * len(values), ".", color=color, alpha=0.35, markersize=5)
            axis.plot(values.mean(), y, marker, color=color, markersize=8)
    axis.axvline(0, color="black", linewidth=0.8)
    name_rows(axis, [LOOKS[method].label for method in names])
    axis.set_xlabel(f"gap in {measure}: a line for each set, small points are networks", fontsize=8)
    return finish(figure, [axis], record.profile)


def likeness_levels(record: Record, method: str, measure: str = "agreement") -> Figure:
    """Mean likeness of every kind of network to every other, at the accuracy of one source."""
    kin = kinship(record, method)[RELATIONS.index("other set"), MEASURES.index(measure)]
    table = torch.full((len(POOLS) + 1,) * 2, torch.nan)
    table[0, 0] = kin
    rows = record.rows(condition="level", method=method).set_index(["pool", "beside"])
    level: dict[Any, float] = dict(rows.get(measure, {}))
    for i, one in enumerate(POOLS, 1):
        table[0, i] = table[i, 0] = float(partners(record, method, one)[measure].mean())
        for j, other in enumerate(POOLS[i - 1 :], i):
            value = level.get((one, other), nan)
            table[i, j] = table[j, i] = value
    names = [LOOKS[method].label, *(POOL_LOOKS[p].label for p in POOLS)]
    for gap in (", ", " (", " matching"):  # where a name that is too long is broken
        names = [name.replace(gap, gap.replace(" ", "\n")) for name in names]
    figure, (axis,) = panels(width=7.4, height=4.8)
    text = [["–" if v.isnan() else f"{v:.3f}" for v in row] for row in table]
    drawn = matrix(axis, table.numpy(), names, names, text=text)
    figure.colorbar(drawn, label=f"mean {measure}")
    return finish(figure, [], record.profile)


def missed_stops(record: Record) -> Figure:
    """Agreement with early-stopped networks that are less or more accurate than the network."""
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for method in methods(record):
        rows = record.rows(condition="network", method=method)
        values = torch.stack(list(rows["missed"])).nanmean(0)
        at = torch.stack(list(rows["missed_accuracy"]))
        off = (at - torch.tensor(rows["accuracy"].to_numpy())[:, None]).nanmean(0)
        look = LOOKS[method]
        axis.plot(
            off, values, marker=look.marker, color=look.color,
            label=look.label, markersize=5, linestyle="--" if method == "dsa" else "-",
        )  # fmt: skip
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel("accuracy of the early-stopped networks less that of the network, in points")
    axis.set_ylabel("agreement")
    axis.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return finish(figure, [axis], record.profile)


# ---- what figures and the chapter read off the table ----------------------------------------


def methods(record: Record) -> list[str]:
    """All methods, in the order in which they were compared."""
    return list(dict.fromkeys(record.table["method"]))


def partners(record: Record, method: str, pool: str) -> pd.DataFrame:
    """The pairs of a network of a method and one of equal accuracy in a pool."""
    pairs = record.table[record.table["condition"] == "alike"]
    return pairs[(pairs["method"] == method) & (pairs["pool"] == pool)]


def interval(record: Record, **where: str) -> tuple[float, float, float]:
    """A quantity of a method by some measure: mean, lower and upper end."""
    row = record.rows(condition="interval", **where)
    mean, low, high = (float(row[k].item()) if k in row else nan for k in ("mean", "low", "high"))
    return mean, low, high


def kinship(record: Record, method: str) -> Float[Tensor, "relations measures"]:
    """How alike networks on few images are, by `RELATIONS`, on the mean over networks."""
    return torch.stack(list(record.rows(condition="network", method=method)["kin"])).nanmean(0)


def began(record: Record, method: str) -> bool:
    """Whether the sets of a method began as the images of `start`."""
    return bool(record.table.loc[record.table["method"] == method, "began"].iloc[0])


def _panels(record: Record, height: float) -> tuple[Figure, list[Axes]]:
    """One panel for each method, in two columns where one would be too long for a page."""
    n = len(methods(record))
    columns = 1 + (n > 3)
    rows = ceil(n / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(7, height * rows + 0.5), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for spare in axes.flat[n:]:
        spare.remove()
    for lowest in axes.flat[n - columns : n]:
        lowest.tick_params(labelbottom=True)
    return figure, list(axes.flat[:n])


def _cloud(axis: Axes, row: int, pairs: pd.DataFrame, value: str, look: Look) -> None:
    """All pairs, and their mean, in which each network of the method counts once."""
    if len(pairs):  # else no network was near enough
        mean = pairs.groupby(["set", "network"])[value].mean().mean()
        points = pairs[value].dropna()
        axis.plot(points, [row] * len(points), ".", color=look.color, alpha=0.15, markersize=5)
        axis.plot(mean, row, look.marker, color=look.color, markersize=10, mec="white", mew=0.5)


def _rows(axis: Axes, method: str, above: list[str] | None = None) -> None:
    above = above or []
    labels = above + [POOL_LOOKS[p].label for p in POOLS]
    axis.set_yticks([i - len(above) for i in range(len(labels))], labels, fontsize=7)
    axis.set_ylim(len(POOLS) - 0.5, -0.6 - len(above))
    axis.set_title(LOOKS[method].label, fontsize=9, loc="left", color=LOOKS[method].color)
