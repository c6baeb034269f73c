"""What does one distilled image change? Exact leave-one-out, its noise floor, cheap substitutes.

For every image of a set a network is trained anew without it, from the same start. What that does
to the loss on each test image is the image's influence there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor, nn

from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.ensemble import initialize_many
from ddlib.instruments.leaving_out import (
    losses_on,
    random_groups,
    random_halves,
    retrained,
)
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.studies import Keep, Sets, Study, Tensors, at_once
from ddlib.training import Recipe, logits, train_epochs

NOISES = ("again", "reordered", "nudged")  # the same training once more: how much can it change?
NUDGE = 1e-6  # relative change of the first weights, a few units in the last place


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of the experiment. One set of each source is taken apart, that of seed 0."""

    network: str
    nets: Mapping[str, int]  # by source, how many networks are trained again and again
    steps: int = 300  # full-batch, as in the protocol `study`
    alone: int = 10  # images of each class that are left out, one at a time
    each: int  # test images of each class
    chunk: int = 25  # trainings that are kept together
    together: int | None = None  # trainings side by side; None: what the device has memory for
    deep: tuple[str, ...]  # sources with groups, halves and cheap substitutes
    deep_nets: int  # in their first networks
    sizes: tuple[int, ...] = (2, 5, 10)  # of groups that are left out at once
    groups: int  # of each size and kind
    halves: int  # random halves of the set to train on
    stops: int = 10  # moments of training at which gradients are compared

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.steps)


SETTINGS = {
    "fast": Settings(
        network="convnet-quarter", nets={"random": 2, "bptt": 2}, steps=40, alone=5,
        each=20, chunk=50, together=16, deep=("bptt",), deep_nets=1, sizes=(2, 5), groups=3,
        halves=16, stops=3,
    ),
    "laptop": Settings(
        network="convnet-quarter", nets={"bptt": 5, "random": 2, "dm": 2, "mtt": 2, "dc": 2},
        each=100, deep=("bptt", "random"), deep_nets=1, groups=3, halves=24,
    ),
    "full": Settings(
        network="convnet",
        nets={tag: 10 for tag in ("bptt", "random", "dm", "mtt", "dc", "dsa", "herding")},
        each=1000, deep=("bptt", "random", "dm"), deep_nets=5, groups=10, halves=64,
    ),
}  # fmt: skip


def first_rows(labels: Int[Tensor, " t"], each: int) -> Int[Tensor, " p"]:
    """Rows of the first `each` images of every class, class after class."""
    return torch.cat([(labels == c).nonzero()[:each, 0] for c in labels.unique()])


@dataclass(frozen=True)
class Trainer:
    """Trains one network on parts of one set and says what each test image then costs."""

    real: ImageData
    one: DistilledSet
    settings: Settings
    seed: int

    @property
    def net(self) -> nn.Module:
        return build(self.settings.network, self.real.shape, len(self.real.classes))

    @property
    def test(self) -> tuple[Tensor, Tensor]:
        rows = first_rows(self.real.test_labels, self.settings.each)
        return self.real.test_images[rows], self.real.test_labels[rows]

    def without(self, groups: Bool[Tensor, "g n"], rate: float = 1.0) -> Tensors:
        """Losses (g, t) after trainings without each group; `rate` changes the learning rate."""
        recipe = replace(self.settings.recipe, lr=rate * self.settings.recipe.lr)
        images, labels = self.one.images, self.one.labels
        weights = groups.logical_not().float()
        found = retrained(
            self.net, images, labels, recipe, self.seed, weights, *self.test,
            together=self.settings.together,
        )  # fmt: skip
        return {"losses": found.cpu()}

    def noise(self) -> Tensors:
        """Losses (noise, t) of the same training once more, as it was and all but as it was."""
        images, labels, device = self.one.images, self.one.labels, self.one.images.device
        start = initialize_many(self.net, [self.seed], device)
        draws = generator(self.seed, "nudge", device=device)
        nudged = {
            k: v * (1 + NUDGE * torch.randn(v.shape, generator=draws, device=device))
            for k, v in start.items()
        }
        order = torch.randperm(len(images), generator=draws, device=device)
        found = []
        for x, y, first in (
            (images, labels, start), (images[order], labels[order], start), (images, labels, nudged)
        ):  # fmt: skip
            path = train_epochs(self.net, x, y, self.settings.recipe, [self.seed], start=first)
            *_, last = path
            found.append(losses_on(logits(self.net, last, self.test[0]), self.test[1]))
        return {"losses": torch.cat(found).cpu()}


def left_out(one: DistilledSet, s: Settings) -> dict[str, Bool[Tensor, "g n"]]:
    """What is left out: nothing, each image, groups of a class and of all classes, halves."""
    n, device = len(one.labels), one.images.device
    draws = generator("groups", device=device)
    groups = [
        random_groups(one.labels, size, s.groups, draws, same=same)
        for size in s.sizes
        for same in (True, False)
    ]
    return {
        "all": torch.zeros(1, n, dtype=torch.bool, device=device),
        "alone": F.one_hot(first_rows(one.labels, s.alone), n).bool(),
        "groups": torch.cat(groups),
        "halves": random_halves(n, s.halves, generator("halves", device=device)),
    }


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Leave everything out once, network after network, then compare."""
    s = settings
    order = [(tag, 0) for tag in s.nets]
    order += [(tag, net) for tag in s.nets for net in range(1, s.nets[tag])]
    found = {}
    for tag, net in order:
        deep = tag in s.deep and net < s.deep_nets
        found[tag, net] = one_network(Trainer(real, sets[tag][0], s, net), deep, tag, keep)
    raise NotImplementedError


def one_network(trainer: Trainer, deep: bool, tag: str, keep: Keep) -> Tensors:
    """Losses on the pool by what was left out: (g, t) for each name of `left_out`, and noise."""
    s, groups = trainer.settings, left_out(trainer.one, trainer.settings)
    parts = {"noise": keep(f"noise-{tag}-{trainer.seed}", trainer.noise)["losses"]}
    for name in ("all", "alone", "groups", "halves") if deep else ("all", "alone"):
        chunks = groups[name].split(s.chunk)
        keys = [f"{name}-{tag}-{trainer.seed}-{i}" for i in range(len(chunks))]
        kept = [
            keep(key, partial(trainer.without, chunk))
            for key, chunk in zip(keys, chunks, strict=True)
        ]
        parts[name] = torch.cat([part["losses"] for part in kept])
    if deep:  # ten images, left out of a sum instead of a mean
        few = groups["alone"][:: -(-len(groups["alone"]) // 10)]
        rate = 1 - 1 / len(trainer.one.labels)
        key = f"summed-{tag}-{trainer.seed}"
        parts["summed"] = keep(key, partial(trainer.without, few, rate))["losses"]
    return parts
