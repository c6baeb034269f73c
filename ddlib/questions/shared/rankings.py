"""Which test images does an image help most, and do two measurements agree about it?

An influence table has a row for each image of a set and a column for each test image.
"""

from itertools import combinations
from statistics import fmean

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

Table = Float[Tensor, "n t"]


def ranks(values: Float[Tensor, "*b n"]) -> Float[Tensor, "*b n"]:
    """The place of each value in its row, counted from 0; equal values share the mean place.

    >>> ranks(torch.tensor([10.0, 30.0, 20.0, 20.0]))
    tensor([0.0000, 3.0000, 1.5000, 1.5000])
    """
    values = values.contiguous()
    ordered = values.sort(-1).values
    first = torch.searchsorted(ordered, values)
    last = torch.searchsorted(ordered, values, right=True)
    return (first + last - 1).to(torch.get_default_dtype()) / 2


def correlation(a: Float[Tensor, "*b n"], b: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Pearson's correlation of each row of `a` with the same row of `b`; NaN if one is constant."""
    a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
    length = (a.square().sum(-1) * b.square().sum(-1)).sqrt()
    return torch.where(length > 0, (a * b).sum(-1) / length.clamp_min(1e-30), torch.nan)


def rank_correlation(a: Float[Tensor, "*b n"], b: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Spearman's correlation of each row of `a` with the same row of `b`.

    >>> rank_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 100.0, 10.0]))
    tensor(0.5000)
    """
    return correlation(ranks(a), ranks(b))


def every_pair(a: Float[Tensor, "*b n t"], b: Float[Tensor, "*b m t"]) -> Float[Tensor, "*b n m"]:
    """Spearman's correlation of each row of `a` with each row of `b`."""
    a, b = ranks(a)[..., :, None, :], ranks(b)[..., None, :, :]
    return correlation(*torch.broadcast_tensors(a, b))


def slope(a: Float[Tensor, "*b n"], b: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """The factor s for which s a is closest to b: sum a b / sum a^2, row by row.

    >>> slope(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0]))  # (3 + 2) / (1 + 4)
    tensor(1.)
    """
    return (a * b).sum(-1) / a.square().sum(-1)


def standardized(table: Table) -> Table:
    """Every column divided by its spread: a test image that anything moves counts no more."""
    return table / table.std(0, keepdim=True).clamp_min(1e-30)


def centered(table: Table, classes: Int[Tensor, " n"]) -> Table:
    """Every row less the mean row of its class: what an image does that its class does not."""
    same = (classes[:, None] == classes).to(table.dtype)
    return table - same @ table / same.sum(1, keepdim=True)


def top(table: Table, count: int) -> Int[Tensor, "n count"]:
    """Columns of the `count` largest values in each row, the largest first."""
    return table.topk(count, dim=1).indices


def share_of_class(
    chosen: Int[Tensor, "n c"], classes: Int[Tensor, " n"], test_classes: Int[Tensor, " t"]
) -> Float[Tensor, ""]:
    """The share of chosen test images that have the class of the image they were chosen for."""
    return (test_classes[chosen] == classes[:, None]).double().mean()


def overlap(a: Int[Tensor, "n c"], b: Int[Tensor, "m c"]) -> Float[Tensor, "n m"]:
    """The share of test images in row i of `a` that are in row j of `b` as well."""
    return (a[:, None, :, None] == b[None, :, None, :]).any(-1).double().mean(-1)


def distinct(
    chosen: Int[Tensor, "n c"], classes: Int[Tensor, " n"], tested: Int[Tensor, " t"]
) -> tuple[float, float]:
    """Of all test images chosen for the images of one class: how many are different, as a share.

    And what chance would give, if every row drew as many out of each class of test images as it
    has, at random. Both are averaged over the classes.
    """
    sizes = torch.bincount(tested)
    found, chance = [], []
    for rows in (chosen[classes == c] for c in classes.unique()):
        found.append(len(rows.unique()) / rows.numel())
        drawn = F.one_hot(tested[rows], len(sizes)).sum(1) / sizes  # (n, k), of each class
        expected = (sizes * (1 - (1 - drawn).prod(0))).sum()
        chance.append(float(expected) / rows.numel())
    return fmean(found), fmean(chance)


def same_and_other(
    square: Float[Tensor, "n n"], classes: Int[Tensor, " n"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean over the diagonal, and over pairs of two different images of one class."""
    own = torch.eye(len(square), dtype=torch.bool, device=square.device)
    other = (classes[:, None] == classes) & ~own
    return square[own].nanmean(), square[other].nanmean()


def itself_and_others(square: Float[Tensor, "n n"]) -> Float[Tensor, "n 2"]:
    """The diagonal, and the mean of the rest of each row."""
    own = square.diag()
    return torch.stack([own, (square.sum(1) - own) / (len(own) - 1)], 1).float()


def pairs(n: int) -> list[tuple[int, int]]:
    """All pairs of the numbers below n."""
    return list(combinations(range(n), 2))


def by_network(values: Float[Tensor, "pair v"], nets: int) -> Float[Tensor, "m v"]:
    """What all pairs of networks say, as one value for each network: pairs share networks.

    The jackknife: n times the mean over pairs, less n - 1 times that over pairs without network i.
    The mean stays, and the spread counts that a network is in many pairs: where pair (i, j) is a
    sum a_i + a_j, the values are 2 a_i. One pair is one value. Pairs that are NaN do not exist.
    """
    values = values[values.isfinite().all(1)]
    if nets < 3:
        return values
    apart = torch.tensor([[net not in pair for pair in pairs(nets)] for net in range(nets)])
    without = torch.stack([values[others].mean(0) for others in apart])
    return nets * values.mean(0) - (nets - 1) * without
