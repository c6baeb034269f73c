"""The command line: the same functions, one line for each error, no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import ddlib
from ddlib import __main__ as command_line
from ddlib.__main__ import main
from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.experiment.claims import beside
from ddlib.experiment.records import Record, load_record
from ddlib.training import Recipe

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short protocol, and a process whose memory is left as it is."""
    monkeypatch.setitem(PROTOCOLS, "plain", Recipe(epochs=20))
    monkeypatch.setattr(command_line, "keep_freed_memory", bool)


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

    monkeypatch.setattr(command_line, "repeat_study", answer)
    main(["repeat", "traits", "mixing", "--profile", "colab", "--work", str(tmp_path)])
    assert asked == [("mixing", "colab", tmp_path)]
    missing, *lines, last = capsys.readouterr().out.splitlines()
    pairs = beside(study)
    book, n = pairs[0][0], len(pairs)
    assert last.endswith(f" min, {n} claims, {n} of the same sign, {n} judged alike, 0 opposed")
    assert missing.startswith("traits: takes a record apart")
    assert lines[0] == book.claim
    seen = f"{book.ours}: {book.verdict}"
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
        "nowhere": lambda: main(["evaluate", str(tmp_path / "nowhere")]),
        "error: distillation diverged at step": lambda: main(
            ["distill", "--out", str(out), "dm", "--ipc", "1", "--steps", "9", "--lr", "1e30"]
        ),
    }
    for message, run in runs.items():
        assert message in error_of(capsys, run)
    assert not out.exists()


def test_full_without_a_gpu_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("DDLIB_DATA", str(tmp_path / "empty"))
    message = error_of(capsys, lambda: main(["record", "--profile", "full"]))
    assert message == "error: profile 'full' needs a GPU: there is none here. Try 'laptop'."
    assert not (tmp_path / "empty").exists()


def test_missing_torchvision_is_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("DDLIB_DATA", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    message = error_of(capsys, lambda: distill(tmp_path / "out", "--data", "mnist"))
    assert "Install torchvision to download it" in message
