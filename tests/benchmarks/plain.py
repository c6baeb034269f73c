"""The yardstick: the same work written straightforwardly, one class or one network at a time.

Networks are `torch.nn` modules with PyTorch's own initialization. Only the augmentation is ddlib's,
so that both sides draw and pay for the same changes.
"""

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
    ipc = len(synthetic) // len(real)
    loss = torch.zeros((), device=synthetic.device)
    for c, images in enumerate(real):
        picks = torch.randperm(len(images), generator=draws, device=images.device)[:batch]
        change = augment.sample(1, 1, draws)  # one for this class, real and synthetic
        batch_real = augment.apply(images[picks], change)
        batch_synthetic = augment.apply(synthetic[c * ipc : (c + 1) * ipc], change)
        target = net.features(batch_real).mean(0)
        loss = loss + ((target - net.features(batch_synthetic).mean(0)) ** 2).sum()
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
