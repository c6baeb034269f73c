"""More than the mean: distribution matching with variances."""

import math

import torch
from ddlib.methods.distribution import mean_feature_distance
from ddlib.seeds import generator

from dd_hidden.clean import ReLULayer
from dd_hidden.judge import Ask, Item, close


def embed(key: str, d: int = 12) -> ReLULayer:
    rng = generator("ps3 layer", key)
    return ReLULayer(torch.randn(d, 7, generator=rng, dtype=torch.double))


def images(
    n: int, key: str, classes: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(
        n, 3, 2, 2, generator=generator("ps3", key), dtype=torch.double
    )
    return x, torch.arange(n) % classes


def public(ask: Ask) -> bool:
    one = torch.eye(1, dtype=torch.double)
    real = (
        torch.tensor([0.0, 4.0]).double().view(2, 1, 1, 1),
        torch.tensor([0, 0]),
    )
    made = (
        torch.tensor([2.0, 4.0]).double().view(2, 1, 1, 1),
        torch.tensor([0, 0]),
    )
    net = ReLULayer(one)  # means 2 and 3
    return close(ask("moment_loss", net, *real, *made, 0.0), 1.0) and close(
        ask("moment_loss", net, *real, *real, 1.0), 0.0
    )


def equal_sets(ask: Ask) -> bool:
    x, y = images(12, "equal")
    return close(
        ask("moment_loss", embed("equal"), x, y, x.flip(0), y.flip(0), 1.0),
        0.0,
    )


def weight_zero(ask: Ask) -> bool:
    """Without variances it is the loss of the package."""
    (real, r), (made, m), net = (
        images(30, "real", 3),
        images(6, "made", 3),
        embed("zero"),
    )
    expected = mean_feature_distance(
        net,
        torch.stack([real[r == c] for c in range(3)]),
        torch.stack([made[m == c] for c in range(3)]),
    )
    return close(
        ask("moment_loss", net, real, r, made, m, 0.0), float(expected)
    )


def one_image(ask: Ask) -> bool:
    (real, r), (made, m) = images(20, "many"), images(2, "single")
    found = ask("moment_loss", embed("single"), real, r, made, m, 1.0)
    return isinstance(found, float) and math.isfinite(found) and found > 0


def variances(ask: Ask) -> bool:
    """The part that the weight multiplies, on sets so large that n and n - 1 are the same."""
    (real, r), (made, m), net = (
        images(1200, "large"),
        images(900, "other"),
        embed("large"),
    )
    made = 1.5 * made
    expected = sum(
        float(
            (net(real[r == c]).var(0) - net(made[m == c]).var(0))
            .square()
            .sum()
        )
        for c in range(2)
    )
    loss = [
        ask("moment_loss", net, real, r, made, m, w)
        for w in (0.0, 1.0, 3.0)
    ]
    return close(loss[1] - loss[0], expected, 0.01) and close(
        loss[2] - loss[0], 3 * expected, 0.01
    )


ITEMS = {
    "public": Item(5, "the checks above", public),
    "equal_sets": Item(1, "zero for equal sets", equal_sets),
    "weight_zero": Item(
        2, "weight 0 is distribution matching", weight_zero
    ),
    "one_image": Item(2, "finite with one image per class", one_image),
    "variances": Item(
        2, "the weight multiplies the distance of variances", variances
    ),
}
