"""How far the pixels of a set leave the range that real ones have, and how to bring them back."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.channels import from_pixels, to_pixels
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet

# Edges of the bins of a histogram; black, 0, and white, 1, are in the middle of theirs.
EDGES = tuple(round(-1.025 + 0.05 * i, 3) for i in range(62))


def outside(one: DistilledSet) -> Float[Tensor, ""]:
    """Share of pixel values outside of [0, 1], where no real pixel can be."""
    pixels = to_pixels(one.images, one.mean, one.std)
    # A recorded set has 16-bit numbers: an exact 0 or 1 may come back a little beyond.
    return ((pixels < -1e-3) | (pixels > 1 + 1e-3)).float().mean().cpu()


def histogram(images: Float[Tensor, "n c h w"], data: ImageData) -> Float[Tensor, " b"]:
    """Share of all pixel values in each bin of `EDGES`; the outer bins take what lies beyond."""
    pixels = to_pixels(images, data.mean, data.std).clamp(EDGES[0], EDGES[-1]).cpu()
    return torch.histc(pixels, len(EDGES) - 1, EDGES[0], EDGES[-1]) / pixels.numel()


def pixels_of(data: ImageData, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Pixels in [0, 1]: what a distilled image has beyond is cut off, as when it is shown."""
    return to_pixels(images, data.mean, data.std).clamp(0, 1)


def border(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
    """Mean color of the outermost pixels."""
    edge = torch.ones(pixels.shape[2:], dtype=torch.bool, device=pixels.device)
    edge[1:-1, 1:-1] = False
    return pixels[:, :, edge].mean(2)


def clipped(one: DistilledSet) -> DistilledSet:
    """The set with every pixel moved into [0, 1], the range that a real pixel can have."""
    return replace(one, images=from_pixels(one.pixels(), one.mean, one.std))
