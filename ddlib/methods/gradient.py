"""Gradient matching (DC: Zhao et al., ICLR 2021; DSA: Zhao & Bilen, ICML 2021).

Networks get the same training signal from the synthetic images as from the real ones.
"""

from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import grad_and_value

from ddlib import augment
from ddlib.compiled import Function, Precision, function_of, in_precision
from ddlib.data import ImageData
from ddlib.distillation import Objective, Variables
from ddlib.ensemble import (
    Parameters,
    cached_images,
    flatten,
    initialize_many,
    side_by_side,
    unflatten,
)
from ddlib.methods.coresets import Init, first_images
from ddlib.networks import Network, build
from ddlib.seeds import new_key
from ddlib.training import gradient_of, part_of, tied
from ddlib.unroll import InnerLoss, sgd, train_through

EPS = 1e-6  # added to the product of two lengths, as in the released code


@dataclass(frozen=True, kw_only=True)
class GradientMatching:
    """Settings of gradient matching; the defaults suit 8x8 digits on two CPU cores.

    Without augmentation this is DC, with it DSA. One step is one match, that is, one update of the
    images. A network serves `outer` matches in a row: it begins fresh, and between two matches it
    is trained on the images as they are then, for `inner_epochs` epochs of plain SGD. The order is
    that of the released code. Ours differs in two ways: inner batches are shuffled and augmented
    by seeds and not by the clock, and the last outer iteration may be cut short by `steps`.
    """

    ipc: int
    steps: int = 100  # matches in all
    outer: int = 5  # matches for each network; published: 1, 10, 50 at ipc 1, 10, 50
    inner_epochs: int = 10  # of training between two matches; published: 1, 50, 10
    inner_lr: float = 0.01  # of that training
    batch: int = 256  # synthetic images in one step of that training
    batch_real: int = 64  # real images per class and match
    lr: float = 0.1  # of the synthetic pixels, in standardized units
    momentum: float = 0.5
    augment: bool = False
    init: Init = "real"
    network: Network = "convnet"
    precision: Precision = "float32"

    @property
    def tag(self) -> str:
        return "dsa" if self.augment else "dc"

    def initialize(self, real: ImageData, seed: int) -> Variables:
        """Images and labels, and what the matches hand on: the network, and their number."""
        net = build(self.network, real.shape, len(real.classes))
        size = sum(p.numel() for p in net.parameters())
        start = first_images(real, self.ipc, self.init, seed)
        theta = torch.zeros(1, size, device=real.device)
        return {**start, "network": theta, "matches": torch.tensor(0)}

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        return torch.optim.SGD([variables["images"]], self.lr, self.momentum)

    def objective(
        self, real: ImageData, seed: int, folder: Path | None = None, *, compiled: bool = False
    ) -> Objective:
        """The loss of one match; calling it also moves `network` and `matches` on by one match."""
        net = in_precision(build(self.network, real.shape, len(real.classes)), self.precision)
        kinds = augment.kinds_for(real) if self.augment else ()
        together = side_by_side(net, self.batch_real, real.shape, real.device)
        chunk = part_of(self.batch_real) if compiled else None
        chunk = chunk or cached_images(net, real.shape, real.device)

        def loss(variables: Variables, draws: torch.Generator) -> Tensor:
            theta = self._next_network(net, kinds, variables, draws, compiled)
            batch, synthetic = augment.siamese_batches(
                real, variables["images"], self.batch_real, draws, kinds
            )
            return matching_loss(net, theta, batch, synthetic, together, chunk, compiled=compiled)

        return loss

    def passes(self, real: ImageData) -> float:
        """Three for a gradient, nine for one that is differentiated by its images."""
        k = len(real.classes)
        matches = self.steps * k * (3 * self.batch_real + 9 * self.ipc)
        trainings = self.steps * (1 - 1 / self.outer)
        return matches + 3.0 * trainings * self.inner_epochs * k * self.ipc

    @torch.no_grad()
    def _next_network(
        self, net: nn.Module, kinds: tuple[str, ...], variables: Variables, draws: torch.Generator,
        compiled: bool,
    ) -> Float[Tensor, "1 p"]:  # fmt: skip
        """The network of this match: a fresh one, or the last one trained on the images.

        It travels among the variables, so that a checkpoint has it. No gradient flows through its
        training.
        """
        images, labels, theta = (variables[k] for k in ("images", "labels", "network"))
        key, served = new_key(draws), int(variables["matches"])
        if served % self.outer == 0:
            theta.copy_(flatten(net, initialize_many(net, [key], images.device)))
        else:
            steps = range(self.inner_epochs * -(-len(images) // self.batch))
            inner = InnerLoss(net, key, self.batch, kinds, compiled)
            lr = torch.tensor(self.inner_lr, device=images.device)
            for (after,) in train_through(inner, sgd(), (theta,), images, labels, lr, steps):
                theta.copy_(after)
        variables["matches"] += 1
        return theta


def matching_loss(
    net: nn.Module,
    theta: Float[Tensor, "1 p"],
    real: Float[Tensor, "k b c h w"],
    synthetic: Float[Tensor, "k ipc c h w"],
    together: int = 1,
    chunk: int | None = None,
    *,
    compiled: bool = False,
) -> Float[Tensor, ""]:
    """`gradient_distance` between real and synthetic `class_gradients`, at the memory of one class.

    The distance is a sum over classes. So each one's gradient with respect to its images is taken
    at once, and its graph is free before the next begins; with `together`, that many at a time.
    What comes back is the sum, tied to `synthetic` by these gradients: differentiable once.
    """
    match = function_of(net, match_of, compiled=compiled)
    theta, images = theta.detach(), synthetic.detach()
    each = []
    for rows in torch.arange(len(real), device=real.device).split(together):
        goal = class_gradients(net, theta, real[rows], chunk, classes=rows, compiled=compiled)
        each.append(match(theta, images[rows], rows, goal))
    slopes, values = zip(*each, strict=True)
    return tied(sum(values), torch.cat(slopes).flatten(), synthetic.flatten())


def match_of(net: nn.Module) -> Function:
    """The gradient of the distance with respect to the synthetic images, and the distance."""

    def distance(images: Tensor, theta: Tensor, rows: Tensor, goal: Parameters) -> Tensor:
        labels = rows[:, None].expand(images.shape[:2])
        found, _ = gradient_of(net)(theta.expand(len(rows), -1), images, labels)
        return gradient_distance(goal, unflatten(net, found))

    return lambda theta, images, rows, goal: grad_and_value(distance)(images, theta, rows, goal)


def class_gradients(
    net: nn.Module,
    theta: Float[Tensor, "1 p"],
    images: Float[Tensor, "k b c h w"],
    chunk: int | None = None,
    *,
    classes: Int[Tensor, " k"] | None = None,
    compiled: bool = False,
) -> Parameters:
    """Gradient (k, ...) of each class's mean cross-entropy with respect to each parameter.

    Every class sees a copy of the one network `theta`, all in one pass, `chunk` images of each at
    a time; the mean over all images is the sum of the chunks' shares. Without `classes` the images
    are of classes 0 to k - 1.
    """
    k, n = images.shape[:2]
    own = torch.arange(k, device=images.device) if classes is None else classes
    gradient = function_of(net, gradient_of, compiled=compiled)
    copies = theta.repeat(k, 1)
    total = torch.zeros_like(copies)
    for part in images.split(chunk or n, 1):
        found, _ = gradient(copies, part, own[:, None].expand(part.shape[:2]))
        total = total + found * (part.shape[1] / n)
    return unflatten(net, total)


def gradient_distance(real: Parameters, synthetic: Parameters) -> Float[Tensor, ""]:
    """The loss of gradient matching: one minus the cosine, for each row of each weight. ::

        D = sum_c sum_l sum_r  1 - <g_clr, h_clr> / (|g_clr| |h_clr| + eps)

    g and h are the gradients of class c on real and on synthetic images. A row r of layer l holds
    the weights of one output: (k, out, ...) flattened from the third axis on. Biases and the
    scales of norm layers have no rows and are left out, as in the released code.

    >>> g = {"weight": torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), "bias": torch.tensor([[1.0, 1.0]])}
    >>> h = {"weight": torch.tensor([[[0.0, 1.0], [0.0, 5.0]]]), "bias": torch.tensor([[0.0, 9.0]])}
    >>> gradient_distance(g, h).round(decimals=3)  # a right angle and the same direction
    tensor(1.)
    """
    weights = [name for name, g in real.items() if g.ndim > 2]
    return reduce(torch.add, (row_distance(real[n], synthetic[n]).sum() for n in weights))


def row_distance(
    g: Float[Tensor, "k out *rest"], h: Float[Tensor, "k out *rest"]
) -> Float[Tensor, "k out"]:
    """One minus the cosine of each row: 0 for the same direction, 1 for a right angle.

    >>> g = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
    >>> h = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]])
    >>> row_distance(g, h).round(decimals=3)
    tensor([[0., 1., 2.]])
    """
    g, h = g.flatten(2), h.flatten(2)
    return 1 - (g * h).sum(2) / (g.norm(dim=2) * h.norm(dim=2) + EPS)
