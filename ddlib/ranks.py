"""How far two rankings agree, and how far chance lets them."""

from itertools import permutations

import torch
from jaxtyping import Float
from torch import Tensor


def tau(one: Float[Tensor, " n"], other: Float[Tensor, " n"]) -> float:
    """Kendall's tau: pairs in the same order minus pairs turned around, over all pairs."""
    pairs = torch.combinations(torch.arange(len(one)))
    signs = [torch.sign(v[pairs[:, 0]] - v[pairs[:, 1]]) for v in (one, other)]
    return float((signs[0] * signs[1]).mean())


def orders(n: int) -> Float[Tensor, " k"]:
    """Tau between an order of `n` things and each of all n! orders: what chance gives."""
    first = torch.arange(float(n))
    return torch.tensor([tau(first, torch.tensor(p)) for p in permutations(range(n))])
