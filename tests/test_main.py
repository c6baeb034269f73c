"""The command line: the same functions, one line for each error, no traceback."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import ddlib
from ddlib import __main__ as command_line
from ddlib.__main__ import main
from ddlib.experiment import asking
from ddlib.experiment.claims import beside
from ddlib.experiment.records import Record, load_record
from ddlib.presets import METHODS, made_by
from ddlib.training import Recipe

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, protocols: Callable[..., None]) -> None:
    """A short protocol, and a process whose memory is left as it is."""
    protocols(plain=Recipe(epochs=20))
    monkeypatch.setattr(command_line, "keep_freed_memory", bool)


def shell(command: str) -> None:
    main(command.split())


def distill(out: Path, *more: str) -> None:
    main(["distill", "--out", str(out), *more, "dm", "--ipc", "1", "--steps", "3"])


def test_distill_then_evaluate(tmp_path: Path, capsys: Capture, digits: ddlib.ImageData) -> None:
    out = tmp_path / "dm.safetensors"
    distill(out, "--seed", "2", "--device", "cpu")
    assert f"{out} 10 images" in capsys.readouterr().out
    made = ddlib.DistilledSet.load(out)
    method = ddlib.DistributionMatching(ipc=1, steps=3)
    assert torch.equal(made.images, ddlib.distill(digits, method, seed=2).images)
    assert [p.name for p in tmp_path.iterdir()] == [out.name]  # the checkpoint is gone

    main(["evaluate", str(out), "--nets", "2", "--device", "cpu"])
    expected = ddlib.evaluate(made, digits, "plain", nets=2)
    assert capsys.readouterr().out.strip() == str(expected)


def test_repeat_prints_what_the_book_has_and_what_came_out(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = load_record("cifar10x16-mixing")
    asked = []

    def answer(question: str, profile: str, work: Path) -> Record:
        asked.append((question, profile, work))
        return study

    monkeypatch.setattr(asking, "repeat", answer)
    main(["repeat", "traits", "mixing", "--profile", "colab", "--work", str(tmp_path)])
    assert asked == [("mixing", "colab", tmp_path)]
    missing, *lines, last = capsys.readouterr().out.splitlines()
    pairs = beside(study)
    book, n = pairs[0][0], len(pairs)
    assert last.endswith(f" min, {n} claims, {n} of the same sign, {n} judged alike, 0 opposed")
    assert missing.startswith("traits: takes a record apart")
    assert lines[0] == book.claim
    seen = f"{book.here}: {book.verdict}"
    assert lines[1] == f"    book {seen}; here {seen}"


def error_of(capsys: Capture, run: Callable[[], None]) -> str:
    """The one line printed by a run that ends with exit code 1."""
    with pytest.raises(SystemExit) as stop:
        run()
    message = stop.value.code
    assert isinstance(message, str), "a message as exit code: Python prints it and exits with 1"
    assert "\n" not in message
    assert capsys.readouterr().out == ""
    return message


def test_errors_are_one_line(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "dm.safetensors"
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "damaged").write_bytes(b"not tensors")
    runs = {
        "error: unknown dataset 'cifar'": lambda: distill(out, "--data", "cifar"),
        "error: ipc must be between 1 and": lambda: main(
            ["distill", "--out", str(out), "random", "--ipc", "0"]
        ),
        "cannot write": lambda: distill(tmp_path / "file" / "dm.safetensors"),
        "damaged is damaged or not a ddlib file": lambda: main(
            ["evaluate", str(tmp_path / "damaged")]
        ),
        "error: there is no file nowhere": lambda: main(["evaluate", "nowhere"]),
        "error: there is no file nowhere.npz": lambda: distill(out, "--data", "nowhere.npz"),
        "error: distillation diverged at step": lambda: main(
            ["distill", "--out", str(out), "dm", "--ipc", "1", "--steps", "9", "--lr", "1e30"]
        ),
    }
    for message, run in runs.items():
        assert message in error_of(capsys, run)
    assert not out.exists()


def test_missing_torchvision_is_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("DDLIB_DATA", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    message = error_of(capsys, lambda: distill(tmp_path / "out", "--data", "mnist"))
    assert "Install torchvision to download it" in message


def test_options_stand_in_any_order(tmp_path: Path) -> None:
    sets = []
    for i, words in enumerate(
        ("dm --ipc 1 --steps 3 OUT --seed 2", "--seed 2 dm OUT --ipc 1 --steps 3")
    ):
        out = tmp_path / f"{i}.safetensors"
        main(["distill", *words.replace("OUT", f"--out {out}").split()])
        sets.append(ddlib.DistilledSet.load(out))
    assert torch.equal(sets[0].images, sets[1].images)


def test_each_method_has_one_line_in_the_list(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["distill", "--help"])
    listed = re.findall(r"• (\w+)\s+([^•]+)", capsys.readouterr().out)
    assert [tag for tag, _ in listed] == list(METHODS)
    assert max(len(" ".join(help.replace("│", " ").split())) for _, help in listed[:-1]) < 80


MODULE = """
from dataclasses import dataclass
from typing import ClassVar

import ddlib
import torch
from torch import nn


def net(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))


@dataclass(frozen=True, kw_only=True)
class First:
    \"\"\"The first images.\"\"\"

    tag: ClassVar[str] = "first"
    steps: ClassVar[int] = 0
    ipc: int
    skip: int = 0

    def initialize(self, real, seed):
        rows = real.class_rows[0][:, self.skip : self.skip + self.ipc].flatten()
        return {"images": real.train_images[rows], "labels": real.train_labels[rows]}


ddlib.register(First, lambda ipc, profile: {"skip": 2 * ipc})
"""


def test_what_a_reader_wrote_is_known_to_the_shell_presets_and_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, digits: ddlib.ImageData
) -> None:
    monkeypatch.chdir(tmp_path)
    known = dict(METHODS)
    (tmp_path / "of_a_reader.py").write_text(MODULE)
    try:
        shell("distill first --ipc 2 --out first.safetensors --import of_a_reader")
        made = ddlib.DistilledSet.load("first.safetensors")
        assert torch.equal(made.images[:2], digits.train_images[digits.class_rows[0][0, :2]])
        assert made_by(made) == METHODS["first"](ipc=2)
        assert ddlib.preset("first", 3) == METHODS["first"](ipc=3, skip=6)
        shell("evaluate first.safetensors --nets 1 --network of_a_reader:net")
        assert "% (n = 1" in capsys.readouterr().out
        with pytest.raises(ValueError, match="there is a method 'first' already"):
            ddlib.register(type("Other", (METHODS["first"],), {}))
        shell("distill dm --network of_a_reader:net --ipc 1 --steps 2 --out dm.safetensors")
        assert (
            ddlib.DistilledSet.load("dm.safetensors").meta["method"]["network"] == "of_a_reader:net"
        )
    finally:
        for tag in set(METHODS) - set(known):
            del METHODS[tag]
        sys.modules.pop("of_a_reader", None)


@pytest.mark.parametrize("tag", ["my-method", "", None, "1st"])
def test_a_tag_is_a_word(tag: object) -> None:
    wrong = type("Wrong", (ddlib.RandomSelection,), {"tag": tag})
    with pytest.raises(ValueError, match="tag must be a word"):
        ddlib.register(wrong)


def test_data_may_be_a_file_of_arrays(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    arrays = {
        f"{split}_{what}": draws.integers(0, 256, (12, 8, 8, 3), np.uint8)
        if what == "images"
        else np.arange(12) % 3
        for split in ("train", "test")
        for what in ("images", "labels")
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    distill(tmp_path / "out", "--data", str(tmp_path / "mine.npz"))
    made = ddlib.DistilledSet.load(tmp_path / "out")
    assert (made.meta["dataset"], made.images.shape) == ("mine", (3, 3, 8, 8))
