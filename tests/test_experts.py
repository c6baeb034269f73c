"""Experts: paths equal to plain training, continued to the bit, in files that are checked."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import toy_data

from ddlib import experts
from ddlib.ensemble import flatten
from ddlib.experts import train_experts
from ddlib.files import DamagedFileError
from ddlib.networks import build
from ddlib.training import Recipe, train

RECIPE = Recipe(epochs=4, batch=5, lr=0.05, momentum=0.0, augment=("scale", "crop"))


def test_a_path_holds_every_epoch_of_plain_training() -> None:
    real = toy_data()
    net = build("convnet", real.shape, 3)
    paths = train_experts(real, "convnet", RECIPE, [3, 8])
    assert paths.shape[:2] == (2, 5)
    for epochs in range(5):
        recipe = replace(RECIPE, epochs=epochs)
        after = train(net, real.train_images, real.train_labels, recipe, [3, 8])
        assert torch.equal(paths[:, epochs], flatten(net, after))


def test_files_are_read_and_continued_to_the_same_bits(tmp_path: Path) -> None:
    real = toy_data()
    alone = train_experts(real, "convnet", RECIPE, [3, 8])
    short = train_experts(real, "convnet", replace(RECIPE, epochs=2), [3, 8], tmp_path)
    assert torch.equal(short, alone[:, :3])
    assert torch.equal(train_experts(real, "convnet", RECIPE, [3, 8], tmp_path), alone)
    assert torch.equal(train_experts(real, "convnet", RECIPE, [8], tmp_path), alone[1:])
    assert torch.equal(
        train_experts(real, "convnet", replace(RECIPE, epochs=1), [3], tmp_path), alone[:1, :2]
    )


def test_what_is_there_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_experts(toy_data(), "convnet", RECIPE, [3], tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    monkeypatch.setattr(experts, "train_epochs", None)  # calling it would fail
    assert torch.equal(train_experts(toy_data(), "convnet", RECIPE, [3], tmp_path), first)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_killed_while_training_it_continues_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, replace_file, writes = toy_data(), os.replace, iter(range(100))
    alone = train_experts(real, "convnet", RECIPE, [3, 8])
    monkeypatch.setattr(experts, "SAVE_SECONDS", 0.0)

    def stop(*paths: object) -> None:
        if next(writes) == 5:  # a file of the second expert is written but not yet in its place
            raise KeyboardInterrupt
        replace_file(*paths)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        train_experts(real, "convnet", RECIPE, [3, 8], tmp_path)
    monkeypatch.setattr(os, "replace", replace_file)
    assert torch.equal(train_experts(real, "convnet", RECIPE, [3, 8], tmp_path), alone)


@pytest.mark.parametrize(
    ("real", "recipe", "network"),
    [
        (toy_data(seed=1), RECIPE, "convnet"),
        (toy_data(), replace(RECIPE, lr=0.1), "convnet"),
        (toy_data(), RECIPE, "convnet-layer"),
    ],
    ids=["data", "recipe", "network"],
)
def test_other_experts_have_other_files(
    tmp_path: Path, real: object, recipe: Recipe, network: str
) -> None:
    train_experts(toy_data(), "convnet", RECIPE, [3], tmp_path)
    found = train_experts(real, network, recipe, [3], tmp_path)
    assert torch.equal(found, train_experts(real, network, recipe, [3]))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    train_experts(toy_data(), "convnet", RECIPE, [3], tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedFileError, match="expert-toy-seed3"):
        train_experts(toy_data(), "convnet", RECIPE, [3], tmp_path)


def test_momentum_is_refused() -> None:
    with pytest.raises(ValueError, match="without momentum"):
        train_experts(toy_data(), "convnet", replace(RECIPE, momentum=0.9), [0])
