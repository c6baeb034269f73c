"""Distribution matching (Zhao & Bilen, WACV 2023): the same mean features in random networks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from ddlib import augment
from ddlib.compiled import Function, Precision, function_of, in_precision
from ddlib.data import ImageData
from ddlib.distillation import Objective, Variables
from ddlib.ensemble import cached_images, graph_images
from ddlib.methods.coresets import Init, first_images
from ddlib.networks import Network, build, features, redrawn
from ddlib.training import part_of, tied


@dataclass(frozen=True, kw_only=True)
class DistributionMatching:
    """Settings of distribution matching; the defaults suit 8x8 digits on two CPU cores."""

    tag: ClassVar[str] = "dm"
    ipc: int
    steps: int = 200  # each with a network of its own
    batch_real: int = 64  # real images per class and step
    lr: float = 1.0  # of the synthetic pixels, in standardized units
    momentum: float = 0.5
    augment: bool = True
    init: Init = "real"
    network: Network = "convnet"
    precision: Precision = "float32"

    def initialize(self, real: ImageData, seed: int) -> Variables:
        return first_images(real, self.ipc, self.init, seed)

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        return torch.optim.SGD([variables["images"]], self.lr, self.momentum)

    def objective(
        self, real: ImageData, seed: int, folder: Path | None = None, *, compiled: bool = False
    ) -> Objective:
        kinds = augment.kinds_for(real) if self.augment else ()
        net = in_precision(build(self.network, real.shape, len(real.classes)), self.precision)
        chunk, most = (f(net, real.shape, real.device) for f in (cached_images, graph_images))
        fast = part_of(self.batch_real)  # one size for all, so that one compiled function serves
        distance = partial(compiled_distance, net, chunk=fast) if compiled else None

        def loss(variables: Variables, draws: torch.Generator) -> Tensor:
            embed = features(redrawn(net, draws))
            batch, synthetic = augment.siamese_batches(
                real, variables["images"], self.batch_real, draws, kinds
            )
            if distance:
                return distance(batch, synthetic)
            return mean_feature_distance(embed, batch, synthetic, chunk, most)

        return loss

    def passes(self, real: ImageData) -> float:
        """Features of the real images; features of the synthetic ones, and their gradient."""
        return float(self.steps * len(real.classes) * (self.batch_real + 3 * self.ipc))


def mean_feature_distance(
    embed: Callable[[Tensor], Tensor],
    real: Float[Tensor, "k b c h w"],
    synthetic: Float[Tensor, "k ipc c h w"],
    chunk: int | None = None,
    most: int | None = None,
) -> Float[Tensor, ""]:
    """The loss of distribution matching, summed over classes c, for one network phi::

        L = sum_c || 1/|B_c| sum_{x in B_c} phi(x) - 1/|S_c| sum_{s in S_c} phi(s) ||^2

    B_c are real and S_c synthetic images of class c, under one augmentation. The real side, which
    needs no gradient, runs `chunk` images at a time. Where there are more than `most` synthetic
    images, each graph holds some classes only: the sum is then differentiable once.

    >>> real = torch.tensor([0.0, 2.0]).view(1, 2, 1, 1, 1)  # two images of one class
    >>> made = torch.tensor([4.0]).view(1, 1, 1, 1, 1)
    >>> mean_feature_distance(lambda x: x.flatten(1), real, made)  # (1 - 4)^2
    tensor(9.)
    """
    with torch.no_grad():
        target = mean_features(embed, real, chunk)
    k, ipc = synthetic.shape[:2]
    if most is None or k * ipc <= most:
        return (target - mean_features(embed, synthetic)).square().sum()
    values, slopes = [], []
    for rows in torch.arange(k, device=real.device).split(max(1, most // ipc)):
        images = synthetic[rows].detach().requires_grad_()
        value = (target[rows] - mean_features(embed, images)).square().sum()
        values.append(value.detach())
        slopes.append(torch.autograd.grad(value, images)[0])
    return tied(reduce(torch.add, values), torch.cat(slopes).flatten(), synthetic.flatten())


def mean_features(
    embed: Callable[[Tensor], Tensor], images: Float[Tensor, "k b c h w"], chunk: int | None = None
) -> Float[Tensor, "k d"]:
    """Mean feature vector of each class, in one pass or `chunk` images at a time."""
    flat = images.flatten(0, 1)
    features = torch.cat([embed(part) for part in flat.split(chunk or len(flat))])
    return features.unflatten(0, images.shape[:2]).mean(1)


def compiled_distance(
    net: nn.Module,
    real: Float[Tensor, "k b c h w"],
    synthetic: Float[Tensor, "k ipc c h w"],
    chunk: int,
) -> Float[Tensor, ""]:
    """`mean_feature_distance` in the embedding of `net` by compiled functions."""
    embed = function_of(net, embedding_of, compiled=True)
    pull = function_of(net, distance_of, compiled=True)
    weights = {name: p for name, p in net.get_submodule("embed").named_parameters()}
    target = mean_features(partial(embed, weights), real, chunk)
    gradient, value = pull(weights, target, synthetic)
    return tied(value, gradient.flatten(), synthetic.flatten())


def embedding_of(net: nn.Module) -> Function:
    """Weights of the embedding and images to features."""
    embed = net.get_submodule("embed")
    return lambda weights, images: functional_call(embed, weights, (images,))


def distance_of(net: nn.Module) -> Function:
    """The gradient of the loss with respect to the synthetic images, and the loss."""
    embed = embedding_of(net)

    def distance(synthetic: Tensor, weights: dict[str, Tensor], target: Tensor) -> Tensor:
        return (target - mean_features(partial(embed, weights), synthetic)).square().sum()

    return lambda weights, target, synthetic: grad_and_value(distance)(synthetic, weights, target)
