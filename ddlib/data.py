"""Real datasets as tensors: loaded once, standardized, kept on one device, no DataLoader."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.channels import from_pixels
from ddlib.seeds import generator
from ddlib.shapes import draw_shapes
from ddlib.sources import TORCHVISION, fetch_npz, read_folder, read_photos

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


@dataclass(frozen=True, eq=False)  # compared and hashed by identity: tensors have no one equality
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

    def __post_init__(self) -> None:
        check_images(self.train_images, len(self.mean))
        check_images(self.test_images, len(self.mean))
        check_labels(self.train_labels, len(self.train_images), len(self.classes))
        check_labels(self.test_labels, len(self.test_images), len(self.classes))
        counts = torch.bincount(self.train_labels, minlength=len(self.classes))
        if not counts.all():
            raise ValueError(f"class {self.classes[int(counts.argmin())]!r} has no training image")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return tuple(self.train_images.shape[1:])

    @property
    def device(self) -> torch.device:
        return self.train_images.device

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


def check_images(images: Tensor, channels: int) -> None:
    """Images must be floating point (n, c, h, w), at least one, with the channels announced."""
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise ValueError(
            "images must be floating point of shape (n, c, h, w), n at least 1; got "
            f"{images.dtype} of shape {tuple(images.shape)}"
        )
    if images.shape[1] != channels:
        raise ValueError(f"{images.shape[1]} channels need as many means and spreads")


def check_labels(labels: Tensor, n: int, classes: int) -> None:
    """Labels must be one class index for each of `n` images."""
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be one int64 class index for each of {n} images; got "
            f"{labels.dtype} of shape {tuple(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must be from 0 to {classes - 1}")


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
    """Load a dataset by name.

    `digits` (8x8, scikit-learn's), `shapes` (16x16, drawn on the fly) and `photos` (a part of
    CIFAR-10, averaged to 16x16) need no download.
    `cifar10 cifar100 svhn mnist fashion_mnist` are read from `$DDLIB_DATA/NAME.npz`, and fetched
    there through torchvision the first time. `cifar10x16` is CIFAR-10 averaged over 2x2 pixels.
    """
    if name not in NAMES:
        raise ValueError(f"unknown dataset {name!r}; choose one of: {', '.join(NAMES)}")
    if name == "digits":
        real = _digits()
    elif name == "shapes":
        real = shapes()
    elif name == "photos":
        real = _photos()
    else:
        real = _from_npz(name)
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

    Images become RGB, are cropped to a square around their center and resized to `size` pixels.
    `test_fraction` of every class is held out, chosen by `seed`.
    """
    images, labels, classes = read_folder(Path(path), size)
    real = _split(Path(path).name, images, torch.tensor(labels), classes, test_fraction, seed)
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
        "shapes", train, train_labels, test, test_labels, classes, attributes=attributes
    )


def _digits() -> ImageData:
    from sklearn.datasets import load_digits

    source = load_digits()
    images = torch.from_numpy(source.images).float()[:, None] / 16
    labels = torch.from_numpy(source.target).long()
    return _split("digits", images, labels, tuple("0123456789"), test_fraction=0.2, seed=0)


def _photos() -> ImageData:
    *train, classes = read_photos("train")
    *test, _ = read_photos("test")
    return _standardized("photos", *train, *test, classes)


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
    return _standardized(name, train, labels[0], test, labels[1], classes, CHANNELS[source])


def _split(
    name: str,
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    test_fraction: float,
    seed: int,
) -> ImageData:
    """Split at random, the same share of every class and at least one of each class."""
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
) -> ImageData:
    """Standardize pixels in [0, 1], with the train split's own mean and spread unless given."""
    if channels is None:
        std, mean = torch.std_mean(train, dim=(0, 2, 3))
        channels = tuple(mean.tolist()), tuple(std.tolist())
    train, test = (from_pixels(x, *channels) for x in (train, test))
    mirrored = name in MIRRORED
    return ImageData(
        name, train, train_labels, test, test_labels, classes, *channels, mirrored, attributes
    )
