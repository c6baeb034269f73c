"""What a set tells about single training images: membership tests, judged against their base rate.

A set is made from one half of the training images. Whoever sees the set gets an image and its
class, and says how much it looks like a member. Members are images of that half; the other half
is held out, so members and others come from the same source.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ddlib.data import ImageData, sample_per_class
from ddlib.questions.shared.starts import centered
from ddlib.seeds import generator


def half_of(real: ImageData, number: int) -> Bool[Tensor, " n"]:
    """Half of the training images of each class, drawn by `number`: those that a set may see."""
    smallest = int(real.class_rows[1].min())
    rows = sample_per_class(real, smallest // 2, generator(number, "half", device=real.device))
    inside = torch.zeros(len(real.train_labels), dtype=torch.bool, device=real.device)
    inside[rows.flatten()] = True
    return inside


def part_of(real: ImageData, rows: Bool[Tensor, " n"]) -> ImageData:
    """The same data with these training images only."""
    kept = {name: getattr(real, name)[rows] for name in ("train_images", "train_labels")}
    return replace(real, **kept)


def found_in(
    images: Float[Tensor, "n c h w"], shown: Float[Tensor, "m c h w"]
) -> Bool[Tensor, " n"]:
    """Which of the images are among those `shown`, to the last bit.

    >>> found_in(torch.eye(3).view(3, 1, 1, 3), torch.eye(3).view(3, 1, 1, 3)[1:2])
    tensor([False,  True, False])
    """
    a, b = images.flatten(1), shown.flatten(1)
    return torch.stack([(a == one).all(1) for one in b]).any(0)


def nearest(
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    made: Float[Tensor, "m c h w"],
    of: Int[Tensor, " m"],
) -> Float[Tensor, " n"]:
    """The best correlation of each image with an image of its class in a set."""
    a, b = centered(images), centered(made)
    return (a @ b.T).masked_fill(labels[:, None] != of, -1).amax(1)


def calibrated(
    mine: Float[Tensor, " n"], others: Sequence[Float[Tensor, " n"]]
) -> Float[Tensor, " n"]:
    """A score less what the same attack says about sets of other halves.

    Some images look like members of anything; this takes out how much each one does (Watson et
    al., ICLR 2022, arXiv 2111.08440).
    """
    return mine - torch.stack(list(others)).mean(0)


def told_apart(
    score: Float[Tensor, " n"], members: Bool[Tensor, " n"], others: Bool[Tensor, " n"]
) -> dict[str, float]:
    """How well a score tells members from others.

    `auc` is the chance that a member has the higher score of a pair. `hits`: if as many images are
    named as there are members, the share that are; `base` is that share for names at random.
    """
    asked = members | others
    score, truth = score[asked], members[asked]
    named = score.topk(int(truth.sum())).indices
    return {
        "auc": float(roc_auc_score(truth.cpu().numpy(), score.cpu().numpy())),
        "hits": float(truth[named].float().mean()),
        "base": float(truth.float().mean()),
    }
