"""The few marks that the figures of the book are made of; each draws a table on one axis.

A table is tidy: a row a value, columns for its labels. The column `by` (as a rule `method`) names
the series, which take their color and marker from `looks`. At most six share an axis, because a
reader cannot follow more, and each has a name for `legend_below`.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from ddlib.experiment.statistics import SET, by_sets
from ddlib.names import LABELS
from ddlib.pictures import arranged
from ddlib.plots.style import GRAY, LETTER, LOOKS, SMALL, Look, Looks, beside, name_rows

MOST = 6  # series on one axis
PALE = 0.35  # opacity of single values beside their mean


def _series(table: pd.DataFrame, by: str, looks: Mapping[str, Look]) -> dict[str, pd.DataFrame]:
    """The table by series, in its own order."""
    parts = {str(tag): part for tag, part in table.groupby(by, sort=False)}
    if len(parts) > MOST:
        raise ValueError(f"{len(parts)} series on one axis; a reader can follow {MOST}: {[*parts]}")
    if not isinstance(looks, Looks) and (unknown := [tag for tag in parts if tag not in looks]):
        raise ValueError(f"no look for {unknown[0]!r}; there is one for: {', '.join(looks)}")
    return parts


def strip(
    axis: Axes,
    table: pd.DataFrame,
    value: str,
    rows: str = "method",
    by: str = "method",
    *,
    names: Mapping[str, str] | None = None,
    looks: Mapping[str, Look] = LOOKS,
) -> None:
    """A row for each label of the column `rows`: values as pale points, their mean as a full one.

    The series stand one below the other within a row, or each in its own if `rows` is `by`. `names`
    are the labels in words.
    """
    parts, labels = _series(table, by, looks), list(dict.fromkeys(table[rows]))
    for i, (tag, part) in enumerate(parts.items()):
        look = looks[tag]
        axis.plot([], [], look.marker, color=look.color, label=look.label)
        for label, values in part.dropna(subset=[value]).groupby(rows, sort=False)[value]:
            y = labels.index(label) + (0 if rows == by else beside(i, len(parts)))
            axis.plot(values, [y] * len(values), look.marker, color=look.color, alpha=PALE, ms=5)
            axis.plot(
                values.mean(), y, look.marker, color=look.color, markersize=8, mec="white", mew=0.6
            )
    _name_rows(axis, labels, looks, names)


def over_sets(
    axis: Axes,
    table: pd.DataFrame,
    value: str = "value",
    rows: str = "method",
    by: str = "method",
    *,
    names: Mapping[str, str] | None = None,
    looks: Mapping[str, Look] = LOOKS,
) -> None:
    """A `strip` whose points are means of sets over their networks; lines are 95 % intervals.

    The interval of each mean counts sets (`experiment.statistics.by_sets`). The axis grows for
    points and not for intervals, so that one of two sets may run off it.
    """
    labels = list(dict.fromkeys((rows, by)))
    known = table.dropna(subset=[value])
    means = known.groupby([*labels, SET], sort=False)[value].mean().reset_index()
    strip(axis, means, value, rows, by, names=names, looks=looks)
    axis.set_xlim(axis.get_xlim())
    places, series = (list(dict.fromkeys(means[column])) for column in (rows, by))
    for _, part in means.groupby(labels, sort=False):
        row, tag, over = part[rows].iloc[0], part[by].iloc[0], by_sets(part, value)
        y = places.index(row) + (0 if rows == by else beside(series.index(tag), len(series)))
        axis.plot([over.low, over.high], [y, y], color=looks[tag].color, linewidth=1.3, zorder=1)


def lines(
    axis: Axes,
    table: pd.DataFrame,
    x: str,
    value: str,
    by: str = "method",
    *,
    each: Sequence[str] = (),
    spread: Literal["points", "band"] | None = None,
    looks: Mapping[str, Look] = LOOKS,
) -> None:
    """The mean of each series over the column `x`, as a line.

    Around it all values as pale `points`, or a `band` of a standard deviation to both sides; with
    the columns `each` (say set and network) also a pale line for each of their pairs.
    """
    for tag, part in _series(table, by, looks).items():
        look, at = looks[tag], part.groupby(x)[value]
        mean, deviation = at.mean(), at.std()
        if each:
            for _, one in part.sort_values(x).groupby(list(each)):
                axis.plot(one[x], one[value], color=look.color, alpha=0.25, linewidth=0.7)
        if spread == "points":
            axis.plot(part[x], part[value], look.marker, color=look.color, alpha=PALE, markersize=4)
        if spread == "band":
            axis.fill_between(
                mean.index, mean - deviation, mean + deviation, color=look.color, alpha=0.15,
                linewidth=0,
            )  # fmt: skip
        axis.plot(
            mean.index, mean, look.line, marker=look.marker, color=look.color, label=look.label,
            markevery=max(1, len(mean) // 8), linewidth=1.4, markersize=5,
        )  # fmt: skip


def matrix(
    axis: Axes,
    values: Float[np.ndarray, "r c"],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    text: Sequence[Sequence[str]] | None = None,
    center: float | None = None,
) -> AxesImage:
    """Numbers as colors, with `text` or without; NaN stays white.

    With a `center` two colors part there, and what lies as far to both sides is as dark.
    """
    values = np.asarray(values)
    if center is None:
        drawn = axis.imshow(values, cmap="cividis", aspect="auto")
    else:
        far = float(np.nanmax(abs(values - center)))
        drawn = axis.imshow(
            values, cmap="PuOr", aspect="auto", vmin=center - far, vmax=center + far
        )
    for i, line in enumerate(text or ()):
        for j, entry in enumerate(line):
            r, g, b, alpha = drawn.cmap(drawn.norm(values[i, j]))
            dark = alpha and 0.3 * r + 0.59 * g + 0.11 * b < 0.5
            color = "white" if dark else "black"
            axis.text(j, i, entry, ha="center", va="center", color=color, fontsize=SMALL)
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(length=0)
    axis.grid(False)
    return drawn


def sheet(axis: Axes, images: Float[Tensor, "n c h w"], classes: Sequence[str]) -> None:
    """Pixel images in [0, 1], class after class in `n`: one column for each class.

    The names of the classes stand upright where they are too long for their columns.
    """
    drawn = arranged((images * 255).round().byte().cpu(), len(classes))
    axis.imshow(np.asarray(drawn), interpolation="nearest")
    step, grid = drawn.width / len(classes), axis.get_gridspec()
    across = float(axis.figure.bbox.width / axis.figure.dpi / (grid.ncols if grid else 1))
    axis.set_xticks(
        [step * (i + 0.5) for i in range(len(classes))], classes, fontsize=SMALL,
        rotation=90 if upright(classes, across) else 0,
    )  # fmt: skip
    axis.set_yticks([])
    axis.tick_params(length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)


def upright(classes: Sequence[str], width: float) -> bool:
    """Are the names of columns too long to stand side by side in so many inches?"""
    return max(map(len, classes)) * LETTER > width / len(classes)


def forest(
    axis: Axes,
    table: pd.DataFrame,
    rows: str = "method",
    by: str = "method",
    *,
    names: Mapping[str, str] | None = None,
    looks: Mapping[str, Look] = LOOKS,
    null: float = 0.0,
) -> None:
    """Means with their intervals, a row each, against a line where there is no effect.

    `table` has the columns mean, low and high, as `experiment.statistics.summary` makes them. An
    interval that excludes `null` has a full marker, another one an open marker. Series stand one
    below the other within a row, unless each row has one only.
    """
    parts, labels = _series(table, by, looks), list(dict.fromkeys(table[rows]))
    alone = len(labels) == len(table)
    axis.axvline(null, color=GRAY, linewidth=1)
    for i, (tag, part) in enumerate(parts.items()):
        look = looks[tag]
        axis.plot([], [], look.marker, color=look.color, label=look.label)
        for row in part.to_dict("records"):
            y = labels.index(row[rows]) + (0 if alone else beside(i, len(parts)))
            axis.plot([row["low"], row["high"]], [y, y], color=look.color, linewidth=1.5)
            beyond = row["low"] > null or row["high"] < null
            axis.plot(
                row["mean"], y, look.marker, color=look.color, markersize=7,
                markerfacecolor=look.color if beyond else "white",
            )  # fmt: skip
    _name_rows(axis, labels, looks, names)


def _name_rows(
    axis: Axes,
    labels: Sequence[Hashable],
    looks: Mapping[str, Look],
    names: Mapping[str, str] | None,
) -> None:
    """Each row under its name in words: that of its look, or of a method, if there is no other."""
    known = {**LABELS, **{tag: look.label for tag, look in looks.items()}, **(names or {})}
    name_rows(axis, [known.get(str(label), str(label)) for label in labels])
