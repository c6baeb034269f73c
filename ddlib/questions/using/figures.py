"""Figures of uses: what a memory keeps, how candidates are ranked, what members give away."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ddlib.experiment.records import Record
from ddlib.plots.marks import lines, strip
from ddlib.plots.style import GRAY, LOOKS, Look, finish, legend_below, panels
from ddlib.questions.using.experiment import HELD, MEMBER, REPLAY, SHOWN
from ddlib.questions.using.findings import CHANCE, by_stage, rankings, shared_cost

BUFFERS = {
    **LOOKS,
    "none": Look("no buffer", "#D55E00", "x", ":"),
    "all": Look("all old images", "#000000", "*"),
}
COUNTED = "dm, counted"
RANKERS = {
    "real": LOOKS["real"],
    "random": LOOKS["random"],
    "dm": LOOKS["dm"],
    COUNTED: Look("the same, with what distilling cost", "#0072B2", "D", ":"),
}
ATTACKS = {
    "nearest": Look("likeness to the set", "#E69F00", "o"),
    "nearest, calibrated": Look("likeness, calibrated", "#D55E00", "D"),
    "loss": Look("loss of a network", "#56B4E9", "s"),
    "loss, calibrated": Look("loss, calibrated", "#0072B2", "v"),
}
WHO = {
    ("random", SHOWN): "random: in the set",
    ("dm", SHOWN): "DM: it began with",
    ("random", HELD): "random: others",
    ("kmeans", HELD): "k-means: averaged",
    ("dm", HELD): "DM: others used",
    ("dm-noise", HELD): "DM from noise: used",
    ("real", HELD): "a network on all",
}


def stages(record: Record) -> Figure:
    """Accuracy on all classes so far, stage after stage, for each buffer."""
    long = by_stage(record)
    figure, (axis,) = panels(height=3.6)
    lines(axis, long, "classes", "accuracy", spread="points", looks=BUFFERS)
    axis.set_xticks(sorted(long["classes"].unique()))
    axis.set_xlabel("classes seen so far")
    axis.set_ylabel("test accuracy on them, %")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def buffers(record: Record) -> Figure:
    """Accuracy at the end, of the network that went on, and of new ones on the buffer alone."""
    looks = {
        "accuracy": Look("the network that went on", "#D55E00", "D"),
        "alone": Look("a new network, from the buffer alone", "#7F7F7F", "o"),
    }
    rows = record.rows(part=REPLAY)
    long = rows.melt(["method", "set"], list(looks), "kind", "points").dropna(subset=["points"])
    names = {tag: look.label for tag, look in BUFFERS.items()}
    figure, (axis,) = panels(height=0.42 * long["method"].nunique() + 1.3)
    strip(axis, long, "points", rows="method", by="kind", names=names, looks=looks)
    axis.set_xlabel("test accuracy on all classes at the end, %")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def ranked(record: Record) -> Figure:
    """Kendall's correlation with the ranking by long training, over visits of each candidate."""
    found = rankings(record)
    shifted = found[found["method"] == "dm"]
    shifted = shifted.assign(method=COUNTED, visits=shifted["visits"] + shared_cost(record))
    figure, (axis,) = panels(height=3.4)
    order = {tag: i for i, tag in enumerate(RANKERS)}
    whole = pd.concat([found, shifted]).sort_values("method", key=lambda m: m.map(order))
    lines(axis, whole, "visits", "kendall", spread="points", looks=RANKERS)
    axis.set_xscale("log")
    ticks = sorted(found.loc[found["method"] == "real", "visits"].unique())
    axis.set_xticks(ticks, [f"{int(t):,}" for t in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.axhline(0, color=GRAY, linewidth=1)
    axis.set_xlabel("images visited in training a candidate")
    axis.set_ylabel("rank correlation (Kendall)")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def told(record: Record) -> Figure:
    """The chance that an attack puts a member above another image; one half is blind."""
    rows = record.rows(part=MEMBER)
    again = rows["against"] == "calibrated"
    rows = rows.assign(
        who=[WHO[pair] for pair in zip(rows["method"], rows["members"], strict=True)],
        kind=rows["attack"].where(~again, rows["attack"] + ", calibrated"),
    )
    order = {name: i for i, name in enumerate(WHO.values())}
    rows = rows.sort_values("who", key=lambda w: w.map(order), kind="stable")
    figure, (axis,) = panels(height=0.5 * len(order) + 1.4)
    strip(axis, rows, "auc", rows="who", by="kind", looks=ATTACKS)
    axis.axvline(CHANCE, color=GRAY, linewidth=1)
    axis.set_xlabel("chance to put a member first (blind: 0.5)")
    legend_below(figure)
    return finish(figure, [axis], record.scale)
