"""Real images to hold distilled ones against: their beginnings, easy images, class means."""

from dataclasses import replace
from itertools import islice

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddlib.data import ImageData, sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.ensemble import Parameters, unflatten
from ddlib.instruments.probes import starting_rows
from ddlib.networks import build
from ddlib.presets import made_by
from ddlib.seeds import generator
from ddlib.studies import Sets
from ddlib.training import Recipe, logits, train_steps

JUDGE = 1000  # seeds of the networks that say what is easy: not among those that are asked


def started_from(one: DistilledSet, real: ImageData) -> tuple[Tensor, Tensor]:
    """The images that a set like this one is before the first step of its distillation.

    All methods that start from real images start from the same ones when they have the same seed.
    A set that was recorded when draws were made differently began with other images than these.
    """
    start = made_by(one).initialize(real, one.meta["seed"])
    return start["images"], start["labels"]


def with_start(real: ImageData, sets: Sets) -> Sets:
    """The sets, and what those of trajectory matching were before their first step."""
    begun = [(one, *started_from(one, real)) for one in sets.get("mtt", ())]
    made = [replace(one, images=images, labels=labels) for one, images, labels in begun]
    return {**sets, "start": made} if made else sets


def began_as_start(real: ImageData, sets: Sets) -> tuple[str, ...]:
    """The sources whose sets began as the images of `start`.

    Their images are asked: a set that was recorded when draws were made differently, or that
    began as noise, began otherwise.
    """
    starts = sets.get("start", ())

    def same(one: DistilledSet, start: DistilledSet) -> bool:
        return real.train_images[starting_rows(real, one)].equal(start.images)

    return tuple(t for t in sets if t != "start" and starts and all(map(same, sets[t], starts)))


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
