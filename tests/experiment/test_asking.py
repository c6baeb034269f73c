"""Asking a question and keeping what it finds; records, repeats, and the sets they take apart."""

from dataclasses import replace
from pathlib import Path

import pytest
import small
import torch

import ddlib
from ddlib.experiment import asking
from ddlib.experiment.bench import Bench
from ddlib.experiment.records import load_record
from ddlib.questions.ceiling.experiment import Plan

ONE = small.PLANS["ceiling"]
TWO = replace(ONE, nets=2)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return small.bench("ceiling")


def test_an_unknown_question_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown question 'mix'; .*influence, sem"):
        asking.part("mix")


def test_questions_stand_in_the_order_of_their_chapters() -> None:
    names = asking.questions()
    assert names[0] == "ceiling"
    assert names.index("influence") < names.index("semantics") < names.index("transfer")


def test_a_repeat_leaves_the_record_alone(tmp_path: Path, bench: Bench) -> None:
    def ask(how, plan: Plan, **more: object):
        return how("ceiling", "laptop", work=tmp_path, bench=bench, plan=plan, **more)

    record = ask(asking.study, TWO, note="n", folder=tmp_path)
    repeat = ask(asking.repeat, ONE)
    kept = (
        load_record("digits-ceiling", tmp_path),
        load_record("digits-ceiling", tmp_path / "repeats"),
    )
    networks = [one.table["network"].nunique() for one in (record, repeat, *kept)]
    assert networks == [2, 1, 2, 1]
    assert record.profile == repeat.profile == "laptop"
    assert record.provenance["data"] == "n"
    assert record.provenance["seconds"] > 0


def test_the_seconds_of_a_record_count_all_its_cells(tmp_path: Path, bench: Bench) -> None:
    """Also of those that an earlier run made."""
    both = [
        asking.study(
            "ceiling", "fast", work=tmp_path, note="", folder=tmp_path, bench=bench, plan=p
        )
        for p in (ONE, ONE)
    ]
    first, again = (record.provenance["seconds"] for record in both)
    assert first == again > 0


def test_short_sets_are_distilled_once(tmp_path: Path, digits: ddlib.ImageData) -> None:
    made = [asking.short_sets(digits, "colab", tmp_path, ("random",)) for _ in range(2)]
    files = [path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")]
    assert len(files) == 2, "one for each seed"
    first, second = made[1]["random"]
    expected = ddlib.distill(digits, ddlib.RandomSelection(ipc=10), seed=1).images
    assert torch.allclose(second.images, expected, atol=0.01)  # kept in 16 bits
    assert not first.images.equal(second.images)
    assert first.images.equal(made[0]["random"][0].images)


def test_a_question_without_sets_says_what_makes_them(tmp_path: Path, bench: Bench) -> None:
    bare = Bench(replace(bench.real, name="unknown"), {})
    with pytest.raises(ValueError, match=r"no distilled sets of unknown.*record --profile fast"):
        asking.study("mixing", "fast", work=tmp_path, note="", folder=tmp_path, bench=bare)


def test_the_sets_that_questions_take_apart_ship_in_pairs() -> None:
    for dataset in ("digits", "cifar10x16"):
        sets = asking.recorded_sets(dataset)
        assert {"random", "dm", "dc", "dsa", "mtt", "bptt"} <= set(sets)
        for method, pair in sets.items():
            assert [one.meta["seed"] for one in pair] == [0, 1], method
            assert all(one.ipc == asking.IPC for one in pair)
