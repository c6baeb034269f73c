"""Images on disk: dataset files, their download, and a reader's own folders."""

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageOps
from torch import Tensor

from ddlib.checks import check_finite, checked_classes
from ddlib.files import check_archive, damaged, write_with

TORCHVISION = {
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
}

Array = np.ndarray | Tensor | Sequence[Any]  # of numbers, or of the names of classes
PHOTOS = Path(str(files("ddlib"))) / "photos"  # one sheet for each split and class, and its source
WHOLE = {torch.uint8: 255, torch.uint16: 65535}  # types of pixels, and their largest value
MOST_CLASSES = 100_000  # a label beyond is a mistake, and its classes would fill the memory
TEST_FOLDERS = ("test", "val", "valid", "validation")
SYSTEM_FILES = ("Thumbs.db", "ehthumbs.db", "desktop.ini", "__MACOSX", "@eaDir", "Icon\r")


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
    check_archive(path)
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
    arrays: dict[str, Any] = {}
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


def check_share(share: float) -> None:
    """The share of the images that is held out for testing."""
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise ValueError(f"the share held out for testing must lie between 0 and 1; got {share!r}")


def as_pixels(images: Array) -> Float[Tensor, "n c h w"]:
    """Pixels from 0 to 1 of any array of square images: gray, channels first or channels last."""
    array = torch.as_tensor(_array(images, "images"))
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or not array.numel():
        raise ValueError(
            "images must have shape (n, h, w), (n, h, w, c) or (n, c, h, w), not empty; got "
            f"{tuple(array.shape)}"
        )
    _, a, b, c = array.shape
    if b != c and a == b:
        array = array.permute(0, 3, 1, 2)
    elif b != c:
        raise ValueError(f"images must be square; got {tuple(array.shape)}. Crop them or pad them")
    elif a == b:
        raise ValueError(f"where are the channels in {tuple(array.shape)}? Build ImageData itself")
    return _from_zero_to_one(array.contiguous())


def _array(values: object, what: str) -> np.ndarray | Tensor:
    """An array of numbers, or the sentence that says why there is none."""
    if isinstance(values, Tensor):
        return values.detach()
    try:
        array = np.ascontiguousarray(values)
    except ValueError as error:  # rows of unequal length
        raise ValueError(f"{what} must be one array; {error}") from None
    if array.dtype.kind not in "buif":
        raise ValueError(f"{what} must be numbers; got an array of {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="))


def _from_zero_to_one(array: Tensor) -> Float[Tensor, "n c h w"]:
    """uint8 and uint16 over their largest value; floats as they are, if they lie in [0, 1]."""
    if array.dtype in WHOLE:
        return array.float() / WHOLE[array.dtype]
    if not array.is_floating_point():
        raise ValueError(f"whole numbers must be uint8 or uint16; got {array.dtype}")
    pixels = array.to(torch.get_default_dtype())
    check_finite(pixels, "images")
    low, high = map(float, pixels.aminmax())
    if low < 0 or high > 1:
        raise ValueError(
            f"pixels that are not whole numbers must lie from 0 to 1; got {low:.3g} to {high:.3g}. "
            "Divide them by their largest possible value; what is standardized already belongs "
            "into ImageData itself, with its mean and std"
        )
    return pixels


def as_classes(
    labels: Array, classes: Sequence[str] | None = None
) -> tuple[Int[Tensor, " n"], tuple[str, ...]]:
    """Labels as class numbers, and the names of the classes: as given, sorted, or the numbers."""
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"labels must be one class for each image; got an array of shape {array.shape}. "
            "One-hot rows become classes by labels.argmax(1)"
        )
    if array.dtype.kind in "US":
        words = array.astype(str).tolist()
        names = tuple(sorted(set(words)) if classes is None else classes)
        unknown = sorted(set(words) - set(names))
        if unknown:
            raise ValueError(f"label {unknown[0]!r} is not among the classes {names}")
        return torch.tensor([names.index(word) for word in words]), names
    if array.dtype.kind not in "ui":
        raise ValueError(f"labels must be whole numbers or names; got an array of {array.dtype}")
    numbers = torch.from_numpy(array.astype(np.int64))
    if not 0 <= int(numbers.min()) <= int(numbers.max()) < MOST_CLASSES:
        raise ValueError(
            f"labels must count from 0 on; got {int(numbers.min())} to {int(numbers.max())}. "
            "Number your classes by np.unique(labels, return_inverse=True)[1]"
        )
    counted = map(str, range(int(numbers.max()) + 1))
    return numbers, checked_classes(tuple(counted if classes is None else classes))


def find_splits(path: Path) -> tuple[Path, Path] | None:
    """The folders of training and test images, where a path holds such instead of classes."""
    inside = {f.name.lower(): f for f in _seen(path) if f.is_dir()} if path.is_dir() else {}
    test = next((inside[name] for name in TEST_FOLDERS if name in inside), None)
    if "train" not in inside or any(f.is_file() for f in _seen(inside["train"])):
        return None
    others = sorted(set(inside) - {"train", *TEST_FOLDERS})
    if others or not test:
        what = f"also {others[0]}/" if others else "no test/ or val/ beside it"
        raise ValueError(
            f"{path} holds train/, and {what}: either train/ and test/ are its only folders, or "
            "all of its folders are classes; load_folder takes the folder above the classes"
        )
    return inside["train"], test


def read_folder(
    path: Path, size: int, classes: tuple[str, ...] | None = None, least: int = 1
) -> tuple[Float[Tensor, "n 3 s s"], Int[Tensor, " n"], tuple[str, ...]]:
    """Images, labels and class names of a folder with one folder of images per class.

    Where `classes` are given, there may be no others; each must have at `least` so many images.
    """
    folders = [f for f in _seen(path) if f.is_dir()] if path.is_dir() else []
    if len(folders) < (1 if classes else 2):
        raise ValueError(f"{path} must hold one folder of images per class, at least two")
    names = classes or tuple(f.name for f in folders)
    images, labels = [], []
    for folder in folders:
        if folder.name not in names:
            raise ValueError(
                f"{folder} is a class without training images; the classes are {names}"
            )
        files = _seen(folder)
        if nested := [f for f in files if f.is_dir()]:
            raise ValueError(
                f"{folder} is a class and holds a folder, {nested[0].name}; images lie in the "
                "folder of their class itself, so move them there or the folder away"
            )
        if len(files) < least:
            few = "two images, to hold one out" if least == 2 else "one image"
            raise ValueError(f"{folder} needs at least {few}")
        images += [_read_image(file, size) for file in files]
        labels += [names.index(folder.name)] * len(files)
    return torch.stack(images), torch.tensor(labels), names


def _seen(path: Path) -> list[Path]:
    """What lies in a folder, in order, without hidden files and those that systems leave."""
    return sorted(f for f in path.iterdir() if f.name[0] != "." and f.name not in SYSTEM_FILES)


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
            square = ImageOps.fit(_upright_rgb(image), (size, size))
    except Exception as error:  # whatever Pillow stumbled over, the file is at fault
        raise ValueError(f"cannot read {file} as an image: {error}") from None
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255


def _upright_rgb(image: Image.Image) -> Image.Image:
    """Turned as its orientation tag says, 8 bits a channel, what is transparent on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode[0] in "IF":  # one channel of 16 or 32 bits
        array = np.asarray(image).astype(np.float64) / (1 if image.mode == "F" else 65535)
        if not (array.min() >= 0 and array.max() <= 1):
            raise ValueError("its pixels are neither 16-bit numbers nor fractions from 0 to 1")
        image = Image.fromarray((255 * array).round().astype(np.uint8))
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
