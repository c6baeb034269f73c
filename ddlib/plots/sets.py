"""Figures of sets and of their accuracy."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.evaluation import Evaluation
from ddlib.plots.marks import matrix, sheet, upright
from ddlib.plots.style import LETTER, LOOKS, closed, finish, legend_below, panels
from ddlib.results import Result


def images(
    sets: Mapping[str, Float[Tensor, "n c h w"]], classes: Sequence[str], width: float = 7.0
) -> Figure:
    """Sheets of pixel images in [0, 1], one column for each class, class after class in `n`."""
    k = len(classes)
    heights = [len(x) // k * x.shape[2] / (k * x.shape[3]) for x in sets.values()]
    text = 0.4 + (max(map(len, classes)) * LETTER if upright(classes, width) else 0)
    figure, axes = panels(
        rows=len(sets), width=width, height=width * sum(heights) + text * len(sets),
        height_ratios=heights,
    )  # fmt: skip
    for axis, (title, pixels) in zip(axes, sets.items(), strict=True):
        sheet(axis, pixels, classes)
        axis.set_title(title, fontsize=9, loc="left")
    return closed(figure)


def accuracies(measured: Mapping[str, Evaluation], profile: str) -> Figure:
    """Each network's test accuracy as a point, mean and standard deviation beside it."""
    figure, (axis,) = panels(height=0.55 * len(measured) + 1.1)
    for row, (tag, evaluation) in enumerate(measured.items()):
        look = LOOKS[tag]
        runs = evaluation.accuracies
        axis.plot(runs, [row] * len(runs), look.marker, color=look.color, alpha=0.35)
        axis.errorbar(
            evaluation.mean, row + 0.22, xerr=evaluation.std, fmt=look.marker, color=look.color,
            capsize=3,
        )  # fmt: skip
    axis.set_yticks(range(len(measured)), [LOOKS[tag].label for tag in measured])
    axis.set_ylim(len(measured) - 0.5, -0.5)
    first = next(iter(measured.values()))
    axis.set_xlabel(
        f"test accuracy in percent, protocol {first.protocol!r}\n"
        f"pale points: {first.n} networks; bars: mean ± standard deviation"
    )
    return finish(figure, [axis], profile)


def accuracy_by_ipc(results: Sequence[Result]) -> Figure:
    """Recorded accuracy over images per class, one panel for each protocol; one scale only."""
    profiles = {r.profile for r in results}
    if len(profiles) != 1:
        raise ValueError(f"results of different scales do not share a figure: {sorted(profiles)}")
    protocols = sorted({r.protocol for r in results}, reverse=True)
    ipcs = sorted({r.ipc for r in results})
    figure, axes = panels(len(protocols), width=3.6 * len(protocols), height=3.8, sharey=True)
    for axis, protocol in zip(axes, protocols, strict=True):
        for shift, tag in enumerate(dict.fromkeys(r.tag for r in results)):
            mine = [r for r in results if (r.tag, r.protocol) == (tag, protocol)]
            _ipc_line(axis, sorted(mine, key=lambda r: r.ipc), 1.04 ** (shift - 1.5))
        axis.set_title(f"protocol {protocol!r}", fontsize=9)
        axis.set_xlabel("images per class")
        axis.set_xscale("log")
        axis.set_xticks(ipcs, [str(i) for i in ipcs])
        axis.minorticks_off()
    axes[0].set_ylabel("test accuracy in percent")
    legend_below(figure)
    return finish(figure, axes, profiles.pop())


def _ipc_line(axis: Axes, results: Sequence[Result], shift: float) -> None:
    """Mean and standard deviation over ipc; `shift` keeps the bars of two methods apart."""
    if not results:
        return
    look = LOOKS[results[0].tag]
    ipcs = [r.ipc for r in results]
    axis.errorbar(
        [i * shift for i in ipcs], [r.mean for r in results], [r.std for r in results],
        color=look.color, marker=look.marker, label=look.label, capsize=2, markersize=5,
    )  # fmt: skip


def distances(table: Float[Tensor, "k k"], classes: Sequence[str], label: str) -> Figure:
    """A square table of distances between classes, small is dark."""
    figure, (axis,) = panels(width=4.4, height=3.8)
    drawn = matrix(axis, table.numpy(), classes, classes)
    axis.set(xlabel="class of the second half", ylabel="class of the first half")
    figure.colorbar(drawn, label=label)
    return closed(figure)
