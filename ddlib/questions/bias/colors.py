"""Which colors an image of `shapes` wears, and the same drawings in two colors for a test."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ddlib.channels import from_pixels, to_pixels
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.ensemble import Parameters
from ddlib.seeds import generator
from ddlib.shapes import COLORS, draw_shapes
from ddlib.training import logits

# The part of each of the five colors that is not gray, of length 1.
HUES = F.normalize(COLORS - COLORS.mean(1, keepdim=True), dim=1)
COLORED = 0.2  # length of the part of a pixel that is not gray, from which on it counts as colored


@dataclass(frozen=True)
class TwoColors:
    """The same drawings twice: in the color tied to their class, and in another one."""

    aligned: Float[Tensor, "n c h w"]
    conflict: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    colors: Int[Tensor, " n"]  # the class whose color the conflicting image wears


def two_colors(real: ImageData, n: int, seed: int) -> TwoColors:
    """Up to `n` fresh drawings whose random color is not that of their class, in both colors.

    Position, size, background and noise of the two versions are the same.
    """
    drawn = {level: draw_shapes(n, level, generator(seed, "two colors")) for level in (0.0, 1.0)}
    labels, colors = drawn[0.0][1], drawn[0.0][2]["color"].long()
    rows = (colors != labels).nonzero()[:, 0]
    other, own = (from_pixels(drawn[k][0][rows], real.mean, real.std) for k in (0.0, 1.0))
    moved = (x.to(real.device) for x in (own, other, labels[rows], colors[rows]))
    return TwoColors(*moved)


def judge(net: nn.Module, one: Parameters, test: TwoColors) -> Float[Tensor, " measure"]:
    """What one network scores on both versions of the drawings."""
    both = torch.cat([test.aligned, test.conflict])
    return scores(logits(net, one, both)[0].argmax(1), test)


def scores(answers: Int[Tensor, " n2"], test: TwoColors) -> Float[Tensor, " measure"]:
    """Right on aligned drawings, right on conflicting ones, and taken for the color's class."""
    aligned, conflict = answers.chunk(2)
    hits = aligned == test.labels, conflict == test.labels, conflict == test.colors
    return 100 * torch.stack([hit.float().mean() for hit in hits]).cpu()


def pixel_colors(
    pixels: Float[Tensor, "n c h w"],
) -> tuple[Int[Tensor, "n h w"], Bool[Tensor, "n h w"]]:
    """The nearest of the five colors of each pixel, by hue, and whether the pixel has any color.

    Nearest is by the cosine between the parts that are not gray: pixel minus mean over channels.
    """
    vivid = pixels - pixels.mean(1, keepdim=True)
    nearest = torch.einsum("nchw,kc->nkhw", vivid, HUES.to(pixels.device)).argmax(1)
    return nearest, vivid.norm(dim=1) > COLORED


def own_share(made: DistilledSet) -> Float[Tensor, ""]:
    """Share of the colored pixels of a set that wear the color of their class, in percent.

    Pixels are not clipped first.
    """
    nearest, colored = pixel_colors(to_pixels(made.images, made.mean, made.std))
    own = nearest == made.labels[:, None, None]
    return (100 * (own & colored).sum() / colored.sum()).cpu()


def minority(made: DistilledSet) -> Int[Tensor, ""]:
    """How many images of a set wear mostly another color than that of their class."""
    nearest, colored = pixel_colors(to_pixels(made.images, made.mean, made.std))
    votes = [((nearest == k) & colored).flatten(1).sum(1) for k in range(len(COLORS))]
    return (torch.stack(votes, 1).argmax(1) != made.labels).sum().cpu()


def evened(real: ImageData, seed: int) -> Int[Tensor, " n"]:
    """Rows of training images such that every class wears every color equally often.

    Drawn with replacement within each class and color: rare images come several times.
    """
    labels, colors = real.train_labels.cpu(), (real.attributes or {})["train"]["color"].long()
    draws, groups = generator(seed, "evened"), len(COLORS) * len(real.classes)
    each = len(labels) // groups
    rows = []
    for group in range(groups):
        mine = ((labels * len(COLORS) + colors) == group).nonzero()[:, 0]
        if not len(mine):
            raise ValueError("a class never wears one of the colors: nothing can be repeated")
        rows.append(mine[torch.randint(len(mine), (each,), generator=draws)])
    return torch.cat(rows).to(real.device)


def changed(real: ImageData, change: str, seed: int) -> ImageData:
    """Real images for a variant: `colorless` forbids augmentation of color, `even` evens colors."""
    if change == "colorless":
        return replace(real, recolored=False)
    if change == "even":
        rows = evened(real, seed)
        images, labels = real.train_images[rows], real.train_labels[rows]
        return replace(real, train_images=images, train_labels=labels)
    return real
