"""Recognizers: networks trained on real data to classify images of other origin."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddlib.data import ImageData
from ddlib.ensemble import loaded
from ddlib.networks import build
from ddlib.training import Recipe, train

HALVES = ("own", "other")
MAIN = "convnet"  # the network that the sets were made with
LONG = "convnet-long"  # the same, trained on: few epochs may decide what is recognized


@dataclass(frozen=True, kw_only=True)
class Recognizer:
    """One kind of network, how long it is trained, and how many of it there are."""

    network: str
    epochs: int
    seeds: int = 5
    halves: tuple[str, ...] = HALVES
    lr: float = 0.02
    batch: int = 128


def kinds(
    epochs: int,
    *,
    tiny: int,
    deep: int,
    lasting: int = 0,
    width: str = "",
    resnets: int = 5,
    batch: int = 5,
    plain: int = 5,
) -> dict[str, Recognizer]:
    """All kinds by epochs (without any, none) and number; only plain ConvNets get both halves."""
    about = {
        "convnet-tiny": ("convnet-tiny", tiny, plain, HALVES),
        MAIN: (MAIN, epochs, plain, HALVES),
        LONG: (MAIN, lasting, plain, HALVES[1:]),
        "convnet-batch": ("convnet-batch", epochs, batch, HALVES[1:]),
        "resnet-group": (f"resnet18-group{width}", deep, resnets, HALVES[1:]),
        "resnet-batch": (f"resnet18-batch{width}", deep, resnets, HALVES[1:]),
    }
    return {
        kind: Recognizer(network=network, epochs=long, seeds=seeds, halves=halves)
        for kind, (network, long, seeds, halves) in about.items()
        if long
    }


def recognizer(real: ImageData, rows: Int[Tensor, " n"], about: Recognizer, seed: int) -> nn.Module:
    """A network trained on some rows of the real training images, with frozen weights."""
    net = build(about.network, real.shape, len(real.classes))
    recipe = Recipe(epochs=about.epochs, batch=about.batch, lr=about.lr)
    stacked = train(net, real.train_images[rows], real.train_labels[rows], recipe, [seed])
    return loaded(net, stacked)


def needs_company(net: nn.Module) -> bool:
    """Batch norm: what the network says of an image depends on the images beside it."""
    return any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


def answer(
    net: Callable[[Tensor], Tensor],
    images: Float[Tensor, "*s c h w"],
    company: Float[Tensor, "m c h w"],
) -> Float[Tensor, "*s k"]:
    """What `net` says of each image. It sees 100 at a time, with the `company` beside them."""
    flat = images.flatten(0, -4)
    parts = [net(torch.cat([x, company]))[: len(x)] for x in flat.split(100)]
    return torch.cat(parts).unflatten(0, images.shape[:-3])
