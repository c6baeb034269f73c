"""A few images of one class left out in two networks, round after round.

No two rounds share a class or a network, so each counts as one value.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddlib.instruments.influences import TOP
from ddlib.instruments.leaving_out import each_alone
from ddlib.questions.shared.rankings import distinct, every_pair, itself_and_others, overlap, top
from ddlib.studies import Study

_ROUND = ("round", "usual")
DIMS = {
    "usual_own": (*_ROUND, "usual_net", "few"),
    "usual_distinct": (*_ROUND, "usual_net", "by"),
    "usual_spread": (*_ROUND, "usual_net"),
    "usual_repeat": (*_ROUND, "few", "which"),
    "usual_overlap": (*_ROUND, "few", "which"),
    "usual_noise": ("usual",),
}


def few_alone(labels: Int[Tensor, " n"], label: int, count: int) -> Bool[Tensor, "g n"]:
    """Groups to leave out: nothing, then each of the first `count` images of a class alone."""
    rows = (labels == label).nonzero()[:count, 0]
    alone = each_alone(len(labels), labels.device)[rows]
    return torch.cat([torch.zeros_like(alone[:1]), alone])


def of_class(
    losses: Float[Tensor, "2 g t"], label: int, tested: Int[Tensor, " t"]
) -> dict[str, Tensor]:
    """What losses without `few_alone` say of the images: whom do they help, and does it repeat?

    Own is the share of the class in the top of each image, and distinct that of different test
    images in the tops of all, found and by chance. The rank correlations are over test images of
    the class.
    """
    tables = losses[:, 1:] - losses[:, :1]
    best, classes = [top(table, TOP) for table in tables], torch.full((tables.shape[1],), label)
    return {
        "usual_own": torch.stack([(tested[rows] == label).float().mean(1) for rows in best]),
        "usual_distinct": torch.tensor([distinct(rows, classes, tested) for rows in best]),
        "usual_spread": tables.square().mean((1, 2)).sqrt(),
        "usual_repeat": itself_and_others(every_pair(*tables[:, :, tested == label])),
        "usual_overlap": itself_and_others(overlap(*best)),
    }


def findings(study: Study) -> dict[str, Tensor]:
    """One number for each round, the mean over its images and networks.

    own: share of the class in the top, more than chance. distinct: share of different ones, more
    than by chance. image: rank correlation of an image with itself in the other network, more than
    with others of its class. beyond: the same of the overlap of tops. more: own, image or beyond,
    above that of the first source in the same round.
    """
    found, (first, *others) = {}, study.axes["usual"]
    chance = study.settings["each"] / len(study.axes["test"])
    for tag in study.axes["usual"]:
        different, by_chance = study.pick("usual_distinct", usual=tag).mean(1).unbind(1)
        found[f"own-usual-{tag}"] = study.pick("usual_own", usual=tag).mean((1, 2)) - chance
        found[f"distinct-usual-{tag}"] = different - by_chance
        for name, array in (("image", "usual_repeat"), ("beyond", "usual_overlap")):
            itself, another = study.pick(array, usual=tag).mean(1).unbind(1)
            found[f"{name}-usual-{tag}"] = itself - another
    return found | {
        f"{name}-more-{tag}": found[f"{name}-usual-{tag}"] - found[f"{name}-usual-{first}"]
        for name in ("own", "image", "beyond")
        for tag in others
    }
