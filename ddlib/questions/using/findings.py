"""What distilled sets are good for: points of accuracy, rank correlations, and shares of pairs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ddlib.experiment.records import Record
from ddlib.questions.shared.paired import beside
from ddlib.questions.using.choosing import agreement
from ddlib.questions.using.experiment import CHOOSE, HELD, MEMBER, REPLAY

INDEX = ["method", "set", "network"]
CHANCE = 0.5  # the chance of a blind test to be right about a pair


def findings(record: Record) -> pd.DataFrame:
    """One row for each contrast and set; oriented as the chapter claims it.

    Replay, in points: `replay` is the accuracy after the last stage less that of a random buffer,
    `alone` the same for new networks that learn the buffer only, `shrinks` what of `alone` is lost
    in `replay`, and `herding` the accuracy less that of a herded buffer.

    Choosing, as Kendall's correlation with the ranking by long training: `rank` of each source at
    the largest budget that all have, `again` that of another long training; `brief` is that of real
    images less that of the source, at equal visits; `counted` the same where real images get the
    visits that distilling took, too; `over random` that of a distilled set less that of a random
    one.

    Membership: `told` is the share of pairs of a member and another image that an attack puts in
    order, less one half; `more` is how much more a network on the real images tells than one on
    the set.
    """
    parts = [
        *_tables(of_replay(record)),
        *_tables(of_choosing(record)),
        *of_membership(record),
    ]
    return pd.concat(parts, ignore_index=True).dropna(subset=["value"]).reset_index(drop=True)


def _tables(found: Mapping[str, "pd.Series[float]"]) -> list[pd.DataFrame]:
    """Values indexed by method and set, contrast after contrast, without those against itself."""
    return [v.rename("value").reset_index().assign(contrast=name) for name, v in found.items()]


# ---- replay ---------------------------------------------------------------------------------


def of_replay(record: Record) -> dict[str, "pd.Series[float]"]:
    """Points by contrast, indexed by method, set and network."""
    rows = record.rows(part=REPLAY)
    wide = rows.set_index(INDEX)[["accuracy", "alone"]].astype(float)
    gain = (wide - beside(wide, "random")).drop("random", level="method")
    herding = wide["accuracy"] - beside(wide, "herding")["accuracy"]
    return {
        "replay": gain["accuracy"],
        "alone": gain["alone"],
        "shrinks": gain["alone"] - gain["accuracy"],
        "herding": herding.drop("herding", level="method"),
    }


def by_stage(record: Record) -> pd.DataFrame:
    """Accuracy on all classes so far, a row for each buffer, number and stage."""
    first = int(record.settings["first"])
    return pd.DataFrame([
        {"method": row["method"], "set": row["set"], "classes": first + i, "accuracy": float(value)}
        for row in record.rows(part=REPLAY).to_dict("records")
        for i, value in enumerate(row["known"])
    ])  # fmt: skip


# ---- choosing a network ---------------------------------------------------------------------


def rankings(record: Record) -> pd.DataFrame:
    """For each source, number and stop: how well its ranking stands for that of long training.

    The long trainings of the *other* numbers are the truth, so that real images are not held
    against themselves.
    """
    rows = record.rows(part=CHOOSE)
    scores = {
        (method, number): np.stack([s.numpy() for s in part["scores"]]).astype(float)
        for (method, number), part in rows.groupby(["method", "set"], sort=False)
    }  # (candidate, stop) each
    visits = {
        str(method): part["visits"].iloc[0].tolist()
        for method, part in rows.groupby("method", sort=False)
    }
    last = {number: table[:, -1] for (method, number), table in scores.items() if method == "real"}
    found = []
    for (method, number), table in scores.items():
        truth = np.mean([scored for other, scored in last.items() if other != number], axis=0)
        for visited, cheap in zip(visits[str(method)], table.T, strict=True):
            labels = {"method": method, "set": number, "network": number, "visits": visited}
            found.append(labels | agreement(cheap, truth))
    return pd.DataFrame(found)


def of_choosing(record: Record) -> dict[str, "pd.Series[float]"]:
    """Kendall's correlations by contrast, indexed by method, set and network."""
    found = rankings(record)
    on_sets = found[found["method"] != "real"]
    budget = float(on_sets["visits"].max())
    own = on_sets[on_sets["visits"] == budget].set_index(INDEX)["kendall"]
    allowed = budget + shared_cost(record)
    return {
        "rank": pd.concat([own, _real_at(found, budget)]),
        "again": _real_at(found, float(found["visits"].max())),
        "brief": _less(_real_at(found, budget), own),
        "counted": _less(_real_at(found, allowed), own[["dm"]]),
        "over random": own[["dm"]] - beside(own.to_frame(), "random").loc[["dm"], "kendall"],
    }


def shared_cost(record: Record) -> float:
    """The visits that distilling a set costs, as shared by all candidates."""
    return float(record.arrays["distilling"]) / len(record.settings["candidates"])


def _real_at(found: pd.DataFrame, allowed: float) -> "pd.Series[float]":
    """Real images at the last stop with at most so many visits."""
    real = found[(found["method"] == "real") & (found["visits"] <= allowed)]
    return real[real["visits"] == real["visits"].max()].set_index(INDEX)["kendall"]


def _less(real: "pd.Series[float]", own: "pd.Series[float]") -> "pd.Series[float]":
    """Real images less each source, number by number."""
    return beside(pd.concat([real, own]).to_frame(), "real").loc[own.index, "kendall"] - own


# ---- what a set gives away ------------------------------------------------------------------


def of_membership(record: Record) -> list[pd.DataFrame]:
    """Shares of pairs above one half, for each set, attack and kind of member."""
    labels = [*INDEX, "attack", "against", "members"]
    rows = record.rows(part=MEMBER)[[*labels, "auc"]]
    told = rows.assign(value=rows["auc"] - CHANCE, contrast="told").drop(columns="auc")
    loss = told[(told["attack"] == "loss") & (told["members"] == HELD)]
    pair = ["set", "network", "against"]
    real = loss[loss["method"] == "real"].set_index(pair)["value"].rename("real")
    sets = loss[loss["method"] != "real"].join(real, on=pair)
    more = sets.assign(value=sets["real"] - sets["value"], contrast="more").drop(columns="real")
    return [told, more]
