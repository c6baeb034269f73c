"""One look for the whole book: a color and a marker a source, sizes for a phone, a quiet frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddlib.names import LABELS, scale_of


@dataclass(frozen=True)
class Look:
    """How one series looks in every figure of the book."""

    label: str
    color: str
    marker: str
    line: str = "-"


MARKS = {
    "real": ("#000000", "*"),
    "random": ("#7F7F7F", "o"),
    "herding": ("#7F7F7F", "^", "--"),
    "kcenter": ("#7F7F7F", "v", ":"),
    "averages": ("#7F7F7F", "p", "--"),
    "kmeans": ("#7F7F7F", "h", "-."),
    "bptt": ("#E69F00", "P"),
    "dm": ("#0072B2", "s"),
    "dc": ("#009E73", "D"),
    "dsa": ("#009E73", "d", "--"),
    "mtt": ("#CC79A7", "X"),
    "rded": ("#D55E00", "v"),
    "sre2l": ("#56B4E9", "p"),
    "mtt-late": ("#882255", "x"),
    "start": ("#B09A74", "h", "--"),
    "easy": ("#56B4E9", "<"),
    "mean": ("#D55E00", ">"),
}
OWN = ("#332288", "o^v<>sD")  # of the reader's own methods: one color, a marker each


class Looks(dict[str, Look]):
    """Looks by tag; a method that a reader registered gets one when it is first drawn."""

    def __missing__(self, tag: str) -> Look:
        color, markers = OWN
        self[tag] = Look(LABELS[tag], color, markers[(len(self) - len(MARKS)) % len(markers)])
        return self[tag]


LOOKS = Looks({tag: Look(LABELS[tag], *mark) for tag, mark in MARKS.items()})
GRAY = "#777777"  # of what belongs to no source

# A page shows a figure at its own size, a phone at its 350 pixels: a figure as wide as this keeps
# letters of 8 pixels there, if none is smaller than `SMALL`.
WIDTH = 5.2  # inches
SMALL = 8.6  # points
LETTER = 0.55 * SMALL / 72  # inches that a letter is wide, about
# What axes take from the settings when they are made; lines and legends would ask later.
RC: Any = {
    "font.size": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.2,
}


def panels(
    columns: int = 1, *, rows: int = 1, width: float = WIDTH, height: float = 3.2, **more: Any
) -> tuple[Figure, list[Axes]]:
    """A figure in the style of the book and its axes, row by row.

    `width` and `height` are those of the figure in inches, `more` is what `subplots` takes. The
    style is set for this figure alone; nothing global changes.
    """
    with plt.rc_context(RC):
        figure, axes = plt.subplots(
            rows, columns, figsize=(width, height), squeeze=False, layout="constrained", **more
        )
    return figure, list(axes.flat)


def finish(figure: Figure, axes: Iterable[Axes], scale: str, network: str = "convnet") -> Figure:
    """What every chart shares: a quiet frame, and the scale its numbers were made at."""
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.2)
    figure.suptitle(scale_of(scale, network), fontsize=SMALL, color="#555555", x=0.01, ha="left")
    return closed(figure)


def name_rows(axis: Axes, names: Sequence[str]) -> None:
    """Names the rows of a chart, the first one on top."""
    axis.set_yticks(range(len(names)), names, fontsize=SMALL)
    axis.set_ylim(len(names) - 0.5, -0.5)


def beside(i: int, n: int, width: float = 0.8) -> float:
    """How far from the middle of its row the i-th of n series stands.

    >>> [round(beside(i, 4), 1) for i in range(4)]
    [-0.3, -0.1, 0.1, 0.3]
    """
    return width * ((i + 0.5) / n - 0.5)


def legend_below(figure: Figure) -> None:
    """One legend for all panels, where no line runs through it, in as many columns as there fit."""
    each: dict[str, Any] = {}
    for axis in figure.axes:
        for line, label in zip(*axis.get_legend_handles_labels(), strict=True):
            each.setdefault(label, line)
    needed = max(map(len, each), default=0) * LETTER + 0.6  # inches, with the mark before a label
    figure.legend(
        list(each.values()), list(each), loc="outside lower center", fontsize=SMALL, frameon=False,
        ncols=max(1, min(len(each), int(figure.get_figwidth() / needed))),
    )  # fmt: skip


def closed(figure: Figure) -> Figure:
    """A figure that is shown once, as the value of its cell, and not again by pyplot."""
    plt.close(figure)
    return figure
