"""Train many networks on one set of images, each with its own seed and, on request, subset."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import grad_and_value

from ddlib import augment
from ddlib.compiled import Function, function_of, pays
from ddlib.data import ImageData
from ddlib.ensemble import (
    Parameters,
    flatten,
    forward,
    graph_images,
    initialize_many,
    side_by_side,
    trainable,
    unflatten,
)
from ddlib.seeds import generator


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train: full-batch or in shuffled mini-batches."""

    epochs: int
    batch: int | None = None  # None: every step sees all images
    lr: float = 0.01
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.9  # Adam's decay of the first moment; of the second, 0.999
    weight_decay: float = 0.0
    drop_after: int | None = None  # after this many epochs lr is divided by ten, momentum cleared
    augment: tuple[str, ...] = ()  # kinds of change; one kind a step, its numbers drawn per image


def train(
    net: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"],
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    weights: Float[Tensor, "m n"] | None = None,
    together: int | None = None,
    compiled: bool | None = None,
) -> Parameters:
    """Train one network for each seed and return their stacked parameters.

    Each network minimizes the cross-entropy averaged over its images; `weights[i, j]` is how much
    image j counts for network i (0 leaves it out). Networks run `together` at a time, by default
    as many as the device has memory for; their results do not depend on it. They are `compiled` on
    request, or where one of them takes minutes.
    """
    together = together or networks_at_once(net, images, recipe)
    chunks = []
    for start in range(0, len(seeds), together):
        own = None if weights is None else weights[start : start + together]
        few = seeds[start : start + together]
        *_, last = train_epochs(net, images, labels, recipe, few, weights=own, compiled=compiled)
        chunks.append(last)
    return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}


def networks_at_once(net: nn.Module, images: Float[Tensor, "n c h w"], recipe: Recipe) -> int:
    """How many networks the device has memory for while they train on `images`."""
    batch = min(recipe.batch or len(images), len(images))
    return side_by_side(net, batch, tuple(images.shape[1:]), images.device)


def worth_compiling(net: nn.Module, images: Float[Tensor, "n c h w"], recipe: Recipe) -> bool:
    """Does one network take so long that compiling pays? So it depends on no other network."""
    passes = 3.0 * len(images) * recipe.epochs  # one gradient is three passes
    return pays(net, tuple(images.shape[1:]), passes, images.device)


def train_epochs(
    net: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"],
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    weights: Float[Tensor, "m n"] | None = None,
    start: Parameters | None = None,
    first: int = 0,
    compiled: bool | None = None,
) -> Iterator[Parameters]:
    """The networks of `seeds`, trained side by side: as they begin, then after each epoch.

    What is handed out changes with the next epoch: copy what you keep.
    Training may begin at epoch `first` with the parameters `start` it then had; without momentum
    that continues it exactly.
    """
    if start is None:
        start = initialize_many(net, seeds, images.device)
    # One tensor to move: an optimizer step for each would cost a small network a tenth of its time.
    theta = flatten(net, start)
    parameters = unflatten(net, theta)
    if compiled is None:
        compiled = worth_compiling(net, images, recipe)
    gradient = _gradient(net, theta, parameters, tuple(images.shape[1:]), compiled)
    yield parameters
    for epoch in range(first, recipe.epochs):
        if epoch in (first, recipe.drop_after):
            dropped = recipe.drop_after is not None and epoch >= recipe.drop_after
            rate = recipe.lr / 10 if dropped else recipe.lr
            optimizer = _optimizer(theta, recipe, rate)
        draws = [generator(seed, "epoch", epoch, device=images.device) for seed in seeds]
        for rows in _batches(len(images), recipe.batch, draws):
            x, y = _pick(images, labels, rows, recipe, draws)
            own = weights if weights is None or rows is None else weights.gather(1, rows)
            theta.grad = gradient(x, y, own)
            optimizer.step()
        yield parameters


def train_steps(
    net: nn.Module, real: ImageData, recipe: Recipe, seed: int, *, compiled: bool = False
) -> Iterator[Parameters]:
    """One network trained on real images: as it begins, then after each step, without an end.

    Steps are those of `train_epochs`, in mini-batches and without augmentation; what is handed
    out changes with the next one, too.
    """
    theta = flatten(net, initialize_many(net, [seed], real.device))
    parameters = unflatten(net, theta)
    gradient = _gradient(net, theta, parameters, real.shape, compiled)
    optimizer = _optimizer(theta, recipe, recipe.lr)
    yield parameters
    for epoch in count():
        draws = generator(seed, "epoch", epoch, device=real.device)
        for rows in _batches(len(real.train_images), recipe.batch, [draws]):
            x, y = real.train_images[rows][0], real.train_labels[rows][0]  # of the one network
            theta.grad = gradient(x, y)
            optimizer.step()
            yield parameters


def _optimizer(theta: Tensor, recipe: Recipe, rate: float) -> torch.optim.Optimizer:
    decay = recipe.weight_decay
    if recipe.optimizer == "adam":
        betas = (recipe.momentum, 0.999)
        return torch.optim.Adam([theta], rate, betas, weight_decay=decay)
    return torch.optim.SGD([theta], rate, recipe.momentum, weight_decay=decay)


def _gradient(
    net: nn.Module,
    theta: Tensor,
    parameters: Parameters,
    shape: tuple[int, ...],
    compiled: bool,
) -> Function:
    """The gradient (m, p) of every network's own loss at theta as it is when this is called."""
    if compiled:
        fast = function_of(net, gradient_of, compiled=True)
        return lambda x, y, weights=None: fast(theta, x, y, weights)[0]
    call, variables = trainable(net, parameters)

    def gradient(x: Tensor, y: Tensor, weights: Tensor | None = None) -> Float[Tensor, "m p"]:
        losses = cross_entropy(call(x), y, weights)
        each = torch.autograd.grad(losses.sum(), variables)
        return torch.cat([g.reshape(len(losses), -1) for g in each], 1)

    most = max(1, graph_images(net, shape, theta.device) // len(theta))
    return in_parts(gradient, most)


def in_parts(gradient: Function, most: int) -> Function:
    """The same gradient, from at most so many images at a time.

    The mean over all images is the sum of the shares of its parts. A network with batch norm sees
    each part by itself.
    """

    def whole(x: Tensor, y: Tensor, weights: Tensor | None = None) -> Float[Tensor, "m p"]:
        axis = x.ndim - 4  # images lie along it: shared by all networks, or their own
        if x.shape[axis] <= most:
            return gradient(x, y, weights)
        total: Any = 0
        n = x.shape[axis]
        for rows in torch.arange(n, device=x.device).split(most):
            own: Any = None if weights is None else weights[:, rows]
            share = len(rows) / n if weights is None else (own.sum(1) / weights.sum(1))[:, None]
            part = gradient(x.index_select(axis, rows), y.index_select(axis, rows), own)
            total = total + share * part
        return total

    return whole


def gradient_of(net: nn.Module) -> Function:
    """Gradients (m, p) of the losses at theta, and the losses (m,)."""

    def losses(theta: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Any:
        each = cross_entropy(forward(net, unflatten(net, theta), x), y, weights)
        return each.sum(), each

    def gradient(theta: Tensor, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Any:
        found, (_, each) = grad_and_value(losses, has_aux=True)(theta, x, y, weights)
        return found, each

    return gradient


def _batches(
    n: int, batch: int | None, draws: Sequence[torch.Generator]
) -> Sequence[Tensor | None]:
    """Shuffled rows (m, b) of each mini-batch, a different order for each network."""
    if batch is None:
        return [None]
    orders = [torch.randperm(n, generator=g, device=g.device) for g in draws]
    return torch.stack(orders).split(batch, dim=1)


def _pick(
    images: Tensor,
    labels: Tensor,
    rows: Tensor | None,
    recipe: Recipe,
    draws: Sequence[torch.Generator],
) -> tuple[Tensor, Tensor]:
    """The images and labels of one step: shared by all networks, or (m, b, ...) their own."""
    x, y = (images, labels) if rows is None else (images[rows], labels[rows])
    if not recipe.augment:
        return x, y
    if rows is None:
        x, y = (t.expand(len(draws), *t.shape) for t in (x, y))
    each = [augment.sample(1, x.shape[1], g, recipe.augment) for g in draws]
    draw = augment.Draw(sum((d.kinds for d in each), ()), torch.cat([d.numbers for d in each]))
    return augment.apply(x.flatten(0, 1), draw).view_as(x), y


def cross_entropy(
    logits: Float[Tensor, "m n k"], labels: Tensor, weights: Tensor | None = None
) -> Float[Tensor, " m"]:
    """Weighted mean cross-entropy of each network; labels are classes or soft distributions.

    >>> logits = torch.zeros(1, 2, 4)  # of four classes each as likely: log 4 = 1.3863
    >>> cross_entropy(logits, torch.tensor([0, 3]))
    tensor([1.3863])
    """
    m, n, k = logits.shape
    soft = labels.is_floating_point()
    own = labels.ndim == (3 if soft else 2)
    labels = labels if own else labels.expand(m, *labels.shape)
    flat = labels.reshape(m * n, k) if soft else labels.reshape(m * n)
    losses = F.cross_entropy(logits.flatten(0, 1), flat, reduction="none").view(m, n)
    if weights is None:
        return losses.mean(1)
    return (weights * losses).sum(1) / weights.sum(1).clamp_min(1e-12)


def mean_loss(
    net: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"],
    *,
    compiled: bool = False,
) -> Callable[[Float[Tensor, "m p"]], Float[Tensor, " m"]]:
    """The mean cross-entropy on fixed images as a function of theta, a number for each network.

    Compiled, or with more images than one graph holds, it is differentiable once, and its gradient
    is taken a few images at a time.
    """
    most = graph_images(net, tuple(images.shape[1:]), images.device)
    if not compiled and len(images) <= most:
        return lambda theta: cross_entropy(forward(net, unflatten(net, theta), images), labels)
    gradient = function_of(net, gradient_of, compiled=compiled)
    size = part_of(len(images), min(most, 128))

    def loss(theta: Float[Tensor, "m p"]) -> Float[Tensor, " m"]:
        parts = zip(images.split(size), labels.split(size), strict=True)
        at = theta.detach()
        slopes, values = zip(*(gradient(at, *part) for part in parts), strict=True)
        return tied(sum(values) / len(values), sum(slopes) / len(slopes), theta)

    return loss


def part_of(n: int, most: int = 128) -> int:
    """The largest divisor of `n` up to `most`: parts of one size need one compiled function."""
    return next(size for size in range(min(n, most), 0, -1) if n % size == 0)


def tied(
    value: Float[Tensor, "*m"], gradient: Float[Tensor, "*m p"], at: Float[Tensor, "*m p"]
) -> Float[Tensor, "*m"]:
    """`value` as a function of `at` with that gradient: differentiable once."""
    nothing = at - at.detach()  # its derivative is one
    return value.detach() + (nothing * gradient.detach()).flatten(value.ndim).sum(-1)


@torch.no_grad()
def logits(
    net: nn.Module,
    parameters: Parameters,
    images: Float[Tensor, "n c h w"],
    batch: int = 500,
    *,
    compiled: bool = False,
) -> Float[Tensor, "m n k"]:
    """The logits of each network for the same images."""
    batch = min(batch, graph_images(net, tuple(images.shape[1:]), images.device))
    parts = -(-len(images) // batch)  # of equal size: batch norm needs many images in each
    answer = function_of(net, logits_of, compiled=compiled)
    each = []
    for one in range(len(next(iter(parameters.values())))):
        own = {name: p[one : one + 1] for name, p in parameters.items()}
        each.append(torch.cat([answer(own, x) for x in images.chunk(parts)], 1))
    return torch.cat(each)


def logits_of(net: nn.Module) -> Function:
    """Parameters and images to logits."""
    return lambda parameters, images: forward(net, parameters, images)


def accuracy(
    net: nn.Module,
    parameters: Parameters,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    batch: int = 500,
    *,
    compiled: bool = False,
) -> Float[Tensor, " m"]:
    """Share of `images` that each network classifies as labeled, in percent."""
    right = logits(net, parameters, images, batch, compiled=compiled).argmax(2) == labels
    return 100 * right.sum(1) / len(images)
