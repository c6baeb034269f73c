"""Attributes of drawn shapes: as they were drawn, and read off an image by a linear probe."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ddlib.data import ImageData
from ddlib.questions.shared.permutation import TINY
from ddlib.questions.shared.pixels import border, pixels_of
from ddlib.shapes import COLORS

ATTRIBUTES = ("color", "position", "size", "background")
NUMBERS = ("x", "y", "size", "background")
RIDGE = 10.0
Attributes = dict[str, Tensor]  # color: kinds (n,); position (n, 2); size and background (n,)


def known(drawn: Mapping[str, Tensor]) -> Attributes:
    """The attributes of one split of shapes, with a position in place of x and y."""
    place = torch.stack([drawn["x"], drawn["y"]], 1)
    numbers = {name: drawn[name] for name in ("size", "background")}
    return {"color": drawn["color"].long(), "position": place, **numbers}


@dataclass(frozen=True)
class Probe:
    """A ridge regression from what an image shows to its attributes."""

    weights: Float[Tensor, "f 9"]

    @staticmethod
    def fitted(data: ImageData) -> "Probe":
        """Fitted to the training images of shapes, which should wear random colors."""
        drawn = (data.attributes or {})["train"]
        kinds = F.one_hot(drawn["color"].long(), len(COLORS)).double()
        numbers = torch.stack([drawn[name] for name in NUMBERS], 1).double()
        x = cues(pixels_of(data, data.train_images))
        ridge = RIDGE * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        targets = torch.cat([kinds, numbers], 1).to(x.device)
        return Probe(torch.linalg.solve(x.T @ x + ridge, x.T @ targets))

    def read(self, data: ImageData, images: Float[Tensor, "n 3 h w"]) -> Attributes:
        """The attributes that standardized images seem to have; on the CPU, as those of data."""
        found = (cues(pixels_of(data, images)) @ self.weights).cpu()
        kinds, (x, y, size, background) = found[:, : len(COLORS)], found[:, len(COLORS) :].T
        place = torch.stack([x, y], 1)
        return {
            "color": kinds.argmax(1), "position": place, "size": size, "background": background
        }  # fmt: skip


def cover(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """How much each pixel stands out from the border, from 0 to 1 in each image."""
    stands_out = (pixels - border(pixels)[:, :, None, None]).abs().sum(1)
    return stands_out / stands_out.amax((1, 2), keepdim=True).clamp_min(TINY)


def cues(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
    """What the probe looks at: pixels, what stands out and its mean color, the border, and 1."""
    covered, ones = cover(pixels), torch.ones(len(pixels), 1, device=pixels.device)
    total = covered.sum((1, 2))[:, None].clamp_min(TINY)
    mean_color = (pixels * covered[:, None]).sum((2, 3)) / total
    parts = [pixels.flatten(1), covered.flatten(1), mean_color, border(pixels), ones]
    return torch.cat(parts, 1).double()


def fidelity(found: Attributes, true: Attributes) -> Float[Tensor, " attribute"]:
    """How well attributes agree: share of equal colors, correlation of numbers, by attribute."""
    equal = (found["color"] == true["color"]).double().mean()
    numbers = [_correlation(found[name], true[name]) for name in ATTRIBUTES[1:]]
    return torch.stack([equal, *numbers])


def _correlation(a: Float[Tensor, "n *d"], b: Float[Tensor, "n *d"]) -> Float[Tensor, ""]:
    a, b = ((x - x.mean(0)).double().flatten() for x in (a, b))
    return F.cosine_similarity(a, b, dim=0)
