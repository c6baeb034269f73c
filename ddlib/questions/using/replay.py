"""Class-incremental learning: classes come one after the other; a small memory stays of each."""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddlib.data import ImageData
from ddlib.ensemble import Parameters, initialize_many, loaded
from ddlib.methods.coresets import by_class, herd
from ddlib.networks import build, features
from ddlib.training import Recipe, train_epochs

Memory = Callable[[nn.Module, int], Float[Tensor, "m c h w"]]  # a network, a class: what is kept


def stages_of(order: Sequence[int], first: int) -> list[list[int]]:
    """The classes of each stage: `first` of them together, then one at a time.

    >>> stages_of([3, 0, 2, 1], 2)
    [[3, 0], [2], [1]]
    """
    return [list(order[:first]), *([c] for c in order[first:])]


def learn_in_turn(
    real: ImageData,
    stages: Sequence[Sequence[int]],
    memory: Memory,
    network: str,
    recipe: Recipe,
    seed: int,
) -> Iterator[tuple[Parameters, dict[int, Tensor]]]:
    """One network that goes on from stage to stage; after each its parameters, and what is kept.

    A stage sees all real images of its own classes, and of the older ones what `memory` kept when
    they left. Each class has the same weight in the loss, so that few old images are not drowned.
    """
    net = build(network, real.shape, len(real.classes))
    theta, kept = initialize_many(net, [seed], real.device), dict[int, Tensor]()
    for new in stages:
        now = kept | {c: real.train_images[real.train_labels == c] for c in new}
        images, labels = together(now)
        *_, theta = train_epochs(
            net, images, labels, recipe, [seed], start=theta, weights=even(labels)[None]
        )
        kept |= {c: memory(loaded(net, theta), c) for c in new}
        yield theta, dict(kept)


def together(parts: dict[int, Tensor]) -> tuple[Tensor, Int[Tensor, " n"]]:
    """Images of several classes, one class below the other, and their labels."""
    images = torch.cat(list(parts.values()))
    labels = torch.cat([torch.full((len(x),), c, device=x.device) for c, x in parts.items()])
    return images, labels


def even(labels: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Weights of images by which each class that is there counts the same.

    >>> even(torch.tensor([2, 2, 2, 5]))
    tensor([0.3333, 0.3333, 0.3333, 1.0000])
    """
    return 1 / torch.bincount(labels)[labels].to(torch.get_default_dtype())


def from_set(images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]) -> Memory:
    """A memory that was made class by class: what it keeps of a class is in the set."""
    return lambda net, c: images[labels == c]


def herded(real: ImageData, ipc: int) -> Memory:
    """Herding in the features of the network at hand, as iCaRL keeps it.

    Source: Rebuffi et al., CVPR 2017 (arXiv 1611.07725).
    """

    def keep(net: nn.Module, c: int) -> Tensor:
        embed = features(net)
        found = torch.cat([embed(part) for part in real.train_images.split(500)])
        return real.train_images[herd(*by_class(real, found), ipc, real)[c]]

    return keep
