"""The defaults of the methods that train inside: distilled digits against random ones."""

import pytest

import ddlib
from ddlib.distillation import LearningMethod


@pytest.fixture(scope="module")
def random_accuracy(digits: ddlib.ImageData) -> float:
    """What one random digit per class is worth, as the mean over the sets of three seeds."""
    sets = [ddlib.distill(digits, ddlib.RandomSelection(ipc=1), seed=seed) for seed in range(3)]
    return sum(ddlib.evaluate(one, digits, nets=2).mean for one in sets) / 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "method", [ddlib.BPTT(ipc=1), ddlib.TrajectoryMatching(ipc=1)], ids=["bptt", "mtt"]
)
def test_defaults_beat_random_images_clearly(
    digits: ddlib.ImageData, random_accuracy: float, method: LearningMethod, seed: int
) -> None:
    made = ddlib.distill(digits, method, seed=seed)
    assert ddlib.evaluate(made, digits, nets=2).mean > random_accuracy + 10
