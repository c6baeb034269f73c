"""Figures of loss curvature along real training, and of how it is estimated."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.style import GRAY, LOOKS, Look, finish, legend_below
from ddlib.questions.curvature.findings import curves, gains
from ddlib.questions.curvature.hessian import released_stop, smoothed
from ddlib.questions.shared.arrays import as_array, named

OWN = LOOKS | {"real": Look("sample of real images", "#000000", "*")}
IN_TURN = LOOKS | {"real": Look("all real images, in turn", "#000000", "*")}
# The authors do not say which variant of gradient matching theirs is.
THEIRS = LOOKS | {"dc": replace(LOOKS["dc"], label="gradient matching")}
# Smoothed traces at step 60, at the peak and at step 299, one network: read off the figure of Yang
# et al. (2024) as their notebook stores it, to about 40.
RELEASED = {
    "real": (1990, 2180, 1790),
    "bptt": (3720, 4330, 450),
    "mtt": (3920, 4780, 740),
    "dc": (3540, 4000, 2060),
    "dm": (3240, 3710, 2330),
}
PANELS = {
    "distilled sets": ("real", "bptt", "dm", "dc", "dsa", "mtt"),
    "real images": ("real", "random", "easy"),
}


def released_traces() -> str:
    """The released traces as a small table of text."""
    rows = [f"{'':24s} step 60   peak   step 299"]
    for name, (early, peak, late) in RELEASED.items():
        rows.append(f"{THEIRS[name].label:24s} {early:7d} {peak:6d} {late:10d}")
    return "\n".join(rows)


def curvature_along(record: Record) -> Figure:
    """Trace of the Hessian by step of real training, of distilled sets and of real images."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.7), sharey=True, layout="constrained")
    steps = named(record.rows(condition="curvature"), "step")
    for axis, (title, names) in zip(axes, PANELS.items(), strict=True):
        for name in names:
            _line(axis, steps, curves(record, name)[0], name)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("steps of real training before the measurement")
    axes[0].set_ylabel("trace of the Hessian")
    axes[0].set_ylim(0, None)
    legend_below(figure)
    return finish(figure, list(axes), record.profile)


def curvature_beside_real(record: Record) -> Figure:
    """Each trace as a multiple of that on real images; on the right divided by uncertainty."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.7), sharey=True, layout="constrained")
    rows = record.rows(condition="curvature")
    steps, names = named(rows, "step"), named(rows, "method")
    each = [curves(record, name) for name in names]
    trace, unsure = (torch.stack([c[i] for c in each], 2) for i in (0, 2))
    kinds = {"trace": trace, "trace divided by uncertainty": trace / unsure}
    for axis, (title, values) in zip(axes, kinds.items(), strict=True):
        real = values[:, :, :1].mean(-1, keepdim=True)  # of both samples; the first source
        ratio = (values / real)[:, 1:]  # at the first step the trace is hardly above zero
        for i, name in enumerate(names):
            _line(axis, steps[1:], ratio[:, :, i], name)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("steps of real training before the measurement")
        axis.set_yscale("log")
        axis.minorticks_off()
    low, high = axes[0].get_ylim()
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2) if low < 1.2 * t and t < 1.2 * high]
    axes[0].set_yticks(ticks, [str(t) for t in ticks])
    axes[0].set_ylabel("multiple of that on real images")
    legend_below(figure)
    return finish(figure, list(axes), record.profile)


def _line(axis: Axes, x: Sequence[int], values: Float[Tensor, "net x draw"], name: str) -> None:
    """The mean as a line; each network and set as a pale line of its own."""
    each = values.movedim(1, -1).flatten(0, 1)
    axis.plot(x, each.T, color=OWN[name].color, alpha=0.25, linewidth=0.7)
    _mean_line(axis, x, each.mean(0), name)


def _mean_line(axis: Axes, x: Sequence[int] | Tensor, y: Tensor, name: str) -> None:
    """A line with markers; DSA, in the color of DC, is dashed."""
    style = "--" if name == "dsa" else "-"
    axis.plot(x, y, linestyle=style, markersize=4, label=OWN[name].label, **_marker(name))


def _marker(name: str) -> dict[str, Any]:
    """Color and marker of a source; those of DSA are hollow, to tell them from those of DC."""
    color = OWN[name].color
    face = "white" if name == "dsa" else color
    return {"color": color, "marker": OWN[name].marker, "markerfacecolor": face}


def confidence_along(record: Record) -> Figure:
    """Left: how unsure the network is of each source. Right: the trace where losses are equal."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.7), layout="constrained")
    rows = record.rows(condition="curvature")
    for name in named(rows, "method"):
        trace, loss, unsure = curves(record, name)
        _line(axes[0], named(rows, "step"), unsure, name)
        _mean_line(axes[1], loss.mean((0, 2)), trace.mean((0, 2)), name)
    axes[0].set(xlabel="steps of real training", ylabel="uncertainty", ylim=(0, None))
    legend_below(figure)
    axes[1].invert_xaxis()
    axes[1].set(xlabel="mean loss on the set (falls to the right)", ylim=(0, None))
    axes[1].set_ylabel("trace of the Hessian")
    return finish(figure, list(axes), record.profile)


def turns(record: Record) -> Figure:
    """Test accuracy gained in a turn on each set, by the step of real training it starts from."""
    turned = record.rows(condition="turn")
    starts, turn = named(turned, "step"), named(turned, "turn")[-1]
    found = gains(record, turn)
    figure, axes = plt.subplots(
        1, 2, figsize=(8, 3.7), width_ratios=(1, len(starts)), layout="constrained"
    )
    for axis, cut in zip(axes, (slice(0, 1), slice(1, None)), strict=True):
        for shift, (name, values) in enumerate(found.items()):
            each = values.movedim(1, -1).flatten(0, 1)[:, cut]
            x = torch.arange(each.shape[1]) + 0.12 * (shift - (len(found) - 1) / 2)
            look = _marker(name) | {"linestyle": "none"}
            axis.plot(x, each.T, alpha=0.3, markersize=4, **look)
            axis.plot(x, each.mean(0), label=IN_TURN[name].label, **look)
        axis.set_xticks(range(len(starts[cut])), [str(t) for t in starts[cut]])
        axis.set_xlim(-0.5, len(starts[cut]) - 0.5)
        axis.axhline(0, color="#555555", linewidth=0.8)
    axes[1].set_xlabel("steps of real training before the turn")
    axes[0].set_ylabel(f"points gained in {turn} steps", fontsize=8)
    legend_below(figure)
    return finish(figure, list(axes), record.profile)


def eigenvalues(record: Record) -> Figure:
    """Lanczos places of all networks' eigenvalues; the larger a point, the more eigenvalues."""
    rows = record.rows(condition="spectrum")
    moments, names = named(rows, "step"), named(rows, "method")
    most = max(float(places.max()) for places in rows["places"])
    figure, axes = plt.subplots(
        1, len(moments), figsize=(8, 3.2), sharey=True, sharex=True, layout="constrained"
    )
    for axis, moment in zip(axes, moments, strict=True):
        for row, name in enumerate(names):
            mine = record.rows(condition="spectrum", step=moment, method=name)
            places, masses = (as_array(mine, k, "network") for k in ("places", "masses"))
            size = 4 + 80 * masses.sqrt()
            heights = torch.full_like(places, row)
            axis.scatter(places, heights, size, color=OWN[name].color, alpha=0.3)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xticks([t for t in (-10, 0, 10, 100) if t < most])
        axis.set_title(f"after {moment} steps", fontsize=9)
        axis.set_xlabel("eigenvalue")
    axes[0].set_yticks(range(len(names)), [OWN[name].label for name in names], fontsize=7)
    axes[0].invert_yaxis()
    return finish(figure, list(axes), record.profile)


def stopping(values: Float[Tensor, "r s"], profile: str) -> Figure:
    """Estimates of one trace from many runs: with the released rule, and from ten probes each."""
    estimate, used = released_stop(values)
    kinds = {
        f"released rule: {100 * (used <= 2).double().mean():.0f} % stop at two probes": estimate,
        "always ten probes": values[:, :10].mean(1),
    }
    figure, axes = plt.subplots(
        2, 1, figsize=(6, 3.4), sharex=True, sharey=True, layout="constrained"
    )
    for axis, (title, found) in zip(axes, kinds.items(), strict=True):
        axis.hist(found, bins=60, color=GRAY)
        axis.axvline(values.mean(), color="black", label="mean of all probes: no bias")
        axis.axvline(found.mean(), color="#D55E00", linestyle="--", label="mean of the estimates")
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_ylabel("runs")
    axes[0].legend(fontsize=7, frameon=False)
    axes[1].set_xlabel("estimated trace")
    return finish(figure, list(axes), profile)


def smoothing(values: Float[Tensor, " t"], profile: str) -> Figure:
    """A curve, one value a step, and the moving average that was published; peaks are marked."""
    figure, axis = plt.subplots(figsize=(6, 2.7), layout="constrained")
    late = smoothed(values)
    curves = (("each step", values, "#000000"), ("moving average", late, "#D55E00"))
    for name, curve, color in curves:
        peak = int(curve.argmax())
        axis.plot(curve, color=color, label=f"{name}: highest at step {peak}")
        axis.axvline(peak, color=color, linestyle=":")
    axis.set(xlabel="steps of real training", ylabel="trace of the Hessian")
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], profile)
