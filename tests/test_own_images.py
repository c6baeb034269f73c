"""A reader's own folder of images, all the way: load, distill, save, judge, from the shell too."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ddlib
from ddlib.__main__ import main
from ddlib.training import Recipe

CLASSES = {"ant": 9, "bee": 5, "wasp": 4}  # uneven, and not in the order of their sizes
MODES = ("RGB", "L", "RGBA", "P")
METHOD = ["dm", "--ipc", "2", "--steps", "3", "--batch-real", "4"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Class folders of noisy images, brighter from class to class, in several sizes and modes."""
    draws = np.random.default_rng(0)
    for level, (name, count) in enumerate(CLASSES.items()):
        (tmp_path / "insects" / name).mkdir(parents=True)
        for i in range(count):
            noise = draws.integers(0, 60, size=(12 + 5 * (i % 3), 20, 3)) + 90 * level
            image = Image.fromarray(noise.astype(np.uint8)).convert(MODES[i % 4])
            image.save(tmp_path / "insects" / name / f"{i}.png")
    return tmp_path / "insects"


def distill(home: Path, out: Path, *method: str) -> ddlib.DistilledSet:
    where = ["--data", str(home), "--size", "16", "--out", str(out), "--device", "cpu"]
    main(["distill", *where, *(method or METHOD)])
    return ddlib.DistilledSet.load(out)


def test_the_shell_makes_the_set_that_python_makes(home: Path, tmp_path: Path) -> None:
    made = distill(home, tmp_path / "insects.safetensors")
    real = ddlib.load_folder(home, size=16)
    expected = ddlib.distill(real, ddlib.DistributionMatching(ipc=2, steps=3, batch_real=4))
    assert torch.equal(made.images, expected.images)
    assert torch.equal(made.labels, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert made.images.shape == (6, 3, 16, 16)
    assert made.meta["dataset"] == "insects"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["insects", "insects.safetensors"]


def test_class_names_come_from_the_folders_and_stay_with_the_set(
    home: Path, tmp_path: Path
) -> None:
    made = distill(home, tmp_path / "out")
    assert made.classes == ("ant", "bee", "wasp")
    brightness = made.pixels().mean((1, 2, 3)).unflatten(0, (3, 2)).mean(1)
    assert bool((brightness.diff() > 0.1).all()), "the images of each class are that class's"


def test_save_and_load_give_the_same_set(home: Path, tmp_path: Path) -> None:
    real = ddlib.load_folder(home, size=16)
    made = ddlib.distill(real, ddlib.DistributionMatching(ipc=1, steps=2, batch_real=4))
    again = ddlib.DistilledSet.load(made.save(tmp_path / "set"))
    assert torch.equal(again.images, made.images)
    assert torch.equal(again.labels, made.labels)
    for name in ("ipc", "classes", "mean", "std", "lr"):
        assert getattr(again, name) == getattr(made, name), name
    assert torch.equal(again.pixels(), made.pixels())


def test_a_set_is_judged_at_its_own_size(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], protocols: Callable[..., None]
) -> None:
    protocols(plain=Recipe(epochs=5))
    out = tmp_path / "out"
    made = distill(home, out)
    capsys.readouterr()
    main(["evaluate", str(out), "--data", str(home), "--nets", "2", "--device", "cpu"])
    expected = ddlib.evaluate(made, ddlib.load_folder(home, size=16), "plain", nets=2)
    assert capsys.readouterr().out.strip() == str(expected)


def test_the_reader_is_told_before_a_run_what_it_will_take(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def refuse(*arguments: object, **more: object) -> None:
        told.append(capsys.readouterr().err)
        raise ValueError("the run begins")

    monkeypatch.setattr(ddlib, "estimate", lambda *a, **more: ddlib.Estimate(180.0, 400.0))
    monkeypatch.setattr(ddlib, "distill", refuse)
    with pytest.raises(SystemExit, match="the run begins"):
        distill(home, tmp_path / "out")
    assert told == ["about 3 min, about 400 MiB on top of Python and torch\n"]


def test_selecting_says_nothing_before(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = distill(home, tmp_path / "out", "random", "--ipc", "3")
    assert capsys.readouterr().err == ""
    assert made.classes == tuple(CLASSES)
    real = ddlib.load_folder(home, size=16)
    assert torch.equal(made.images, ddlib.distill(real, ddlib.RandomSelection(ipc=3)).images)


def test_more_images_than_the_smallest_class_has_is_one_line(home: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"error: ipc must be between 1 and 3.*'wasp'"):
        distill(home, tmp_path / "out", "dm", "--ipc", "4")
    assert not (tmp_path / "out").exists()
