"""The manipulation check drawn: how much each set teaches, how far it moved, and since when."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddlib.plots.style import GRAY, LOOKS, SMALL, finish, legend_below, panels
from ddlib.results import Trace

CHOSEN = ("random", "herding", "kcenter", "start", "easy")  # photographs as they are


def gain_and_distance(
    short: pd.DataFrame, long: pd.DataFrame, scale: str, methods: Sequence[str]
) -> Figure:
    """Gain over random images against the distance moved: a set of a short schedule is an open
    marker, one of a long schedule a full one.

    Both tables are as in `experiment.check`; a set whose distance nobody measured is left out.
    """
    figure, (axis,) = panels(height=3.6)
    for table, filled in ((short, False), (long, True)):
        for method in methods:
            part = table[table["method"] == method].dropna(subset=["distance"])
            _points(axis, part, "gain", method, filled=filled)
    for method in methods:  # named once, though its sets may be open or full
        look = LOOKS[method]
        axis.plot([], [], look.marker, color=look.color, label=look.label)
    axis.set_xlabel("distance from the first images (standardized pixels)")
    axis.set_ylabel("gain over random images\n(points of test accuracy)")
    axis.set_xlim(left=0)
    axis.set_ylim(0, 1.1 * max(short["gain"].max(), long["gain"].max()))
    axis.text(
        0.99, 0.02, "open: short schedule, full: long schedule", transform=axis.transAxes,
        ha="right", fontsize=SMALL,
    )  # fmt: skip
    legend_below(figure)
    return finish(figure, [axis], scale)


def effect_and_distance(
    found: pd.DataFrame, check: pd.DataFrame, label: str, scale: str, network: str = "convnet"
) -> Figure:
    """What was found for each set against the distance that its images moved.

    `found` has a row a value (`method`, `set`, `value`), `check` is as in `experiment.check`: set i
    of a method is its seed i. Chosen images have not moved; a set whose distance nobody measured is
    left out. The number beside the sets of a method is what they teach, in points over random ones.
    """
    value = found.groupby(["method", "set"], sort=False)["value"].mean().rename("value")
    known = check.set_index(["method", "seed"])[["distance", "gain"]]
    table = value.to_frame().join(known.rename_axis(["method", "set"]), how="left").reset_index()
    table.loc[table["method"].isin(CHOSEN), "distance"] = 0.0
    figure, (axis,) = panels(height=3.2)
    axis.axhline(0, color=GRAY, linewidth=1)
    groups = table.dropna(subset=["distance"]).sort_values("distance").groupby("method", sort=False)
    for i, (method, part) in enumerate(groups):
        at = (float(part["distance"].mean()), float(part["value"].mean()))
        _points(axis, part, "value", str(method), label=LOOKS[str(method)].label)
        if method not in CHOSEN:
            axis.annotate(
                f"{part['gain'].mean():+.0f}", at, (5, -13 if i % 2 else 5),
                textcoords="offset points", fontsize=SMALL, color=GRAY,
            )  # fmt: skip
    axis.set_xlabel("distance from the first images (standardized pixels)")
    axis.set_ylabel(label)
    axis.margins(x=0.1, y=0.12)
    legend_below(figure)
    return finish(figure, [axis], scale, network)


def _points(
    axis: Axes,
    table: pd.DataFrame,
    value: str,
    method: str,
    *,
    filled: bool = True,
    label: str | None = None,
) -> None:
    """The sets of a method at their distances."""
    look = LOOKS[method]
    axis.plot(
        table["distance"], table[value], look.marker, color=look.color, markersize=7,
        markerfacecolor=look.color if filled else "white", label=label,
    )  # fmt: skip


def on_the_way(traces: Sequence[tuple[str, Trace]], scale: str) -> Figure:
    """Test accuracy of networks trained on a set as it was on the way, by method."""
    figure, (axis,) = panels(height=3.6)
    for method, trace in traces:
        look, levels = LOOKS[method], [sum(runs) / len(runs) for runs in trace.accuracies]
        steps = [max(step, 1) for step in trace.steps]
        longest = trace.steps[-1] == max(t.steps[-1] for m, t in traces if m == method)
        axis.plot(
            steps, levels, look.line, color=look.color, marker=look.marker, markersize=4,
            linewidth=1.6 if longest else 0.8, markerfacecolor=look.color if longest else "white",
            label=f"{look.label}, {trace.steps[-1]:,} steps",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlabel("steps of distillation (the first images stand at 1)")
    axis.set_ylabel("test accuracy in percent,\nprotocol 'plain'")
    legend_below(figure)
    return finish(figure, [axis], scale)
