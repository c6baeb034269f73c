"""Leave-one-out: one weighted ensemble equals training again and again on what is left."""

import pytest
import torch
import torch.nn.functional as F
from helpers import toy_data
from torch import Tensor, nn

from ddlib.networks import ConvNet
from ddlib.questions.shared.leaving_out import each_alone, influence
from ddlib.training import Recipe, logits, train

RECIPE = Recipe(epochs=4, lr=0.1, momentum=0.9)

pytestmark = pytest.mark.usefixtures("double")


def setting() -> tuple[nn.Module, dict[str, Tensor]]:
    """A small network, five images to learn from, thirty to be tested on."""
    real = toy_data()
    net = ConvNet(*real.shape[:2], len(real.classes), width=4, depth=2, activation=nn.Softplus)
    return net, {
        "images": real.train_images[:5],
        "labels": real.train_labels[:5],
        "test_images": real.test_images,
        "test_labels": real.test_labels,
    }


def test_influence_is_what_retraining_on_the_rest_shows() -> None:
    net, x = setting()
    found = influence(net, recipe=RECIPE, seeds=[3, 4], groups=each_alone(5), **x)

    def losses(keep: list[int], seed: int) -> Tensor:
        theta = train(net, x["images"][keep], x["labels"][keep], RECIPE, [seed])
        answers = logits(net, theta, x["test_images"])[0]
        return F.cross_entropy(answers, x["test_labels"], reduction="none")

    for i, seed in enumerate([3, 4]):
        with_all = losses(list(range(5)), seed)
        for j in range(5):
            without = losses([k for k in range(5) if k != j], seed)
            assert torch.allclose(found[i, j], without - with_all, rtol=0, atol=1e-10)
    assert found.abs().max() > 1e-3


def test_leaving_out_nothing_changes_nothing() -> None:
    net, x = setting()
    groups = torch.zeros(1, 5, dtype=torch.bool)
    assert not influence(net, recipe=RECIPE, seeds=[0], groups=groups, **x).any()
