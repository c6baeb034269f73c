"""Between pixels and the standardized space that networks see: each channel's mean and spread."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def to_pixels(
    images: Float[Tensor, "*s c h w"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "*s c h w"]:
    """Standardized images as pixels: x * std[c] + mean[c].

    >>> to_pixels(torch.tensor([[[2.0]], [[0.0]]]), mean=(0.5, 0.25), std=(0.25, 1.0)).flatten()
    tensor([1.0000, 0.2500])
    """
    shift, scale = _by_channel(images, mean, std)
    return images * scale + shift


def from_pixels(
    pixels: Float[Tensor, "*s c h w"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "*s c h w"]:
    """Pixels as standardized images: (p - mean[c]) / std[c]."""
    shift, scale = _by_channel(pixels, mean, std)
    return (pixels - shift) / scale


def _by_channel(like: Tensor, *values: Sequence[float]) -> list[Tensor]:
    return [torch.tensor(v, device=like.device)[:, None, None] for v in values]
