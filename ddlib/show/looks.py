"""What all figures share: one look for each source of images, the scale, a quiet frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddlib.methods import LABELS


@dataclass(frozen=True)
class Look:
    """How one source of images looks in every figure of the book."""

    label: str
    color: str
    marker: str


LOOKS = {
    "real": Look("all real images", "#000000", "*"),
    "random": Look(LABELS["random"], "#7F7F7F", "o"),
    "herding": Look(LABELS["herding"], "#7F7F7F", "^"),
    "kcenter": Look(LABELS["kcenter"], "#7F7F7F", "v"),
    "bptt": Look(LABELS["bptt"], "#E69F00", "P"),
    "dm": Look(LABELS["dm"], "#0072B2", "s"),
    "dc": Look(LABELS["dc"], "#009E73", "D"),
    "dsa": Look(LABELS["dsa"], "#009E73", "d"),
    "mtt": Look(LABELS["mtt"], "#CC79A7", "X"),
    "mtt-late": Look("trajectory matching, late", "#882255", "x"),
    # Real images, or made from them, that sets are held against.
    "start": Look("images before distillation", "#B09A74", "h"),
    "easy": Look("easy training images", "#56B4E9", "<"),
    "mean": Look("class means", "#D55E00", ">"),
}
GRAY = "#777777"  # of what belongs to no source
SCALES = {
    "fast": "fast scale: 8×8 digits, small network",
    "laptop": "laptop scale: CIFAR-10 averaged to 16×16, ConvNet-D3 of width 64",
    "colab": "shortened runs on CIFAR-10",
    "full": "full scale: CIFAR-10, published settings",
    "shapes": "drawn shapes of 16×16 pixels, small network",
}


def scale_of(scale: str, network: str = "convnet") -> str:
    """The scale in words, with the name of the network if it is not the usual one."""
    usual = SCALES[scale]
    return usual if network == "convnet" else f"{usual.rsplit(', ', 1)[0]}, network {network!r}"


def finish(figure: Figure, axes: Sequence[Axes], scale: str, network: str = "convnet") -> Figure:
    """What every chart shares: a quiet frame, and the scale its numbers were made at."""
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.2)
    figure.suptitle(scale_of(scale, network), fontsize=8, color="#555555", x=0.01, ha="left")
    return closed(figure)


def name_rows(axis: Axes, names: Sequence[str]) -> None:
    """Names the rows of a chart, the first one on top."""
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_ylim(len(names) - 0.5, -0.5)


def beside(i: int, n: int, width: float = 0.8) -> float:
    """How far from the middle of its row the i-th of n sources stands."""
    return width * ((i + 0.5) / n - 0.5)


def legend_below(figure: Figure, columns: int | None = None) -> None:
    """One legend for all panels, where no line runs through it; without `columns` in one row."""
    each = {}
    for axis in figure.axes:
        for line, label in zip(*axis.get_legend_handles_labels(), strict=True):
            each.setdefault(label, line)
    figure.legend(
        each.values(), each, loc="outside lower center", ncols=columns or len(each), fontsize=7,
        frameon=False,
    )  # fmt: skip


def closed(figure: Figure) -> Figure:
    """A figure that is shown once, as the value of its cell, and not again by pyplot."""
    plt.close(figure)
    return figure
