"""Figures of transfer: what is left of each set's gain in each architecture, and by protocol."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import matplotlib.pyplot as plt
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.marks import matrix
from ddlib.plots.style import GRAY, LOOKS, finish, name_rows, panels
from ddlib.questions.transfer.findings import accuracies, architectures, gains, kept


def gain_table(record: Record) -> Figure:
    """Points above random images in the same architecture, as colors and as mean ± spread."""
    table = gains(record).drop(columns="random")
    names, methods = architectures(record), [str(method) for method in table]
    means = table.groupby("architecture", sort=False).mean()
    each = dict(list(table.groupby("architecture")))
    figure, (axis,) = panels(width=0.9 * len(methods) + 2.1, height=0.4 * len(names) + 1.3)
    labels = [LOOKS[method].label.replace(" ", "\n") for method in methods]
    text = [[_mean(each[name][method]) for method in methods] for name in names]
    matrix(axis, means.to_numpy(), names, labels, text=text, center=0.0)
    for row in _group_starts(record):
        axis.axhline(row - 0.5, color="white", linewidth=4)
    axis.set_xlabel(f"points above random images in the same network, {_runs(record)}")
    return finish(figure, [], record.profile)


def _group_starts(record: Record) -> list[int]:
    """Rows of the architectures with which other norms, other kinds, other widths begin."""
    settings = record.settings
    groups = ([settings["home"]], *(settings[k] for k in ("norms", "others", "widths")))
    ends = list(accumulate(len(group) for group in groups))
    return [row for row in ends if row < len(architectures(record))]


def _mean(runs: pd.Series) -> str:
    spread = f" ± {runs.std():.1f}" if len(runs) > 1 else ""
    return f"{runs.mean():+.1f}{spread}"


def _runs(record: Record) -> str:
    """How many runs stand behind one number."""
    runs = record.rows(condition="own")
    sets, networks = runs["set"].nunique(), runs["network"].nunique()
    return f"n = {networks} (sets: {sets}, networks for each: {networks // sets})"


def gain_runs(record: Record) -> Figure:
    """Test accuracy of every single run, one row for each architecture, with its ceiling."""
    figure, axis = _rows_of_runs(accuracies(record))
    top = record.rows(condition="ceiling").groupby("architecture")["accuracy"]
    for row, name in enumerate(architectures(record)):
        label = "" if row else "10 times as many real images"
        ceilings = top.get_group(name)
        axis.vlines(ceilings, row - 0.4, row + 0.4, color="black", linewidth=1.2, label=label)
    return _finish_runs(figure, record, "test accuracy in percent")


def kept_runs(record: Record) -> Figure:
    """The part of the room between random images and the ceiling that every run filled."""
    figure, axis = _rows_of_runs(kept(record).drop(columns="random"))
    axis.axvline(0, color=LOOKS["random"].color, linestyle="--", label="random images")
    axis.axvline(100, color="black", linewidth=1.2, label="10 times as many real images")
    return _finish_runs(figure, record, "percent of the room above random images")


def _rows_of_runs(table: pd.DataFrame) -> tuple[Figure, Axes]:
    """A row for each architecture, in it a line for each method: runs as marks, a bar the mean.

    Marks of the first set are filled, those of others hollow.
    """
    each = dict(list(table.groupby("architecture", sort=False)))
    names, methods = [str(name) for name in each], [str(method) for method in table]
    figure, axis = plt.subplots(figsize=(7, 0.8 * len(names) + 1.3), layout="constrained")
    for row, name in enumerate(names):
        for shift, method in enumerate(methods):
            look, runs = LOOKS[method], each[name][method]
            height = row + 0.7 * (shift / (len(methods) - 1) - 0.5)
            for number, some in runs.groupby("set"):
                axis.plot(
                    some, [height] * len(some), look.marker, color=look.color, alpha=0.8,
                    markerfacecolor="none" if number else look.color, markersize=5,
                    label=None if row or number else look.label,
                )  # fmt: skip
            if len(runs) > 1:
                axis.vlines(runs.mean(), height - 0.07, height + 0.07, color=look.color)
    name_rows(axis, names)
    return figure, axis


def _finish_runs(figure: Figure, record: Record, measured: str) -> Figure:
    (axis,) = figure.axes
    hollow = ", hollow: second set" if record.rows(condition="own")["set"].nunique() > 1 else ""
    axis.set_xlabel(f"{measured}\n(one point for each run{hollow})", fontsize=9)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    finish(figure, [axis], record.profile)
    axis.grid(False, axis="y")
    starts = _group_starts(record)
    for row in range(1, len(architectures(record))):
        axis.axhline(row - 0.5, color=GRAY if row in starts else "#DDDDDD", linewidth=0.8)
    return figure


def two_protocols(
    tables: Mapping[int, tuple[Sequence[str], Float[Tensor, "m p s"]]], profile: str
) -> Figure:
    """Lead over random images under `augmented` over that under `plain`, a point for each set.

    On the line the protocol changes nothing but the level. One panel for each ipc.
    """
    figure, axes = plt.subplots(
        1, len(tables), figsize=(3.1 * len(tables), 3.1), squeeze=False, layout="constrained"
    )
    for axis, (ipc, (tags, y)) in zip(axes[0], tables.items(), strict=True):
        gain = y - y[tags.index("random")].mean(1)[None, :, None]
        for tag, points in zip(tags, gain, strict=True):
            look = LOOKS[tag]
            axis.plot(*points, look.marker, color=look.color, alpha=0.8, label=look.label)
        axis.axline((0, 0), slope=1, color="#BBBBBB", linewidth=1)
        axis.set_title(f"images per class: {ipc}", fontsize=9)
        axis.set_xlabel("gain under 'plain', points", fontsize=8)
    axes[0][0].set_ylabel("gain under 'augmented', points", fontsize=8)
    axes[0][0].legend(fontsize=6, frameon=False)
    return finish(figure, list(axes[0]), profile)
