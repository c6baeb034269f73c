"""What distilled sets began as: real images, drawn again from the seed or found by likeness."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.data import ImageData, sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.experiment.bench import Sets
from ddlib.presets import made_by
from ddlib.seeds import generator

ALIKE = 0.1  # mean correlation that a set must share with its start beyond that of any other draw


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


def starting_rows(real: ImageData, made: DistilledSet) -> Int[Tensor, " n"]:
    """Rows of the real training images that a set began with; its own rows if it is a selection.

    The draw is repeated from the recorded seed. If the set is no more like that draw than like
    any other (it was made when draws were made differently, or it chose its images by a rule), then
    each image gets the real image of its class that it is most like.
    """
    draws = [generator(made.meta["seed"], what) for what in ("initialize", "")]
    redrawn, chance = (sample_per_class(real, made.ipc, d).flatten() for d in draws)
    images = real.train_images
    gain = alike(made.images, images[redrawn]) - alike(made.images, images[chance])
    return redrawn if gain.mean() > ALIKE else most_alike(real, made)


def most_alike(real: ImageData, made: DistilledSet) -> Int[Tensor, " n"]:
    """For each image of a set, the row of the real image of its class with the best correlation."""
    best = torch.empty_like(made.labels)
    for c in range(len(made.classes)):
        rows = (real.train_labels == c).nonzero()[:, 0]
        mine = (made.labels == c).nonzero()[:, 0]
        table = centered(made.images[mine]) @ centered(real.train_images[rows]).T
        best[mine] = rows[table.argmax(1)]
    return best


def alike(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Correlation of the values of each pair of images: 1 for equal up to brightness, contrast."""
    return (centered(a) * centered(b)).sum(1)


def centered(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """Images as vectors of mean zero and length one: their products are correlations."""
    flat = images.flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), dim=1)
