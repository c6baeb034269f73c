"""How much more alike networks are to early-stopped ones than to others, at equal accuracy."""

import pandas as pd

from ddlib.experiment.records import Record
from ddlib.questions.agreement.experiment import LATE
from ddlib.questions.agreement.predictions import MEASURES

NETWORK = ["method", "set", "network"]


def likeness(record: Record) -> pd.DataFrame:
    """How alike each network is to its partners in each pool, on their mean: a column a measure."""
    pairs = record.table[record.table["condition"] == "alike"]
    return pairs.groupby([*NETWORK, "pool"], sort=False)[list(MEASURES)].mean()


def gaps(record: Record, pool: str = "subset") -> pd.DataFrame:
    """Likeness to early-stopped networks less that to those of `pool`, for each network."""
    to = likeness(record).reset_index("pool")
    early, other = (to[to["pool"] == name].drop(columns="pool") for name in ("early", pool))
    return (early - other).dropna(how="all").reset_index()


def findings(record: Record) -> pd.DataFrame:
    """Gaps and what they are held against, by contrast, method, pool and measure.

    `gap`: a value for each network trained on a set. `reference`: for each network trained on a
    subset of the same accuracy. `beyond`: the gap less the mean reference. `beyond start`: the gap
    less that of a network on what the set began with; both share their first weights.
    `less late`: usual less late sets of trajectory matching, a value for each pair of sets.
    """
    gap = pd.concat([gaps(record, pool).assign(pool=pool) for pool in ("subset", "stopped")])
    subset = gap[gap["pool"] == "subset"]
    reference = record.rows(condition="reference").reindex(columns=["method", "member", *MEASURES])
    reference = reference.dropna(subset=["agreement"])
    means = reference.groupby("method")[list(MEASURES)].mean()
    found = {"gap": gap, "reference": reference.rename(columns={"member": "network"})}
    found["beyond"] = _less(subset, means, ["method"])
    began = record.table.loc[record.table["began"], "method"].unique()
    if len(began):
        start = subset[subset["method"] == "start"].set_index(["set", "network"])
        moved = subset[subset["method"].isin(began)]
        found["beyond start"] = _less(moved, start[list(MEASURES)], ["set", "network"])
    if LATE in set(subset["method"]):
        usual, late = (
            subset[subset["method"] == m].groupby("set")[list(MEASURES)].mean()
            for m in ("mtt", LATE)
        )
        apart = (usual - late).dropna().reset_index()
        found["less late"] = apart.assign(method="mtt")
    wide = pd.concat([table.assign(contrast=name) for name, table in found.items()])
    labels = [column for column in wide if column not in MEASURES]
    return wide.melt(labels, MEASURES, "measure").dropna(subset=["value"])


def _less(table: pd.DataFrame, other: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Each row less the row of `other` with the same labels."""
    keys = pd.MultiIndex.from_frame(table[by]) if len(by) > 1 else table[by[0]]
    taken = other.reindex(keys).to_numpy()
    return table.assign(**{m: table[m] - taken[:, i] for i, m in enumerate(MEASURES)})
