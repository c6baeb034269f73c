"""Marks that two questions draw."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from ddlib.experiment.cells import Label
from ddlib.experiment.records import Record
from ddlib.plots.marks import PALE
from ddlib.plots.style import GRAY, LOOKS, beside, name_rows
from ddlib.questions.shared.arrays import named


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
