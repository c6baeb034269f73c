"""The outer loop: repeatable, resumable to the bit, and never silent about divergence."""

import math
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.distillation import BEAT, LearningMethod, Method, Objective, Variables
from ddlib.files import DamagedFileError, load_tensors

METHOD = ddlib.DistributionMatching(ipc=2, steps=24, batch_real=4)


def same(first: ddlib.DistilledSet, second: ddlib.DistilledSet) -> bool:
    """Equal to the bit: images, labels and every snapshot."""
    pairs = [(first.images, second.images), (first.labels, second.labels)]
    pairs += [(a.images, b.images) for a, b in zip(first.history, second.history, strict=True)]
    losses = [[(s.step, s.loss) for s in one.history[1:]] for one in (first, second)]
    return all(torch.equal(a, b) for a, b in pairs) and losses[0] == losses[1]


def test_same_seed_same_images_other_seed_other_images() -> None:
    first, again, other = (ddlib.distill(toy_data(), METHOD, seed=s) for s in (1, 1, 2))
    assert same(first, again)
    assert not torch.equal(first.images, other.images)


def test_result_says_how_it_was_made() -> None:
    made = ddlib.distill(toy_data(), METHOD, seed=5)
    assert made.meta["dataset"] == "toy"
    assert made.meta["method"] == {"tag": "dm", **asdict(METHOD)}
    assert made.meta["seed"] == 5
    assert torch.__version__.startswith(made.meta["versions"]["torch"])
    assert {"commit", "device", "seconds"} <= made.meta.keys()
    assert (made.ipc, made.classes, made.mean) == (2, ("a", "b", "c"), (0.5, 0.5))
    assert not made.images.requires_grad


def test_snapshots_run_from_the_first_images_to_the_last() -> None:
    seen = []
    made = ddlib.distill(toy_data(), METHOD, callback=seen.append, snapshots=5)
    assert [shot.step for shot in seen] == [0, 2, 6, 14, 24]  # 24 * (i / 4) ** 2, rounded
    assert all(a is b for a, b in zip(seen, made.history, strict=True))
    assert torch.equal(seen[0].images, METHOD.initialize(toy_data(), 0)["images"])
    assert torch.equal(seen[-1].images, made.images)
    assert math.isnan(seen[0].loss)
    assert all(math.isfinite(shot.loss) for shot in seen[1:])


def test_the_last_step_is_kept_when_one_snapshot_is_asked_for() -> None:
    made = ddlib.distill(toy_data(), METHOD, snapshots=1)
    assert [shot.step for shot in made.history] == [0, 24]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_finished_checkpoint_gives_the_result_again(tmp_path: Path, momentum: float) -> None:
    method = replace(METHOD, momentum=momentum)
    first, again = (
        ddlib.distill(toy_data(), method, checkpoint=tmp_path / "here") for _ in range(2)
    )
    assert same(first, again)


def test_killed_and_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_run.py")
    run = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=1200
    )
    assert run.returncode == 0, run.stderr
    alone, killed = (load_tensors(tmp_path / name / "done") for name in ("alone", "killed"))
    assert killed[1] == alone[1]
    assert killed[0].keys() == alone[0].keys()
    assert len(alone[0]) == 11  # the images and ten snapshots
    assert all(torch.equal(killed[0][name], alone[0][name]) for name in alone[0])


@pytest.mark.parametrize(
    "change", [{"method": replace(METHOD, lr=2.0)}, {"seed": 1}, {"real": toy_data((5, 5, 5))}]
)
def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path, change: dict) -> None:
    call = {"real": toy_data(), "method": METHOD, "seed": 0, "checkpoint": tmp_path / "here"}
    ddlib.distill(**call)
    if "real" in change:
        change = {"real": replace(change["real"], name="another toy")}
    with pytest.raises(ValueError, match="here belongs to another run"):
        ddlib.distill(**(call | change))


@dataclass(frozen=True, kw_only=True)
class Shrink:
    """A method with a tuple among its settings, which JSON gives back as a list."""

    tag: ClassVar[str] = "shrink"
    ipc: int = 1
    steps: int = 12
    powers: tuple[int, ...] = (2, 4)

    def initialize(self, real: ddlib.ImageData, seed: int) -> Variables:
        return {"images": torch.ones(3, *real.shape), "labels": torch.arange(3)}

    def objective(self, real: ddlib.ImageData, seed: int, folder: Path | None = None) -> Objective:
        return lambda learned, draws: sum(learned["images"].pow(p).mean() for p in self.powers)

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        return torch.optim.Adam([variables["images"]], 0.1)


def test_a_new_method_is_a_dataclass_and_three_functions(tmp_path: Path) -> None:
    assert isinstance(Shrink(), LearningMethod)
    assert isinstance(ddlib.RandomSelection(ipc=1), Method)
    assert not isinstance(ddlib.RandomSelection(ipc=1), LearningMethod)
    made, again = (
        ddlib.distill(toy_data(), Shrink(), checkpoint=tmp_path / "here") for _ in range(2)
    )
    assert same(made, again)
    assert float(made.images.abs().max()) < 1


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "here"
    ddlib.distill(toy_data(), METHOD, checkpoint=path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DamagedFileError, match="here is damaged"):
        ddlib.distill(toy_data(), METHOD, checkpoint=path)


def test_an_explosion_stops_with_its_step_and_the_last_good_images(tmp_path: Path) -> None:
    method = replace(METHOD, lr=1e30, augment=False)
    with pytest.raises(ddlib.DivergenceError, match=f"step 2 of {METHOD.steps}") as error:
        ddlib.distill(toy_data(), method, checkpoint=tmp_path / "here", snapshots=1)
    last_good = error.value.last_good
    assert error.value.step == 2  # the loss after the first, far too long step
    assert "images of step 0 are kept" in str(error.value)
    assert "(learning rates: images 1e+30)" in str(error.value)
    assert torch.equal(last_good.images, method.initialize(toy_data(), 0)["images"])
    assert not (tmp_path / "here").exists()


@dataclass(frozen=True, kw_only=True)
class Poisoned(Shrink):
    """Its loss becomes NaN at step 17."""

    steps: int = 30

    def objective(self, real: ddlib.ImageData, seed: int, folder: Path | None = None) -> Objective:
        steps = iter(range(1, 31))
        return lambda learned, draws: (
            learned["images"].square().sum() * (math.nan if next(steps) == 17 else 1)
        )


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(ddlib.DivergenceError, match="step 17 of 30") as error:
        ddlib.distill(
            toy_data(),
            Poisoned(),
            checkpoint=tmp_path / "here",
            checkpoint_seconds=0.0,
            snapshots=1,
        )
    assert error.value.step == 17
    good = ddlib.distill(toy_data(), replace(Poisoned(), steps=BEAT))
    assert torch.equal(error.value.last_good.images, good.images)
    kept, about = load_tensors(tmp_path / "here")
    assert about["step"] == BEAT
    assert torch.equal(kept["variable.images"], good.images)
