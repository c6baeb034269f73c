"""Does another network say the same of an image? In networks of any width."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.influences import REPEATS, TOP
from ddlib.plots.style import GRAY, LOOKS, finish, name_rows
from ddlib.studies import Study

OF_CLASS = "rank correlation over\ntest images of the class"
OVERLAP = f"overlap of the {TOP}\nhelped most, in percent"


def repeated(study: Study) -> Figure:
    """Does another network say the same? One image, against two images of one class."""
    sources = study.axes["source"]
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
    """Rank correlations with other networks, by source, as text: mean over pairs."""
    widths = [max(8, len(name) + 3) for name in REPEATS]
    head = (f"{name:>{width}s}" for name, width in zip(REPEATS, widths, strict=True))
    lines = [f"{'':24s}" + "".join(head)]
    for tag in study.axes["source"]:
        mean = study.pick("repeat", source=tag).nanmean(0)
        cells = (f"{v:{width}.2f}" for v, width in zip(mean, widths, strict=True))
        lines.append(f"{LOOKS[tag].label:24s}" + "".join(cells))
    return "\n".join(lines)


def usual_width(study: Study) -> Figure:
    """A few images in the usual network: whom do they help, and does it repeat? A point a round."""
    sources = study.axes["usual"]
    figure, axes = plt.subplots(
        1, 3, figsize=(9, 0.4 * len(sources) + 1.2), sharey=True, layout="constrained"
    )
    for row, tag in enumerate(sources):
        own, repeat, overlap = (_of_rounds(study, k, tag) for k in ("own", "repeat", "overlap"))
        _draw_points(axes[0], row, 100 * own, tag)
        _draw_same_and_other(axes[1], row, repeat, tag)
        _draw_same_and_other(axes[2], row, 100 * overlap, tag)
    tests = len(study.axes["test"])
    own = f"share of the class among the\n{TOP} helped most, in percent"
    chances = {own: 100 * study.settings["each"] / tests, OF_CLASS: 0, OVERLAP: 100 * TOP / tests}
    for axis, (title, chance) in zip(axes, chances.items(), strict=True):
        axis.axvline(chance, color=GRAY, linestyle=":")
        axis.set_xlabel(title, fontsize=8)
    axes[0].set_xlim(0, 104)
    name_rows(axes[0], [LOOKS[tag].label for tag in sources])
    _explain(figure, axes[2])
    return finish(figure, list(axes), study.profile, study.settings["usual"])


def _of_rounds(study: Study, name: str, tag: str) -> Tensor:
    """Means over images and networks: shares (r,), or same and other image (r, 2)."""
    values = study.pick(f"usual_{name}", usual=tag)
    return values.mean((1, 2)) if name == "own" else values.mean(1)


def usual_table(study: Study) -> str:
    """The same as text: mean and spread over rounds, and what a nudge changes beside an image."""
    columns = ("own class", "different", "same image", "other image", "overlap", "of others")
    rounds = len(study.axes["round"])
    lines = [f"{f'n = {rounds} rounds':24s}" + "".join(f"{c:>13s}" for c in (*columns, "nudge"))]
    for tag in study.axes["usual"]:
        own, repeat, overlap = (_of_rounds(study, k, tag) for k in ("own", "repeat", "overlap"))
        different = study.pick("usual_distinct", usual=tag, by="found").mean(1)
        each = (own, different, *repeat.T, *overlap.T)
        spread = study.pick("usual_spread", usual=tag)[0, 0]  # in the network that was nudged
        noise = study.pick("usual_noise", usual=tag) / spread
        texts = [f"{v.mean():.2f} ± {v.std():.2f}" for v in each] + [f"{noise:.2f}"]
        lines.append(f"{LOOKS[tag].label:24s}" + "".join(f"{text:>13s}" for text in texts))
    return "\n".join(lines)
