"""Images on disk: dataset files, their download, and a reader's own folders."""

import os
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ddlib.files import damaged, write_with

TORCHVISION = {
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
}

PHOTOS = Path(str(files("ddlib"))) / "photos"  # one sheet for each split and class, and its source


def data_folder() -> Path:
    """Where dataset files live: `$DDLIB_DATA`, or the user's cache folder."""
    return Path(os.environ.get("DDLIB_DATA") or Path.home() / ".cache" / "ddlib")


def fetch_npz(name: str) -> dict[str, np.ndarray]:
    """The arrays of `$DDLIB_DATA/NAME.npz`, downloaded first if the file is not there."""
    path = data_folder() / f"{name}.npz"
    if not path.exists():
        _download(name, path)
    return read_npz(path)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The four arrays of a dataset file: uint8 images (n, h, w, c) and labels, train and test."""
    names = [f"{s}_{k}" for s in ("train", "test") for k in ("images", "labels")]
    with open(path, "rb") as content:
        try:
            with np.load(content, allow_pickle=False) as file:
                arrays = {name: file[name] for name in names}
        except Exception as error:  # whatever numpy stumbled over, the file is at fault
            raise damaged(path, error) from None
    for split in ("train", "test"):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
            raise damaged(path, f"{split}_images must be uint8 of shape (n, h, w, c), not empty")
        if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise damaged(path, f"{split}_labels must be one integer for each image")
        if labels.min() < 0 or labels.max() > arrays["train_labels"].max():
            raise damaged(path, f"{split}_labels are out of range")
    return arrays


def _download(name: str, path: Path) -> None:
    """Fetch through torchvision, which checks the distributor's checksum, and keep one file."""
    try:
        from torchvision import datasets
    except ImportError:
        raise ModuleNotFoundError(
            f"{name} is not at {path}. Install torchvision to download it, or put the file there."
        ) from None
    kind = getattr(datasets, TORCHVISION[name])
    arrays = {}
    with TemporaryDirectory() as folder:
        for split in ("train", "test"):
            which = {"split": split} if name == "svhn" else {"train": split == "train"}
            part = kind(folder, download=True, **which)
            images = np.asarray(part.data)
            images = images.transpose(0, 2, 3, 1) if name == "svhn" else images
            arrays[f"{split}_images"] = images[..., None] if images.ndim == 3 else images
            labels = part.labels if name == "svhn" else part.targets
            arrays[f"{split}_labels"] = np.asarray(labels, dtype=np.uint8)
    write_with(path, lambda file: np.savez(file, **arrays))


def read_folder(
    path: Path, size: int
) -> tuple[Float[Tensor, "n 3 s s"], list[int], tuple[str, ...]]:
    """Images, labels and class names of a folder with one folder of images per class."""
    folders = sorted(f for f in path.iterdir() if f.is_dir()) if path.is_dir() else []
    if len(folders) < 2:
        raise ValueError(f"{path} must hold one folder of images per class, at least two")
    images, labels = [], []
    for label, folder in enumerate(folders):
        files = sorted(folder.iterdir())
        if len(files) < 2:
            raise ValueError(f"{folder} needs at least two images, to hold one out")
        images += [_read_image(file, size) for file in files]
        labels += [label] * len(files)
    return torch.stack(images), labels, tuple(f.name for f in folders)


def read_photos(
    split: str,
) -> tuple[Float[Tensor, "n 3 16 16"], Int[Tensor, " n"], tuple[str, ...]]:
    """The photographs of the package, pixels in [0, 1], class after class, classes by name."""
    sheets = {f.stem.split("-")[1]: f for f in sorted(PHOTOS.glob(f"{split}-*.webp"))}
    each = []
    for file in sheets.values():
        with Image.open(file) as sheet:
            tiles = torch.from_numpy(np.array(sheet)).unfold(0, 16, 16).unfold(1, 16, 16)
        each.append(tiles.flatten(0, 1).float() / 255)
    labels = torch.arange(len(each)).repeat_interleave(torch.tensor([len(x) for x in each]))
    return torch.cat(each), labels, tuple(sheets)


def _read_image(file: Path, size: int) -> Float[Tensor, "3 s s"]:
    try:
        with Image.open(file) as image:
            square = ImageOps.fit(image.convert("RGB"), (size, size))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"cannot read {file} as an image: {error}") from None
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
