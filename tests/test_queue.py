"""The queue: jobs in order, taken up where they stopped, nothing lost and nothing done twice."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import ddlib
from ddlib import queue
from ddlib.distilled import DistilledSet
from ddlib.experiment.check import manipulation_check
from ddlib.files import load_json
from ddlib.queue import Job, hours, moved, overview, run_queue
from ddlib.results import load_trace, recorded
from ddlib.training import Recipe

# Share 0.01 of forty steps is the first images once more: nine moments, not ten.
DM = ddlib.DistributionMatching(ipc=2, steps=40, batch_real=4)
JOBS = (Job("digits", DM, 0), Job("digits", ddlib.RandomSelection(ipc=2), 0))


@pytest.fixture(autouse=True)
def short(protocols: Callable[..., None]) -> None:
    protocols(plain=Recipe(epochs=3), augmented=Recipe(epochs=2, batch=2))


def run(folder: Path, minutes: float | None = None) -> None:
    run_queue(folder / "work", "embedded", minutes, folder / "long", JOBS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("queue")


@pytest.fixture
def finished(place: Path) -> Path:
    """All jobs done, once for all tests that only look."""
    run(place)
    return place


def test_a_finished_job_holds_all_that_was_asked(finished: Path) -> None:
    long = finished / "long"
    assert recorded("sets", long) == [
        "digits-dm-ipc2",
        "digits-dm-ipc2-quarter",
        "digits-random-ipc2",
    ]
    found = load_json(long / "results" / "digits-dm-ipc2.json")
    assert {k: {p: len(a) for p, a in v.items()} for k, v in found["accuracies"].items()} == {
        "final": {"plain": 5, "augmented": 5},
        "start": {"plain": 5}, "quarter": {"plain": 5}, "three quarters": {"plain": 5},
    }  # fmt: skip
    assert found["provenance"]["data"] == "embedded"
    assert load_trace("digits-dm-ipc2", long).steps == (0, 1, 3, 6, 10, 16, 22, 30, 40)


def test_what_was_judged_is_what_ships(finished: Path) -> None:
    long, real = finished / "long", ddlib.load("digits")
    levels = load_json(long / "results" / "digits-dm-ipc2.json")["accuracies"]
    for name, look in (("digits-dm-ipc2", "final"), ("digits-dm-ipc2-quarter", "quarter")):
        made = ddlib.load_recorded(name, long)
        assert list(ddlib.evaluate(made, real, nets=5).accuracies) == levels[look]["plain"]


def test_a_set_carries_its_row_of_the_manipulation_check(finished: Path) -> None:
    table = manipulation_check(finished / "long").set_index("method")
    for name in ("dm", "random"):
        mine = ddlib.load_recorded(f"digits-{name}-ipc2", finished / "long").meta["check"]
        assert mine.pop("method") == name
        assert mine == table.loc[name, [*mine]].to_dict()
    dm = ddlib.load_recorded("digits-dm-ipc2", finished / "long").meta["check"]
    assert dm.keys() >= {"accuracy", "start", "last_quarter", "correlation", "outside"}


def test_a_quarter_of_the_steps_is_that_moment(finished: Path) -> None:
    whole = ddlib.distill(ddlib.load("digits"), DM, snapshots=(0.25, 1.0))
    quarter = ddlib.load_recorded("digits-dm-ipc2-quarter", finished / "long")
    assert whole.history[1].step == 10
    assert torch.equal(quarter.images, whole.history[1].images.half().float())


def test_without_time_it_stops_saved_and_goes_on_to_the_same_set(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    for _ in range(50):  # each call has time for one more step, or network
        run(tmp_path / "parts", minutes=0.0)
    run(tmp_path / "parts")
    sets = [tmp_path / part / "long" / "sets" / "digits-dm-ipc2.safetensors"
            for part in ("whole", "parts")]  # fmt: skip
    one, other = (DistilledSet.load(path) for path in sets)
    assert torch.equal(one.images, other.images)


def test_a_sigterm_stops_it_with_everything_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    real_step = torch.optim.SGD.step

    def step(self: torch.optim.SGD, *given: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return real_step(self, *given)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    try:
        run(tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "stopped after step 1 of 40" in capsys.readouterr().out
    assert (tmp_path / "work" / "digits-dm-ipc2.checkpoint.safetensors").exists()
    assert not (tmp_path / "long").exists()


def test_a_job_that_another_process_holds_is_left_to_it(tmp_path: Path) -> None:
    work = tmp_path / "work"
    with queue._held(work / "digits-dm-ipc2.lock") as mine:
        assert mine
        run(tmp_path)
    assert recorded("sets", tmp_path / "long") == ["digits-random-ipc2"]
    run(tmp_path)
    assert "digits-dm-ipc2" in recorded("sets", tmp_path / "long")


def test_what_is_finished_is_left_alone(finished: Path) -> None:
    def written() -> list[int]:
        return [p.stat().st_mtime_ns for p in (finished / "long").rglob("*.*")]

    first = written()
    run(finished)
    assert written() == first
    assert len(first) == 6


def test_how_far_images_moved() -> None:
    real = ddlib.load("digits")
    start = ddlib.distill(real, ddlib.RandomSelection(ipc=2))
    same, other = moved(start, start), moved(start, DistilledSet.of(
        real, -start.images + 10, start.labels
    ))  # fmt: skip
    assert same["correlation"] == pytest.approx(1)
    assert same["distance"] == 0
    assert other["correlation"] == pytest.approx(-1)
    assert other["distance"] == pytest.approx(float((10 - 2 * start.images).square().mean() ** 0.5))
    assert other["outside"] == 1


def test_the_list_is_shown_with_its_hours(finished: Path) -> None:
    text = overview(finished / "long", JOBS)
    assert text.splitlines() == [
        f"{n:32s} finished" for n in ("digits-dm-ipc2", "digits-random-ipc2")
    ]
    assert overview(finished / "none", JOBS).count(" h") == 2


def test_more_steps_take_more_hours() -> None:
    real = ddlib.load("digits")
    few, many = (
        hours(real, ddlib.DistributionMatching(ipc=2, steps=10**n, batch_real=64)) for n in (6, 7)
    )
    assert 5 < many / few <= 10


def test_no_job_stands_twice_in_the_list() -> None:
    names = [job.name for job in queue.JOBS]
    assert len(names) == len(set(names))
