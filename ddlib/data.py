"""Real datasets as tensors: loaded once, standardized, kept on one device, no DataLoader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ddlib import checks
from ddlib.channels import from_pixels
from ddlib.files import digest
from ddlib.seeds import generator
from ddlib.shapes import draw_shapes
from ddlib.sources import (
    TORCHVISION,
    Array,
    as_classes,
    as_pixels,
    check_share,
    fetch_npz,
    find_splits,
    read_folder,
    read_npz,
    read_photos,
)

# Channel means and spreads the field standardizes with. Its CIFAR spreads are smaller than the
# true ones (about .247 .243 .262); published images assume these, so they stay.
CHANNELS = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
    "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2861,), (0.3530,)),
}
CLASSES = {
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "fashion_mnist": "t-shirt trouser pullover dress coat sandal shirt sneaker bag boot",
}
NAMES = ("digits", "shapes", "photos", *TORCHVISION, "cifar10x16")
MIRRORED = ("cifar10", "cifar100", "fashion_mnist", "cifar10x16", "photos", "shapes")


@dataclass(
    frozen=True, eq=False, repr=False
)  # compared and hashed by identity: tensors have no one equality
class ImageData:
    """A real dataset: standardized images and integer labels, split into train and test.

    A pixel p of channel c in [0, 1] is stored as (p - mean[c]) / std[c].
    """

    name: str
    train_images: Float[Tensor, "n c h w"]
    train_labels: Int[Tensor, " n"]
    test_images: Float[Tensor, "m c h w"]
    test_labels: Int[Tensor, " m"]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirrored: bool = False  # does a mirror image keep its class? (a 2 does not)
    attributes: Mapping[str, Mapping[str, Tensor]] | None = None  # split -> name -> (n,) values
    recolored: bool = True  # does an image keep its class with other brightness and saturation?
    whitening: str | None = None  # what else was done to the pixels, e.g. "ZCA, eps 0.1"

    def __post_init__(self) -> None:
        """The border: what comes in is checked here, converted once, and trusted from then on."""
        mean, std = checks.checked_channels(self.mean, self.std)
        train = checks.checked_images(self.train_images, len(mean), "training images")
        test = checks.checked_images(self.test_images, len(mean), "test images")
        checks.check_same_range(train, test)
        fields = {
            "name": checks.checked_name(self.name), "classes": checks.checked_classes(self.classes),
            "mean": mean, "std": std, "train_images": train, "test_images": test,
        }  # fmt: skip
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        k = len(self.classes)
        checks.check_labels(self.train_labels, len(train), k, "training labels")
        checks.check_labels(self.test_labels, len(test), k, "test labels")
        counts = torch.bincount(self.train_labels, minlength=k)
        if not counts.all():
            name = self.classes[int(counts.argmin())]
            raise ValueError(f"class {name!r} has no training image; leave it out of the classes")

    @classmethod
    def from_arrays(
        cls,
        images: Array,
        labels: Array,
        classes: Sequence[str] | None = None,
        *,
        test: float | tuple[Array, Array] = 0.2,
        name: str = "arrays",
        seed: int = 0,
    ) -> "ImageData":
        """Any images and labels that are arrays, standardized by the training images' statistics.

        `images` are pixels, uint8, uint16, or floats from 0 to 1, of shape (n, h, w), (n, h, w, c)
        or (n, c, h, w); which one is seen from the images being square. `labels` are numbers from
        0 on, or names. `test` is a pair of images and labels, or the share of every class that is
        held out, drawn by `seed`.
        """
        pixels, (numbers, classes) = as_pixels(images), as_classes(labels, classes)
        checks.check_labels(numbers, len(pixels), len(classes))
        if not isinstance(test, tuple | list):
            return _split(name, pixels, numbers, classes, test, seed)
        if len(test) != 2:
            raise ValueError("test must be a pair of images and labels, or a share")
        other, (other_numbers, _) = as_pixels(test[0]), as_classes(test[1], classes)
        checks.check_same_range(pixels, other)
        return _standardized(name, pixels, numbers, other, other_numbers, classes)

    def __repr__(self) -> str:
        train, test = len(self.train_images), len(self.test_images)
        shape = "x".join(map(str, self.shape))
        return (
            f"ImageData({self.name!r}, {len(self.classes)} classes, {train} training and {test} "
            f"test images of {shape})"
        )

    def _repr_html_(self) -> str:
        from ddlib.pictures import by_class, figure

        return figure(repr(self), by_class(self.train_images, self.train_labels, self), self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        c, h, w = self.train_images.shape[1:]
        return c, h, w

    @property
    def device(self) -> torch.device:
        return self.train_images.device

    @cached_property
    def identity(self) -> dict[str, str]:
        """Digests of all that a method sees: a checkpoint belongs to data that have the same."""
        space = {"mean": self.mean, "std": self.std, "whitening": self.whitening}
        parts: dict[str, tuple[dict[str, Tensor], dict[str, Any]]] = {
            "images": ({"train": self.train_images}, {}),
            "labels": ({"train": self.train_labels}, {}),
            "classes": ({}, {"classes": self.classes}),
            "pixel space": ({}, space),
        }
        return {name: digest(*part)[:16] for name, part in parts.items()}

    def to(self, device: torch.device | str) -> "ImageData":
        """The same data with its images and labels on `device`."""
        fields = ("train_images", "train_labels", "test_images", "test_labels")
        return replace(self, **{f: getattr(self, f).to(device) for f in fields})

    @cached_property
    def class_rows(self) -> tuple[Int[Tensor, "k longest"], Int[Tensor, " k"]]:
        """Row numbers of each class in `train_images`, padded by repetition, and class sizes."""
        counts = torch.bincount(self.train_labels, minlength=len(self.classes))
        order = self.train_labels.argsort(stable=True)
        column = torch.arange(int(counts.max()), device=self.device) % counts[:, None]
        return order[column + (counts.cumsum(0) - counts)[:, None]], counts


def sample_per_class(
    real: ImageData, n: int, generator: torch.Generator
) -> Int[Tensor, "k n_or_fewer"]:
    """Row numbers of `n` different training images of each class.

    A class smaller than `n` gives all it has and then repeats; no row is longer than the
    largest class.
    """
    rows, counts = real.class_rows
    keys = torch.rand(rows.shape, generator=generator, device=generator.device).to(real.device)
    padding = torch.arange(rows.shape[1], device=real.device) >= counts[:, None]
    picks = keys.masked_fill(padding, -1).topk(min(n, rows.shape[1])).indices
    return rows.gather(1, picks)


def check_ipc(real: ImageData, ipc: int) -> None:
    """Images per class must be at least one and at most the smallest class has."""
    counts = real.class_rows[1]
    smallest = int(counts.min())
    if not 1 <= ipc <= smallest:
        name = real.classes[int(counts.argmin())]
        raise ValueError(
            f"ipc must be between 1 and {smallest}, the size of the smallest class of "
            f"{real.name} ({name!r}); got {ipc}"
        )


def load(name: str, device: torch.device | str | None = None) -> ImageData:
    """Load a dataset by name, or from an `.npz` file.

    `digits` (8x8, scikit-learn's), `shapes` (16x16, drawn on the fly) and `photos` (a part of
    CIFAR-10, averaged to 16x16) need no download.
    `cifar10 cifar100 svhn mnist fashion_mnist` are read from `$DDLIB_DATA/NAME.npz`, and fetched
    there through torchvision the first time. `cifar10x16` is CIFAR-10 averaged over 2x2 pixels.
    A path that ends in `.npz` names a file of the same form: `train_images` and `test_images`,
    uint8 (n, h, w, c), `train_labels` and `test_labels`; it is standardized by its own statistics.
    """
    if name == "digits":
        real = _digits()
    elif name == "shapes":
        real = shapes()
    elif name == "photos":
        real = _photos()
    elif name in NAMES:
        real = _from_npz(name)
    elif name.endswith(".npz"):
        real = _from_file(Path(name).expanduser())
    else:
        raise ValueError(
            f"unknown dataset {name!r}; choose one of: {', '.join(NAMES)}; or name an .npz file"
        )
    return real.to(device) if device else real


def load_folder(
    path: str | Path,
    *,
    size: int = 32,
    test_fraction: float = 0.2,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> ImageData:
    """A reader's own images: one folder per class, any image size, uneven classes welcome.

    Images become upright RGB on a white ground, are cropped to a square around their center and
    resized to `size` pixels. `test_fraction` of every class is held out, chosen by `seed`; where
    the path holds `train` and `test` (or `val`), these are the splits. Hidden files and those of
    the system are passed over; any other file that is no image is named.
    """
    path = Path(path).expanduser().resolve()
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a whole number of pixels, at least 1; got {size!r}")
    check_share(test_fraction)
    name = path.name or "images"
    if splits := find_splits(path):
        train, labels, classes = read_folder(splits[0], size)
        test, test_labels, _ = read_folder(splits[1], size, classes)
        real = _standardized(name, train, labels, test, test_labels, classes)
    else:
        images, labels, classes = read_folder(path, size, least=2)
        real = _split(name, images, labels, classes, test_fraction, seed)
    return real.to(device) if device else real


def shapes(spurious: float = 0.0, seed: int = 0) -> ImageData:
    """Five drawn shapes with known attributes: 2000 train and 1000 test images of 16x16 pixels.

    `spurious` is the chance that a *training* image wears the color tied to its class; test
    colors are always drawn at random, so a network that learned the color is found out.
    """
    train, train_labels, known, classes = draw_shapes(2000, spurious, generator(seed, "train"))
    test, test_labels, known_test, _ = draw_shapes(1000, 0.0, generator(seed, "test"))
    attributes = {"train": known, "test": known_test}
    return _standardized(
        "shapes", train, train_labels, test, test_labels, classes, None, attributes, mirrored=True
    )


def _digits() -> ImageData:
    from sklearn.datasets import load_digits

    source = load_digits()
    images = torch.from_numpy(source.images).float()[:, None] / 16
    labels = torch.from_numpy(source.target).long()
    return _split("digits", images, labels, tuple("0123456789"), test_fraction=0.2, seed=0)


def _photos() -> ImageData:
    train, labels, classes = read_photos("train")
    test, test_labels, _ = read_photos("test")
    return _standardized("photos", train, labels, test, test_labels, classes)


def _from_npz(name: str) -> ImageData:
    source = name.removesuffix("x16")
    arrays = fetch_npz(source)
    images = [torch.from_numpy(arrays[f"{s}_images"]).float().div_(255) for s in ("train", "test")]
    train, test = (i.permute(0, 3, 1, 2).contiguous() for i in images)
    if name.endswith("x16"):
        train, test = F.avg_pool2d(train, 2), F.avg_pool2d(test, 2)
    labels = [torch.from_numpy(arrays[f"{s}_labels"].astype(np.int64)) for s in ("train", "test")]
    numbers = " ".join(str(i) for i in range(int(labels[0].max()) + 1))
    classes = tuple(CLASSES.get(source, numbers).split())
    channels, mirrored = CHANNELS[source], name in MIRRORED
    return _standardized(
        name, train, labels[0], test, labels[1], classes, channels, mirrored=mirrored
    )


def _from_file(path: Path) -> ImageData:
    """Images of a reader's own `.npz` file, in the form of the dataset files."""
    if not path.exists():
        raise ValueError(f"there is no file {path}")
    arrays = read_npz(path)
    test = arrays["test_images"], arrays["test_labels"]
    train = arrays["train_images"], arrays["train_labels"]
    return ImageData.from_arrays(*train, test=test, name=path.stem)


def _split(
    name: str,
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    test_fraction: float,
    seed: int,
) -> ImageData:
    """Split at random, the same share of every class and at least one of each class."""
    check_share(test_fraction)
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(len(classes)):
        rows = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(rows), generator=generator(seed, "split", label))
        held_out = min(max(1, round(test_fraction * len(rows))), len(rows) - 1)
        test[rows[order[:held_out]]] = True
    return _standardized(name, images[~test], labels[~test], images[test], labels[test], classes)


def _standardized(
    name: str,
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    classes: tuple[str, ...],
    channels: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
    attributes: Mapping[str, Mapping[str, Tensor]] | None = None,
    mirrored: bool = False,
) -> ImageData:
    """Standardize pixels in [0, 1], with the train split's own mean and spread unless given."""
    channels = channels or _statistics(train)
    train, test = (from_pixels(x, *channels) for x in (train, test))
    return ImageData(
        name, train, train_labels, test, test_labels, classes, *channels, mirrored, attributes
    )


def _statistics(train: Float[Tensor, "n c h w"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and spread of each channel; one that never changes keeps the spread 1."""
    std, mean = torch.std_mean(train, dim=(0, 2, 3))
    constant = train.amax((0, 2, 3)) == train.amin((0, 2, 3))
    return tuple(mean.tolist()), tuple(std.masked_fill(constant, 1).tolist())
