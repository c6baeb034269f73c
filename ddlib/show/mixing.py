"""Figures of the question `mixing`: doses, controls, changed training, pixel ranges."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.leads import runs_at
from ddlib.show.looks import LOOKS, finish
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
    axis.set_yticks(range(len(rows)), [LOOKS[tag].label for tag in rows])
    axis.set_xlabel(f"points of accuracy gained when {dose} real images per class join")
    return finish(figure, [axis], study.profile)


def mixing_controls(study: Study, tag: str) -> Figure:
    """What each guest, or the dilution alone, does to the accuracy of one method's sets."""
    runs = len(study.axes["control_run"])
    alone = study.pick("accuracy", source=tag, dose=0)[:runs]
    joined = study.pick("accuracy", source=tag, dose=study.settings["dose"])[:runs]
    rows = {"real images (as released)": joined - alone}
    for name in study.axes["control"]:
        made = study.pick("control", probed=tag, control=name)
        rows[CONTROL_LABELS[name]] = made - alone
    figure, axis = _changes_axis(len(rows))
    for row, values in enumerate(rows.values()):
        _points(axis, row, values, tag)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set_xlabel(f"points gained against the {LOOKS[tag].label} set alone")
    return finish(figure, [axis], study.profile)


def mixing_changes(study: Study) -> Figure:
    """Accuracy of sets alone when one thing in their training is changed; runs are points."""
    names = ("as published", *study.axes["change"])
    figure, axis = plt.subplots(figsize=(6, 0.45 * len(names) + 1.3), layout="constrained")
    runs = len(study.axes["change_run"])
    for i, tag in enumerate(study.axes["changed"]):
        look = LOOKS[tag]
        for row, name in enumerate(names):
            made = (
                study.pick("accuracy", source=tag, dose=0)[:runs]
                if name == "as published"
                else study.pick("change", changed=tag, change=name)
            )
            axis.plot(
                made, [row + 0.12 * (i - 1.5)] * runs, look.marker, color=look.color,
                label=None if row else look.label,
            )  # fmt: skip
    axis.set_yticks(range(len(names)), list(names))
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel("test accuracy in percent")
    axis.legend(fontsize=7, frameon=False, ncols=2, loc=(0, 1.01))
    return finish(figure, [axis], study.profile)


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


def _changes_axis(rows: int) -> tuple[Figure, Axes]:
    """An axis of differences with a line at zero, first row on top."""
    figure, axis = plt.subplots(figsize=(6, 0.42 * rows + 1.1), layout="constrained")
    axis.axvline(0, color="#555555", linewidth=1)
    axis.set_ylim(rows - 0.5, -0.5)
    return figure, axis


def _points(axis: Axes, row: int, values: Tensor | Sequence[float], tag: str) -> None:
    look = LOOKS[tag]
    axis.barh(row, values.mean(), color=look.color, alpha=0.35, height=0.5)
    axis.plot(values, [row] * len(values), look.marker, color=look.color, markersize=5)
