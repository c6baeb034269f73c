"""Decoupled methods: train a teacher once (squeeze), make images with it, and let it relabel them.

No network is trained inside a loop over images, so both scale to many classes. Their images come
with hard labels, as those of every method; `ddlib.relabel(made, method.teacher(real, seed))` is the
last step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddlib.data import ImageData, check_ipc, sample_per_class
from ddlib.distillation import Objective, Variables
from ddlib.ensemble import loaded
from ddlib.labels import Teacher
from ddlib.methods.coresets import Init, first_images
from ddlib.networks import Network, build
from ddlib.seeds import generator
from ddlib.training import Recipe, train

LEAST = 0.08  # share of an image's area that a crop has at least


@dataclass(frozen=True, kw_only=True)
class RDED:
    """Crops of real images that a teacher is surest of, tiled (Sun, Shi, Yu & Lin, CVPR 2024).

    Of `pool` images of each class `crops` random square crops are taken, of 8 to 100 percent of the
    area. The teacher keeps the one of lowest loss of each image, and of those the ipc * factor^2 of
    lowest loss; `factor` x `factor` of them make one image. On small images the factor is 1.
    """

    tag: ClassVar[str] = "rded"
    steps: ClassVar[int] = 0
    ipc: int
    factor: int = 1
    crops: int = 5
    pool: int = 300
    epochs: int = 16  # of the teacher
    network: Network = "convnet-batch"

    def teacher(self, real: ImageData, seed: int) -> Teacher:
        """The teacher that chooses, ready to relabel what it chose."""
        return squeezed(real, self.network, self.epochs, seed)

    def initialize(self, real: ImageData, seed: int) -> Variables:
        check_ipc(real, self.ipc)
        needed, size = self.ipc * self.factor**2, real.shape[1]
        if self.pool < needed or size % self.factor:
            raise ValueError(
                f"{self.ipc} images per class of {self.factor}x{self.factor} crops need a pool of "
                f"at least {needed} images and a size that the factor divides; got pool "
                f"{self.pool} and size {size}"
            )
        teacher, draws = self.teacher(real, seed), generator(seed, "crops", device=real.device)
        rows = sample_per_class(real, self.pool, draws)
        made = []
        for label, own in enumerate(rows):
            patches = random_crops(real.train_images[own], self.crops, size // self.factor, draws)
            best = surest(teacher, patches, label, size)[:needed]
            made.append(tiled(best, self.factor))
        labels = torch.arange(len(rows), device=real.device).repeat_interleave(self.ipc)
        return {"images": torch.cat(made), "labels": labels}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Images that a teacher takes for their class, with the statistics of real ones in its layers.

    The recovery of SRe2L (Yin, Xing & Shen, NeurIPS 2023). The loss of a step, with mean m_l and
    variance v_l over the synthetic images at the input of batch norm l, and m*_l, v*_l over the
    real ones::

        L = cross-entropy(teacher(s), y) + weight * sum_l (|m_l - m*_l| + |v_l - v*_l|)

    with Euclidean lengths. All images of the set are one batch.
    """

    tag: ClassVar[str] = "sre2l"
    ipc: int
    steps: int = 300
    lr: float = 0.1  # of the pixels, with Adam
    weight: float = 0.1  # of the statistics
    epochs: int = 16  # of the teacher
    init: Init = "noise"
    network: Network = "convnet-batch"

    def teacher(self, real: ImageData, seed: int) -> Teacher:
        """The teacher that was squeezed, ready to relabel what was recovered."""
        return squeezed(real, self.network, self.epochs, seed)

    def initialize(self, real: ImageData, seed: int) -> Variables:
        return first_images(real, self.ipc, self.init, seed)

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        return torch.optim.Adam([variables["images"]], self.lr, (0.5, 0.9))

    def objective(self, real: ImageData, seed: int, folder: Path | None = None) -> Objective:
        net = squeezed_net(real, self.network, self.epochs, seed)

        def loss(variables: Variables, draws: torch.Generator) -> Tensor:
            with watched(net) as away:
                answer = net(variables["images"])
            return F.cross_entropy(answer, variables["labels"]) + self.weight * sum(away)

        return loss


# ---- squeeze --------------------------------------------------------------------------------


def squeezed(real: ImageData, network: Network, epochs: int, seed: int) -> Teacher:
    """The teacher: a network trained on all real images that keeps their statistics."""
    net = squeezed_net(real, network, epochs, seed)
    return Teacher.of(real, lambda x: torch.cat([net(part) for part in x.split(500)]),
                      epochs=epochs, seed=seed)  # fmt: skip


@lru_cache(maxsize=4)  # both methods, and the labels, share one training
def squeezed_net(real: ImageData, network: Network, epochs: int, seed: int) -> nn.Module:
    """The trained network, frozen, with statistics of the real images in its batch norms."""
    net = build(network, real.shape, len(real.classes))
    recipe = Recipe(epochs=epochs, batch=128)
    stacked = train(net, real.train_images, real.train_labels, recipe, [7000 + seed])
    return with_statistics(loaded(net, stacked), real.train_images)


@torch.no_grad()
def with_statistics(
    net: nn.Module, images: Float[Tensor, "n c h w"], batch: int = 500
) -> nn.Module:
    """A copy whose batch norms normalize by means and variances of `images` from now on.

    While a network trains, its batch norms use the batch at hand; afterwards the averages over all
    batches of `images`, in the order they have. A network without batch norm stays as it is.
    """
    net = deepcopy(net)
    for layer in norms(net):
        layer.track_running_stats, layer.momentum = True, None  # None: a plain average
        layer.register_buffer("running_mean", torch.zeros_like(layer.weight))
        layer.register_buffer("running_var", torch.ones_like(layer.weight))
        layer.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.long))
    net.train()
    for part in images.chunk(-(-len(images) // batch)):
        net(part)
    return net.eval().requires_grad_(False)


def norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    """The batch norms of a network, from its input on."""
    return [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]


@contextmanager
def watched(net: nn.Module) -> Iterator[list[Tensor]]:
    """While it is open, how far the statistics at each batch norm are from those it holds."""
    away: list[Tensor] = []

    def look(layer: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        held = layer.get_buffer("running_mean"), layer.get_buffer("running_var")
        away.append((mean - held[0]).norm() + (variance - held[1]).norm())

    hooks = [layer.register_forward_pre_hook(look) for layer in norms(net)]
    if not hooks:
        raise ValueError(
            "recovery reads the statistics of batch norms, and this network has none; take one "
            "such as 'convnet-batch'"
        )
    try:
        yield away
    finally:
        for hook in hooks:
            hook.remove()


# ---- crops ----------------------------------------------------------------------------------


def random_crops(
    images: Float[Tensor, "n c h w"], crops: int, size: int, draws: torch.Generator
) -> Float[Tensor, "n crops c size size"]:
    """`crops` random squares of each image, of 8 to 100 percent of its area, resized to `size`."""
    n, c = images.shape[:2]
    area, x, y = torch.rand(3, n * crops, generator=draws, device=draws.device).to(images)
    side = (LEAST + (1 - LEAST) * area).sqrt()
    zero, room = torch.zeros_like(side), 1 - side
    rows = [side, zero, room * (2 * x - 1), zero, side, room * (2 * y - 1)]
    where = F.affine_grid(
        torch.stack(rows, 1).view(-1, 2, 3), [n * crops, c, size, size], align_corners=False
    )
    many = images.repeat_interleave(crops, 0)
    return F.grid_sample(many, where, padding_mode="border", align_corners=False).unflatten(
        0, (n, crops)
    )


def surest(
    teacher: Teacher, patches: Float[Tensor, "n m c s s"], label: int, size: int
) -> Float[Tensor, "n c s s"]:
    """The crop of lowest loss of each image, the images of lowest loss first.

    The teacher sees crops at the `size` of the images.
    """
    shown = F.interpolate(patches.flatten(0, 1), size=(size, size), mode="bilinear")
    target = torch.full((len(shown),), label, device=shown.device)
    with torch.no_grad():
        losses = F.cross_entropy(teacher.answer(shown), target, reduction="none")
    lowest, which = losses.view(patches.shape[:2]).min(1)
    order: Int[Tensor, " n"] = lowest.argsort(stable=True)
    return patches[order, which[order]]


def tiled(patches: Float[Tensor, "n c s s"], factor: int) -> Float[Tensor, "m c t t"]:
    """`factor` x `factor` patches in one image, row after row."""
    rows = patches.unflatten(0, (-1, factor, factor))
    return rows.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
