"""Metrics of answers and features: how right, how sure, and how close to the real images."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

METRICS = ("accuracy", "probability", "margin")


def metrics(
    logits: Float[Tensor, "*s n k"], labels: Int[Tensor, "*#s n"]
) -> Float[Tensor, "metric *s"]:
    """Accuracy and mean probability of the true class, in percent, and mean margin, in logits.

    The margin is the logit of the true class minus the largest other logit.

    >>> metrics(torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([0, 1])).round(decimals=2)
    tensor([50.0000, 27.3700, -1.5000])
    """
    labels = labels.expand(logits.shape[:-1])[..., None]
    true = logits.gather(-1, labels)[..., 0]
    others = logits.scatter(-1, labels, -torch.inf).amax(-1)
    right = (logits.argmax(-1) == labels[..., 0]).float()
    sure = logits.softmax(-1).gather(-1, labels)[..., 0]
    return torch.stack([100 * right.mean(-1), 100 * sure.mean(-1), (true - others).mean(-1)])


def accuracy_along(
    answers: Sequence[Float[Tensor, "_ n k"]], longest: int
) -> Float[Tensor, "traces longest"]:
    """Accuracy in percent on each frame of several traces, whose images lie class after class."""
    found = torch.full((len(answers), longest), torch.nan)
    for row, logits in zip(found, answers, strict=True):
        k = logits.shape[2]
        labels = torch.arange(k, device=logits.device).repeat_interleave(logits.shape[1] // k)
        row[: len(logits)] = metrics(logits, labels.expand(logits.shape[:2]))[0]
    return found


def padded(values: Float[Tensor, "*s n"], length: int) -> Float[Tensor, "*s length"]:
    """`values`, then NaN, along the last axis."""
    return F.pad(values, (0, length - values.shape[-1]), value=torch.nan)


def neighbor_agreement(
    features: Float[Tensor, "*s n d"],
    labels: Int[Tensor, "*s n"],
    real_features: Float[Tensor, "m d"],
    real_labels: Int[Tensor, " m"],
    k: int,
) -> Float[Tensor, "*s"]:
    """Share of the k nearest real images, in percent, that have the label of the image."""
    near = torch.cdist(features, real_features).topk(k, largest=False).indices
    return 100 * (real_labels[near] == labels[..., None]).float().mean((-2, -1))


def distance_percentile(
    features: Float[Tensor, "*s n d"],
    labels: Int[Tensor, "*s n"],
    real_features: Float[Tensor, "m d"],
    real_labels: Int[Tensor, " m"],
) -> Float[Tensor, "*s n"]:
    """Share of a class's real images, in percent, that lie closer to its mean than the image.

    >>> real = torch.tensor([[-3.0], [-1.0], [1.0], [3.0]])
    >>> own = torch.tensor([0, 0, 0, 0])
    >>> distance_percentile(torch.tensor([[2.0]]), torch.tensor([0]), real, own)
    tensor([50.])
    """
    found = torch.zeros(labels.shape, device=features.device)
    for c in range(int(real_labels.max()) + 1):
        own = real_features[real_labels == c]
        real_far = (own - own.mean(0)).norm(dim=1)
        far = (features - own.mean(0)).norm(dim=-1)
        closer = (real_far < far[..., None]).float().mean(-1)
        found = torch.where(labels == c, 100 * closer, found)
    return found


def places(
    sets: Float[Tensor, "*s n d"],
    labels: Int[Tensor, "*s n"],
    real: Float[Tensor, "m d"],
    real_labels: Int[Tensor, " m"],
    k: int,
) -> dict[str, Tensor]:
    """Agreement of neighbors and median percentile of each set, and of real images held out.

    The first half of the real images is the reference. The second half is judged like a set: what
    was held out lies farther from a mean than the images that the mean was taken of.
    """
    (known, held), (known_labels, held_labels) = real.chunk(2), real_labels.chunk(2)
    found = {}
    for name, x, y in (("", sets, labels), ("_real", held, held_labels)):
        far = distance_percentile(x, y, known, known_labels)
        found["agreement" + name] = neighbor_agreement(x, y, known, known_labels, k)
        found["percentile" + name] = far.median(-1).values
    return found


def class_map(
    sets: Float[Tensor, "*s d"], real: Float[Tensor, "m d"], labels: Int[Tensor, " m"]
) -> tuple[Float[Tensor, "*s 2"], Float[Tensor, "m 2"]]:
    """Sets and real images in the plane in which the real class means lie farthest apart."""
    means = torch.stack([real[labels == c].mean(0) for c in range(int(labels.max()) + 1)])
    axes = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh[:2].T
    axes = axes * axes.sum(0).sign()  # the decomposition leaves the signs open
    return (sets - means.mean(0)) @ axes, (real - means.mean(0)) @ axes
