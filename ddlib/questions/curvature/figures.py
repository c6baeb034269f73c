"""Figures of loss curvature along real training, and of how it is estimated."""

import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.marks import lines, strip
from ddlib.plots.style import GRAY, LOOKS, SMALL, Look, closed, finish, legend_below, panels
from ddlib.questions.curvature.findings import gained, ratios
from ddlib.questions.curvature.hessian import released_stop
from ddlib.questions.shared.figures import released_beside_ours

OWN = LOOKS | {"real": Look("real images", "#000000", "*")}
IN_TURN = LOOKS | {"real": Look("all real images, in turn", "#000000", "*")}
# Smoothed traces of one network, read off the figure of Yang et al. (2024) as their notebook stores
# it, to about 40. The authors do not say which variant of gradient matching theirs is.
RELEASED_STEPS = (0, 30, 60, 100, 150, 200, 250, 299)
RELEASED = {
    "real": (50, 1290, 1990, 2010, 2100, 1890, 1910, 1790),
    "bptt": (150, 1540, 3720, 3810, 2190, 1170, 720, 450),
    "mtt": (-70, 1760, 3920, 4540, 3270, 1970, 1240, 740),
    "dm": (80, 1510, 3240, 3370, 3360, 2990, 2900, 2330),
    "dc": (0, 2310, 3540, 3590, 3070, 2320, 2390, 2060),
}
MOVED = ("bptt", "mtt", "dm", "dc", "dsa")
COMPARED = ("easy", "random", "bptt", "mtt", "dm", "dc")  # six, as many as a reader can follow


def released() -> pd.DataFrame:
    """The released traces, a row a reading."""
    return pd.DataFrame(
        {"method": method, "step": step, "trace": trace}
        for method, traces in RELEASED.items()
        for step, trace in zip(RELEASED_STEPS, traces, strict=True)
    )


def beside_released(record: Record) -> Figure:
    """Trace of the Hessian by step of real training: the released numbers and ours, on one scale.

    A pale line is one set, the mean over its networks; of real images one of the samples.
    """
    figure, axes = panels(2, sharey=True, sharex=True, height=3.8)
    ours = _of(ratios(record), ("real", *MOVED))
    lines(axes[0], released(), "step", "trace", looks=OWN)
    lines(axes[1], _by_set(ours, "trace", "step"), "step", "trace", each=["set"], looks=OWN)
    for axis in axes:
        axis.set_xlabel("steps of real training")
    axes[0].set_ylabel("trace of the Hessian")
    return released_beside_ours(figure, axes[0], axes[1], record, "one network, smoothed")


def control(record: Record) -> Figure:
    """The trace as a multiple of that on real images; on the right divided by uncertainty.

    A pale line is one set. Before the first step the trace on real images is about zero, and there
    is no multiple of it.
    """
    figure, axes = panels(2, sharey=True, height=3.6)
    table = _of(ratios(record), COMPARED)
    table = table[table["step"] > 0]
    kinds = {"ratio": "trace", "scaled": "trace per uncertainty"}
    for axis, (value, title) in zip(axes, kinds.items(), strict=True):
        lines(axis, _by_set(table, value, "step"), "step", value, each=["set"], looks=OWN)
        axis.axhline(1, color="black", linewidth=1)
        axis.set_title(title, fontsize=SMALL)
        axis.set_xlabel("steps of real training")
        axis.set_yscale("log")
        axis.minorticks_off()
    low, high = axes[0].get_ylim()
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5) if low < t < high]
    axes[0].set_yticks(ticks, [str(t) for t in ticks])
    axes[0].set_ylabel("multiple of that on real images")
    legend_below(figure)
    return finish(figure, axes, record.profile)


def turns(record: Record) -> Figure:
    """Test accuracy gained in a turn on each set, by the step of real training it starts from."""
    turn = record.settings["onward"][-1]
    table = _by_set(_of(gained(record, turn), ("real", *COMPARED[1:])), "gain", "start")
    starts = sorted(set(table["start"]))
    half = len(starts) // 2
    parts = (starts[:half], starts[half:])
    figure, axes = panels(1, rows=2, height=4.6, height_ratios=[len(part) for part in parts])
    for axis, part in zip(axes, parts, strict=True):
        some = table[table["start"].isin(part)]
        names = {str(start): f"from step {start}" for start in part}
        strip(axis, some, "gain", rows="start", names=names, looks=IN_TURN)
        axis.axvline(0, color=GRAY, linewidth=1)
    axes[1].set_xlabel(f"points of test accuracy gained in {turn} steps on the set alone")
    legend_below(figure)
    return finish(figure, axes, record.profile)


def _of(table: pd.DataFrame, methods: tuple[str, ...]) -> pd.DataFrame:
    """The rows of some methods, in this order."""
    return pd.concat([table[table["method"] == method] for method in methods])


def _by_set(table: pd.DataFrame, value: str, at: str) -> pd.DataFrame:
    """The mean of each set over its networks: what a figure shows as one point."""
    return table.groupby(["method", "set", at], sort=False)[value].mean().reset_index()


def stopping(values: Float[Tensor, "r s"], truth: float) -> Figure:
    """Estimates of one trace from many runs: with the released rule, and from ten probes each."""
    estimate, used = released_stop(values)
    kinds = {
        f"released rule: {100 * (used <= 2).double().mean():.0f} % stop at two probes": estimate,
        "always ten probes": values[:, :10].mean(1),
    }
    figure, axes = panels(1, rows=2, sharex=True, sharey=True, height=3.4)
    for axis, (title, found) in zip(axes, kinds.items(), strict=True):
        axis.hist(found, bins=60, color=GRAY)
        axis.axvline(truth, color="black", label="true trace")
        axis.axvline(
            float(found.mean()), color="#D55E00", linestyle="--", label="mean of the estimates"
        )
        axis.set_title(title, fontsize=SMALL, loc="left")
        axis.set_ylabel("runs")
    axes[1].set_xlabel("estimated trace")
    legend_below(figure)
    return closed(figure)
