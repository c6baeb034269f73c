"""Small things that several test files share."""

import torch
from torch import Tensor

from ddlib import ImageData
from ddlib.seeds import generator


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Distance of `found` from `expected`, in units of the length of `expected`."""
    return float(((found - expected).norm() / expected.norm()).detach())


def toy_data(sizes: tuple[int, ...] = (7, 4, 9), channels: int = 2, seed: int = 0) -> ImageData:
    """Random 8x8 images in the default dtype: `sizes[i]` training images of class i, shuffled."""
    draws = generator("toy", seed)
    labels = torch.repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=draws)]
    train, test = (torch.randn(n, channels, 8, 8, generator=draws) for n in (len(labels), 30))
    # A class is a shift of the mean: enough to learn something, not enough to be always right.
    test_labels = torch.arange(30) % len(sizes)
    shifts = 0.3 * torch.randn(len(sizes), channels, 8, 8, generator=draws)
    return ImageData(
        "toy", train + shifts[labels], labels, test + shifts[test_labels], test_labels,
        tuple("abcdefgh"[: len(sizes)]), (0.5,) * channels, (0.25,) * channels,
    )  # fmt: skip


def some_predictions(n: int, t: int = 200, classes: int = 4, seed: int = 0) -> torch.Tensor:
    """Predictions (n, t) of networks that know nothing."""
    draws = generator(seed, "predictions")
    return torch.randint(classes, (n, t), generator=draws).byte()
