"""Cheap substitutes for leaving images out: gradients, curvature, likeness.

All of them give a table (n, t): what image j does for test image x. Those made of gradients are
first-order estimates of the loss on x without j minus the loss with all.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddlib.ensemble import forward, unflatten

AT_A_TIME = 50  # images; each holds a copy of the weights


def gradients(
    net: nn.Module,
    theta: Float[Tensor, "1 p"],
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
) -> Float[Tensor, "n p"]:
    """The gradient of each image's own loss: every image gets a copy of the weights."""
    found: list[Tensor] = []
    for x, y in zip(images.split(AT_A_TIME), labels.split(AT_A_TIME), strict=True):
        own = theta.detach().expand(len(x), -1).clone().requires_grad_()
        losses = F.cross_entropy(_answers(net, own, x), y, reduction="sum")
        found += torch.autograd.grad(losses, own)
    return torch.cat(found)


def curvature_factor(
    net: nn.Module, theta: Float[Tensor, "1 p"], images: Float[Tensor, "n c h w"]
) -> Float[Tensor, "nk p"]:
    """U with U'U = (1/n) sum_i J_i' (diag(p_i) - p_i p_i') J_i, the Gauss-Newton matrix.

    J_i are the derivatives of the logits on image i, p_i its probabilities. The middle factor is
    A A' with A = diag(sqrt p) - p sqrt(p)'.
    """
    found: list[Tensor] = []
    for x in images.split(AT_A_TIME):
        own = theta.detach().expand(len(x), -1).clone().requires_grad_()
        answers = _answers(net, own, x)
        p = answers.detach().softmax(1)
        root = torch.diag_embed(p.sqrt()) - p[:, :, None] * p.sqrt()[:, None, :]
        for column in root.unbind(2):
            found += torch.autograd.grad((column * answers).sum(), own, retain_graph=True)
    return torch.cat(found) / len(images) ** 0.5


def _answers(net: nn.Module, own: Float[Tensor, "n p"], images: Tensor) -> Float[Tensor, "n k"]:
    """Logits of image i in network i."""
    return forward(net, unflatten(net, own), images[:, None])[:, 0]


def products(
    given: Float[Tensor, "n p"], wanted: Float[Tensor, "t p"], factor: Tensor | None = None,
    damping: float = 1.0,
) -> Float[Tensor, "n t"]:  # fmt: skip
    """(g_j - g)' (U'U + damping)^-1 g_x / n: the first-order effect of leaving image j out.

    g is the mean of all g_j: to leave one image out of a mean makes the others count more. Without
    `factor` U there is no curvature: all steps of a training downhill are alike.
    """
    centered = given - given.mean(0)
    if factor is not None:
        wanted = inverse_product(factor, damping, wanted)
    return centered @ wanted.T / len(given)


def inverse_product(
    factor: Float[Tensor, "r p"], damping: float, vectors: Float[Tensor, "t p"]
) -> Float[Tensor, "t p"]:
    """(U'U + d)^-1 v = (v - U' (U U' + d)^-1 U v) / d: a matrix of r x r numbers, not p x p."""
    small = factor @ factor.T + damping * torch.eye(len(factor), device=factor.device)
    solved = torch.linalg.solve(small, factor @ vectors.T)
    return (vectors - (factor.T @ solved).T) / damping


def damping_of(lr: float, momentum: float, steps: int) -> float:
    """One over the time that a training lasts, lr * steps / (1 - momentum).

    Directions in which the loss curves less than this are hardly moved in that time, and the
    inverse must not blow them up.
    """
    return (1 - momentum) / (lr * steps)


def likeness(
    given: Float[Tensor, "n d"], wanted: Float[Tensor, "t d"],
    classes: Int[Tensor, " n"], test_classes: Int[Tensor, " t"],
) -> Float[Tensor, "n t"]:  # fmt: skip
    """Cosine of the angle between two images, seen from the mean; negative across classes."""
    middle = wanted.mean(0)
    cosine = F.normalize(given - middle) @ F.normalize(wanted - middle).T
    same = classes[:, None] == test_classes
    return torch.where(same, cosine, -cosine)


def datamodeling_score(
    table: Float[Tensor, "n t"], left: Float[Tensor, "s n"]
) -> Float[Tensor, "s t"]:
    """What a table predicts for trainings on parts of a set: minus the sum of what was left in.

    The linear datamodeling score is the rank correlation of this with the true losses over the
    parts, for each test image.
    """
    return -(left @ table)
