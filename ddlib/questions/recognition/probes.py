"""What recognizers are shown: distilled sets, their first images, changed copies, real images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ddlib import augment
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.questions.shared.pixels import clipped
from ddlib.questions.shared.starts import starting_rows
from ddlib.seeds import generator

VERSIONS = ("set", "start", "clipped", "blurred", "noisy", "shifted")
LEVELS = ("test", "own", "other", "shuffled", "noise")
NOISE = 0.5  # spread of the added noise, in the units of standardized images


@dataclass(frozen=True)
class Probes:
    """All images that one recognizer classifies, and the two halves it may be trained on.

    `halves["own"]` holds every real image that some set began with or chose; `"other"` holds none.
    """

    sets: Float[Tensor, "method set version n c h w"]
    labels: Int[Tensor, "method set n"]
    levels: Float[Tensor, "level m c h w"]  # test, own, other and noise: `shuffled` has no images
    level_labels: Int[Tensor, "level m"]
    halves: Mapping[str, Int[Tensor, " half"]]


def changed(
    made: DistilledSet, start: Float[Tensor, "n c h w"], seed: int
) -> Float[Tensor, "version n c h w"]:
    """A set in all `VERSIONS`: as it is, as it began, and under four small changes."""
    x = made.images
    draws = generator(seed, "changes", device=x.device)
    noise = torch.randn(x.shape, generator=draws, device=x.device)
    shift = augment.sample(1, len(x), draws, ("crop",))
    touched = [clipped(made).images, blurred(x), x + NOISE * noise, augment.apply(x, shift)]
    return torch.stack([x, start, *touched])


def blurred(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Each pixel becomes a mean over its 3x3 neighborhood, weights 1 2 1 in both directions."""
    line = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    c = images.shape[1]
    kernel = (line[:, None] * line).expand(c, 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=c)


def halves_of(
    real: ImageData, starts: Int[Tensor, " any"], seed: int
) -> dict[str, Int[Tensor, " half"]]:
    """The real training rows in two halves: all `starts` and others, and the rest."""
    n = len(real.train_labels)
    key = torch.rand(n, generator=generator(seed, "halves", device=real.device), device=real.device)
    key[starts] -= 1  # first in line
    order = key.argsort()
    own, other = order[: n // 2].flip(0), order[n // 2 :]  # the starts come last in their half
    return {"own": own, "other": other}


def probes_of(
    real: ImageData, sets: Mapping[str, Sequence[DistilledSet]], most: int, seed: int
) -> Probes:
    """Everything that the recognizers are shown; `most` real images of each kind."""
    rows = {tag: [starting_rows(real, one) for one in some] for tag, some in sets.items()}
    halves = halves_of(real, torch.cat([r for some in rows.values() for r in some]).unique(), seed)
    images = real.train_images
    shown = [
        torch.stack([changed(s, images[r], seed) for s, r in zip(sets[t], rows[t], strict=True)])
        for t in sets
    ]
    few = min(most, len(real.test_labels), len(halves["other"]) // 2)
    picked = [half[:few] for half in halves.values()]
    noise = torch.randn(
        (few, *real.shape), generator=generator(seed, "noise", device=real.device),
        device=real.device,
    )  # fmt: skip
    levels = [real.test_images[:few], *(images[p] for p in picked), noise]
    labels = [real.test_labels[:few], *(real.train_labels[p] for p in picked)]
    labels.append(torch.arange(few, device=real.device) % len(real.classes))
    return Probes(
        torch.stack(shown),
        torch.stack([torch.stack([s.labels for s in some]) for some in sets.values()]),
        torch.stack(levels), torch.stack(labels), halves,
    )  # fmt: skip
