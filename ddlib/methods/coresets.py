"""Selection: choose real images instead of making new ones. The baselines of every table."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.data import ImageData, check_ipc, sample_per_class
from ddlib.distillation import Variables
from ddlib.ensemble import loaded
from ddlib.networks import Network, build, features
from ddlib.seeds import generator
from ddlib.training import Recipe, train

Init = Literal["real", "noise"]


@dataclass(frozen=True, kw_only=True)
class RandomSelection:
    """`ipc` real images of each class, uniformly at random."""

    tag: ClassVar[str] = "random"
    steps: ClassVar[int] = 0
    ipc: int

    def initialize(self, real: ImageData, seed: int) -> Variables:
        rows = sample_per_class(real, self.ipc, generator(seed, "select"))
        return chosen(real, rows)


@dataclass(frozen=True, kw_only=True)
class Herding:
    """Greedy selection whose running feature mean stays closest to the class mean (Welling 2009).

    Scope: each class on its own. Features: the last layer before the classifier of a network
    trained on the real training split for `epochs` epochs. First image: the one closest to the
    class mean.
    """

    tag: ClassVar[str] = "herding"
    steps: ClassVar[int] = 0
    ipc: int
    epochs: int = 10
    network: Network = "convnet"

    def initialize(self, real: ImageData, seed: int) -> Variables:
        check_ipc(real, self.ipc)
        features = trained_features(real, self.network, self.epochs, seed)
        return chosen(real, herd(*by_class(real, features), self.ipc, real))


@dataclass(frozen=True, kw_only=True)
class KCenter:
    """Greedy cover: always add the image farthest from all chosen ones (Sener & Savarese 2018).

    Scope, features and first center: those of `Herding`. Published k-center rows differ by more
    than twenty points, and the papers do not state these three choices.
    """

    tag: ClassVar[str] = "kcenter"
    steps: ClassVar[int] = 0
    ipc: int
    epochs: int = 10
    network: Network = "convnet"

    def initialize(self, real: ImageData, seed: int) -> Variables:
        check_ipc(real, self.ipc)
        features = trained_features(real, self.network, self.epochs, seed)
        return chosen(real, cover(*by_class(real, features), self.ipc, real))


def chosen(real: ImageData, rows: Int[Tensor, "k ipc"]) -> Variables:
    """The training images at `rows`, class after class, and their labels."""
    rows = rows.flatten()
    return {"images": real.train_images[rows], "labels": real.train_labels[rows]}


def first_images(real: ImageData, ipc: int, init: Init, seed: int) -> Variables:
    """Where the methods that learn images start: random real images, or standard normal noise.

    Drawn on the CPU, so that whoever takes a set apart finds its start again on any device.
    """
    draws = generator(seed, "initialize")
    start = chosen(real, sample_per_class(real, ipc, draws))
    if init == "noise":
        shape = start["images"].shape
        start["images"] = torch.randn(shape, generator=draws).to(real.device)
    return start


@lru_cache(maxsize=2)  # herding and k-center at several ipc share the networks of two seeds
def trained_features(
    real: ImageData, network: Network, epochs: int, seed: int
) -> Float[Tensor, "n d"]:
    """Features of the training images in a network trained on them (mini-batch SGD, rate 0.01)."""
    net = build(network, real.shape, len(real.classes))
    recipe = Recipe(epochs=epochs, batch=128)
    stacked = train(net, real.train_images, real.train_labels, recipe, [seed])
    embed = features(loaded(net, stacked))
    return torch.cat([embed(x) for x in real.train_images.split(500)])


def by_class(
    real: ImageData, features: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, "k longest d"], Float[Tensor, "k d"]]:
    """Features lined up by class (padding is infinite, never chosen) and class means."""
    rows, counts = real.class_rows
    padding = torch.arange(rows.shape[1], device=rows.device) >= counts[:, None]
    lined = features[rows]
    means = lined.masked_fill(padding[..., None], 0).sum(1) / counts[:, None]
    return lined.masked_fill(padding[..., None], float("inf")), means


def herd(
    lined: Float[Tensor, "k longest d"], means: Float[Tensor, "k d"], ipc: int, real: ImageData
) -> Int[Tensor, "k ipc"]:
    """Row numbers by herding: the t-th minimizes the length of mean - (chosen sum + x) / t."""
    total, picks = torch.zeros_like(means), []
    free = torch.zeros(lined.shape[:2], device=lined.device)
    for t in range(1, ipc + 1):
        target = t * means - total
        distance = (lined - target[:, None]).norm(dim=2) + free
        best = distance.argmin(1, keepdim=True)
        free.scatter_(1, best, float("inf"))
        total = total + lined.gather(1, best[..., None].expand(-1, -1, lined.shape[2]))[:, 0]
        picks.append(best)
    return real.class_rows[0].gather(1, torch.cat(picks, 1))


def cover(
    lined: Float[Tensor, "k longest d"], means: Float[Tensor, "k d"], ipc: int, real: ImageData
) -> Int[Tensor, "k ipc"]:
    """Row numbers by greedy k-center: first the closest to the mean, then always the farthest."""
    best = (lined - means[:, None]).norm(dim=2).argmin(1, keepdim=True)
    picks, padding = [best], lined[..., 0].isinf()
    nearest = torch.where(padding, -1.0, float("inf"))  # below zero: never the farthest
    for _ in range(ipc - 1):
        center = lined.gather(1, best[..., None].expand(-1, -1, lined.shape[2]))
        nearest = torch.minimum(nearest, (lined - center).norm(dim=2)).scatter(1, best, -1)
        best = nearest.argmax(1, keepdim=True)
        picks.append(best)
    return real.class_rows[0].gather(1, torch.cat(picks, 1))
