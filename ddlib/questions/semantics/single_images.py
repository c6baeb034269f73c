"""A set taken apart: what each of its images does, how surely, and what the whole set learned."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddlib.questions.semantics.attributes import ATTRIBUTES, Attributes
from ddlib.questions.shared.permutation import association, association_beyond, by_class

WORN = ("tied", "free")  # test images that wear the color tied to their class; all others


@dataclass(frozen=True)
class TakenApart:
    """One set, the attributes its images have by either meaning, and what each image does."""

    labels: Int[Tensor, " n"]
    pixels: Float[Tensor, "n c h w"]  # cut off at black and white
    attributes: Mapping[str, Attributes]  # by meaning
    losses: Float[Tensor, "net n_and_1 t"]  # with all images, then without each of them
    right: Bool[Tensor, "net t"]  # with all images: is the test image classified correctly?

    @property
    def influence(self) -> Float[Tensor, "net n t"]:
        return self.losses[:, 1:] - self.losses[:, :1]


def helps(one: TakenApart, tested: Int[Tensor, " t"], *, same: bool) -> Float[Tensor, " class"]:
    """Mean influence of the images of each class on test images of the same, or of all others."""
    mean = one.influence.mean(0)
    found = [mean[one.labels == c][:, (tested == c) == same].mean() for c in one.labels.unique()]
    return torch.stack(found)


def reliability(one: TakenApart, tested: Int[Tensor, " t"]) -> Float[Tensor, ""]:
    """How much of an influence beyond the class survives another start: a correlation.

    Of the influence of each image on the test images of its class, without what all images of the
    class do, between two starts; the mean over pairs of starts.
    """
    each = []
    for c in one.labels.unique():
        part = one.influence[:, one.labels == c][:, :, tested == c]
        each.append((part - part.mean(1, keepdim=True)).flatten(1))
    flat = F.normalize(torch.cat(each, 1), dim=1)
    table = flat @ flat.T
    return (table.sum() - table.trace()) / (len(flat) * (len(flat) - 1))


def by_worn(
    one: TakenApart, colors: Int[Tensor, " t"], tested: Int[Tensor, " t"]
) -> Float[Tensor, "net worn"]:
    """Test accuracy in percent on images that wear the color tied to their class, and on others."""
    tied = colors == tested
    return 100 * torch.stack([one.right[:, rows].float().mean(1) for rows in (tied, ~tied)], 1)


def beside_pixels(
    one: TakenApart,
    shown: Float[Tensor, "t c h w"],
    target: Attributes,
    tested: Int[Tensor, " t"],
) -> dict[str, Tensor]:
    """Influence against the likeness of all pixels, and what attributes add to that likeness.

    `pixels` (class,) is the first association; `beyond_pixels` (class, attribute) is the second.
    """
    effect, read = one.influence.mean(0), one.attributes["measured"]
    near = by_class(effect, one.labels, tested, one.pixels.flatten(1), shown.flatten(1))
    beyond = []
    for name in ATTRIBUTES:
        groups = by_class(effect, one.labels, tested, read[name], target[name])
        pairs = zip(groups, near, strict=True)
        beyond.append(
            torch.stack([association_beyond(*group, other) for group, (_, other) in pairs])
        )
    pixels = torch.stack([association(*group) for group in near])
    return {"pixels": pixels, "beyond_pixels": torch.stack(beyond, 1)}
