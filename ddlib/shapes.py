"""Drawn shapes whose every attribute is known: the dataset for questions CIFAR cannot answer."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

CLASSES = ("disk", "square", "triangle", "cross", "ring")
COLORS = torch.tensor(  # one per class, for the spurious correlation
    [[0.9, 0.25, 0.2], [0.2, 0.75, 0.3], [0.25, 0.4, 0.95], [0.95, 0.8, 0.2], [0.8, 0.3, 0.85]]
)
SIZE = 16


def draw_shapes(
    n: int, spurious: float, generator: torch.Generator
) -> tuple[
    Float[Tensor, "n 3 h w"], Int[Tensor, " n"], dict[str, Float[Tensor, " n"]], tuple[str, ...]
]:
    """Draw `n` images with pixels in [0, 1], balanced labels, and their attributes.

    Attributes: `color` (index), center `x` and `y` and `size` (radius) in units of half the
    image, `background` (gray level). With chance `spurious` the color index is the class index.
    """
    if not 0 <= spurious <= 1:
        raise ValueError(f"spurious is a probability, between 0 and 1; got {spurious}")
    labels = torch.arange(n) % len(CLASSES)
    u = torch.rand(6, n, generator=generator)
    color = torch.where(u[5] < spurious, labels, (u[0] * len(COLORS)).long())
    known = {
        "x": u[1] * 0.6 - 0.3,
        "y": u[2] * 0.6 - 0.3,
        "size": u[3] * 0.3 + 0.4,
        "background": u[4] * 0.4,
        "color": color.float(),
    }
    cover = _coverage(labels, known["x"], known["y"], known["size"])[:, None]
    paper = known["background"][:, None, None, None].expand(n, 3, SIZE, SIZE)
    images = cover * COLORS[color][:, :, None, None] + (1 - cover) * paper
    noise = 0.05 * torch.randn(images.shape, generator=generator)
    return (images + noise).clamp(0, 1), labels, known, CLASSES


def _coverage(labels: Tensor, x: Tensor, y: Tensor, size: Tensor) -> Float[Tensor, "n h w"]:
    """How much of each pixel the shape covers: a ramp one pixel wide over its signed distance."""
    grid = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    u = (grid[None, None, :] - x[:, None, None]) / size[:, None, None]
    v = (grid[None, :, None] - y[:, None, None]) / size[:, None, None]
    distances = torch.stack([signed(u, v) for signed in SIGNED], dim=1)
    mine = distances[torch.arange(len(labels)), labels]
    return (0.5 - mine * size[:, None, None] * SIZE / 2).clamp(0, 1)


def _disk(u: Tensor, v: Tensor) -> Tensor:
    return (u * u + v * v).sqrt() - 1


def _square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) - 0.85


def _triangle(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(0.866 * u.abs() - 0.5 * v, v) - 0.5


def _cross(u: Tensor, v: Tensor) -> Tensor:
    u, v = u.abs(), v.abs()
    return torch.minimum(torch.maximum(u, 3 * v), torch.maximum(3 * u, v)) - 1


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return ((u * u + v * v).sqrt() - 0.75).abs() - 0.25


SIGNED = (_disk, _square, _triangle, _cross, _ring)  # below zero inside, in units of the radius
