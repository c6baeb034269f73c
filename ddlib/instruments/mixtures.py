"""Training sets made of several sources, and what one network learns from one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.data import ImageData, sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, train, train_epochs


@dataclass(frozen=True, eq=False)
class Task:
    """One network to train: on what, how, and from which seed; `weights`: each image's say."""

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    recipe: Recipe
    seed: int
    network: str = "convnet"
    weights: Float[Tensor, " n"] | None = None


def score(real: ImageData, task: Task) -> dict[str, Float[Tensor, ""]]:
    """Test accuracy in percent of the network that a task trains."""
    net = build(task.network, real.shape, len(real.classes))
    weights = None if task.weights is None else task.weights[None]
    trained = train(net, task.images, task.labels, task.recipe, [task.seed], weights=weights)
    return {"accuracy": accuracy(net, trained, real.test_images, real.test_labels)[0]}


def in_turn(
    real: ImageData, parts: Sequence[tuple[Tensor, Tensor]], recipe: Recipe, seed: int, network: str
) -> dict[str, Float[Tensor, ""]]:
    """Test accuracy of one network trained on each part's images and labels, part after part."""
    net, parameters = build(network, real.shape, len(real.classes)), None
    for images, labels in parts:
        *_, parameters = train_epochs(net, images, labels, recipe, [seed], start=parameters)
    return {"accuracy": accuracy(net, parameters, real.test_images, real.test_labels)[0]}


def draw(real: ImageData, k: int, seed: int) -> tuple[Tensor, Tensor]:
    """`k` real images per class and their labels; the draws of one seed are nested in `k`."""
    rows = sample_per_class(real, k, generator(seed, "joins", device=real.device)).flatten()
    return real.train_images[rows], real.train_labels[rows]


def mixture(one: DistilledSet, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The images and labels of a set, and then the others."""
    return torch.cat([one.images, images]), torch.cat([one.labels, labels])


def noise_like(one: DistilledSet, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """`n` images per class of independent normal pixels, standardized, with hard labels."""
    labels = torch.arange(len(one.classes), device=one.images.device).repeat_interleave(n)
    draws = generator(seed, "noise", device=one.images.device)
    shape = (len(labels), *one.images.shape[1:])
    return torch.randn(shape, generator=draws, device=draws.device), labels
