"""What may come in. Each check stands here once; its message names the thing and the cure."""

from collections import Counter
from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

TOLERANCE = 1e-3  # of the sum of a distribution, and of a mean or spread written down in decimals


def checked_name(name: str) -> str:
    """Names become parts of file names, so they are one word of a path."""
    if not isinstance(name, str) or not name.strip() or set(name) & set("/\\\0") or name == "..":
        raise ValueError(f"a dataset's name must be a word without slashes; got {name!r}")
    return name


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """At least two, each with a name of its own."""
    if isinstance(classes, str) or not all(isinstance(c, str) and c for c in classes):
        raise ValueError(f"classes must be a tuple of names, e.g. ('cat', 'dog'); got {classes!r}")
    if len(classes) < 2:
        raise ValueError(f"there must be at least two classes; got {classes!r}")
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise ValueError(f"classes must have distinct names; {twice[0]!r} stands there twice")
    return tuple(classes)


def checked_channels(
    mean: Sequence[float], std: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """One finite mean and one finite spread above zero for each channel."""
    try:
        mean, std = (tuple(float(v) for v in values) for values in (mean, std))
    except (TypeError, ValueError):
        raise ValueError(
            f"mean and std must be one number for each channel; got {mean!r} and {std!r}"
        ) from None
    if len(mean) != len(std) or not mean:
        raise ValueError(f"{len(mean)} means need as many spreads, at least one; got {len(std)}")
    if not all(map(isfinite, mean)):
        raise ValueError(f"means must be finite; got {mean}")
    if not all(isfinite(s) and s > 0 for s in std):
        raise ValueError(
            f"spreads must be finite and above zero; got std {std}. A channel that never changes "
            "has nothing to divide by: give it the spread 1"
        )
    return mean, std


def checked_images(images: Tensor, channels: int, what: str = "images") -> Tensor:
    """Square finite images (n, c, h, w) in torch's default precision, or what is wrong with them.

    Other floating point types are converted here, once.
    """
    if not isinstance(images, Tensor):
        raise ValueError(
            f"{what} must be a torch tensor; got {type(images).__name__}. Arrays come in through "
            "ImageData.from_arrays, or torch.from_numpy"
        )
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise ValueError(
            f"{what} must be floating point of shape (n, c, h, w), n at least 1; got "
            f"{images.dtype} of shape {tuple(images.shape)}. ImageData.from_arrays takes other "
            "layouts and whole numbers"
        )
    shape = tuple(images.shape[1:])
    if shape[0] != channels and shape[2] == channels:
        raise ValueError(f"{what} lie as (n, h, w, c); give images.permute(0, 3, 1, 2) instead")
    if shape[0] != channels:
        raise ValueError(f"{what}: {shape[0]} channels need as many means and spreads")
    if shape[1] != shape[2] or not shape[1]:
        raise ValueError(
            f"{what} must be square, and these are {shape[1]}x{shape[2]}; crop them or pad them"
        )
    images = images.to(torch.get_default_dtype())
    check_finite(images, what)
    return images


def check_finite(images: Tensor, what: str) -> None:
    """No pixel is NaN or infinite; one that is too large for its precision has become infinite."""
    if all(map(torch.isfinite, images.aminmax())):
        return
    bad = int((~torch.isfinite(images.flatten(1))).any(1).sum())
    raise ValueError(
        f"{what} must be finite: {bad} of {len(images)} have a pixel that is NaN or infinite. "
        "Leave them out, or mend them with torch.nan_to_num"
    )


def check_labels(labels: Tensor, n: int, classes: int, what: str = "labels") -> None:
    """Labels must be one class index for each of `n` images."""
    if not isinstance(labels, Tensor):
        raise ValueError(f"{what} must be a torch tensor; got {type(labels).__name__}")
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise ValueError(
            f"{what} must be one int64 class index for each of {n} images; got "
            f"{labels.dtype} of shape {tuple(labels.shape)}. Convert numbers by labels.long(), "
            "one-hot rows by labels.argmax(1)"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{what} must be from 0 to {classes - 1}, because there are {classes} classes; got "
            f"{int(labels.min())} to {int(labels.max())}"
        )


def checked_distributions(labels: Tensor, n: int, classes: int) -> Tensor:
    """Soft labels must be `n` probability distributions over the classes."""
    if labels.shape != (n, classes):
        got = tuple(labels.shape)
        raise ValueError(f"soft labels must have shape ({n}, {classes}); got {got}")
    labels = labels.to(torch.get_default_dtype())
    away = (labels.sum(1) - 1).abs()
    if bool((labels >= -TOLERANCE).all()) and bool((away <= TOLERANCE).all()):
        return labels  # NaN fails both comparisons
    raise ValueError(
        "soft labels must be distributions: nothing below zero, and each row sums to 1. Here the "
        f"smallest number is {float(labels.min()):.3g}, and a row is {float(away.max()):.3g} away "
        "from 1. If they are logits, give labels.softmax(1)"
    )


def check_same_range(train: Tensor, test: Tensor) -> None:
    """Test images lie where training images do, give or take the whole range of these.

    It finds splits that came in different units: one standardized, the other from 0 to 255.
    """
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(
            f"training images are {tuple(train.shape[1:])} and test images "
            f"{tuple(test.shape[1:])}; bring both to one size"
        )
    (low, high), (least, most) = (tuple(map(float, x.aminmax())) for x in (train, test))
    room = max(high - low, 25.0)  # standardized photographs stay within 3, bytes do not
    if least < low - room or most > high + room:
        raise ValueError(
            f"test images reach from {least:.3g} to {most:.3g}, training images from {low:.3g} to "
            f"{high:.3g}; standardize both splits with the same means and spreads"
        )


def check_rate(lr: float | None) -> None:
    """A learning rate that comes with a set must be usable as it is."""
    if lr is not None and not (isinstance(lr, int | float) and isfinite(lr) and lr > 0):
        raise ValueError(f"lr must be a finite number above zero, or None; got {lr!r}")
