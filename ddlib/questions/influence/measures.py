"""What tables of influence say: do they repeat, whom do they name, do effects add up?

A table (n, t) holds the influence of image j on test image x in one network. `classes` are those of
the images, `tested` those of the test images.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddlib.questions.influence.attribution import datamodeling_score
from ddlib.questions.influence.retraining import NOISES, SUBSTITUTES
from ddlib.questions.shared.leaving_out import HALVES, each_alone
from ddlib.questions.shared.rankings import (
    centered,
    correlation,
    distinct,
    every_pair,
    itself_and_others,
    overlap,
    rank_correlation,
    ranks,
    same_and_other,
    share_of_class,
    slope,
    standardized,
    top,
)

FEW = 5  # images that are left out of a sum instead of a mean
TOP = 9  # test images that the study shows for each distilled image
REPEATS = ("all", "centered", "same image", "other image", "centered, own class")
OVERLAPS = ("same top", "other top")
JUDGES = ("all images", "own images", "datamodeling score", "balanced score")
SIDES = {"helped": 1, "harmed": -1}
SCALINGS = ("raw", "standardized")
KINDS = ("one class", "all classes")  # of groups that are left out
Table = Float[Tensor, "n t"]
Labels = Int[Tensor, " n"]
Tested = Int[Tensor, " t"]
Row = dict[str, str | int | float | Tensor]


def sizes(table: Table, losses: Float[Tensor, " t"], noise: Float[Tensor, "3 t"]) -> Row:
    """How large influence is, and how much the same training once more changes: root mean squares.

    `losses` are those of the network that has seen all images.
    """
    again = (noise - losses).square().mean(1).sqrt()
    values = dict(zip(NOISES, again.tolist(), strict=True))
    return {"spread": float(table.square().mean().sqrt()), **values}


def tops(
    table: Table, losses: Float[Tensor, " t"], classes: Labels, tested: Tested
) -> Iterator[Row]:
    """Who is in the top of one network, by side and scaling.

    `own`: the share of the class of the image. `hardness`: the mean place among the losses of all
    test images, from 0 for the lowest to 1 for the highest. `distinct`: the share of different test
    images in all lists of a class; `chance`: what chance would give.
    """
    place = ranks(losses) / (len(losses) - 1)
    scaled = dict(zip(SCALINGS, (table, standardized(table)), strict=True))
    for (side, sign), (scaling, values) in product(SIDES.items(), scaled.items()):
        rows = top(sign * values, TOP)
        different, chance = distinct(rows, classes, tested)
        yield {
            "side": side, "scaling": scaling, "own": float(share_of_class(rows, classes, tested)),
            "hardness": float(place[rows].mean()), "distinct": different, "chance": chance,
        }  # fmt: skip


def own_class(table: Table, classes: Labels, tested: Tested) -> Float[Tensor, "k i x"]:
    """The part of a table where image and test image share their class, class after class."""
    return torch.stack([table[classes == c][:, tested == c] for c in classes.unique()])


def in_classes(a: Float[Tensor, "k i x"], b: Float[Tensor, "k i x"]) -> tuple[Tensor, Tensor]:
    """Mean rank correlation of row i of a with row i of b, and with other rows of its class."""
    each = [
        same_and_other(one, torch.zeros(len(one), dtype=torch.int64)) for one in every_pair(a, b)
    ]
    same, other = (torch.stack(values).nanmean() for values in zip(*each, strict=True))
    return same, other


def repeats(a: Table, b: Table, classes: Labels, tested: Tested) -> Row:
    """Do two networks say the same? Rank correlations `REPEATS`, and overlaps of their tops."""
    ca, cb = centered(a, classes), centered(b, classes)
    own = [own_class(x, classes, tested) for x in (a, b, ca, cb)]
    found = (
        rank_correlation(a, b).nanmean(), rank_correlation(ca, cb).nanmean(),
        *in_classes(own[0], own[1]), in_classes(own[2], own[3])[0],
        *same_and_other(overlap(top(a, TOP), top(b, TOP)), classes),
    )  # fmt: skip
    return dict(zip((*REPEATS, *OVERLAPS), map(float, found), strict=True))


def listed(
    tables: Float[Tensor, "m n t"], shown: Bool[Tensor, " t"], count: int
) -> dict[str, Tensor]:
    """The `count` test images that each image helps and harms most, on average over networks.

    They are chosen among those `shown`, after every column was divided by its spread. `alike`
    counts the networks in which the influence has the sign of its side.
    """
    few = tables[:, :, shown]
    signs = tuple(SIDES.values())
    sides = [top(sign * standardized(few.mean(0)), count) for sign in signs]
    alike = [
        (sign * few > 0).sum(0).gather(1, rows) for sign, rows in zip(signs, sides, strict=True)
    ]
    return {"listed": torch.stack(sides, 1).short(), "alike": torch.stack(alike, 1).byte()}


def added(
    table: Table, groups: Bool[Tensor, "g n"], together: Float[Tensor, "g t"]
) -> Iterator[Row]:
    """Sums of single influences against that of the group: correlation over tests, and slope."""
    sums = groups.float() @ table
    for alone, group in zip(sums, together, strict=True):
        yield agreement(alone, group)


def agreement(a: Float[Tensor, "*b n"], b: Float[Tensor, "*b n"]) -> Row:
    """Mean correlation of the rows of a with those of b, and the factor from a to b."""
    return {"correlation": float(correlation(a, b).mean()), "slope": float(slope(a, b).mean())}


def summed(alone: Table, losses: Float[Tensor, "s t"]) -> Row:
    """Leaving out of a mean, against leaving every `FEW`-th image out of a sum."""
    return agreement(few(alone), losses)


def few(images: Tensor) -> Tensor:
    """Every image whose influence on a sum is found, too."""
    return images[:: len(images) // FEW]


def judged(
    tables: Mapping[str, Table], halves: Sequence[tuple[Tensor, Tensor]], classes: Labels,
    tested: Tested,
) -> Iterator[Row]:  # fmt: skip
    """Each attribution against leave-one-out, the first of them: a row of `JUDGES` each.

    Over all and over own images; then datamodeling scores on `halves`: what was left in (s, n) and
    the losses then (s, t). All are rank correlations for each test image, averaged over them.
    """
    truth = next(iter(tables.values()))
    near = own_class(truth, classes, tested)
    for name, table in tables.items():
        own = own_class(table, classes, tested)
        found = (
            rank_correlation(table.T, truth.T), rank_correlation(own.mT, near.mT),
            *(rank_correlation(datamodeling_score(table, left).T, x.T) for left, x in halves),
        )  # fmt: skip
        values = (float(each.nanmean()) for each in found)
        yield {"attribution": name, **dict(zip(JUDGES, values, strict=True))}


def substituted(
    mine: Mapping[str, Tensor], others: Table, out: Mapping[str, Tensor], classes: Labels,
    tested: Tested,
) -> Iterator[Row]:  # fmt: skip
    """Substitutes for leave-one-out in one network, each `judged`.

    `mine` are its losses by what was left `out`, and tables of substitutes; `others` is the mean
    table of other networks. `out` has a column for each image that is left out alone.
    """
    tables = {"leave-one-out": mine["alone"] - mine["all"], "other networks": others}
    tables |= {name: mine[name] for name in SUBSTITUTES}
    tables["own class"] = (classes[:, None] == tested).float()
    halves = [(out[name].logical_not().float(), mine[name]) for name in HALVES]
    return judged(tables, halves, classes, tested)


# ---- rounds: a few images of one class left out in two networks -------------------------------


def few_alone(labels: Int[Tensor, " n"], label: int, count: int) -> Bool[Tensor, "g n"]:
    """Groups to leave out: nothing, then each of the first `count` images of a class alone."""
    rows = (labels == label).nonzero()[:count, 0]
    alone = each_alone(len(labels), labels.device)[rows]
    return torch.cat([torch.zeros_like(alone[:1]), alone])


def in_round(losses: Float[Tensor, "g t"], label: int, tested: Tested) -> Row:
    """What losses without `few_alone` say in one network.

    `shares` are those of the class in the top of each image, `distinct` is that of different test
    images in the tops of all, and `chance` what chance would give.
    """
    table = losses[1:] - losses[0]
    best = top(table, TOP)
    different, chance = distinct(best, torch.full((len(table),), label), tested)
    return {
        "shares": (tested[best] == label).float().mean(1), "distinct": different,
        "chance": chance, "spread": float(table.square().mean().sqrt()),
    }  # fmt: skip


def between_rounds(losses: Float[Tensor, "2 g t"], label: int, tested: Tested) -> Row:
    """Does it repeat in the other network? Each image with itself, and with others of its class.

    `repeat` are rank correlations over test images of the class, `overlap` those of the tops.
    """
    a, b = losses[:, 1:] - losses[:, :1]
    own = tested == label
    return {
        "repeat": itself_and_others(every_pair(a[:, own], b[:, own])),
        "overlap": itself_and_others(overlap(top(a, TOP), top(b, TOP))),
    }
