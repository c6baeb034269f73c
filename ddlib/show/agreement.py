"""Figures of predictions: who predicts like whom, at equal accuracy."""

from math import ceil

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.agreement_gaps import gaps, to_pool
from ddlib.instruments.matching import POOLS, QUANTITIES
from ddlib.instruments.predictions import MEASURES
from ddlib.plots.marks import matrix
from ddlib.plots.style import LOOKS, Look, beside, finish, name_rows, panels
from ddlib.studies import Study

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


def agreements(study: Study, measure: str = "agreement") -> Figure:
    """Each pair of networks as a pale point, a mean for each pool, by source.

    Means count each network of the source once, so that their differences are the gaps.
    """
    figure, axes = _panels(study, 0.35 * len(POOLS) + 0.5)
    for axis, tag in zip(axes, study.axes["source"], strict=True):
        for row, pool in enumerate(POOLS):
            values = to_pool(study, tag, pool)[..., MEASURES.index(measure)]
            _cloud(axis, row, values.flatten(0, 1), POOL_LOOKS[pool])
        _rows(axis, tag)
    figure.supxlabel(f"{measure} with networks of each pool: pale points are pairs", fontsize=8)
    return finish(figure, axes, study.profile)


def matched_accuracies(study: Study) -> Figure:
    """Accuracy of the networks that are compared, and the number of pairs, by source."""
    figure, axes = _panels(study, 0.35 * len(POOLS) + 0.7)
    for axis, tag in zip(axes, study.axes["source"], strict=True):
        own = study.pick("accuracy", source=tag).flatten()
        look = LOOKS[tag]
        axis.plot(own, [-1] * len(own), look.marker, color=look.color, alpha=0.6)
        matched = study.pick("matched", source=tag).flatten(0, 1)
        for row, pool in enumerate(POOLS):
            columns = [m.rsplit(" ", 1)[0] == pool for m in study.axes["member"]]
            values = matched[:, torch.tensor(columns)]
            pairs = _cloud(axis, row, values, POOL_LOOKS[pool])
            note = f"{pairs} pairs" if pairs else "no network is near"
            axis.annotate(
                note, (1.01, row), xycoords=("axes fraction", "data"), fontsize=7, va="center"
            )
        _rows(axis, tag, ["the networks themselves"])
    figure.supxlabel("test accuracy in percent, on the images that are compared", fontsize=8)
    return finish(figure, axes, study.profile)


def agreement_gaps(study: Study, measure: str = "agreement") -> Figure:
    """Gaps and their reference by source, with 95 percent intervals over networks and sets."""
    sources = study.axes["source"]
    figure, axis = plt.subplots(figsize=(7, 0.95 * len(sources) + 1.3), layout="constrained")
    for row, tag in enumerate(sources):
        for i, quantity in enumerate(QUANTITIES):
            mean, low, high = study.pick(
                "interval", source=tag, quantity=quantity, measure=measure
            ).tolist()
            look, y = QUANTITY_LOOKS[quantity], row + 0.16 * (i - 2)
            axis.plot([low, high], [y, y], color=look.color, linewidth=1.5, alpha=0.6)
            axis.plot(
                mean, y, look.marker, color=look.color, markersize=5,
                label=look.label if row == 0 else None,
            )  # fmt: skip
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(sources)), [LOOKS[tag].label for tag in sources], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(f"difference of mean {measure}; bars: 95 percent intervals", fontsize=8)
    axis.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2)
    return finish(figure, [axis], study.profile)


def gaps_by_set(study: Study, measure: str = "agreement") -> Figure:
    """The gap of each set, joined to that of the real images it began with, and of each network."""
    sources = study.axes["source"]
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(sources) + 1), layout="constrained")
    of = {tag: gaps(study, tag, "subset")[..., MEASURES.index(measure)] for tag in sources}
    for row, tag in enumerate(sources):
        color, marker = LOOKS[tag].color, LOOKS[tag].marker
        for i, values in enumerate(of[tag]):
            y = row + beside(i, len(of[tag]), width=0.4)
            if tag in study.axes["began"]:
                begun = LOOKS["start"]
                line = [of["start"][i].nanmean(), values.nanmean()]
                axis.plot(line, [y, y], color=color, linewidth=1)
                axis.plot(line[0], y, begun.marker, color=begun.color, markersize=6)
            axis.plot(values, [y] * len(values), ".", color=color, alpha=0.35, markersize=5)
            axis.plot(values.nanmean(), y, marker, color=color, markersize=8)
    axis.axvline(0, color="black", linewidth=0.8)
    name_rows(axis, [LOOKS[tag].label for tag in sources])
    axis.set_xlabel(f"gap in {measure}: a line for each set, small points are networks", fontsize=8)
    return finish(figure, [axis], study.profile)


def likeness_levels(study: Study, tag: str, measure: str = "agreement") -> Figure:
    """Mean likeness of every kind of network to every other, at the accuracy of one source."""
    kin = study.pick("kin", source=tag, measure=measure).flatten(0, 1).nanmean(0)
    table = torch.full((len(POOLS) + 1,) * 2, torch.nan)
    table[0, 0] = kin[1]  # networks on the other set of the source
    for i, a in enumerate(POOLS, 1):
        table[0, i] = table[i, 0] = to_pool(study, tag, a)[..., MEASURES.index(measure)].nanmean()
        for j, b in enumerate(POOLS[i - 1 :], i):
            table[i, j] = table[j, i] = study.pick(
                "level", source=tag, pair=f"{a}, {b}", measure=measure
            )
    names = [LOOKS[tag].label, *(POOL_LOOKS[p].label for p in POOLS)]
    for gap in (", ", " (", " matching"):  # where a name that is too long is broken
        names = [name.replace(gap, gap.replace(" ", "\n")) for name in names]
    figure, (axis,) = panels(width=7.4, height=4.8)
    text = [["–" if v.isnan() else f"{v:.3f}" for v in row] for row in table]
    drawn = matrix(axis, table.numpy(), names, names, text=text)
    figure.colorbar(drawn, label=f"mean {measure}")
    return finish(figure, [], study.profile)


def missed_stops(study: Study) -> Figure:
    """Agreement with early-stopped networks that are less or more accurate than the network."""
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for tag in study.axes["source"]:
        values = study.pick("missed", source=tag).flatten(0, 1).nanmean(0)
        off = (
            study.pick("missed_accuracy", source=tag)
            - study.pick("accuracy", source=tag)[..., None]
        )
        look = LOOKS[tag]
        axis.plot(
            off.flatten(0, 1).nanmean(0), values, marker=look.marker, color=look.color,
            label=look.label, markersize=5, linestyle="--" if tag == "dsa" else "-",
        )  # fmt: skip
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel("accuracy of the early-stopped networks less that of the network, in points")
    axis.set_ylabel("agreement")
    axis.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return finish(figure, [axis], study.profile)


def _panels(study: Study, height: float) -> tuple[Figure, list[Axes]]:
    """One panel for each source, in two columns where one would be too long for a page."""
    n = len(study.axes["source"])
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


def _cloud(axis: Axes, row: int, values: Float[Tensor, "nets members"], look: Look) -> int:
    """Draws all pairs, and their mean, in which each network counts once; how many pairs."""
    pairs = values[values.isfinite()]
    if len(pairs):  # else no network was near enough
        mean = values.nanmean(1).nanmean()
        axis.plot(pairs, [row] * len(pairs), ".", color=look.color, alpha=0.15, markersize=5)
        axis.plot(mean, row, look.marker, color=look.color, markersize=10, mec="white", mew=0.5)
    return len(pairs)


def _rows(axis: Axes, tag: str, above: list[str] | None = None) -> None:
    above = above or []
    labels = above + [POOL_LOOKS[p].label for p in POOLS]
    axis.set_yticks([i - len(above) for i in range(len(labels))], labels, fontsize=7)
    axis.set_ylim(len(POOLS) - 0.5, -0.6 - len(above))
    axis.set_title(LOOKS[tag].label, fontsize=9, loc="left", color=LOOKS[tag].color)
