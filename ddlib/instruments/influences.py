"""What tables of influence say: do they repeat, whom do they name, do effects add up?

Tables (net, n, t) hold the influence of image j on test image x in each network. Arrays that come
back have a NaN where a source has fewer networks than another.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddlib.instruments.attribution import datamodeling_score
from ddlib.instruments.leaving_out import HALVES
from ddlib.instruments.retraining import NOISES, SUBSTITUTES
from ddlib.questions.shared.rankings import (
    centered,
    correlation,
    distinct,
    every_pair,
    overlap,
    pairs,
    rank_correlation,
    ranks,
    same_and_other,
    share_of_class,
    slope,
    standardized,
    top,
)
from ddlib.studies import together

ATTRIBUTIONS = ("leave-one-out", "other networks", *SUBSTITUTES, "own class")
FEW = 5  # images that are left out of a sum instead of a mean
TOP = 9  # test images that the study shows for each distilled image
REPEATS = ("all", "centered", "same image", "other image", "centered, own class")
JUDGES = ("all images", "own images", "datamodeling score", "balanced score")
SIDES = ("helped", "harmed")
SCALINGS = ("raw", "standardized")
AXES = {
    "noise": NOISES,
    "side": SIDES,
    "scaling": SCALINGS,
    "by": ("found", "chance"),
    "repeat": REPEATS,
    "which": ("same image", "other image"),
    "kind": ("one class", "all classes"),
    "value": ("correlation", "slope"),
    "attribution": ATTRIBUTIONS,
    "judge": JUDGES,
}
_NET, _DEEP = ("source", "net"), ("deep", "deep_net")
DIMS = {
    "influence": ("source", "image", "test"),  # mean over as many networks of each
    "loss": ("source", "test"),  # with all images, mean over the same networks
    "spread": _NET,
    "noise": (*_NET, "noise"),
    "own": (*_NET, "side", "scaling"),
    "hardness": (*_NET, "scaling"),
    "distinct": (*_NET, "scaling", "by"),
    "repeat": ("source", "pair", "repeat"),
    "overlap": ("source", "pair", "which"),
    "listed": ("source", "image", "side", "place"),
    "alike": ("source", "image", "side", "place"),
    "added": (*_DEEP, "size", "kind", "group", "value"),
    "summed": (*_DEEP, "value"),
    "judged": (*_DEEP, "attribution", "judge"),
    "thumbnails": ("shown", "channel", "height", "width"),
}
Labels = Int[Tensor, " n"]


def averaged(nets: Mapping[str, int]) -> int:
    """Means go over as many networks of each source: one over more would be less noisy."""
    return min(nets.values())


def own_class(
    table: Float[Tensor, "n t"], classes: Labels, tested: Int[Tensor, " t"]
) -> Float[Tensor, "k i x"]:
    """The part of a table where image and test image share their class, class after class."""
    return torch.stack([table[classes == c][:, tested == c] for c in classes.unique()])


def in_classes(
    a: Float[Tensor, "k i x"], b: Float[Tensor, "k i x"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean rank correlation of row i of a with row i of b, and with other rows of its class."""
    each = [
        same_and_other(one, torch.zeros(len(one), dtype=torch.int64)) for one in every_pair(a, b)
    ]
    return tuple(torch.stack(values).nanmean() for values in zip(*each, strict=True))


def repeats(
    tables: Float[Tensor, "m n t"], classes: Labels, tested: Int[Tensor, " t"]
) -> dict[str, Tensor]:
    """For each pair of networks: rank correlations (pair, repeat), overlap of the top (pair, 2)."""
    found, common = [], []
    for i, j in pairs(len(tables)):
        a, b = tables[i], tables[j]
        ca, cb = centered(a, classes), centered(b, classes)
        own = [own_class(x, classes, tested) for x in (a, b, ca, cb)]
        found.append([
            rank_correlation(a, b).nanmean(), rank_correlation(ca, cb).nanmean(),
            *in_classes(own[0], own[1]), in_classes(own[2], own[3])[0],
        ])  # fmt: skip
        common.append(same_and_other(overlap(top(a, TOP), top(b, TOP)), classes))
    return {"repeat": _stacked(found, len(REPEATS)), "overlap": _stacked(common, 2)}


def _stacked(rows: list, width: int) -> Tensor:
    return torch.tensor([[float(x) for x in row] for row in rows]).view(-1, width)


def named(
    table: Float[Tensor, "n t"],
    losses: Float[Tensor, " t"],
    classes: Labels,
    tested: Int[Tensor, " t"],
) -> dict[str, Tensor]:
    """Who is in the top of one network: own class (side, scaling), hardness (scaling), distinct.

    Hardness is the mean place of the helped ones among the losses of all test images, from 0 for
    the lowest to 1 for the highest. Distinct (scaling, 2) is the share of different test images
    in all lists of a class, found and by chance.
    """
    place = ranks(losses) / (len(losses) - 1)
    scaled = {"raw": table, "standardized": standardized(table)}
    helped = {k: top(x, TOP) for k, x in scaled.items()}
    harmed = {k: top(-x, TOP) for k, x in scaled.items()}
    own = [[share_of_class(d[k], classes, tested) for k in SCALINGS] for d in (helped, harmed)]
    return {
        "own": _stacked(own, 2),
        "hardness": torch.stack([place[helped[k]].mean() for k in SCALINGS]).float(),
        "distinct": torch.tensor([distinct(helped[k], classes, tested) for k in SCALINGS]),
    }


def listed(
    tables: Float[Tensor, "m n t"], shown: Bool[Tensor, " t"], count: int
) -> dict[str, Tensor]:
    """The `count` test images that each image helps and harms most, on average over networks.

    They are chosen among those `shown`, after every column was divided by its spread. `alike`
    counts the networks in which the influence has the sign of its side.
    """
    few = tables[:, :, shown]
    mean = few.mean(0)
    sides = [top(sign * standardized(mean), count) for sign in (1, -1)]
    signs = [
        (sign * few > 0).sum(0).gather(1, rows) for sign, rows in zip((1, -1), sides, strict=True)
    ]
    return {"listed": torch.stack(sides, 1).short(), "alike": torch.stack(signs, 1).byte()}


def added(
    table: Float[Tensor, "n t"], groups: Bool[Tensor, "g n"], together: Float[Tensor, "g t"]
) -> Float[Tensor, "g 2"]:
    """Sums of single influences against that of the group: correlation over tests, and slope."""
    sums = groups.float() @ table
    return torch.stack([correlation(sums, together), slope(sums, together)], 1)


def judged(
    tables: Mapping[str, Float[Tensor, "n t"]], truth: Float[Tensor, "n t"],
    halves: Mapping[str, tuple[Tensor, Tensor]], classes: Labels, tested: Int[Tensor, " t"],
) -> Float[Tensor, "a judge"]:  # fmt: skip
    """Each attribution against leave-one-out, over all and over own images; its two scores.

    `halves` are what was left in (s, n) and the losses then (s, t). All are rank correlations for
    each test image, averaged over test images.
    """
    found, near = [], own_class(truth, classes, tested)
    for table in tables.values():
        own = own_class(table, classes, tested)
        found.append([
            rank_correlation(table.T, truth.T).nanmean(),
            rank_correlation(own.mT, near.mT).nanmean(),
            *(
                rank_correlation(datamodeling_score(table, left).T, losses.T).nanmean()
                for left, losses in halves.values()
            ),
        ])  # fmt: skip
    return _stacked(found, len(JUDGES))


def of_source(
    mine: Sequence[Mapping[str, Tensor]], tables: Float[Tensor, "m n t"],
    classes: Labels, tested: Int[Tensor, " t"], few: int, most: int,
) -> dict[str, Tensor]:  # fmt: skip
    """Arrays of one source out of losses (g, t) and tables of each network.

    Means are over the first `few` networks; values of each network are filled up to `most`.
    """
    noise = torch.stack([(one["noise"] - one["all"]).square().mean(1).sqrt() for one in mine])
    who = [named(t, one["all"][0], classes, tested) for t, one in zip(tables, mine, strict=True)]
    arrays = together(who)
    arrays |= {"spread": tables.square().mean((1, 2)).sqrt(), "noise": noise}
    rows = list(range(len(mine)))
    padded = {k: _filled(v, rows, most) for k, v in arrays.items()}
    order = [pairs(most).index(pair) for pair in pairs(len(mine))]
    for name, values in repeats(tables, classes, tested).items():
        padded[name] = _filled(values, order, len(pairs(most)))
    return padded | {
        "influence": tables[:few].mean(0).half(),
        "loss": torch.cat([one["all"] for one in mine[:few]]).mean(0).half(),
    }


def _filled(values: Tensor, rows: list[int], length: int) -> Tensor:
    """A longer tensor with the given rows; all others are NaN."""
    full = torch.full((length, *values.shape[1:]), torch.nan)
    full[rows] = values
    return full


def of_network(
    mine: Mapping[str, Tensor], others: Float[Tensor, "n t"], out: Mapping[str, Tensor],
    classes: Labels, tested: Int[Tensor, " t"],
) -> dict[str, Tensor]:  # fmt: skip
    """Additivity, the other weighting, and substitutes for leave-one-out in one network.

    `mine` are its losses by what was left `out`, and tables of substitutes; `others` is the mean
    table of other networks. `out` has a column for each image that is left out alone.
    """
    alone = mine["alone"] - mine["all"]
    tables = {"leave-one-out": alone, "other networks": others}
    tables |= {name: mine[name] for name in SUBSTITUTES}
    tables["own class"] = (classes[:, None] == tested).float()
    few, summed = alone[:: len(alone) // FEW], mine["summed"] - mine["all"]
    halves = {name: (out[name].logical_not().float(), mine[name]) for name in HALVES}
    return {
        "added": added(alone, out["groups"], mine["groups"] - mine["all"]),
        "summed": torch.stack([correlation(few, summed).mean(), slope(few, summed).mean()]),
        "judged": judged(tables, alone, halves, classes, tested),
    }
