"""A distilled set: what it holds comes back, what does not fit is refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.files import DamagedFileError, load_tensors, save_tensors


def a_set(soft: bool = False, lr: float | None = None) -> ddlib.DistilledSet:
    """Six images for three classes."""
    real = toy_data()
    labels = torch.arange(3).repeat_interleave(2)
    labels = (torch.eye(3)[labels] + 0.1).softmax(1) if soft else labels
    return ddlib.DistilledSet.of(real, real.train_images[:6], labels, lr=lr, meta={"seed": 4})


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("lr", [None, 0.02])
def test_round_trip(tmp_path: Path, soft: bool, lr: float | None) -> None:
    made = a_set(soft, lr)
    back = ddlib.DistilledSet.load(made.save(tmp_path / "here"))
    assert torch.equal(back.images, made.images)
    assert torch.equal(back.labels, made.labels)
    assert (back.images.dtype, back.labels.dtype) == (made.images.dtype, made.labels.dtype)
    about = [(s.ipc, s.classes, s.mean, s.std, s.lr, s.meta) for s in (back, made)]
    assert about[0] == about[1]
    assert back.history == ()


def test_half_precision_rounds_images_alone(tmp_path: Path) -> None:
    made = a_set(soft=True)
    path = made.save(tmp_path / "here", half=True)
    back = ddlib.DistilledSet.load(path)
    assert load_tensors(path)[0]["images"].dtype == torch.float16
    assert back.images.dtype == torch.float32
    assert torch.equal(back.images, made.images.half().float())
    assert torch.equal(back.labels, made.labels)


def test_a_distilled_set_is_saved_with_its_origin(tmp_path: Path) -> None:
    method = ddlib.DistributionMatching(ipc=1, steps=2, batch_real=4)
    made = ddlib.distill(toy_data(), method, seed=9)
    back = ddlib.DistilledSet.load(made.save(tmp_path / "here"))
    assert torch.equal(back.images, made.images)
    assert back.meta == made.meta
    assert back.meta["method"]["batch_real"] == 4


def test_pixels_undo_the_standardization() -> None:
    made = a_set()
    expected = (made.images * 0.25 + 0.5).clamp(0, 1)
    torch.testing.assert_close(made.pixels(), expected)
    torch.testing.assert_close(made.pixels(made.images[None, :2]), expected[None, :2])


def test_history_is_a_set_at_each_snapshot() -> None:
    method = ddlib.DistributionMatching(ipc=1, steps=4, batch_real=4)
    made = ddlib.distill(toy_data(), method)
    assert torch.equal(made.at(0).images, method.initialize(toy_data(), 0)["images"])
    assert torch.equal(made.at(-1).images, made.images)
    assert made.at(0).history == ()
    for past_the_end in (len(made.history), -len(made.history) - 1):
        with pytest.raises(IndexError, match=f"this set kept {len(made.history)}"):
            made.at(past_the_end)
    with pytest.raises(IndexError, match="no snapshot 0: this set kept 0"):
        ddlib.distill(toy_data(), ddlib.RandomSelection(ipc=1), seed=0).at(0)


BAD_SETS = {
    "images without channels": ({"images": torch.zeros(6, 8, 8)}, "got torch.float32 of shape (6,"),
    "whole numbers": ({"images": torch.zeros(6, 2, 8, 8).int()}, "got torch.int32"),
    "no images": ({"images": torch.zeros(0, 2, 8, 8)}, "n at least 1"),
    "too many channels": ({"images": torch.zeros(6, 3, 8, 8)}, "3 channels need as many means"),
    "one label too few": ({"labels": torch.arange(5) % 3}, "each of 6 images"),
    "short integers": ({"labels": torch.zeros(6, dtype=torch.int16)}, "got torch.int16"),
    "label too large": ({"labels": torch.full((6,), 3)}, "labels must be from 0 to 2"),
    "label below zero": ({"labels": torch.full((6,), -1)}, "labels must be from 0 to 2"),
    "hard labels in a column": ({"labels": torch.zeros(6, 1).long()}, "shape (6, 1)"),
    "soft labels, one class short": ({"labels": torch.rand(6, 2)}, "shape (6, 3); got (6, 2)"),
    "soft labels, one image short": ({"labels": torch.rand(5, 3)}, "shape (6, 3); got (5, 3)"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("change", "message"), BAD_SETS.values(), ids=BAD_SETS)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(a_set(), **change)


@pytest.mark.usefixtures("unchecked")
def test_a_file_whose_content_does_not_fit_is_named(tmp_path: Path) -> None:
    path = a_set().save(tmp_path / "here")
    tensors, about = load_tensors(path)
    wrong = {
        "labels": (tensors | {"labels": tensors["labels"] + 1}, about),
        "no labels": ({"images": tensors["images"]}, about),
        "no classes": (tensors, {k: v for k, v in about.items() if k != "classes"}),
        "more": (tensors, about | {"color": "red"}),
    }
    for content in wrong.values():
        save_tensors(path, *content)
        with pytest.raises(DamagedFileError, match="here is damaged or not a ddlib file"):
            ddlib.DistilledSet.load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ddlib.DistilledSet.load(tmp_path / "nowhere")
