"""Distribution matching: its loss, transcribed from the equation class by class."""

import pytest
import torch
from helpers import relative_error, toy_data
from torch import Tensor

import ddlib
from ddlib import augment
from ddlib.data import sample_per_class
from ddlib.methods.distribution import mean_feature_distance
from ddlib.networks import fresh
from ddlib.seeds import generator

pytestmark = pytest.mark.usefixtures("double")

SIZES = (7, 4, 9)


def distance_by_class(
    embed: torch.nn.Module, real: list[Tensor], synthetic: list[Tensor]
) -> Tensor:
    """sum_c || mean of phi over B_c - mean of phi over S_c ||^2, one image at a time."""
    total = torch.zeros(())
    for real_images, synthetic_images in zip(real, synthetic, strict=True):
        target = sum(embed(x[None])[0] for x in real_images) / len(real_images)
        mine = sum(embed(s[None])[0] for s in synthetic_images) / len(synthetic_images)
        total = total + ((target.detach() - mine) ** 2).sum()
    return total


@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
def test_loss_and_its_gradient_equal_the_equation(chunk: int | None) -> None:
    real = toy_data(SIZES)
    embed = fresh("convnet", real, generator(0)).embed
    batch = torch.stack([real.train_images[real.train_labels == c][:4] for c in range(3)])
    synthetic = torch.randn(3, 2, *real.shape, generator=generator(1)).requires_grad_()

    expected = distance_by_class(embed, list(batch), list(synthetic))
    found = mean_feature_distance(embed, batch, synthetic, chunk)
    assert relative_error(found, expected) <= 1e-12
    gradients = [torch.autograd.grad(loss, synthetic)[0] for loss in (found, expected)]
    assert relative_error(*gradients) <= 1e-12


@pytest.mark.parametrize("augmented", [False, True])
def test_objective_is_that_loss_under_one_draw_for_each_class(augmented: bool) -> None:
    """The same randomness, spent in the same order, on one class after the other."""
    real = toy_data(SIZES)
    method = ddlib.DistributionMatching(ipc=2, batch_real=3, augment=augmented)
    start = method.initialize(real, 0)
    found = method.objective(real, 0)(start, generator("step"))

    draws = generator("step")
    embed = fresh("convnet", real, draws).embed
    rows = sample_per_class(real, 3, draws)
    batch, synthetic = list(real.train_images[rows]), list(start["images"].split(2))
    if augmented:
        kinds, numbers = augment.sample(3, 1, draws, augment.kinds_for(real))
        for c in range(3):
            one = augment.Draw(kinds[c : c + 1], numbers[c : c + 1])
            batch[c], synthetic[c] = (augment.apply(x, one) for x in (batch[c], synthetic[c]))
    assert relative_error(found, distance_by_class(embed, batch, synthetic)) <= 1e-12


def test_matching_the_real_images_themselves_costs_nothing() -> None:
    real = toy_data((4, 4, 4))
    images = real.train_images[real.class_rows[0]]
    embed = fresh("convnet", real, generator(0)).embed
    assert float(mean_feature_distance(embed, images, images)) <= 1e-25
    assert float(mean_feature_distance(embed, images, images.roll(1, 0))) > 1e-3


@pytest.mark.parametrize("init", ["real", "noise"])
def test_start_is_what_was_asked_for(init: str) -> None:
    real = toy_data(SIZES)
    start = ddlib.DistributionMatching(ipc=3, init=init).initialize(real, 0)
    assert start["labels"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    copies = sum(bool((x == real.train_images).flatten(1).all(1).any()) for x in start["images"])
    assert copies == (9 if init == "real" else 0)


def test_every_step_uses_a_network_of_its_own() -> None:
    real = toy_data(SIZES)
    method = ddlib.DistributionMatching(ipc=1, augment=False, batch_real=9)
    objective = method.objective(real, 0)
    start = method.initialize(real, 0)
    losses = [float(objective(start, generator("step", step))) for step in range(3)]
    assert len(set(losses)) == 3


def test_distilled_images_match_better_than_any_random_selection() -> None:
    """On average over networks that the run never saw."""
    real = toy_data((6, 6, 6))
    method = ddlib.DistributionMatching(ipc=1, steps=40, batch_real=6, lr=0.3, augment=False)
    objective = method.objective(real, 0)

    def loss(images: Tensor) -> float:
        return sum(float(objective({"images": images}, generator("new", i))) for i in range(5))

    made = ddlib.distill(real, method)
    selections = [ddlib.distill(real, ddlib.RandomSelection(ipc=1), seed=s) for s in range(20)]
    assert loss(made.images) < min(loss(one.images) for one in selections)
