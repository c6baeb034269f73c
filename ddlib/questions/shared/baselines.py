"""Real images to hold distilled ones against: easy images, and class means."""

from itertools import islice

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddlib.data import ImageData, sample_per_class
from ddlib.ensemble import Parameters, unflatten
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.training import Recipe, logits, train_steps

JUDGE = 1000  # seeds of the networks that say what is easy: not among those that are asked


def easy_rows(
    real: ImageData, ipc: int, seed: int, recipe: Recipe, steps: int, pool: int
) -> Int[Tensor, "k {ipc}"]:
    """The `ipc` training images of each class with the lowest loss in a judge, out of `pool`.

    The judge is a network that answers nothing else, trained for a few steps: what has a low loss
    there is what another network learns early.
    """
    rows = sample_per_class(real, pool, generator(seed, "pool", device=real.device))
    net = build("convnet", real.shape, len(real.classes))
    *_, judge = islice(train_steps(net, real, recipe, JUDGE + seed), steps + 1)
    images, labels = real.train_images[rows.flatten()], real.train_labels[rows.flatten()]
    losses = losses_of(net, judge, images, labels).view(rows.shape)
    return rows.gather(1, losses.topk(ipc, largest=False).indices)


def easy_images(
    net: nn.Module, theta: Float[Tensor, "1 p"], real: ImageData, pool: int, each: int = 10
) -> Int[Tensor, "2 n"]:
    """Rows of two sets of real images, `each` per class: those of lowest loss for one network."""
    images, labels = real.train_images[:pool], real.train_labels[:pool]
    order = losses_of(net, unflatten(net, theta), images, labels).argsort()
    best = [order[labels[order] == c][: 2 * each].view(each, 2) for c in range(len(real.classes))]
    return torch.cat(best).T


def losses_of(
    net: nn.Module, judge: Parameters, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """What each image costs one network."""
    return F.cross_entropy(logits(net, judge, images)[0], labels, reduction="none")


def blends(real: ImageData, ipc: int, blend: int, seed: int) -> tuple[Tensor, Tensor]:
    """`ipc` images for each class: each the pixel mean of `blend` training images of the class."""
    means = []
    for i in range(ipc):
        draws = generator(seed, "blend", i, device=real.device)
        means.append(real.train_images[sample_per_class(real, blend, draws)].mean(1))
    labels = torch.arange(len(real.classes), device=real.device).repeat_interleave(ipc)
    return torch.stack(means, 1).flatten(0, 1), labels
