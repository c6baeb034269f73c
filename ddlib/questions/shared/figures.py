"""What figures of several questions share: marks, and the released figure beside ours."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ddlib.experiment.cells import Label
from ddlib.experiment.records import Record
from ddlib.names import scale_of
from ddlib.plots.marks import PALE
from ddlib.plots.style import GRAY, LOOKS, SMALL, beside, closed, legend_below, name_rows
from ddlib.questions.shared.arrays import named

RELEASED = "released: CIFAR-10 at 32×32, one set of each method"


def released_beside_ours(
    figure: Figure, released: Axes, ours: Axes, record: Record, note: str
) -> Figure:
    """The frame of two panels on the same axes: what was released, and what a record holds.

    `note` says what a point of the released one is.
    """
    released.set_title(f"released\n({note})", fontsize=SMALL)
    counted = record.table.dropna(subset=["set"]).groupby("method")["set"].nunique().max()
    ours.set_title(f"ours\n(pale: sets, up to {counted})", fontsize=SMALL)
    scales = f"{RELEASED}\nours: {scale_of(record.scale)}"
    figure.suptitle(scales, fontsize=SMALL, color="#555555", x=0.01, ha="left")
    legend_below(figure)
    return closed(figure)


def diamonds(axis: Axes, released: Mapping[str, float], rows: Sequence[str], label: str) -> Line2D:
    """What was released for some methods, each in its row beside our points."""
    (drawn,) = axis.plot(
        [*released.values()], [rows.index(method) for method in released], "D", color="black",
        mfc="none", ms=10, label=label,
    )  # fmt: skip
    return drawn


def banded(axis: Axes, rows: int) -> None:
    """Every other row on gray, where each holds several series."""
    for row in range(1, rows, 2):
        axis.axhspan(row - 0.5, row + 0.5, color="#F3F3F3", zorder=0)


def beside_chance(
    axis: Axes, record: Record, by: str, names: Sequence[str], where: Mapping[str, Label]
) -> None:
    """A row for each label of the column `by`: correlations of influence and likeness by method.

    A pale point is a set, a full one the mean of a method; where a method has one set, that is the
    mean over its classes. A gray bar is the middle 95 % of shuffled means.
    """
    found = record.rows(condition="association", **where)
    by_chance = record.rows(condition="chance", **where).set_index(["method", by])
    methods = named(found, "method")
    for row, name in enumerate(names):
        for i, method in enumerate(methods):
            y, look = row + beside(i, len(methods)), LOOKS[method]
            low, high = (float(by_chance[end][method, name]) for end in ("low", "high"))
            axis.plot([low, high], [y, y], color="#BBBBBB", linewidth=5, solid_capstyle="butt")
            mine = found[(found["method"] == method) & (found[by] == name)]
            if "set" in mine:
                each = mine.groupby("set")["association"].mean()
                axis.plot(each, [y] * len(each), look.marker, color=look.color, alpha=PALE, ms=4)
            label = look.label if not row else None
            axis.plot(
                mine["association"].mean(), y, look.marker, color=look.color, label=label, ms=6
            )
    name_rows(axis, names)
    axis.axvline(0, color=GRAY, linewidth=1)
    axis.set_xlabel("correlation of\ninfluence and likeness")
    axis.locator_params(axis="x", nbins=5)
