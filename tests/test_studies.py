"""Studies: labelled arrays come back as they went, and a run that was killed loses one part."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers import Killed, toy_data

import ddlib
from ddlib import recording, studies
from ddlib.experiment import asking
from ddlib.files import DamagedFileError
from ddlib.studies import (
    Keeper,
    Study,
    at_once,
    load_study,
    record_study,
    recorded_sets,
    repeat_study,
)


def study(**changes: object) -> Study:
    made = Study(
        question="toys",
        dataset="digits",
        settings={"nets": 2},
        axes={"source": ("dm", "mtt"), "real": (0, 10, 50)},
        dims={"accuracy": ("source", "real"), "size": ("real",)},
        arrays={"accuracy": torch.arange(6.0).view(2, 3), "size": torch.tensor([1, 2, 3])},
    )
    return replace(made, **changes)


def test_arrays_are_picked_by_label() -> None:
    assert study().pick("accuracy", source="mtt").tolist() == [3, 4, 5]
    assert study().pick("accuracy", real=10).tolist() == [1, 4]
    assert float(study().pick("accuracy", real=50, source="dm")) == 2
    assert study().pick("size", source="dm").tolist() == [1, 2, 3]  # it has no such axis


def test_the_scale_is_the_profile_or_the_data_of_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert study(profile="laptop").scale == "laptop"
    monkeypatch.setitem(studies.OWN_DATA, "toys", "shapes")
    assert study(profile="laptop").scale == "shapes"


def test_an_unknown_label_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no source 'dsa' in digits-toys; there are: dm, mtt"):
        study().pick("accuracy", source="dsa")


def test_an_array_must_fit_its_axes() -> None:
    with pytest.raises(ValueError, match=r"'size' has shape \(2,\), not \(3,\)"):
        study(arrays={**study().arrays, "size": torch.zeros(2)})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    made = study(profile="laptop", passport={"seconds": 1.5})
    made.save(tmp_path)
    read = load_study("digits-toys", tmp_path)
    assert {k: v for k, v in vars(read).items() if k != "arrays"} == {
        k: v for k, v in vars(made).items() if k != "arrays"
    }
    assert all(torch.equal(read.arrays[k], v) for k, v in made.arrays.items())


def test_a_tampered_study_is_named_and_refused(tmp_path: Path) -> None:
    path = study().save(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedFileError, match=str(path)):
        load_study("digits-toys", tmp_path)


def test_an_unknown_study_lists_what_there_is(tmp_path: Path) -> None:
    study().save(tmp_path)
    with pytest.raises(ValueError, match=r"'digits-toy'; there are: digits-toys"):
        load_study("digits-toy", tmp_path)


def test_an_unknown_question_lists_the_valid_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "QUESTIONS", ("influence", "bias"))
    with pytest.raises(ValueError, match="unknown question 'mix'; choose one of: influence, bias"):
        studies.question_module("mix")


def test_a_keeper_makes_each_part_once(tmp_path: Path) -> None:
    calls = []
    make = lambda: calls.append(1) or {"x": torch.ones(2)}  # noqa: E731
    for _ in range(2):
        keep = Keeper(tmp_path, {"seed": 0})
        assert keep("part", make)["x"].tolist() == [1, 1]
        assert keep.seconds > 0
    assert len(calls) == 1
    Keeper(tmp_path, {"seed": 1})("part", make)
    assert len(calls) == 2, "parts of other settings are not mixed up"
    assert at_once("part", make)["x"].tolist() == [1, 1]


@dataclass(frozen=True)
class Settings:
    parts: int = 3


def toy_module(stop_before: list[int], made: list[int]) -> SimpleNamespace:
    """An experiment of three parts that is killed before the part `stop_before[0]`."""

    def part(i: int) -> dict[str, torch.Tensor]:
        if stop_before and i == stop_before[0]:
            raise Killed
        made.append(i)
        return {"x": torch.tensor(float(i))}

    def run(real: ddlib.ImageData, sets: studies.Sets, settings: Settings, keep: studies.Keep):
        values = [keep(f"part{i}", lambda i=i: part(i))["x"] for i in range(settings.parts)]
        axes = {"part": tuple(range(settings.parts))}
        arrays = {"value": torch.stack(values)}
        return Study("toys", real.name, asdict(settings), axes, {"value": ("part",)}, arrays)

    return SimpleNamespace(SETTINGS={"fast": Settings()}, run=run)


def test_a_killed_study_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, stop = [], [2]
    monkeypatch.setattr(studies, "question_module", lambda question: toy_module(stop, made))
    monkeypatch.setattr(studies, "load", lambda name, device: toy_data())
    monkeypatch.setattr(studies, "recorded_sets", lambda dataset, device: {"random": ()})
    record = lambda: record_study("toys", "fast", work=tmp_path, note="n", folder=tmp_path)  # noqa: E731
    with pytest.raises(Killed):
        record()
    assert not (tmp_path / "studies" / "toy-toys.safetensors").exists()
    stop.clear()
    record()
    assert made == [0, 1, 2]
    read = load_study("toy-toys", tmp_path)
    assert read.pick("value").tolist() == [0, 1, 2]
    assert read.profile == "fast"
    assert read.passport["data"] == "n"
    assert read.passport["seconds"] >= 0


def test_a_repeat_is_smaller_and_leaves_the_record_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toys = toy_module([], made := [])
    toys.SETTINGS = {"laptop": Settings(2), "record": Settings(5)}
    monkeypatch.setattr(studies, "question_module", lambda question: toys)
    monkeypatch.setattr(studies, "load", lambda name, device: toy_data())
    monkeypatch.setattr(studies, "recorded_sets", lambda dataset, device: {"random": ()})
    record = record_study("toys", "laptop", work=tmp_path, note="n", folder=tmp_path)
    repeat = repeat_study("toys", work=tmp_path)
    assert made == [0, 1, 2, 3, 4, 0, 1]  # no part of the one is taken for one of the other
    assert len(record.pick("value")) == len(load_study("toy-toys", tmp_path).pick("value")) == 5
    assert len(repeat.pick("value")) == 2
    assert len(load_study("toy-toys", tmp_path / "repeats").pick("value")) == 2
    assert record.profile == repeat.profile == "laptop"


def test_a_repeat_on_other_data_distills_its_sets_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: ddlib.ImageData
) -> None:
    toys, seen, presets = toy_module([], []), [], []
    toys.SETTINGS = {"laptop": Settings(1), "colab": Settings(2)}
    toys.run = lambda real, sets, *rest, run=toys.run: seen.append(sets) or run(real, sets, *rest)
    monkeypatch.setattr(studies, "question_module", lambda question: toys)
    monkeypatch.setattr(studies, "load", lambda name, device: digits)
    monkeypatch.setattr(studies, "METHODS", ("random",))
    monkeypatch.setattr(
        recording, "preset", lambda *of: presets.append(of) or ddlib.RandomSelection(ipc=of[1])
    )
    for _ in range(2):
        study = repeat_study("toys", "colab", work=tmp_path)
    assert presets == [("random", 10, "colab")] * 2, "one for each seed, in the first repeat alone"
    first, second = seen[0]["random"]
    expected = ddlib.distill(digits, ddlib.RandomSelection(ipc=10), seed=1).images
    assert torch.allclose(second.images, expected, atol=0.01)  # kept in 16 bits
    assert not first.images.equal(second.images)
    assert study.profile == "colab"
    assert len(study.pick("value")) == 2


def test_every_question_can_be_recorded_and_repeated() -> None:
    for question in {*studies.QUESTIONS} - {*asking.questions()}:
        module = studies.question_module(question)
        assert {"fast", "laptop", "record", "full"} == set(module.SETTINGS) - {"colab"}, question


def test_a_study_without_sets_says_what_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "load", lambda name, device: replace(toy_data(), name="unknown"))
    monkeypatch.setattr(studies, "QUESTIONS", ("influence",))
    with pytest.raises(ValueError, match=r"no distilled sets of unknown.*record --profile fast"):
        record_study("influence", "fast", work=tmp_path, note="", folder=tmp_path)


def test_the_sets_that_studies_take_apart_ship_in_pairs() -> None:
    for dataset in ("digits", "cifar10x16"):
        sets = recorded_sets(dataset)
        assert {"random", "dm", "dc", "dsa", "mtt", "bptt"} <= set(sets)
        for tag, pair in sets.items():
            assert [one.meta["seed"] for one in pair] == [0, 1], tag
            assert all(one.ipc == studies.IPC for one in pair)
