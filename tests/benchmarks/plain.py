"""The yardstick: the same work written straightforwardly, one class or one network at a time.

Networks are `torch.nn` modules with PyTorch's own initialization. Only the augmentation is ddlib's,
so that both sides draw and pay for the same changes.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddlib import augment
from ddlib.training import Recipe


class PlainConvNet(nn.Module):
    """The ConvNet of the field: [conv, norm, ReLU, average pool] `depth` times, then linear."""

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int, depth: int):
        super().__init__()
        channels, size, _ = shape
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.GroupNorm(width, width)]
            layers += [nn.ReLU(), nn.AvgPool2d(2)]
            channels, size = width, size // 2
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.classifier = nn.Linear(width * size * size, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))


def distribution_matching_step(
    net: PlainConvNet,
    real: list[Tensor],
    synthetic: Tensor,
    optimizer: torch.optim.Optimizer,
    draws: torch.Generator,
    batch: int = 256,
) -> None:
    """One outer step of distribution matching; `real[c]` are all real images of class c."""
    net.requires_grad_(False)
    loss = torch.zeros((), device=synthetic.device)
    for batch_real, batch_synthetic in _classes(real, synthetic, draws, batch):
        target = net.features(batch_real).mean(0)
        loss = loss + ((target - net.features(batch_synthetic).mean(0)) ** 2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _classes(
    real: list[Tensor], synthetic: Tensor, draws: torch.Generator, batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Real and synthetic images of each class under one change, one class after the other."""
    for images, own in zip(real, synthetic.chunk(len(real)), strict=True):
        picks = torch.randperm(len(images), generator=draws, device=images.device)[:batch]
        change = augment.sample(1, 1, draws)
        yield augment.apply(images[picks], change), augment.apply(own, change)


def trajectory_matching_step(
    net: PlainConvNet,
    start: Tensor,
    goal: Tensor,
    synthetic: Tensor,
    labels: Tensor,
    lr: Tensor,
    steps: int,
    optimizer: torch.optim.Optimizer,
) -> None:
    """One outer step of trajectory matching; autograd keeps the graphs of all inner steps."""
    theta = start.clone().requires_grad_()
    for _ in range(steps):
        loss = F.cross_entropy(_with_vector(net, theta, synthetic), labels)
        (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
        theta = theta - lr * gradient
    distance = (theta - goal).square().sum() / (start - goal).square().sum()
    optimizer.zero_grad()
    distance.backward()
    optimizer.step()


def backpropagation_through_time_step(
    net: PlainConvNet,
    synthetic: Tensor,
    labels: Tensor,
    real: Tensor,
    real_labels: Tensor,
    steps: int,
    optimizer: torch.optim.Optimizer,
) -> None:
    """One outer step of meta-model matching: momentum SGD, all of it differentiated."""
    theta = torch.nn.utils.parameters_to_vector(net.parameters()).detach().requires_grad_()
    velocity = torch.zeros_like(theta)
    for _ in range(steps):
        loss = F.cross_entropy(_with_vector(net, theta, synthetic), labels)
        (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)
        velocity = 0.9 * velocity + gradient
        theta = theta - 0.01 * velocity
    optimizer.zero_grad()
    F.cross_entropy(_with_vector(net, theta, real), real_labels).backward()
    optimizer.step()


def _with_vector(net: nn.Module, theta: Tensor, images: Tensor) -> Tensor:
    """Logits of `net` with its parameters cut out of one vector."""
    parameters, used = {}, 0
    for name, parameter in net.named_parameters():
        parameters[name] = theta[used : used + parameter.numel()].view(parameter.shape)
        used += parameter.numel()
    return torch.func.functional_call(net, parameters, (images,))


def gradient_matching_step(
    net: PlainConvNet,
    real: list[Tensor],
    synthetic: Tensor,
    optimizer: torch.optim.Optimizer,
    draws: torch.Generator,
    batch: int = 256,
) -> None:
    """One match of DSA, one class after the other; the graphs of all classes are kept."""
    loss = torch.zeros((), device=synthetic.device)
    weights = list(net.parameters())
    for c, pair in enumerate(_classes(real, synthetic, draws, batch)):
        both = []
        for x in pair:
            y = torch.full((len(x),), c, device=x.device)
            value = F.cross_entropy(net(x), y)
            both.append(torch.autograd.grad(value, weights, create_graph=x.requires_grad))
        for g, h in zip(*both, strict=True):
            if g.ndim > 1:
                g, h = g.flatten(1), h.flatten(1)
                lengths = g.norm(dim=1) * h.norm(dim=1)
                loss = loss + (1 - (g * h).sum(1) / (lengths + 1e-6)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train(
    net: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe, draws: torch.Generator
) -> None:
    """Train one network; what a `Recipe` means is written in `ddlib.training`."""
    optimizer = torch.optim.SGD(
        net.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay
    )
    for epoch in range(recipe.epochs):
        if epoch and epoch == recipe.drop_after:
            optimizer = torch.optim.SGD(
                net.parameters(), recipe.lr / 10, recipe.momentum, weight_decay=recipe.weight_decay
            )
        for x, y in _batches(images, labels, recipe.batch, draws):
            if recipe.augment:
                x = augment.apply(x, augment.sample(1, len(x), draws, recipe.augment))
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()


def _batches(
    images: Tensor, labels: Tensor, batch: int | None, draws: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    if batch is None:
        return [(images, labels)]
    order = torch.randperm(len(images), generator=draws, device=images.device)
    return [(images[rows], labels[rows]) for rows in order.split(batch)]


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Share of `images` classified as labeled, in percent."""
    pairs = zip(images.split(batch), labels.split(batch), strict=True)
    right = sum(int((net(x).argmax(1) == y).sum()) for x, y in pairs)
    return 100 * right / len(images)
