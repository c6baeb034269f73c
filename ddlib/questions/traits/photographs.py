"""Traits of photographs that a program can measure, taken from one shuffled, unlabeled pile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.questions.shared.pixels import border

Traits = Mapping[str, Tensor]  # by name: numbers (n,) or (n, d), or kinds (n,) as integers
Encode = Callable[[Float[Tensor, "n c h w"]], Traits]
SHADES = ("brightness", "contrast", "scale")  # traits that are one number
STANDS_OUT = 0.15  # distance from the border's mean color, averaged over channels


@dataclass(frozen=True)
class Question:
    """What a vision-language model would be asked about one image, and the answers it may give."""

    trait: str
    text: str
    answers: tuple[str, ...]


# For `encode(pixels)` made from a vision-language model: it puts each question to each image alone
# and returns, for each trait, the number of the answer. No question names a class or a method.
PROMPTS = (
    Question(
        "surroundings",
        "Look at the area around the main object in this small image. What does it look most like? "
        "Answer with one of the listed words.",
        ("sky", "water", "plants", "ground or road", "building or room", "plain color", "unclear"),
    ),
    Question(
        "main color",
        "Which color does the main object have, for the most part? Answer with one listed word.",
        ("white", "black", "gray", "red", "brown or orange", "yellow", "green", "blue", "unclear"),
    ),
    Question(
        "view",
        "From where is the main object seen? Answer with one of the listed words.",
        ("from the side", "from the front", "from behind", "from above", "close-up", "unclear"),
    ),
    Question(
        "size",
        "How much of the image does the main object fill? Answer with one of the listed words.",
        ("less than a quarter", "up to a half", "more than a half", "unclear"),
    ),
)


def measure(pixels: Float[Tensor, "n c h w"]) -> Traits:
    """Background (mean color of the border), brightness, contrast, and scale of the object.

    Brightness and contrast are the mean and the spread of the gray values. Scale is the share of
    pixels that stand out from the border: a crude stand-in for the size of an object.
    """
    gray, edge = pixels.mean(1).flatten(1), border(pixels)
    stands_out = (pixels - edge[:, :, None, None]).abs().mean(1) > STANDS_OUT
    return {
        "background": edge,
        "brightness": gray.mean(1),
        "contrast": gray.std(1),
        "scale": stands_out.float().mean((1, 2)),
    }


def blinded(
    encode: Encode, piles: Sequence[Float[Tensor, "_ c h w"]], draws: torch.Generator
) -> list[dict[str, Tensor]]:
    """The traits of some piles of images, by an `encode` that cannot know which pile is which.

    All images go through it in one random order, without labels, and are sorted again afterwards.
    """
    images = torch.cat(list(piles))
    order = torch.randperm(len(images), generator=draws, device=draws.device).to(images.device)
    found = encode(images[order])
    back = order.argsort()
    for name, values in found.items():
        if len(values) != len(images):
            raise ValueError(f"trait {name!r} has {len(values)} values for {len(images)} images")
    sizes = [len(pile) for pile in piles]
    split = {name: values[back].split(sizes) for name, values in found.items()}
    return [{name: parts[i] for name, parts in split.items()} for i in range(len(piles))]


def clusters(
    features: Float[Tensor, "n d"], k: int, draws: torch.Generator, steps: int = 20
) -> Float[Tensor, "k d"]:
    """Centers of k-means, begun at k different random points; an empty cluster keeps its center."""
    first = torch.randperm(len(features), generator=draws, device=draws.device)[:k]
    centers = features[first.to(features.device)]
    for _ in range(steps):
        mine = nearest(features, centers)
        sums = torch.zeros_like(centers).index_add_(0, mine, features)
        counts = torch.bincount(mine, minlength=k)[:, None]
        centers = torch.where(counts > 0, sums / counts.clamp_min(1), centers)
    return centers


def nearest(features: Float[Tensor, "n d"], centers: Float[Tensor, "k d"]) -> Int[Tensor, " n"]:
    """For each point the number of the center that is closest."""
    return torch.cdist(features, centers).argmin(1)


def offsets(traits: Traits, target: Traits) -> Float[Tensor, " shade"]:
    """How far images lie from test images on average, in units of the spread of those."""
    pairs = [(traits[t].double(), target[t].double()) for t in SHADES]
    return torch.stack([(mine.mean() - test.mean()) / test.std() for mine, test in pairs]).cpu()
