"""What networks predict, and how alike the predictions of two networks are."""

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor, nn

from ddlib.ensemble import Parameters
from ddlib.training import logits

MEASURES = ("agreement", "kappa", "consistency", "both wrong")


def predictions(
    net: nn.Module, parameters: Parameters, images: Float[Tensor, "t c h w"]
) -> Integer[Tensor, "m t"]:
    """The class that each network predicts for each image: bytes, as far as these reach."""
    answers = logits(net, parameters, images)
    return answers.argmax(2).to(torch.uint8 if answers.shape[2] <= 256 else torch.int16)


def correct(predicted: Integer[Tensor, "*m t"], labels: Int[Tensor, " t"]) -> Float[Tensor, "*m"]:
    """Share of the images that each network classifies as labeled, in percent.

    >>> predicted = torch.tensor([[0, 1, 1, 1]], dtype=torch.uint8)
    >>> correct(predicted, torch.tensor([0, 0, 1, 1]))
    tensor([75.])
    """
    return 100 * (predicted == labels).float().mean(-1)


def alike(
    a: Integer[Tensor, "m t"], b: Integer[Tensor, "n t"], labels: Int[Tensor, " t"]
) -> Float[Tensor, "m n measures"]:
    """How alike the predictions of each pair of networks are, by each of `MEASURES`.

    agreement: the share of images with the same prediction, p;
    kappa: (p - e) / (1 - e), where e is the agreement of two networks that predict each class as
    often as these, but know nothing of each other;
    consistency: the share of images that both get right or both get wrong, less what it would be
    if the errors of one told nothing about those of the other;
    both wrong: among the images that both get wrong, the share with the same wrong class.

    >>> a = torch.tensor([[0, 0, 1, 1]], dtype=torch.uint8)
    >>> b = torch.tensor([[0, 1, 1, 1]], dtype=torch.uint8)
    >>> found = alike(a, b, labels=torch.tensor([1, 1, 0, 0]))  # `a` errs everywhere
    >>> dict(zip(MEASURES, found[0, 0].round(decimals=3).tolist()))  # chance 1/2 · 1/4 + 1/2 · 3/4
    {'agreement': 0.75, 'kappa': 0.5, 'consistency': 0.0, 'both wrong': 1.0}
    """
    classes = int(max(a.max(), b.max(), labels.max())) + 1
    often = [torch.stack([(p == k).float().mean(1) for k in range(classes)], 1) for p in (a, b)]
    chance = often[0] @ often[1].T
    right_a, right_b = a == labels, b == labels
    sure_a, sure_b = right_a.float().mean(1)[:, None], right_b.float().mean(1)
    independent = sure_a * sure_b + (1 - sure_a) * (1 - sure_b)
    same = torch.stack([(row == b).float().mean(1) for row in a])
    together = torch.stack([(row == right_b).float().mean(1) for row in right_a])
    wrong = [_same_error(*pair, b, right_b) for pair in zip(a, right_a, strict=True)]
    kappa = (same - chance) / (1 - chance)
    return torch.stack([same, kappa, together - independent, torch.stack(wrong)], 2)


def _same_error(
    row: Integer[Tensor, " t"],
    right: Bool[Tensor, " t"],
    b: Integer[Tensor, "n t"],
    right_b: Bool[Tensor, "n t"],
) -> Float[Tensor, " n"]:
    """NaN where two networks have no image that both get wrong."""
    wrong = ~right & ~right_b
    return ((row == b) & wrong).sum(1) / wrong.sum(1)


def known_mean(
    values: Float[Tensor, "*s"], weights: Float[Tensor, " n"], dim: int
) -> Float[Tensor, "*rest"]:
    """The weighted mean along one axis of what is not NaN; NaN where nothing is left.

    >>> known_mean(torch.tensor([1.0, torch.nan, 4.0]), torch.tensor([1.0, 1.0, 2.0]), 0)
    tensor(3.)
    """
    shape = [-1 if axis == dim else 1 for axis in range(values.ndim)]
    counted = weights.view(shape) * values.isfinite()
    return (values.nan_to_num() * counted).sum(dim) / counted.sum(dim)


def drawn_again(n: int, draws: torch.Generator) -> Float[Tensor, " n"]:
    """How often each of `n` things turns up in `n` draws with replacement."""
    return torch.bincount(torch.randint(n, (n,), generator=draws), minlength=n).float()
