"""The ceiling: what networks on all real images reach, epoch by epoch."""

from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after, toy_data

from ddlib.analysis.ceiling import SETTINGS, Settings, findings, run
from ddlib.networks import build
from ddlib.studies import Keeper
from ddlib.training import accuracy, train

SMALL = Settings(nets=2, epochs=3, batch=8)


def test_the_ceiling_is_that_of_networks_trained_on_all_images() -> None:
    real = toy_data((9, 9, 9), channels=3)
    study = run(real, {}, SMALL)
    net = build("convnet", real.shape, 3)
    trained = train(net, real.train_images, real.train_labels, SMALL.recipe, [0, 1])
    last = accuracy(net, trained, real.test_images, real.test_labels)
    assert study.arrays["accuracy"].shape == (2, 4)
    assert torch.allclose(study.arrays["accuracy"][:, -1], last)
    assert findings(study)["ceiling"] == pytest.approx(tuple(last.tolist()))


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    real = toy_data((9, 9, 9), channels=3)
    with pytest.raises(Killed):
        run(real, {}, SMALL, killed_after(Keeper(tmp_path, {}), 1))
    assert_same_arrays(run(real, {}, SMALL), run(real, {}, SMALL, Keeper(tmp_path, {})))


def test_the_rate_falls_in_the_last_third() -> None:
    assert {p: (s.recipe.epochs, s.recipe.drop_after) for p, s in SETTINGS.items()} == {
        "fast": (6, 4), "laptop": (4, 3), "record": (12, 8), "full": (40, 27),
    }  # fmt: skip
