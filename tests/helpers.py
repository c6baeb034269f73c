"""Small things that several test files share."""

from collections.abc import Callable

import torch
from torch import Tensor

from ddlib import ImageData
from ddlib.seeds import generator
from ddlib.studies import Keep, Study, Tensors


class Killed(BaseException):
    """What ends a run in a test, as a signal would: no `except Exception` holds it."""


def killed_after(keep: Keep, parts: int, asked: list[str] | None = None) -> Keep:
    """`keep` for so many parts; the next one ends the run. `asked` gets the names of all."""
    names = [] if asked is None else asked

    def once(key: str, make: Callable[[], Tensors]) -> Tensors:
        names.append(key)
        if len(names) > parts:
            raise Killed
        return keep(key, make)

    return once


def assert_same_arrays(one: Study, other: Study) -> None:
    """Equal to the last bit, NaN in the same places."""
    assert set(one.arrays) == set(other.arrays)
    for name, array in one.arrays.items():
        assert torch.equal(array.isnan(), other.arrays[name].isnan()), name
        assert torch.equal(array.nan_to_num(), other.arrays[name].nan_to_num()), name


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
