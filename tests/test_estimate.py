"""The estimate before a long run: right in its logic, on any machine."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from helpers import toy_data
from torch import Tensor

import ddlib
from ddlib.distillation import Objective, Variables

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Sleeper:
    """Sleeps to prepare, sleeps longer in its first step than in the others, and holds memory."""

    tag: ClassVar[str] = "sleeper"
    ipc: int = 1
    steps: int = 10
    prepare: float = 0.0
    first: float = 0.0
    step: float = 0.0
    bytes_held: int = 0

    def initialize(self, real: ddlib.ImageData, seed: int) -> Variables:
        return {"images": torch.ones(3, *real.shape), "labels": torch.arange(3)}

    def objective(self, real: ddlib.ImageData, seed: int, folder: Path | None = None) -> Objective:
        time.sleep(self.prepare)
        times = iter([self.first])

        def loss(learned: Variables, draws: torch.Generator) -> Tensor:
            time.sleep(next(times, self.step))
            for _ in range(3):  # freed each time: only one is held at once
                torch.ones(self.bytes_held // 4)
            return learned["images"].square().sum()

        return loss

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        return torch.optim.SGD([variables["images"]], 0.1)


def seconds(**settings: float) -> float:
    return ddlib.estimate(toy_data(), Sleeper(**settings)).seconds


def test_a_step_that_sleeps_is_timed_and_multiplied() -> None:
    assert 5 <= seconds(step=0.05, steps=100) < 15


def test_the_first_step_warms_up_and_does_not_count() -> None:
    assert seconds(first=0.5, step=0.01, steps=100) < 10  # and not half of 100 x 0.5


def test_preparation_counts_once() -> None:
    assert 0.5 <= seconds(prepare=0.5, step=0.001, steps=10) < 1.5


def test_seconds_scale_with_the_steps() -> None:
    few, many = (seconds(step=0.02, steps=steps) for steps in (10, 1000))
    assert 30 < many / few < 300


def memory(method: object, real: ddlib.ImageData | None = None) -> float:
    return ddlib.estimate(real or toy_data(), method).memory_mib


def test_memory_is_what_is_held_at_once() -> None:
    none, some = (memory(Sleeper(bytes_held=n * MIB)) for n in (0, 40))
    assert some - none == pytest.approx(40, abs=0.1)


def test_memory_holds_the_data_and_the_snapshots() -> None:
    real = toy_data()
    everything = (real.train_images, real.train_labels, real.test_images, real.test_labels)
    images = 3 * real.train_images[0].nbytes
    least = sum(t.nbytes for t in everything) + 11 * images
    assert least <= memory(Sleeper()) * MIB <= least + 10 * images


def test_memory_of_a_real_method_grows_with_its_batches() -> None:
    real, method = toy_data((64, 64, 64)), ddlib.DistributionMatching(ipc=1, batch_real=4)
    few, more = memory(method, real), memory(replace(method, batch_real=64), real)
    own = memory(replace(method, ipc=32, batch_real=4), real)
    assert more > 3 * few
    assert own > 3 * few


def test_the_run_after_an_estimate_is_the_run_without() -> None:
    real, method = toy_data(), ddlib.DistributionMatching(ipc=1, steps=3, batch_real=4)
    alone = ddlib.distill(real, method)
    before = real.train_images.clone()
    ddlib.estimate(real, method)
    assert torch.equal(real.train_images, before)
    assert torch.equal(ddlib.distill(real, method).images, alone.images)


@pytest.mark.parametrize(
    ("seconds", "memory_mib", "text"),
    [
        (0.2, 0.3, "about 1 s, about 1 MiB"),
        (37.4, 12.34, "about 37 s, about 12 MiB"),
        (89.0, 99.9, "about 89 s, about 100 MiB"),
        (183.0, 412.0, "about 3 min, about 410 MiB"),
        (5399.0, 12345.0, "about 90 min, about 12000 MiB"),
        (5400.0, 1.0, "about 2 h, about 1 MiB"),
        (86400.0, 1.0, "about 24 h, about 1 MiB"),
    ],
)
def test_in_words(seconds: float, memory_mib: float, text: str) -> None:
    assert str(ddlib.Estimate(seconds, memory_mib)) == text


def test_selection_has_no_steps_to_time() -> None:
    with pytest.raises(ValueError, match="'random' only selects images"):
        ddlib.estimate(toy_data(), ddlib.RandomSelection(ipc=1))


def test_too_many_images_per_class_are_refused_first() -> None:
    with pytest.raises(ValueError, match="ipc must be between 1 and 4"):
        ddlib.estimate(toy_data(), ddlib.DistributionMatching(ipc=5))
