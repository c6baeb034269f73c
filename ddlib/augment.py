"""Differentiable siamese augmentation (Zhao & Bilen 2021): draw first, then apply.

`sample` makes the random choices, `apply` is a pure, differentiable function of images and
choices. Applying one draw to real and to synthetic images is what makes it siamese.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ddlib.data import ImageData, sample_per_class

FLIP_CHANCE = 0.5
SCALE = 1.2  # each axis is scaled by a factor between 1/1.2 and 1.2
DEGREES = 15.0  # rotation, either way
CROP = 0.125  # shift, as a share of the image's side
CUTOUT = 0.5  # side of the erased square, as a share of the image's side
BRIGHTNESS, SATURATION, CONTRAST = 1.0, 2.0, 0.5

Group = Float[Tensor, "g m c h w"]  # g groups of m images; a group shares one kind of change
Numbers = Float[Tensor, "g m_or_1 5"]  # uniform in [0, 1); one row for all where it is siamese


class Draw(NamedTuple):
    """What was drawn: for each group of images the kind of change and its numbers."""

    kinds: tuple[str, ...]
    numbers: Tensor  # (g, m, 5), or (g, 1, 5) shared by the group


def flip(images: Group, u: Numbers) -> Group:
    """Mirror left and right with chance one half."""
    mirror = u[..., 0] < FLIP_CHANCE
    return torch.where(mirror[..., None, None, None], images.flip(-1), images)


def scale(images: Group, u: Numbers) -> Group:
    """Stretch or squeeze each axis on its own by up to 1.2."""
    factors = u[..., :2] * (SCALE - 1 / SCALE) + 1 / SCALE
    return _warp(images, torch.diag_embed(factors))


def rotate(images: Group, u: Numbers) -> Group:
    """Turn around the center by up to 15 degrees either way."""
    angle = (2 * u[..., 0] - 1) * torch.pi * DEGREES / 180
    rows = [angle.cos(), angle.sin(), -angle.sin(), angle.cos()]
    return _warp(images, torch.stack(rows, -1).unflatten(-1, (2, 2)))


def _warp(images: Group, matrix: Float[Tensor, "g m_or_1 2 2"]) -> Group:
    g, m, c, h, w = images.shape
    matrix = F.pad(matrix.expand(g, m, 2, 2), (0, 1)).flatten(0, 1).to(images.dtype)
    grid = F.affine_grid(matrix, [g * m, c, h, w], align_corners=True)
    return F.grid_sample(images.flatten(0, 1), grid, align_corners=True).view_as(images)


def crop(images: Group, u: Numbers) -> Group:
    """Shift by up to an eighth of the side; what comes in is zero, the mean color."""
    side = images.shape[-1]
    most = int(side * CROP + 0.5)
    shift = (u[..., :2] * (2 * most + 1)).floor().long() - most
    line = torch.arange(side, device=images.device) + most
    rows, columns = (line + shift[..., i : i + 1] for i in (0, 1))
    padded = F.pad(images, (most, most, most, most))
    g = torch.arange(len(images), device=images.device)[:, None, None, None]
    m = torch.arange(images.shape[1], device=images.device)[:, None, None]
    picked = padded.movedim(2, -1)[g, m, rows[..., :, None], columns[..., None, :]]
    return picked.movedim(-1, 2)


def cutout(images: Group, u: Numbers) -> Group:
    """Set a square of half the side to zero, the mean color; it may hang over the border."""
    side = images.shape[-1]
    edge = int(side * CUTOUT + 0.5)
    start = (u[..., :2] * (side + 1 - edge % 2)).floor() - edge // 2
    line = torch.arange(side, device=images.device)
    inside = (line >= start[..., None]) & (line < start[..., None] + edge)  # (g, m, 2, side)
    hole = inside[..., 0, :, None] & inside[..., 1, None, :]
    return images * ~hole[:, :, None]


def color(images: Group, u: Numbers) -> Group:
    """Move brightness, then saturation, then contrast."""
    brightness, saturation, contrast = u[..., :3, None, None, None].unbind(2)
    images = images + (brightness - 0.5) * BRIGHTNESS
    gray = images.mean(2, keepdim=True)
    images = (images - gray) * (saturation * SATURATION) + gray
    mean = images.mean((2, 3, 4), keepdim=True)
    return (images - mean) * (contrast + CONTRAST) + mean


KINDS: dict[str, Callable[[Group, Numbers], Group]] = {
    "color": color,
    "crop": crop,
    "cutout": cutout,
    "flip": flip,
    "scale": scale,
    "rotate": rotate,
}


def kinds_for(real: ImageData) -> tuple[str, ...]:
    """The kinds of change that keep the class: no mirror images of digits."""
    keeps = {"flip": real.mirrored, "color": real.recolored}
    return tuple(k for k in KINDS if keeps.get(k, True))


def sample(
    groups: int, images: int, generator: torch.Generator, kinds: Sequence[str] = tuple(KINDS)
) -> Draw:
    """Draw one kind of change for each group and its numbers for each of its `images`.

    With `images=1` the draw is siamese: every image of a group is changed in the same way.
    """
    numbers = torch.rand(groups, images, 5, generator=generator, device=generator.device)
    picks = torch.rand(groups, generator=generator, device=generator.device) * len(kinds)
    return Draw(tuple(kinds[i] for i in picks.long().tolist()), numbers)


def apply(images: Float[Tensor, "n c h w"], draw: Draw) -> Float[Tensor, "n c h w"]:
    """Apply a draw to images that lie group after group; differentiable in the images."""
    out = images.unflatten(0, (len(draw.kinds), -1))
    for kind, change in KINDS.items():
        rows = [i for i, k in enumerate(draw.kinds) if k == kind]
        if rows:
            out = out.index_copy(
                0, torch.tensor(rows, device=out.device), change(out[rows], draw.numbers[rows])
            )
    return out.flatten(0, 1)


def siamese_batches(
    real: ImageData,
    synthetic: Float[Tensor, "n c h w"],
    batch_real: int,
    draws: torch.Generator,
    kinds: Sequence[str] = (),
) -> tuple[Float[Tensor, "k b c h w"], Float[Tensor, "k ipc c h w"]]:
    """Random real images of each class and its synthetic ones, both under one change of `kinds`."""
    rows = sample_per_class(real, batch_real, draws)
    both = real.train_images[rows], synthetic.unflatten(0, (len(rows), -1))
    if not kinds:
        return both
    draw = sample(len(rows), 1, draws, kinds)
    one, other = (apply(x.flatten(0, 1), draw).view_as(x) for x in both)
    return one, other
