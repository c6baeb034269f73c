"""Images on disk: what is damaged is named, what is odd is read, and nothing is unpickled."""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ddlib
from ddlib.files import DamagedFileError, ForeignFileError
from ddlib.sources import read_npz

GOOD = {
    "train_images": np.arange(10 * 4 * 4 * 3).reshape(10, 4, 4, 3).astype(np.uint8),
    "train_labels": np.arange(10) % 2,
    "test_images": np.arange(6 * 4 * 4 * 3).reshape(6, 4, 4, 3).astype(np.uint8),
    "test_labels": np.arange(6) % 2,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez(tmp_path / "cifar10.npz", **GOOD)
    return tmp_path / "cifar10.npz"


def assert_named(path: Path) -> None:
    """The message is one sentence that names the file."""
    with pytest.raises(DamagedFileError, match="is damaged or not a ddlib file") as error:
        read_npz(path)
    assert str(error.value).startswith(str(path))


def test_a_good_file_is_read(path: Path) -> None:
    assert all(np.array_equal(array, GOOD[name]) for name, array in read_npz(path).items())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_named(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert_named(path)


def test_one_changed_byte_never_changes_an_array(path: Path) -> None:
    """Wherever it is: either the file is refused, or the byte lay in unused room."""
    content = path.read_bytes()
    places = range(0, len(content), 5)
    read = 0
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with suppress(DamagedFileError, ForeignFileError):
            arrays = read_npz(path)
            read += 1
            assert all(np.array_equal(arrays[name], GOOD[name]) for name in GOOD)
    assert read < len(places) / 2


class Trap:
    """Unpickling it would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_never_run(path: Path) -> None:
    sprung = path.with_name("sprung")
    np.savez(path, **{**GOOD, "train_labels": np.array([Trap(sprung)] * 10, dtype=object)})
    assert_named(path)
    assert not sprung.exists()


WRONG = {
    "no labels": {"test_labels": None},
    "float images": {"train_images": GOOD["train_images"] / 255},
    "gray images without a channel": {"train_images": GOOD["train_images"][..., 0]},
    "no images": {"test_images": GOOD["test_images"][:0], "test_labels": GOOD["test_labels"][:0]},
    "one label too many": {"train_labels": np.arange(11) % 2},
    "float labels": {"train_labels": np.arange(10) / 2},
    "label below zero": {"train_labels": np.arange(10) - 1},
    "a class without training images": {"test_labels": np.arange(6)},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_wrong_arrays_are_refused(path: Path, change: dict) -> None:
    np.savez(path, **{k: v for k, v in {**GOOD, **change}.items() if v is not None})
    assert_named(path)


def test_loading_a_damaged_file_names_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDLIB_DATA", str(path.parent))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DamagedFileError, match=r"cifar10\.npz is damaged"):
        ddlib.load("cifar10x16")


def test_without_file_and_torchvision_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDLIB_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ModuleNotFoundError, match=r"svhn\.npz\. Install torchvision"):
        ddlib.load("svhn")


Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder of classes: drawn images in various sizes, modes and formats."""

    def make(**classes: list[str]) -> Path:
        home = tmp_path / "pets"
        for label, (name, modes) in enumerate(classes.items()):
            (home / name).mkdir(parents=True)
            for i, mode in enumerate(modes):
                color = {"L": 200, "RGB": (250, 0, 0), "RGBA": (0, 0, 250, 255), "P": 3}[mode]
                image = Image.new(mode, (20 + 9 * i, 31 - 3 * label), color)
                image.save(home / name / f"{i}.png")
        return home

    return make


def test_a_folder_of_uneven_classes_sizes_and_modes(folder: Folder) -> None:
    home = folder(cat=["RGB"] * 10, dog=["L", "RGBA"], emu=["RGBA", "P", "L", "RGB", "L"])
    real = ddlib.load_folder(home, size=16)
    assert (real.name, real.classes, real.shape) == ("pets", ("cat", "dog", "emu"), (3, 16, 16))
    assert real.train_labels.bincount().tolist() == [8, 1, 4]
    assert real.test_labels.bincount().tolist() == [2, 1, 1]
    mean, std = (torch.tensor(v)[:, None, None] for v in (real.mean, real.std))
    red = (real.train_images * std + mean)[real.train_labels == 0]
    expected = torch.tensor([250 / 255, 0, 0])[None, :, None, None].expand_as(red)
    torch.testing.assert_close(red, expected, atol=1e-5, rtol=0)
    assert torch.equal(ddlib.load_folder(home, size=16).train_images, real.train_images)


def test_images_are_cropped_around_their_center(folder: Folder) -> None:
    home = folder(cat=["RGB"] * 2, dog=["L"] * 2)
    wide = Image.new("RGB", (60, 20), (0, 0, 0))
    wide.paste((250, 0, 0), (20, 0, 40, 20))  # only the middle third is red
    for name in ("0.png", "1.png"):
        wide.save(home / "cat" / name)
    real = ddlib.load_folder(home, size=10)
    mean, std = (torch.tensor(v)[:, None, None] for v in (real.mean, real.std))
    red = (real.train_images * std + mean)[real.train_labels == 0][:, 0]
    assert float(red.min()) > 0.9  # resizing blends a little of what lies beyond the crop


def test_an_unreadable_image_is_named(folder: Folder) -> None:
    home = folder(cat=["RGB"] * 3, dog=["RGB"] * 3)
    (home / "dog" / "notes.txt").write_text("a very good dog")
    with pytest.raises(ValueError, match=r"cannot read .*dog.notes\.txt as an image"):
        ddlib.load_folder(home)


def test_a_truncated_image_is_named(folder: Folder) -> None:
    home = folder(cat=["RGB"] * 3, dog=["RGB"] * 3)
    image = home / "cat" / "1.png"
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"cannot read .*cat.1\.png as an image"):
        ddlib.load_folder(home)


def test_one_class_is_not_a_dataset(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one folder of images per class, at least two"):
        ddlib.load_folder(folder(cat=["RGB"] * 3))
    with pytest.raises(ValueError, match=r"nowhere must hold one folder"):
        ddlib.load_folder(tmp_path / "nowhere")


def test_one_image_is_not_a_class(folder: Folder) -> None:
    with pytest.raises(ValueError, match="dog needs at least two images"):
        ddlib.load_folder(folder(cat=["RGB"] * 3, dog=["RGB"]))
