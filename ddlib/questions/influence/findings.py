"""Whom single images help, whether it repeats, and how well cheap substitutes guess it."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest

import pandas as pd
import torch
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.questions.influence.measures import JUDGES, OVERLAPS, REPEATS, SIDES, TOP
from ddlib.questions.shared.arrays import as_array, named
from ddlib.questions.shared.rankings import by_network

JUDGED = dict(zip(("agrees", "agrees own", "score", "balanced"), JUDGES, strict=True))
# Held against the first method in the same network, or in the same round.
MORE = ("own", "hard", "image", "beyond")
IN_ROUNDS = ("own", "image", "beyond")
Found = list[tuple[dict[str, str], Tensor]]


def chance(record: Record) -> float:
    """The share of one class among the test images."""
    return record.settings["each"] / len(record.arrays["test"])


def of_method(record: Record, method: str) -> dict[str, Tensor]:
    """What the narrow networks of one method say: one number for each."""
    rows = {c: record.rows(condition=c, method=method) for c in ("network", "top", "pair")}
    raw = rows["top"][rows["top"]["scaling"] == "raw"]
    top = {side: raw[raw["side"] == side] for side in SIDES}
    own, harmed = (_values(top[side], "own") for side in SIDES)
    hard, distinct, by_chance = (
        _values(top["helped"], c) for c in ("hardness", "distinct", "chance")
    )
    pairs = torch.stack([_values(rows["pair"], c) for c in (*REPEATS, *OVERLAPS)], 1)
    repeat = dict(
        zip((*REPEATS, *OVERLAPS), by_network(pairs, record.settings["nets"]).T, strict=True)
    )
    return {
        "own": own - chance(record),
        "own harmed": harmed - chance(record),
        "hard": hard - 0.5,
        "distinct": distinct - by_chance,
        "above": 1 - _values(rows["network"], "nudged") / _values(rows["network"], "spread"),
        "repeat": repeat["all"],
        "image": repeat["same image"] - repeat["other image"],
        "shared": repeat["same top"] - TOP / len(record.arrays["test"]),
        "beyond": repeat["same top"] - repeat["other top"],
    }


def of_rounds(record: Record, method: str) -> dict[str, Tensor]:
    """What the rounds say of one method: the mean over images and networks of each."""
    rounds = record.rows(condition="round", method=method)
    rounds = rounds.assign(place=rounds.groupby("round").cumcount())
    own = as_array(rounds, "shares", "round", "place").mean((1, 2))
    each = rounds.groupby("round")[["distinct", "chance"]].mean()
    found = {
        "own usual": own - chance(record),
        "distinct usual": torch.tensor((each["distinct"] - each["chance"]).to_numpy()),
    }
    both = record.rows(condition="rounds", method=method)
    for name, column in (("image", "repeat"), ("beyond", "overlap")):
        itself, another = as_array(both, column, "round").mean(1).unbind(1)
        found[f"{name} usual"] = itself - another
    return found


def in_rounds(record: Record) -> pd.DataFrame:
    """A row a method and round of the usual network, means over its images and networks.

    In percent: own, test images of the class among the helped; distinct, different ones in all
    lists of the class; overlap, how many come back in the other network. repeat: rank correlation
    with the other network over test images of the class. Both for the same image and another one.
    """
    rows = record.rows(condition="round").assign(
        own=lambda t: [100 * float(shares.mean()) for shares in t["shares"]],
        distinct=lambda t: 100 * t["distinct"],
    )
    lists = rows.groupby(["method", "round"], sort=False)[["own", "distinct"]].mean()
    both = record.rows(condition="rounds").set_index(["method", "round"])
    for name, scale in (("repeat", 1), ("overlap", 100)):
        each = torch.stack([pair.mean(0) for pair in both[name]]) * scale
        lists[f"{name} same"], lists[f"{name} other"] = (
            pd.Series(column.tolist(), both.index) for column in each.unbind(1)
        )
    return lists.reset_index()


def beyond_photographs(record: Record, sets: int) -> pd.DataFrame:
    """By method, round and set: how much better an image of a set is told from others of its class
    in another network than a photograph of the same round is (`more`, of rank correlations).

    Sets take turns, so round r has set r modulo the number of `sets`.
    """
    table = in_rounds(record)
    told = table["repeat same"] - table["repeat other"]
    photographs = told[table["method"] == "random"].to_numpy()
    usual = dict(zip(table.loc[table["method"] == "random", "round"], photographs, strict=True))
    return table[["method", "round"]].assign(
        set=table["round"] % sets, more=told - table["round"].map(usual)
    )


def by_chance(record: Record) -> dict[str, float]:
    """What test images drawn at random would show of each, in the units of `in_rounds`."""
    drawn = record.rows(condition="round")["chance"].mean()
    top = 100 * TOP / len(record.arrays["test"])
    return {
        "own": 100 * chance(record), "distinct": 100 * float(drawn), "repeat": 0.0, "overlap": top
    }  # fmt: skip


def instruments(record: Record) -> pd.DataFrame:
    """How an image is told from its class, and its noise, in two widths of network.

    beyond: rank correlation with another network of the same image, less that of another image;
    noise: what a nudge of the first weights changes, in percent of what leaving out changes.
    """
    tidy, usual = [], record.rows(condition="usual").set_index("method")["nudged"]
    of_usual = record.rows(condition="round")
    for method in named(record.rows(condition="rounds"), "method"):
        spread = of_usual.loc[of_usual["method"] == method, "spread"].iloc[0]  # which was nudged
        noise = [100 * usual[method] / spread]
        found = of_rounds(record, method)["image usual"].tolist()
        tidy += _wide({"method": method, "width": "usual"}, found, noise)
    for method in named(record.rows(condition="network"), "method"):
        narrow = of_method(record, method)
        noise = (100 * (1 - narrow["above"])).tolist()
        tidy += _wide({"method": method, "width": "narrow"}, narrow["image"].tolist(), noise)
    return pd.DataFrame(tidy)


def _wide(
    labels: dict[str, str], beyond: list[float], noise: list[float]
) -> list[dict[str, object]]:
    """A row for each value of one method in one width; a missing one is NaN."""
    pairs = zip_longest(beyond, noise, fillvalue=torch.nan)
    return [{**labels, "beyond": b, "noise": n} for b, n in pairs]


def judged(record: Record) -> Iterator[tuple[dict[str, str], Tensor]]:
    """How well each attribution does, and how much better than the class alone."""
    rows = record.rows(condition="judged")
    known = _values(rows[rows["attribution"] == "own class"], JUDGED["score"])
    for name, mine in rows.groupby("attribution", sort=False):
        for contrast, judge in JUDGED.items():
            yield {"contrast": contrast, "attribution": str(name)}, _values(mine, judge)
        gains = _values(mine, JUDGED["score"]) - known
        yield {"contrast": "gains", "attribution": str(name)}, gains
    added = record.rows(condition="added")
    for kind, mine in added.groupby("kind", sort=False):
        yield {"contrast": "adds", "kind": str(kind)}, _values(mine, "correlation")


def _values(rows: pd.DataFrame, column: str) -> Tensor:
    if column not in rows:  # all of them missing
        return torch.full((len(rows),), torch.nan)
    return torch.tensor(rows[column].astype("float32").to_numpy())


def findings(record: Record) -> pd.DataFrame:
    """One number for each network, also of what pairs of networks say, or for each round.

    Narrow networks all have the first set of a method; rounds take its sets in turn.
    own, own harmed: share of own class in the top, more than chance. hard: their place among the
    losses, above the middle. distinct: share of different ones, more than by chance. above: how far
    influence is above what a nudge does. repeat: rank correlation with another network.
    image: that of one image over its own class, more than that of two images of the class.
    shared, beyond: overlap of the top with that in another network, more than chance, and more
    than of two images of the class. Narrow more: beyond that of the first method in the same
    network. Usual: the same of the rounds; more: beyond that of the first method in the same round.
    agrees, agrees own: an attribution with leave-one-out, over all images and over those of the
    class. score: its datamodeling score; balanced: on halves of each class; gains: beyond that of
    the class alone. adds: correlation of sums with groups.
    """
    narrow = {m: of_method(record, m) for m in named(record.rows(condition="network"), "method")}
    usual = {m: of_rounds(record, m) for m in named(record.rows(condition="rounds"), "method")}
    found = [*_labelled(narrow), *_labelled(usual), *judged(record)]
    found += _labelled(_more(narrow, {name: f"{name} narrow more" for name in MORE}))
    found += _labelled(_more(usual, {f"{name} usual": f"{name} more" for name in IN_ROUNDS}))
    sets = record.rows(condition="rounds").drop_duplicates("round")["set"].tolist()
    turns = {name for values in usual.values() for name in values}
    turns |= {f"{name} more" for name in IN_ROUNDS}
    rows = [
        {**labels, "network": i, "set": sets[i] if labels["contrast"] in turns else 0}
        | {"value": value}
        for labels, values in found
        for i, value in enumerate(values.tolist())
    ]
    return pd.DataFrame(rows).dropna(subset=["value"]).reset_index(drop=True)


def _labelled(found: Mapping[str, Mapping[str, Tensor]]) -> Found:
    """Values by method and contrast, each with its labels."""
    return [
        ({"contrast": contrast, "method": method}, values)
        for method, each in found.items()
        for contrast, values in each.items()
    ]


def _more(
    found: Mapping[str, Mapping[str, Tensor]], names: Mapping[str, str]
) -> dict[str, dict[str, Tensor]]:
    """Some contrasts of each method, less those of the first one."""
    first, *others = found
    return {
        method: {new: found[method][old] - found[first][old] for old, new in names.items()}
        for method in others
    }
