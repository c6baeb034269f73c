"""Training: an ensemble equals single runs, single runs equal plain PyTorch."""

from dataclasses import replace
from functools import partial
from itertools import islice

import pytest
import torch
import torch.nn.functional as F
from helpers import relative_error, toy_data
from torch import Tensor, nn

import ddlib
from ddlib import augment
from ddlib.networks import build, fresh, initialize
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, train, train_steps

FULL_BATCH = Recipe(epochs=6, lr=0.05)
MINI_BATCH = Recipe(epochs=4, batch=8, lr=0.05, weight_decay=5e-3, drop_after=3)
ADAM = Recipe(epochs=6, lr=0.001, optimizer="adam", weight_decay=5e-3)
AUGMENTED = replace(MINI_BATCH, augment=tuple(augment.KINDS))
RECIPES = {
    "full batch": FULL_BATCH,
    "mini-batch": MINI_BATCH,
    "mini-batch, augmented": AUGMENTED,
    "full batch, augmented": replace(FULL_BATCH, augment=tuple(augment.KINDS)),
}
REAL_SIZES = (7, 4, 9)

every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


@pytest.fixture
def net() -> nn.Module:
    return build("convnet", (2, 8, 8), len(REAL_SIZES))


def flat(parameters: dict[str, Tensor], i: int = 0) -> Tensor:
    """All parameters of network i as one vector."""
    return torch.cat([p[i].flatten() for p in parameters.values()])


def subsets(nets: int, images: int) -> Tensor:
    """A random third of the images left out, another third for each network."""
    return (torch.rand(nets, images, generator=generator("subsets")) > 1 / 3).double()


@every_recipe
@pytest.mark.parametrize("weighted", [False, True], ids=["all images", "subsets"])
@pytest.mark.usefixtures("double")
def test_an_ensemble_equals_single_runs(net: nn.Module, recipe: Recipe, weighted: bool) -> None:
    real = toy_data(REAL_SIZES)
    data = (real.train_images, real.train_labels, recipe)
    weights = subsets(5, len(real.train_labels)) if weighted else None
    at_once = train(net, *data, range(5), weights=weights, together=5)
    in_chunks = train(net, *data, range(5), weights=weights, together=2)
    for i in range(5):
        own = None if weights is None else weights[i : i + 1]
        alone = flat(train(net, *data, [i], weights=own))
        assert relative_error(flat(at_once, i), alone) <= 1e-10
        assert relative_error(flat(in_chunks, i), alone) <= 1e-10


@every_recipe
def test_one_after_the_other_gives_the_very_same_bits(net: nn.Module, recipe: Recipe) -> None:
    real = toy_data(REAL_SIZES)
    data = (real.train_images, real.train_labels, recipe)
    three = train(net, *data, [3, 8, 1], together=1)
    assert torch.equal(flat(three, 1), flat(train(net, *data, [8])))
    assert torch.equal(flat(three, 1), flat(train(net, *data, [8, 5]), 0))


def train_plainly(recipe: Recipe, seed: int, weights: Tensor) -> nn.Module:
    """The textbook loop, without augmentation: a module, an optimizer, shuffled batches."""
    real = toy_data(REAL_SIZES)
    net = fresh("convnet", real, generator(seed, "network")).requires_grad_()
    for epoch in range(recipe.epochs):
        if epoch in (0, recipe.drop_after):
            lr = recipe.lr * (0.1 if epoch else 1)
            kind = torch.optim.Adam if recipe is ADAM else partial(torch.optim.SGD, momentum=0.9)
            optimizer = kind(net.parameters(), lr, weight_decay=recipe.weight_decay)
        n = len(real.train_labels)
        order = torch.randperm(n, generator=generator(seed, "epoch", epoch))
        for rows in order.split(recipe.batch or n):
            optimizer.zero_grad()
            logits, labels = net(real.train_images[rows]), real.train_labels[rows]
            losses = F.cross_entropy(logits, labels, reduction="none")
            ((losses * weights[rows]).sum() / weights[rows].sum()).backward()
            optimizer.step()
    return net


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    "recipe", [FULL_BATCH, MINI_BATCH, ADAM], ids=["full batch", "mini-batch", "Adam"]
)
@pytest.mark.parametrize("weighted", [False, True], ids=["all alike", "weighted"])
def test_one_run_equals_plain_pytorch(net: nn.Module, recipe: Recipe, weighted: bool) -> None:
    real = toy_data(REAL_SIZES)
    n = len(real.train_labels)
    weights = 0.1 + torch.rand(1, n, generator=generator("weights")) if weighted else None
    found = train(net, real.train_images, real.train_labels, recipe, [2], weights=weights)
    plain = train_plainly(recipe, 2, torch.ones(n) if weights is None else weights[0])
    assert relative_error(flat(found), nn.utils.parameters_to_vector(plain.parameters())) < 1e-10


@pytest.mark.usefixtures("double")
def test_weight_zero_leaves_an_image_out(net: nn.Module) -> None:
    real = toy_data(REAL_SIZES)
    images, labels = real.train_images, real.train_labels
    weights = torch.ones(2, len(labels))
    weights[0, 3] = 0
    weights[1, [0, 5]] = 0
    found = train(net, images, labels, FULL_BATCH, [0, 1], weights=weights, together=2)
    for i in range(2):
        kept = weights[i] > 0
        expected = train(net, images[kept], labels[kept], FULL_BATCH, [i])
        assert relative_error(flat(found, i), flat(expected)) <= 1e-10


@every_recipe
@pytest.mark.usefixtures("double")
def test_one_hot_soft_labels_equal_hard_ones(net: nn.Module, recipe: Recipe) -> None:
    real = toy_data(REAL_SIZES)
    hard = train(net, real.train_images, real.train_labels, recipe, [0, 1], together=2)
    one_hot = torch.eye(len(REAL_SIZES))[real.train_labels]
    soft = train(net, real.train_images, one_hot, recipe, [0, 1], together=2)
    assert relative_error(flat(soft, 1), flat(hard, 1)) <= 1e-10


@pytest.mark.usefixtures("double")
def test_networks_are_augmented_in_different_ways(net: nn.Module) -> None:
    """Without this, an ensemble that shared its draws would pass every test above."""
    real = toy_data(REAL_SIZES)
    still = replace(AUGMENTED, augment=())
    moved, plain = (
        train(net, real.train_images, real.train_labels, r, [0, 1]) for r in (AUGMENTED, still)
    )
    assert all(relative_error(flat(moved, i), flat(plain, i)) > 1e-3 for i in (0, 1))


def test_accuracy_counts_right_answers(net: nn.Module) -> None:
    real = toy_data(REAL_SIZES)
    seeds = (0, 1)
    each = [initialize(net, generator(s, "network")) for s in seeds]
    stacked = {k: torch.stack([p[k] for p in each]) for k in each[0]}
    expected = []
    for parameters in each:
        logits = torch.func.functional_call(net, parameters, (real.test_images,))
        guesses, truth = logits.argmax(1).tolist(), real.test_labels.tolist()
        right = sum(guess == label for guess, label in zip(guesses, truth, strict=True))
        expected.append(100 * right / len(truth))
    found = accuracy(net, stacked, real.test_images, real.test_labels, batch=5)
    assert found.tolist() == pytest.approx(expected)
    assert 0 < min(expected) < 100


def test_steps_lead_where_epochs_lead(digits: ddlib.ImageData) -> None:
    net, recipe = build("convnet", digits.shape, 10), Recipe(epochs=2, batch=500)
    *_, last = islice(train_steps(net, digits, recipe, 3), 7)  # three batches an epoch
    whole = train(net, digits.train_images, digits.train_labels, recipe, [3])
    assert all(torch.equal(last[name], p) for name, p in whole.items())
