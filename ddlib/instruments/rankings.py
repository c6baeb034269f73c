"""Which test images does an image help most, and do two measurements agree about it?

An influence table has a row for each image of a set and a column for each test image.
"""

from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor

Table = Float[Tensor, "n t"]


def ranks(values: Float[Tensor, "*b n"]) -> Float[Tensor, "*b n"]:
    """The place of each value in its row, counted from 0; equal values share the mean place."""
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
    """Spearman's correlation of each row of `a` with the same row of `b`."""
    return correlation(ranks(a), ranks(b))


def slope(a: Float[Tensor, "*b n"], b: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """The factor s for which s a is closest to b: sum a b / sum a^2, row by row."""
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


def distinct(chosen: Int[Tensor, "n c"], classes: Int[Tensor, " n"]) -> Float[Tensor, ""]:
    """Of all test images chosen for the images of one class: the share that is there only once.

    It is the number of different ones over the number of places, averaged over the classes.
    """
    each = [chosen[classes == c] for c in classes.unique()]
    return torch.tensor([len(rows.unique()) / rows.numel() for rows in each]).double().mean()


def distinct_by_chance(rows: int, count: int, pool: int) -> float:
    """What `distinct` is if every row draws `count` different ones out of a pool at random."""
    return pool * (1 - (1 - count / pool) ** rows) / (rows * count)


def same_and_other(
    square: Float[Tensor, "n n"], classes: Int[Tensor, " n"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean over the diagonal, and over pairs of two different images of one class."""
    own = torch.eye(len(square), dtype=torch.bool, device=square.device)
    other = (classes[:, None] == classes) & ~own
    return square[own].nanmean(), square[other].nanmean()


def pairs(n: int) -> list[tuple[int, int]]:
    """All pairs of the numbers below n."""
    return list(combinations(range(n), 2))
