"""Figures of sets and of their accuracy."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.analysis.evaluation import Evaluation
from ddlib.plots.pictures import arranged
from ddlib.plots.style import LOOKS, Look, closed, finish
from ddlib.results import Result


def images(
    panels: Mapping[str, Float[Tensor, "n c h w"]], classes: Sequence[str], width: float = 7.0
) -> Figure:
    """Panels of pixel images in [0, 1], one column for each class, class after class in `n`."""
    sheets = [arranged((p * 255).round().byte().cpu(), len(classes)) for p in panels.values()]
    heights = [s.height / s.width for s in sheets]
    figure, axes = plt.subplots(
        len(sheets), 1, figsize=(width, width * sum(heights) + 0.35 * len(sheets)),
        height_ratios=heights, squeeze=False, layout="constrained",
    )  # fmt: skip
    for axis, (title, drawn) in zip(axes[:, 0], zip(panels, sheets, strict=True), strict=True):
        axis.imshow(drawn, interpolation="nearest")
        axis.set_title(title, fontsize=9, loc="left")
        step = drawn.width / len(classes)
        axis.set_xticks([step * (i + 0.5) for i in range(len(classes))], classes, fontsize=7)
        axis.set_yticks([])
        axis.tick_params(length=0)
    return closed(figure)


def accuracies(measured: Mapping[str, Evaluation], profile: str) -> Figure:
    """Each network's test accuracy as a point, mean and standard deviation beside it."""
    figure, axis = plt.subplots(figsize=(6, 0.55 * len(measured) + 1.1), layout="constrained")
    for row, (tag, evaluation) in enumerate(measured.items()):
        look = LOOKS.get(tag, Look(tag, LOOKS["dm"].color, "s"))
        runs = evaluation.accuracies
        axis.plot(runs, [row] * len(runs), look.marker, color=look.color, alpha=0.35)
        axis.errorbar(
            evaluation.mean, row + 0.22, xerr=evaluation.std, fmt=look.marker, color=look.color,
            capsize=3,
        )  # fmt: skip
    axis.set_yticks(range(len(measured)), [LOOKS[t].label if t in LOOKS else t for t in measured])
    axis.set_ylim(len(measured) - 0.5, -0.5)
    first = next(iter(measured.values()))
    axis.set_xlabel(
        f"test accuracy in percent, protocol {first.protocol!r}\n"
        f"pale points: {first.n} networks; bars: mean ± standard deviation",
        fontsize=8,
    )
    return finish(figure, [axis], profile)


def accuracy_by_ipc(results: Sequence[Result]) -> Figure:
    """Recorded accuracy over images per class, one panel for each protocol; one scale only."""
    profiles = {r.profile for r in results}
    if len(profiles) != 1:
        raise ValueError(f"results of different scales do not share a figure: {sorted(profiles)}")
    protocols = sorted({r.protocol for r in results}, reverse=True)
    ipcs = sorted({r.ipc for r in results})
    figure, axes = plt.subplots(
        1, len(protocols), figsize=(3.6 * len(protocols), 3.4), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, protocol in zip(axes[0], protocols, strict=True):
        for shift, tag in enumerate(dict.fromkeys(r.tag for r in results)):
            mine = [r for r in results if (r.tag, r.protocol) == (tag, protocol)]
            _ipc_line(axis, sorted(mine, key=lambda r: r.ipc), 1.04 ** (shift - 1.5))
        axis.set_title(f"protocol {protocol!r}", fontsize=9)
        axis.set_xlabel("images per class")
        axis.set_xscale("log")
        axis.set_xticks(ipcs, [str(i) for i in ipcs])
        axis.minorticks_off()
    axes[0][0].set_ylabel("test accuracy in percent")
    axes[0][0].legend(fontsize=7, frameon=False)
    return finish(figure, list(axes[0]), profiles.pop())


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
    figure, axis = plt.subplots(figsize=(4.4, 3.8), layout="constrained")
    drawn = axis.imshow(table, cmap="cividis")
    axis.set_xticks(range(len(classes)), classes)
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("class of the second half")
    axis.set_ylabel("class of the first half")
    figure.colorbar(drawn, label=label)
    return closed(figure)
