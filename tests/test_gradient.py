"""Gradient matching: its loss and its alternation with training, transcribed with plain loops."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest
import torch
import torch.nn.functional as F
from helpers import relative_error, toy_data
from torch import Tensor, nn
from torch.func import functional_call

import ddlib
from ddlib import augment
from ddlib.compiled import Precision, in_precision
from ddlib.data import sample_per_class
from ddlib.distillation import Variables
from ddlib.ensemble import Parameters, flatten, initialize_many, unflatten
from ddlib.files import load_tensors
from ddlib.methods import gradient
from ddlib.methods.gradient import EPS, class_gradients, gradient_distance, matching_loss
from ddlib.networks import NORMS, ConvNet, build
from ddlib.seeds import generator, new_key
from ddlib.training import Recipe
from ddlib.unroll import InnerLoss

SIZES = (7, 4, 9)


def smooth_net(norm: str = "instance") -> nn.Module:
    """A small network without kinks; eight groups differ from one group for each channel."""
    with torch.device("meta"):
        return ConvNet(2, 8, 3, width=16, depth=2, norm=norm, activation=nn.Softplus)


def some_theta(net: nn.Module) -> Tensor:
    """One network (1, p) whose norm weights are not one and whose biases are not zero."""
    theta = flatten(net, initialize_many(net, [0]))
    return theta + 0.2 * torch.randn(theta.shape, generator=generator("moved"))


def some_images(n: int, seed: int) -> Tensor:
    return torch.randn(3, n, 2, 8, 8, generator=generator("images", seed))


def distance_by_row(net: nn.Module, theta: Tensor, real: Tensor, synthetic: Tensor) -> Tensor:
    """The loss with loops over classes, layers and rows, by autograd through one plain network."""
    total = torch.zeros(())
    for c in range(len(real)):
        parameters = {k: p[0] for k, p in unflatten(net, theta.detach()).items()}
        weights = [p.requires_grad_() for k, p in parameters.items() if p.ndim >= 2]

        both = []
        for x in (real[c], synthetic[c]):
            loss = F.cross_entropy(functional_call(net, parameters, (x,)), torch.full((len(x),), c))
            both.append(torch.autograd.grad(loss, weights, create_graph=True))
        for g, h in zip(*both, strict=True):
            for row in range(len(g)):
                one, two = g[row].detach().flatten(), h[row].flatten()
                lengths = one.dot(one).sqrt() * two.dot(two).sqrt()
                total = total + 1 - one.dot(two) / (lengths + EPS)
    return total


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("together", [1, 2, 3])
@pytest.mark.parametrize("norm", NORMS)
def test_distance_and_its_gradient_equal_plain_loops(norm: str, together: int) -> None:
    net = smooth_net(norm)
    theta, real, synthetic = some_theta(net), some_images(4, 0), some_images(2, 1).requires_grad_()
    chunk = None if norm == "batch" else together  # its statistics are those of a whole batch
    goal = class_gradients(net, theta, real, chunk)
    found = class_gradients(net, theta, synthetic)
    assert not any(g.requires_grad for g in goal.values())
    plain = distance_by_row(net, theta, real, synthetic)
    (slope,) = torch.autograd.grad(plain, synthetic)
    for loss in (
        gradient_distance(goal, found),
        matching_loss(net, theta, real, synthetic, together),
    ):
        assert relative_error(loss, plain) <= 1e-12
        assert relative_error(torch.autograd.grad(loss, synthetic)[0], slope) <= 1e-10


def test_the_graph_of_a_class_is_free_before_the_next_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alive: list[weakref.ref] = []

    def watched(goal: Parameters, found: Parameters) -> Tensor:
        assert not any(one() is not None for one in alive)
        alive.extend(weakref.ref(g) for g in found.values())
        return gradient_distance(goal, found)

    monkeypatch.setattr(gradient, "gradient_distance", watched)
    net = smooth_net()
    matching_loss(net, some_theta(net), some_images(4, 0), some_images(2, 1).requires_grad_())
    assert alive


def test_rounding_is_small_beside_the_draw_of_real_images(digits: ddlib.ImageData) -> None:
    """Both sides rounded, pixel gradients move less than a third as far as with other images."""
    net = build("convnet", digits.shape, 10)
    theta = flatten(net, initialize_many(net, [0]))
    rows = sample_per_class(digits, 130, generator("rows"))
    synthetic = digits.train_images[rows[:, :2]].requires_grad_()

    def slope(some: slice, precision: Precision = "float32") -> Tensor:
        real, own = digits.train_images[rows[:, some]], in_precision(net, precision)
        loss = matching_loss(own, theta, real, synthetic, chunk=32)
        return torch.autograd.grad(loss, synthetic)[0]

    exact, rounded = slope(slice(2, 66)), slope(slice(2, 66), "bfloat16")
    assert float(F.cosine_similarity(rounded.flatten(), exact.flatten(), 0)) >= 0.99
    redrawn = relative_error(slope(slice(66, 130)), exact)
    assert 1e-4 < relative_error(rounded, exact) < redrawn / 3


def two_gradients() -> list[Parameters]:
    """Gradients of three classes in two layers with biases, and a norm layer."""
    shapes = {"conv.weight": (4, 2, 3, 3), "conv.bias": (4,), "norm.weight": (4,)}
    shapes |= {"head.weight": (3, 5), "head.bias": (3,)}
    draws = generator("gradients")
    return [{k: torch.randn(3, *s, generator=draws) for k, s in shapes.items()} for _ in range(2)]


@pytest.mark.usefixtures("double")
def test_only_the_rows_of_weights_count() -> None:
    real, synthetic = two_gradients()
    before = gradient_distance(real, synthetic)
    for name in real:
        after = gradient_distance(real, synthetic | {name: synthetic[name] + 1})
        assert bool(after == before) == (name not in ("conv.weight", "head.weight")), name


@pytest.mark.usefixtures("double")
def test_lengths_do_not_matter_and_directions_do() -> None:
    """Three classes with 4 and 3 rows: 0 at best, 21 at a right angle, 42 at worst."""
    real, _ = two_gradients()
    stretched, turned = ({k: s * g for k, g in real.items()} for s in (7, -1))
    assert float(gradient_distance(real, stretched)) <= 21 * EPS
    assert float(gradient_distance(real, turned)) == pytest.approx(42, abs=21 * EPS)
    nothing = {k: 0 * g for k, g in real.items()}
    assert float(gradient_distance(real, nothing)) == 21


@pytest.mark.usefixtures("double")
def test_the_real_images_themselves_are_at_distance_zero() -> None:
    """Zero but for eps, which takes eps / (|g|^2 + eps) of each row."""
    net, images = smooth_net(), some_images(4, 0)
    theta = some_theta(net)
    gradients = class_gradients(net, theta, images)
    squares = [g.flatten(2).square().sum(2) for g in gradients.values() if g.ndim > 2]
    floor = sum((EPS / (s + EPS)).sum() for s in squares)
    assert relative_error(gradient_distance(gradients, gradients), floor) <= 1e-6
    others = class_gradients(net, theta, images.roll(1, 0))
    assert float(gradient_distance(gradients, others)) > 100 * float(floor)


def steps_of(
    method: ddlib.GradientMatching, real: ddlib.ImageData, count: int
) -> tuple[list[Variables], list[Tensor], list[Tensor]]:
    """The variables before each of some matches, and the losses and pixel gradients of these."""
    objective, variables = method.objective(real, 0), method.initialize(real, 0)
    variables["images"].requires_grad_()
    before, losses, gradients = [], [], []
    for step in range(count):
        before.append({k: v.detach().clone() for k, v in variables.items()})
        loss = objective(variables, generator("step", step))
        (gradient,) = torch.autograd.grad(loss, variables["images"])
        variables["images"].data -= 0.1 * gradient
        losses.append(loss)
        gradients.append(gradient)
    return before, losses, gradients


def expected_network(
    method: ddlib.GradientMatching, real: ddlib.ImageData, before: Variables, step: int
) -> tuple[Tensor, torch.Generator]:
    """The network of a match, trained with `torch.optim.SGD`, and the generator after it."""
    net, draws = build(method.network, real.shape, 3), generator("step", step)
    key = new_key(draws)
    if step % method.outer == 0:
        return flatten(net, initialize_many(net, [key])), draws
    theta = before["network"].clone().requires_grad_()
    optimizer = torch.optim.SGD([theta], method.inner_lr)
    kinds = augment.kinds_for(real) if method.augment else ()
    inner = InnerLoss(net, key, method.batch, kinds)
    passes = -(-len(before["images"]) // method.batch)
    for i in range(method.inner_epochs * passes):
        optimizer.zero_grad()
        inner(theta, i, before["images"], before["labels"]).sum().backward()
        optimizer.step()
    return theta.detach(), draws


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("batch", [4, 256])
@pytest.mark.parametrize("augmented", [False, True])
def test_matches_alternate_with_training_as_published(augmented: bool, batch: int) -> None:
    """Same randomness, spent in the same order: fresh, trained on the moved images, fresh again."""
    real = toy_data(SIZES)
    method = ddlib.GradientMatching(
        ipc=2, batch_real=3, outer=2, inner_epochs=3, batch=batch, augment=augmented
    )
    net = build(method.network, real.shape, 3)
    for step, (before, *found) in enumerate(zip(*steps_of(method, real, 3), strict=True)):
        theta, draws = expected_network(method, real, before, step)
        images = before["images"].requires_grad_()
        rows = sample_per_class(real, 3, draws)
        pairs = [list(real.train_images[rows]), list(images.split(2))]
        if augmented:
            kinds, numbers = augment.sample(3, 1, draws, augment.kinds_for(real))
            for c in range(3):
                one = augment.Draw(kinds[c : c + 1], numbers[c : c + 1])
                for side in pairs:
                    side[c] = augment.apply(side[c], one)
        loss = distance_by_row(net, theta, *(torch.stack(side) for side in pairs))
        assert relative_error(found[0], loss) <= 1e-12
        assert relative_error(found[1], torch.autograd.grad(loss, images)[0]) <= 1e-8


class KilledError(Exception):
    """Stands for the end of the process."""


def kill_at(step: int) -> Callable:
    def callback(shot: ddlib.distilled.Snapshot) -> None:
        if shot.step == step:
            raise KilledError

    return callback


def test_resumes_in_the_middle_of_an_outer_iteration(tmp_path: Path) -> None:
    """The network is part of the checkpoint: the same bits come out."""
    method = ddlib.GradientMatching(
        ipc=1, steps=16, outer=7, inner_epochs=2, batch_real=4, augment=True
    )
    run = partial(ddlib.distill, toy_data(), method, seed=3, snapshots=8)
    kept = {"checkpoint": tmp_path / "here", "checkpoint_seconds": 0.0}
    whole = run()
    with pytest.raises(KilledError):
        run(**kept, callback=kill_at(12))
    tensors, about = load_tensors(tmp_path / "here")
    assert about["step"] == tensors["variable.matches"] == 10  # 3 of 7 matches of one network
    again = run(**kept)
    assert torch.equal(again.images, whole.images)
    assert [s.loss for s in again.history[1:]] == [s.loss for s in whole.history[1:]]


def test_tags_are_those_of_the_two_papers() -> None:
    one = ddlib.GradientMatching(ipc=1)
    assert (one.tag, replace(one, augment=True).tag) == ("dc", "dsa")
    short = replace(one, steps=1, augment=True)
    assert ddlib.distill(toy_data(), short).meta["method"]["tag"] == "dsa"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_digits_beat_random_ones(
    precision: Precision, digits: ddlib.ImageData, protocols: Callable[..., None]
) -> None:
    """A fifth of the default steps is enough, for each of three seeds."""
    protocols(plain=Recipe(epochs=100))
    method = ddlib.GradientMatching(ipc=1, steps=20, precision=precision)

    def score(one: object, seed: int) -> float:
        return ddlib.evaluate(ddlib.distill(digits, one, seed=seed), digits, nets=1).mean

    mine, theirs = ([score(m, s) for s in range(3)] for m in (method, ddlib.RandomSelection(ipc=1)))
    assert all(a > b + 4 for a, b in zip(mine, theirs, strict=True)), (mine, theirs)
    assert fmean(mine) > fmean(theirs) + 6
