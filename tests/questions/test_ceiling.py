"""The ceiling: what networks on all real images reach, epoch by epoch."""

from dataclasses import replace

import pytest
from helpers import toy_data

from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import findings, values_of
from ddlib.networks import build
from ddlib.questions.ceiling.experiment import PLANS
from ddlib.training import accuracy, train


def test_the_ceiling_is_that_of_networks_trained_on_all_images() -> None:
    real, plan = toy_data((9, 9, 9), channels=3), replace(PLANS["fast"], epochs=3, batch=8)
    record = ask("ceiling", Bench(real, {}), plan)
    net = build("convnet", real.shape, 3)
    trained = train(net, real.train_images, real.train_labels, plan.recipe, [0, 1])
    last = tuple(accuracy(net, trained, real.test_images, real.test_labels).tolist())
    assert len(record.table) == 2 * 4
    assert values_of(findings(record), contrast="ceiling") == pytest.approx(last)


def test_the_rate_falls_in_the_last_third() -> None:
    assert {p: (s.recipe.epochs, s.recipe.drop_after) for p, s in PLANS.items()} == {
        "fast": (6, 4), "laptop": (4, 3), "record": (12, 8), "full": (40, 27),
    }  # fmt: skip
