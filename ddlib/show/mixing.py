"""Figures of the question `mixing`: doses, controls, changed training, pixel ranges."""

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.leads import runs_at
from ddlib.plots.style import LOOKS, beside, finish, legend_below, name_rows
from ddlib.studies import Study

CONTROL_LABELS = {
    "diluted": "no guests, rate diluted",
    "kept": "real images, set at full weight",
    "longer": "real images, twice the steps",
    "copies": "copies of the set",
    "noise": "noise images",
    "other": "another method's set",
    "twin": "the method's other set",
    "worthy": "more real images, same weight",
}


def mixing_doses(study: Study, over: str | None = None) -> Figure:
    """Accuracy over real images per class: pale points are runs, lines join the means.

    With a source `over` the lead over it within each run, in points.
    """
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for i, tag in enumerate(study.axes["source"]):
        if tag == over:
            continue
        look, means = LOOKS[tag], {}
        wide = study.axes["wide_dose"] if tag in study.axes["wide_source"] else ()
        for k in (*study.axes["dose"], *wide):
            runs = runs_at(study, tag, k)
            if over:
                runs = runs - runs_at(study, over, k)
            at = (k + 1) * 1.03 ** (i - 2)  # a little apart, and none is a place on the axis
            axis.plot([at] * len(runs), runs, look.marker, color=look.color, alpha=0.35)
            means[at] = runs.mean()
        style = "--" if tag == "random" else "-"
        axis.plot(
            list(means), list(means.values()), style, marker=look.marker, color=look.color,
            label=look.label,
        )  # fmt: skip
    doses = (*study.axes["dose"], *study.axes["wide_dose"])
    axis.set_xscale("log")
    axis.set_xticks([k + 1 for k in doses], [f"10 + {k}" for k in doses])
    axis.minorticks_off()
    axis.set(xlabel="images per class: of the set + real", ylabel="test accuracy in percent")
    if over:
        axis.axhline(0, color=LOOKS[over].color, linestyle="--")
        axis.set_ylabel(f"points ahead of {LOOKS[over].label} images")
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], study.profile)


def mixing_dips(study: Study) -> Figure:
    """Change in accuracy when real images join, one point a run, the mean as a bar."""
    dose = study.settings["dose"]
    rows = {
        tag: study.pick("accuracy", source=tag, dose=dose)
        - study.pick("accuracy", source=tag, dose=0)
        for tag in study.axes["source"]
    }
    figure, axis = _changes_axis(len(rows))
    for row, (tag, values) in enumerate(rows.items()):
        _points(axis, row, values, tag)
    name_rows(axis, [LOOKS[tag].label for tag in rows])
    axis.set_xlabel(f"points of accuracy gained when {dose} real images per class join")
    return finish(figure, [axis], study.profile)


def mixing_controls(study: Study, *tags: str) -> Figure:
    """What each guest, or the dilution alone, does to the accuracy of some methods' sets."""
    runs, dose = len(study.axes["control_run"]), study.settings["dose"]
    names = ("real images (as released)", *(CONTROL_LABELS[n] for n in study.axes["control"]))
    figure, axis = _changes_axis(len(names) * (1 + len(tags)) / 2)
    for i, tag in enumerate(tags):
        alone, joined = (study.pick("accuracy", source=tag, dose=k)[:runs] for k in (0, dose))
        made = [joined, *study.pick("control", probed=tag)]
        for row, values in enumerate(made):
            _points(axis, row + beside(i, len(tags)), values - alone, tag, 0.7 / len(tags))
        axis.plot([], [], LOOKS[tag].marker, color=LOOKS[tag].color, label=LOOKS[tag].label)
    name_rows(axis, names)
    axis.set_xlabel("points gained against the same set alone")
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], study.profile)


def mixing_changes(study: Study) -> Figure:
    """Sets alone when one thing in their training is changed; a line is a mean, points are runs.

    Accuracies on the left, on the right the lead over random images whose training is changed, too.
    """
    runs, sources = len(study.axes["change_run"]), study.axes["changed"]
    names = ("as published", *study.axes["change"])
    accuracy = {
        tag: (study.pick("accuracy", source=tag, dose=0)[:runs], *study.pick("change", changed=tag))
        for tag in sources
    }
    figure, axes = plt.subplots(
        1, 2, figsize=(7.6, 0.1 * len(names) * (len(sources) + 1) + 1.4),
        sharey=True, layout="constrained",
    )  # fmt: skip
    for i, tag in enumerate(sources):
        at = beside(i, len(sources))
        for row, (values, null) in enumerate(zip(accuracy[tag], accuracy["random"], strict=True)):
            _runs(axes[0], row + at, values, tag)
            if tag != "random":
                _runs(axes[1], row + at, values - null, tag)
        axes[0].plot([], [], LOOKS[tag].marker, color=LOOKS[tag].color, label=LOOKS[tag].label)
    for row in range(1, len(names), 2):
        for axis in axes:
            axis.axhspan(row - 0.5, row + 0.5, color="#F3F3F3")
    name_rows(axes[0], names)
    axes[0].set_xlabel("test accuracy in percent")
    axes[1].axvline(0, color=LOOKS["random"].color, linestyle="--")
    axes[1].set_xlabel("points ahead of random images")
    legend_below(figure)
    return finish(figure, [*axes], study.profile)


def pixel_ranges(study: Study) -> Figure:
    """Histograms of all pixel values of whole sets; gray is where real pixels can be."""
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    axis.axvspan(0, 1, color="#EEEEEE")
    edges = (*study.axes["bin"], study.axes["bin"][-1] + 0.05)
    for tag in study.axes["pictured"]:
        axis.stairs(
            study.pick("histogram", pictured=tag), edges, color=LOOKS[tag].color,
            label=LOOKS[tag].label, linestyle="--" if tag == "random" else "-", linewidth=1.4,
        )  # fmt: skip
    axis.set_yscale("log")
    axis.set(xlabel="pixel value (0 black, 1 white)", ylabel="share of pixels in each bin")
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], study.profile)


def _changes_axis(rows: float) -> tuple[Figure, Axes]:
    """An axis of differences with a line at zero, as high as so many rows need."""
    figure, axis = plt.subplots(figsize=(6, 0.42 * rows + 1.1), layout="constrained")
    axis.axvline(0, color="#555555", linewidth=1)
    return figure, axis


def _points(
    axis: Axes, at: float, values: Float[Tensor, " run"], tag: str, height: float = 0.5
) -> None:
    """The mean as a bar, and one point a run."""
    look = LOOKS[tag]
    axis.barh(at, float(values.mean()), color=look.color, alpha=0.35, height=height)
    axis.plot(values, [at] * len(values), look.marker, color=look.color, markersize=5)


def _runs(axis: Axes, at: float, values: Float[Tensor, " run"], tag: str) -> None:
    """One pale point a run, and the mean as an upright line."""
    look = LOOKS[tag]
    axis.plot(values, [at] * len(values), look.marker, color=look.color, markersize=4, alpha=0.4)
    mean = [float(values.mean())]
    axis.plot(mean, [at], "|", color=look.color, markersize=9, markeredgewidth=2.5)
