"""Recording: what ships is what was evaluated, and nothing is done twice."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib import recording
from ddlib.files import load_json, load_tensors, save_json
from ddlib.recording import record_cell
from ddlib.results import recorded
from ddlib.training import Recipe


@pytest.fixture(autouse=True)
def short(protocols: Callable[..., None]) -> None:
    protocols(plain=Recipe(epochs=8), augmented=Recipe(epochs=4, batch=2))


def toys() -> ddlib.ImageData:
    return toy_data((12, 11, 14), channels=3)


def record(folder: Path, tag: str = "random", ipc: int = 2, nets: int = 3, sets: int = 2) -> None:
    record_cell(
        toys(), tag, ipc, "fast",
        protocols=("plain", "augmented"), sets=sets, nets=nets, work=folder / "work", note="toys",
        folder=folder / "shipped",
    )  # fmt: skip


def test_a_cell_holds_two_sets_and_a_result_for_each_protocol(tmp_path: Path) -> None:
    record(tmp_path)
    shipped = tmp_path / "shipped"
    assert recorded("results", shipped) == ["toy-random-ipc2-augmented", "toy-random-ipc2-plain"]
    assert recorded("sets", shipped) == ["toy-random-ipc2", "toy-random-ipc2-seed1"]
    result = ddlib.load_result("toy-random-ipc2-plain", shipped)
    assert result.provenance["seeds"] == {"sets": [0, 1], "networks": [0, 1, 2]}
    assert result.provenance["data"] == "toys"
    assert result.settings == {"ipc": 2}


def test_what_ships_is_what_was_evaluated(tmp_path: Path) -> None:
    record(tmp_path)
    shipped = tmp_path / "shipped"
    for protocol in ("plain", "augmented"):
        result = ddlib.load_result(f"toy-random-ipc2-{protocol}", shipped)
        for name, found in zip(recorded("sets", shipped), result.accuracies, strict=True):
            made = ddlib.load_recorded(name, shipped)
            again = ddlib.evaluate(made, toys(), protocol, nets=3)
            assert found == again.accuracies


def test_sets_ship_at_half_precision(tmp_path: Path) -> None:
    record(tmp_path)
    tensors, _ = load_tensors(tmp_path / "shipped" / "sets" / "toy-random-ipc2.safetensors")
    assert tensors["images"].dtype == torch.float16


def test_what_is_recorded_is_left_alone(tmp_path: Path) -> None:
    def written() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}

    record(tmp_path)
    before = written()
    record(tmp_path)
    assert written() == before, "a file was written again, even if it is the same"


def test_more_sets_and_networks_join_those_that_are_recorded(tmp_path: Path) -> None:
    record(tmp_path, sets=1, nets=2)
    before = ddlib.load_result("toy-random-ipc2-plain", tmp_path / "shipped").accuracies
    record(tmp_path, sets=2, nets=3)
    after = ddlib.load_result("toy-random-ipc2-plain", tmp_path / "shipped").accuracies
    assert [len(networks) for networks in after] == [3, 3]
    assert after[0][:2] == before[0]
    record(tmp_path, sets=1, nets=1)
    assert ddlib.load_result("toy-random-ipc2-plain", tmp_path / "shipped").accuracies == after


def test_finished_networks_of_an_interrupted_evaluation_are_kept(tmp_path: Path) -> None:
    record(tmp_path)
    part = tmp_path / "work" / "toy-random-ipc2-plain-set0.json"
    save_json(part, load_json(part) | {"accuracies": [12.5, 25.0], "seconds": 100.0})
    (tmp_path / "shipped" / "results" / "toy-random-ipc2-plain.json").unlink()
    record(tmp_path)
    result = ddlib.load_result("toy-random-ipc2-plain", tmp_path / "shipped")
    made = ddlib.load_recorded("toy-random-ipc2", tmp_path / "shipped")
    third = ddlib.evaluate(made, toys(), "plain", nets=1, seed=2)
    assert result.accuracies[0] == (12.5, 25.0, *third.accuracies)
    assert result.provenance["seconds"] > 100


def test_an_earlier_set_of_the_same_name_is_not_taken_for_this_one(tmp_path: Path) -> None:
    record(tmp_path)
    shipped, part = tmp_path / "shipped", tmp_path / "work" / "toy-random-ipc2-plain-set0.json"
    (shipped / "sets" / "toy-random-ipc2.safetensors").unlink()
    (shipped / "results" / "toy-random-ipc2-plain.json").unlink()
    save_json(part, load_json(part) | {"of": "another set", "accuracies": [1.0, 2.0, 3.0]})
    record(tmp_path)
    result = ddlib.load_result("toy-random-ipc2-plain", shipped)
    made = ddlib.load_recorded("toy-random-ipc2", shipped)
    again = ddlib.evaluate(made, toys(), "plain", nets=3)
    assert result.accuracies[0] == again.accuracies


def test_large_sets_do_not_ship(tmp_path: Path) -> None:
    record(tmp_path, ipc=11, nets=2, sets=1)
    assert recorded("sets", tmp_path / "shipped") == []
    assert (tmp_path / "work" / "toy-random-ipc11.safetensors").exists()


def test_the_watched_run_leaves_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short_run = ddlib.DistributionMatching(ipc=10, steps=4, batch_real=4)
    monkeypatch.setattr(recording, "preset", lambda *_: short_run)
    record(tmp_path, "dm", ipc=10, nets=1)
    shipped = tmp_path / "shipped"
    assert recorded("traces", shipped) == ["toy-dm-ipc10"]
    trace = ddlib.load_trace("toy-dm-ipc10", shipped)
    made = ddlib.distill(toys(), short_run)
    shown = made.pixels().unflatten(0, (3, 10))[:, :5]  # the first of each class
    assert trace.steps == tuple(shot.step for shot in made.history)
    assert torch.equal(trace.frames[-1], (shown.flatten(0, 1) * 255).round().to(torch.uint8))
    first = ddlib.evaluate(made.at(0), toys(), "plain", nets=3)
    assert trace.accuracies[0] == first.accuracies
    assert not list((tmp_path / "work").glob("*checkpoint*"))
