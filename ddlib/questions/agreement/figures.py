"""Figures of predictions: who predicts like whom, at equal accuracy."""

import pandas as pd
import torch
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.marks import over_sets, strip
from ddlib.plots.style import GRAY, LOOKS, Look, beside, finish, legend_below, name_rows, panels
from ddlib.questions.agreement.experiment import LATE
from ddlib.questions.agreement.findings import findings, gaps, likeness
from ddlib.questions.agreement.matching import RELATIONS
from ddlib.questions.shared.figures import diamonds, released_beside_ours

# Mean agreement of the released figure, read off its stored picture within 0.003: of the network on
# a distilled set with early-stopped networks, and with networks on subsets. One network a method.
RELEASED_MEANS = {
    "dm": {"early": 0.571, "subset": 0.465},
    "dc": {"early": 0.583, "subset": 0.512},
    "mtt": {"early": 0.623, "subset": 0.567},
    "bptt": {"early": 0.658, "subset": 0.621},
}
SHOWN = ("random", "start", "dm", "dc", "dsa", "mtt", "bptt")
POOL_LOOKS = {
    "early": Look("all images, stopped early", "#000000", "*"),
    "subset": Look("subset, to the end", "#7F7F7F", "o"),
    "stopped": Look("larger subset, stopped early", "#56B4E9", "^"),
}
GAP_LOOKS = {
    "gap": Look("gap", "#000000", "o"),
    "beyond": Look("gap beyond that of real subsets", "#D55E00", "D"),
}
KIN_LOOKS = {
    "same set": Look("same set", "#000000", "o"),
    "other set": Look("other set of the method", "#D55E00", "D"),
    "other method": Look("sets of other methods", "#56B4E9", "^"),
    "early": Look("all images, stopped early", "#8A4FBF", "*"),
}


def agreements(record: Record) -> Figure:
    """Mean agreement with early-stopped networks and with subset networks, released and ours."""
    released = [
        {"method": method, "pool": pool, "agreement": mean}
        for method, means in RELEASED_MEANS.items()
        for pool, mean in means.items()
    ]
    ours = likeness(record)["agreement"].groupby(["method", "pool", "set"]).mean().reset_index()
    rows = [method for method in SHOWN if method in set(ours["method"])]
    figure, axes = panels(2, height=0.42 * len(rows) + 2.0, sharex=True, sharey=True)
    for axis, table in zip(axes, (pd.DataFrame(released), ours), strict=True):
        blank = pd.DataFrame({"method": rows, "pool": "early"})  # a row for each, also empty
        kept = table["pool"].isin(["early", "subset"]) & table["method"].isin(rows)
        table = pd.concat([blank, table[kept]])
        strip(axis, table, "agreement", by="pool", looks=POOL_LOOKS)
        axis.set_xlabel("agreement")
    note = "one network"
    return released_beside_ours(figure, axes[0], axes[1], record, note)


def agreement_gaps(record: Record) -> Figure:
    """Gaps by set, and what they are beyond the gap of real subsets, beside the released ones."""
    found = findings(record)
    found = found[(found["measure"] == "agreement") & (found["pool"] == "subset")]
    rows = [method for method in (*SHOWN, LATE) if method in set(found["method"])]
    found = found[found["contrast"].isin(list(GAP_LOOKS))]
    found = pd.concat([found[found["method"] == method] for method in rows])
    figure, (axis,) = panels(height=0.45 * len(rows) + 1.6)
    axis.axvline(0, color=GRAY, linewidth=1)
    over_sets(axis, found, by="contrast", looks=GAP_LOOKS)
    released = {m: v["early"] - v["subset"] for m, v in RELEASED_MEANS.items() if m in rows}
    diamonds(axis, released, rows, "released gap, one network")
    axis.locator_params(axis="x", nbins=5)
    axis.set_xlabel("agreement with early-stopped networks\nless that with subset networks")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def gaps_by_set(record: Record) -> Figure:
    """The gap of each set, joined to that of the real images it began with."""
    of = gaps(record).groupby(["method", "set"])["agreement"].mean()
    names = [method for method in methods(record) if began(record, method)]
    figure, (axis,) = panels(height=0.5 * len(names) + 1.4)
    begun = LOOKS["start"]
    for row, method in enumerate(names):
        look, sets = LOOKS[method], of[method].index.tolist()
        for i, number in enumerate(sets):
            y = row + beside(i, len(sets), width=0.4)
            line = [of["start", number], of[method, number]]
            axis.plot(line, [y, y], color=look.color, linewidth=1)
            axis.plot(line[0], y, begun.marker, color=begun.color, markersize=6)
            axis.plot(line[1], y, look.marker, color=look.color, markersize=8)
    axis.axvline(0, color=GRAY, linewidth=1)
    axis.plot([], [], begun.marker, color=begun.color, label=begun.label)
    axis.plot([], [], "o", color=GRAY, label="the set made from them (marker of its method)")
    name_rows(axis, [LOOKS[method].label for method in names])
    axis.set_xlabel("gap in agreement; a line for each set")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def relations(record: Record) -> Figure:
    """How alike networks are on the same set, another set, other methods, and stopped early."""
    networks = record.rows(condition="network")
    agreement = torch.stack(list(networks["kin"]))[:, :, 0]
    parts = [
        networks[["method", "set", "network"]].assign(relation=name, value=agreement[:, i].numpy())
        for i, name in enumerate(RELATIONS)
    ]
    early = likeness(record).xs("early", level="pool")["agreement"].rename("value").reset_index()
    found = pd.concat([*parts, early.assign(relation="early")])
    rows = [method for method in SHOWN if method in set(found["method"])]
    found = pd.concat([found[found["method"] == method] for method in rows])
    figure, (axis,) = panels(height=0.55 * len(rows) + 1.6)
    over_sets(axis, found, by="relation", looks=KIN_LOOKS)
    axis.set_xlabel("agreement of networks of equal accuracy")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


# ---- what figures and the chapter read off the table ----------------------------------------


def methods(record: Record) -> list[str]:
    """All methods, in the order in which they were compared."""
    return list(dict.fromkeys(record.table["method"]))


def partners(record: Record, method: str, pool: str) -> pd.DataFrame:
    """The pairs of a network of a method and one of equal accuracy in a pool."""
    pairs = record.table[record.table["condition"] == "alike"]
    return pairs[(pairs["method"] == method) & (pairs["pool"] == pool)]


def began(record: Record, method: str) -> bool:
    """Whether the sets of a method began as the images of `start`."""
    return bool(record.table.loc[record.table["method"] == method, "began"].iloc[0])
