"""Real data: standardization, splits, rows by class, and messages for data that do not fit."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import toy_data
from PIL import Image

import ddlib
from ddlib.data import NAMES, check_ipc, sample_per_class, shapes
from ddlib.seeds import generator
from ddlib.sources import PHOTOS

SIZES = (7, 4, 9)


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A small file of random images under the name and in the form of CIFAR-10."""
    draws = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 40), ("test", 20)):
        arrays[f"{split}_images"] = draws.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 10).astype(np.uint8)
    np.savez(tmp_path / "cifar10.npz", **arrays)
    monkeypatch.setenv("DDLIB_DATA", str(tmp_path))
    return arrays


@pytest.mark.parametrize("split", ["train", "test"])
def test_file_is_read_as_standardized_channels_first(cifar10: dict, split: str) -> None:
    real = ddlib.load("cifar10")
    images, labels = getattr(real, f"{split}_images"), getattr(real, f"{split}_labels")
    assert real.classes[:2] == ("airplane", "automobile")
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert labels.tolist() == cifar10[f"{split}_labels"].tolist()
    mean, std = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2023, 0.1994, 0.2010])
    expected = (cifar10[f"{split}_images"] / 255 - mean) / std
    np.testing.assert_allclose(images.permute(0, 2, 3, 1), expected, atol=2e-6)


def test_cifar10x16_is_the_mean_of_two_by_two_pixels(cifar10: dict) -> None:
    small = ddlib.load("cifar10x16")
    assert small.shape == (3, 16, 16)
    pixels = torch.from_numpy(cifar10["test_images"]) / 255
    corners = [pixels[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    mean, std = torch.tensor(small.mean), torch.tensor(small.std)
    expected = (sum(corners) / 4 - mean) / std
    torch.testing.assert_close(small.test_images.permute(0, 2, 3, 1), expected)
    assert small.classes == ddlib.load("cifar10").classes


def test_unknown_dataset_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="unknown dataset 'cifar'; choose one of: ") as error:
        ddlib.load("cifar")
    assert all(name in str(error.value) for name in NAMES)


@pytest.mark.parametrize("name", ["digits", "shapes", "photos"])
def test_training_pixels_have_mean_zero_and_spread_one(name: str) -> None:
    real = ddlib.load(name)
    std, mean = torch.std_mean(real.train_images, dim=(0, 2, 3))
    assert torch.allclose(mean, torch.zeros(()), atol=1e-5)
    assert torch.allclose(std, torch.ones(()), atol=1e-5)
    scale, shift = (torch.tensor(v)[:, None, None] for v in (real.std, real.mean))
    pixels = torch.cat([real.train_images, real.test_images]) * scale + shift
    assert -1e-6 < float(pixels.min()) < 1e-6
    assert float(pixels.max()) == pytest.approx(1)


def test_digits_are_split_once_and_every_class_alike(digits: ddlib.ImageData) -> None:
    train, test = digits.train_labels.bincount(), digits.test_labels.bincount()
    assert int(train.sum() + test.sum()) == 1797
    shares = (test / (train + test)).tolist()
    assert shares == pytest.approx([0.2] * 10, abs=0.5 / 174)
    both = torch.cat([digits.train_images, digits.test_images]).flatten(1)
    assert len(both.unique(dim=0)) == 1797
    assert torch.equal(ddlib.load("digits").test_images, digits.test_images)


def test_class_rows_hold_each_class_and_repeat_only_to_fill() -> None:
    real = toy_data(SIZES)
    rows, counts = real.class_rows
    assert counts.tolist() == list(SIZES)
    assert rows.shape == (3, max(SIZES))
    for label, size in enumerate(SIZES):
        members = (real.train_labels == label).nonzero()[:, 0]
        assert rows[label, :size].tolist() == members.tolist()
        assert set(rows[label].tolist()) == set(members.tolist())


@pytest.mark.parametrize("n", [1, 3, 4])
def test_sampled_rows_differ_and_are_of_their_class(n: int) -> None:
    real = toy_data(SIZES)
    for seed in range(20):
        rows = sample_per_class(real, n, generator(seed))
        assert rows.flatten().unique().numel() == 3 * n
        assert real.train_labels[rows].tolist() == [[label] * n for label in range(3)]


def test_a_small_class_gives_all_it_has_before_it_repeats() -> None:
    real = toy_data(SIZES)
    rows = sample_per_class(real, 6, generator(0))
    assert [row.unique().numel() for row in rows] == [6, 4, 6]
    assert sample_per_class(real, 100, generator(0)).shape == (3, max(SIZES))


def test_every_row_is_sampled_equally_often() -> None:
    real = toy_data(SIZES)
    n = 4000
    draws = torch.stack([sample_per_class(real, 2, generator(seed)) for seed in range(n)])
    times = draws.flatten().bincount()
    for label, size in enumerate(SIZES):
        share = 2 / size
        spread = (n * share * (1 - share)) ** 0.5
        mine = times[real.train_labels == label]
        assert float((mine - n * share).abs().max()) < 4 * spread


@pytest.mark.parametrize("ipc", [0, -1, 5])
def test_ipc_beyond_the_smallest_class_is_refused(ipc: int) -> None:
    with pytest.raises(ValueError, match=rf"between 1 and 4, .* toy \('b'\); got {ipc}"):
        check_ipc(toy_data(SIZES), ipc)
    with pytest.raises(ValueError, match="ipc must be between"):
        ddlib.distill(toy_data(SIZES), ddlib.RandomSelection(ipc=ipc))


BAD_DATA = {
    "images without channels": ({"test_images": torch.zeros(30, 8, 8)}, "shape (n, c, h, w)"),
    "whole numbers": ({"train_images": torch.zeros(20, 2, 8, 8).int()}, "got torch.int32"),
    "three channels": ({"train_images": torch.zeros(20, 3, 8, 8)}, "3 channels"),
    "no images": ({"test_images": torch.zeros(0, 2, 8, 8)}, "n at least 1"),
    "label too large": ({"test_labels": torch.full((30,), 3)}, "from 0 to 2"),
    "label below zero": ({"train_labels": torch.full((20,), -1)}, "from 0 to 2"),
    "one label too few": ({"train_labels": torch.zeros(19).long()}, "each of 20 images"),
    "labels as fractions": ({"test_labels": torch.zeros(30)}, "got torch.float32"),
    "an empty class": ({"train_labels": torch.arange(20) % 2}, "class 'c' has no training image"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("change", "message"), BAD_DATA.values(), ids=BAD_DATA)
def test_data_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(toy_data(SIZES), **change)


def test_shapes_are_known_by_their_attributes() -> None:
    real = shapes()
    assert real.attributes["train"].keys() == {"x", "y", "size", "background", "color"}
    assert real.train_labels.bincount().tolist() == [400] * 5
    assert real.test_labels.bincount().tolist() == [200] * 5
    again, other = shapes(seed=0), shapes(seed=1)
    assert torch.equal(again.train_images, real.train_images)
    assert not torch.equal(other.train_images, real.train_images)


def test_spurious_color_is_in_the_training_images_alone() -> None:
    tied, free = shapes(spurious=1.0), shapes(spurious=0.0)
    assert torch.equal(tied.attributes["train"]["color"].long(), tied.train_labels)
    for real, split in ((tied, "test"), (free, "train"), (free, "test")):
        color, labels = real.attributes[split]["color"].long(), getattr(real, f"{split}_labels")
        agree = int((color == labels).sum())
        n = len(labels)
        assert abs(agree - n / 5) < 4 * (n * 0.2 * 0.8) ** 0.5
    half = shapes(spurious=0.5)
    agree = int((half.attributes["train"]["color"].long() == half.train_labels).sum())
    assert abs(agree - 2000 * 0.6) < 4 * (2000 * 0.6 * 0.4) ** 0.5


def test_same_standardization_for_both_splits() -> None:
    real = shapes()
    attributes = real.attributes["test"]
    mean, std = (torch.tensor(v)[:, None, None] for v in (real.mean, real.std))
    corner = (real.test_images * std + mean)[:, :, 0, 0].mean(1)  # no shape reaches a corner
    assert F.mse_loss(corner, attributes["background"]) < 0.05**2


def test_photos_are_five_balanced_classes_that_come_with_the_package() -> None:
    real = ddlib.load("photos")
    assert real.classes == ("airplane", "automobile", "cat", "ship", "truck")
    assert real.shape == (3, 16, 16)
    assert real.train_labels.bincount().tolist() == [300] * 5
    assert real.test_labels.bincount().tolist() == [180] * 5
    both = torch.cat([real.train_images, real.test_images]).flatten(1)
    assert len(both.unique(dim=0)) == len(both)
    assert sum(file.stat().st_size for file in PHOTOS.iterdir()) < 1_200_000


def test_photos_are_tiles_of_their_sheets_in_order() -> None:
    """The 21st photograph of a class begins the second row of its sheet of twenty columns."""
    real = ddlib.load("photos")
    mean, std = (torch.tensor(v)[:, None, None] for v in (real.mean, real.std))
    pixels = (real.test_images * std + mean) * 255
    with Image.open(PHOTOS / "test-ship.webp") as sheet:
        ships = torch.from_numpy(np.array(sheet)).permute(2, 0, 1).float()
    torch.testing.assert_close(pixels[540], ships[:, :16, :16], atol=1e-3, rtol=0)
    torch.testing.assert_close(pixels[561], ships[:, 16:32, 16:32], atol=1e-3, rtol=0)
