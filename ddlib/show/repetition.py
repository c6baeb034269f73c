"""Does another network say the same of an image? In networks of any width."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.influences import REPEATS, TOP, by_network
from ddlib.show.looks import GRAY, LOOKS, finish, name_rows
from ddlib.studies import Sets, Study

OF_CLASS = "rank correlation over\ntest images of the class"
OVERLAP = f"overlap of the {TOP}\nhelped most, in percent"


def repeated(study: Study) -> Figure:
    """Does another network say the same? One image, against two images of one class."""
    sources = [t for t in study.axes["source"] if study.settings["nets"][t] > 1]
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True, layout="constrained")
    columns = [REPEATS.index(f"{which} image") for which in ("same", "other")]
    for row, tag in enumerate(sources):
        _draw_same_and_other(axes[0], row, study.pick("repeat", source=tag)[:, columns], tag)
        _draw_same_and_other(axes[1], row, 100 * study.pick("overlap", source=tag), tag)
    chances = {OF_CLASS: 0, OVERLAP: 100 * TOP / len(study.axes["test"])}
    for axis, (title, chance) in zip(axes, chances.items(), strict=True):
        axis.axvline(chance, color=GRAY, linestyle=":")
        axis.set_xlabel(title, fontsize=8)
    name_rows(axes[0], [LOOKS[tag].label for tag in sources])
    axes[1].set_xlim(0, None)
    _explain(figure, axes[1])
    return finish(figure, list(axes), study.profile, study.settings["network"])


def _draw_same_and_other(axis: Axes, row: int, both: Tensor, tag: str) -> None:
    """Values (v, 2): above, full, of one image with itself; below, empty, with another one."""
    for values, shift, fill in zip(both.T, (-0.13, 0.13), ("full", "none"), strict=True):
        _draw_points(axis, row, values, tag, shift, fill)


def _draw_points(
    axis: Axes, row: int, values: Tensor, tag: str, shift: float = 0.0, fill: str = "full"
) -> None:
    look, heights = LOOKS[tag], [row + shift] * len(values)
    axis.plot(values, heights, look.marker, color=look.color, fillstyle=fill, alpha=0.7)


def _explain(figure: Figure, axis: Axes) -> None:
    for label, fill in (("the same image", "full"), ("another of its class", "none")):
        axis.plot([], [], "o", color=GRAY, fillstyle=fill, label=label)
    axis.plot([], [], ":", color=GRAY, label="chance")
    figure.legend(fontsize=7, frameon=False, ncols=3, loc="outside upper right")


def repeat_table(study: Study) -> str:
    """Rank correlations with other networks, by source, as text: mean over networks."""
    widths = [max(8, len(name) + 3) for name in REPEATS]
    head = (f"{name:>{width}s}" for name, width in zip(REPEATS, widths, strict=True))
    lines = [f"{'':24s}" + "".join(head)]
    for tag in (t for t in study.axes["source"] if study.settings["nets"][t] > 1):
        values = by_network(study.pick("repeat", source=tag), len(study.axes["net"]))
        mean = values[: study.settings["nets"][tag]].mean(0)
        cells = (f"{v:{width}.2f}" for v, width in zip(mean, widths, strict=True))
        lines.append(f"{LOOKS[tag].label:24s}" + "".join(cells))
    return "\n".join(lines)


def usual_width(study: Study, sets: Sets) -> Figure:
    """A few images in two networks of the usual width: whom do they help, and does it repeat?"""
    groups = _few(study, sets)
    figure, axes = plt.subplots(
        1, 3, figsize=(9, 0.3 * len(groups) + 1.1), sharey=True, layout="constrained"
    )
    for row, (tag, _, mine) in enumerate(groups):
        share = 100 * study.pick("usual_own", usual=tag)[:, mine].flatten()
        _draw_points(axes[0], row, share, tag)
        _draw_same_and_other(axes[1], row, study.pick("usual_repeat", usual=tag)[mine], tag)
        _draw_same_and_other(axes[2], row, 100 * study.pick("usual_overlap", usual=tag)[mine], tag)
    tests = len(study.axes["test"])
    own = f"share of the class among the\n{TOP} helped most, in percent"
    chances = {own: 100 * study.settings["each"] / tests, OF_CLASS: 0, OVERLAP: 100 * TOP / tests}
    for axis, (title, chance) in zip(axes, chances.items(), strict=True):
        axis.axvline(chance, color=GRAY, linestyle=":")
        axis.set_xlabel(title, fontsize=8)
    name_rows(axes[0], [f"{LOOKS[tag].label}: {name}" for tag, name, _ in groups])
    _explain(figure, axes[2])
    return finish(figure, list(axes), study.profile, study.settings["usual"])


def _few(study: Study, sets: Sets) -> list[tuple[str, str, Tensor]]:
    """Source, class and places of the images that were left out in the usual network."""
    rows, found = list(study.axes["few"]), []
    for tag in study.axes["usual"]:
        labels = sets[tag][0].labels.cpu()[rows]
        found += [(tag, sets[tag][0].classes[c], labels == c) for c in labels.unique()]
    return found


def usual_table(study: Study, sets: Sets) -> str:
    """The same as text: means and spreads over images, and what a nudge changes beside them."""
    columns = ("own class", "same image", "other image", "overlap", "of others", "nudge")
    lines = [f"{'':24s}" + "".join(f"{name:>13s}" for name in columns)]
    for tag, name, mine in _few(study, sets):
        pick = {k: study.pick(f"usual_{k}", usual=tag) for k in ("own", "repeat", "overlap")}
        each = [pick["own"].mean(0), *pick["repeat"].unbind(1), *pick["overlap"].unbind(1)]
        spread = study.pick("usual_spread", usual=tag, usual_net=0)
        noise = study.pick("usual_noise", usual=tag, noise="nudged") / spread
        texts = [f"{v[mine].mean():.2f} ± {v[mine].std():.2f}" for v in each] + [f"{noise:.2f}"]
        line = f"{tag:7s} {name:10s} n ={int(mine.sum()):3d}"
        lines.append(line + "".join(f"{text:>13s}" for text in texts))
    return "\n".join(lines)
