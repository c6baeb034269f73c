"""Figures of mixing: released doses beside ours, the dip, controls, changed training."""

import pandas as pd
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.marks import lines, over_sets
from ddlib.plots.style import GRAY, SMALL, finish, legend_below, panels
from ddlib.questions.mixing.experiment import ALONE, CHANGES, CONTROLS, DOSES
from ddlib.questions.mixing.findings import JOINED, RELEASED, findings
from ddlib.questions.shared.figures import banded, diamonds, released_beside_ours

IN_WORDS = {
    JOINED: "10 real (as released)",
    "diluted": "none, rate diluted",
    "kept": "10 real, set at full weight",
    "longer": "10 real, twice the steps",
    "copies": "copies of the set",
    "noise": "noise images",
    "other": "another method's set",
    "twin": "the method's other set",
    "worthy": "50 real, weight of 10",
    "set, then real": "10 real, after the set",
    "real, then set": "10 real, before the set",
}
K = {name: 0 if name == ALONE else int(name.split()[0]) for name in DOSES}


def doses(record: Record) -> Figure:
    """Accuracy over real images per class, released and ours; points are means of sets."""
    read = [
        {"method": method, "k": k, "accuracy": value}
        for method, curve in RELEASED.items()
        for k, value in curve.items()
    ]
    trained = record.table[record.table["condition"].isin(list(DOSES))]
    ours = trained.assign(k=trained["condition"].map(K))
    ours = ours.groupby(["method", "set", "k"], sort=False)["accuracy"].mean().reset_index()
    figure, (left, right) = panels(2, height=3.9, sharex=True, sharey=True)
    places = list(K.values())  # side by side, about as on the released axis
    for axis, table in ((left, pd.DataFrame(read)), (right, ours)):
        table = table.assign(place=table["k"].map(places.index))
        lines(axis, table, "place", "accuracy", spread="points" if axis is right else None)
        axis.set_xticks(range(len(places)), [str(k) for k in places])
        axis.set_xlabel("real images per class\nbeside ten of the set")
    left.set_ylabel("test accuracy in percent")
    return released_beside_ours(figure, left, right, record, "a point: one network")


def dips(record: Record) -> Figure:
    """Points gained when ten real images per class join, set by set, beside what was released."""
    found = _of(record, "adds", JOINED)
    methods = list(dict.fromkeys(found["method"]))
    released = {m: RELEASED[m][K[JOINED]] - RELEASED[m][0] for m in methods}
    figure, (axis,) = panels(height=2.9)
    axis.axvline(0, color=GRAY, linewidth=1)
    over_sets(axis, found)
    label = "released, one network (pale: our sets, line: 95 % interval)"
    known = diamonds(axis, released, methods, label)
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, *released.values()) - 0.5, max(high, *released.values()) + 0.5)
    axis.set_xlabel(f"points gained when {JOINED} images per class join")
    figure.legend([known], [label], loc="outside lower center", fontsize=SMALL, frameon=False)
    return finish(figure, [axis], record.profile)


def controls(record: Record, *methods: str) -> Figure:
    """What each guest, order or rate does to the accuracy of some methods' sets, in points."""
    found = findings(record)
    found = found[(found["contrast"] == "adds") & found["method"].isin(methods)]
    made = [name for name in (JOINED, *CONTROLS) if name in set(found["condition"])]
    found = pd.concat([found[found["condition"] == name] for name in made])
    figure, (axis,) = panels(height=0.32 * len(made) + 1.3)
    axis.axvline(0, color=GRAY, linewidth=1)
    over_sets(axis, found, rows="condition", names=IN_WORDS)
    axis.set_xlabel("points gained against the same set alone")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def changes(record: Record) -> Figure:
    """What is lost of each gain over random images when one thing is changed for both."""
    found = findings(record)
    found = found[(found["contrast"] == "lost") & (found["method"] != "random")]
    made = [name for name in CHANGES if name in set(found["condition"])]
    found = pd.concat([found[found["condition"] == name] for name in made])
    figure, (axis,) = panels(height=0.5 * len(made) + 1.3)
    banded(axis, len(made))
    axis.axvline(0, color=GRAY, linewidth=1)
    over_sets(axis, found, rows="condition")
    axis.set_xlabel("points that the gain over random images loses")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def _of(record: Record, contrast: str, condition: str) -> pd.DataFrame:
    """The values of one finding under one condition, by method, set and network."""
    found = findings(record)
    return found[(found["contrast"] == contrast) & (found["condition"] == condition)]
