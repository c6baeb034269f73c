"""Referee: which rows of a table may be compared, and which order do they settle?"""

import math
from typing import Any

from ddlib.seeds import generator, pick

from dd_hidden.judge import Ask, Item

Row = dict[str, Any]
BASE: Row = {
    "method": "a", "data": "shapes", "protocol": "plain", "network": "convnet", "classes": 5,
    "pixels": 768, "ipc": 10, "soft_labels": False, "reported": "last", "mean": 50.0,
    "set_spread": 1.0, "network_spread": 1.0, "sets": 4, "networks": 5,
}  # fmt: skip


def row(**changes: Any) -> Row:
    return {**BASE, **changes}


def stored(one: Row) -> int:
    images = one["classes"] * one["ipc"]
    return (
        images * one["pixels"]
        + images * one["classes"] * one["soft_labels"]
    )


def reference(a: Row, b: Row) -> bool:
    same = all(a[key] == b[key] for key in ("data", "protocol", "network"))
    return (
        same
        and stored(a) == stored(b)
        and a["reported"] == b["reported"] == "last"
    )


def settled(rows: list[Row]) -> list[list[float]]:
    """Pairs (better, worse) whose distance exceeds two standard errors over sets."""
    return [
        [float(i), float(j)]
        for i, a in enumerate(rows)
        for j, b in enumerate(rows)
        if reference(a, b)
        and min(a["sets"], b["sets"]) > 1
        and a["mean"] - b["mean"]
        > 2
        * math.sqrt(
            a["set_spread"] ** 2 / a["sets"]
            + b["set_spread"] ** 2 / b["sets"]
        )
    ]


def public(ask: Ask) -> bool:
    a, b, c = (
        row(mean=60.0),
        row(mean=50.0, method="b"),
        row(protocol="augmented"),
    )
    return (
        ask("comparable", a, b) is True
        and ask("comparable", a, c) is False
        and sorted(ask("ranking", [b, a, c])) == [[1.0, 0.0]]
    )


def pairs(ask: Ask) -> bool:
    """Forty pairs by seed, each both ways round."""
    rng = generator("ps5 pairs")
    choices = {
        "data": ("shapes", "photos"), "protocol": ("plain", "augmented"),
        "network": ("convnet", "vgg11"), "method": ("a", "b"),
    }  # fmt: skip
    for n in range(40):
        keys = (
            [key for key in choices if pick(rng, 4) == 0]
            if n % 2
            else ["method"]
        )
        a, b = row(), row(**{key: choices[key][1] for key in keys})
        for one, other in ((a, b), (b, a)):
            if ask("comparable", one, other) is not reference(one, other):
                return False
    return True


def budgets(ask: Ask) -> bool:
    """Numbers count, labels among them: ten images without are less than ten with."""
    soft, hard = row(soft_labels=True), row()
    smaller = row(
        pixels=192, ipc=40
    )  # four times the images, of a quarter of the size
    return (
        ask("comparable", soft, hard) is False
        and ask("comparable", hard, smaller) is True
        and ask("comparable", soft, row(soft_labels=True, method="b"))
        is True
    )


def last(ask: Ask) -> bool:
    best = row(reported="best", mean=70.0)
    return (
        ask("comparable", best, row()) is False
        and ask("ranking", [best, row()]) == []
    )


def spread(ask: Ask) -> bool:
    """Sets vary, networks do not: the order is open. And the other way round."""
    open_ = [
        row(mean=52.0, set_spread=4.0, network_spread=0.1),
        row(set_spread=4.0),
    ]
    clear = [
        row(mean=52.0, set_spread=0.5, network_spread=9.0),
        row(set_spread=0.5),
    ]
    return ask("ranking", open_) == [] and ask("ranking", clear) == settled(
        clear
    ) == [[0.0, 1.0]]


def one_set(ask: Ask) -> bool:
    single = row(mean=80.0, sets=1, set_spread=0.0)
    return ask("ranking", [single, row()]) == []


ITEMS = {
    "public": Item(5, "the checks above", public),
    "pairs": Item(2, "forty pairs, both ways round", pairs),
    "budgets": Item(2, "the budget is stored numbers", budgets),
    "last": Item(1, "the last iterate, not the best", last),
    "spread": Item(1, "the spread over sets decides", spread),
    "one_set": Item(1, "one set settles nothing", one_set),
}
