"""Substitutes for retraining: where the truth has a closed form, they equal it."""

import pytest
import torch
import torch.nn.functional as F
from helpers import toy_data
from torch import Tensor, nn

from ddlib import architectures
from ddlib.ensemble import flatten, initialize_many
from ddlib.networks import ConvNet
from ddlib.questions.influence import attribution
from ddlib.seeds import generator
from ddlib.training import mean_loss

pytestmark = pytest.mark.usefixtures("double")


def test_influence_on_ridge_regression_has_a_closed_form() -> None:
    """Without image j the minimum moves by H^-1 g_j / n / (1 - h_j): leave-one-out exactly."""
    draws = generator("ridge")
    x, y = torch.randn(12, 4, generator=draws), torch.randn(12, generator=draws)
    damping, n = 0.3, 12
    fit = lambda rows: torch.linalg.solve(  # noqa: E731
        x[rows].T @ x[rows] / n + damping * torch.eye(4), x[rows].T @ y[rows] / n
    )
    full = fit(list(range(n)))
    own = (x @ full - y)[:, None] * x  # gradients of half the squared errors
    moved = attribution.inverse_product(x / n**0.5, damping, own) / n
    inverse = torch.linalg.inv(x.T @ x / n + damping * torch.eye(4))
    leverage = torch.einsum("np,pq,nq->n", x, inverse, x) / n
    for j in range(n):
        without = fit([i for i in range(n) if i != j])
        assert torch.allclose(moved[j] / (1 - leverage[j]), without - full, rtol=1e-10)


class Linear(architectures.Classifier):
    """A linear classifier in the form of a network: its loss is convex."""

    def __init__(self, features: int, classes: int):
        super().__init__(nn.Flatten(), features, classes)


def test_inverse_curvature_is_the_derivative_by_an_image_s_weight() -> None:
    """On a linear classifier with a penalty: against minima found by Newton steps."""
    draws = generator("linear")
    x, y = torch.randn(9, 2, 1, 1, generator=draws), torch.arange(9) % 3
    tests, answers = torch.randn(5, 2, 1, 1, generator=draws), torch.arange(5) % 3
    net, damping, step = Linear(2, 3), 0.2, 1e-4

    def minimum(weights: Tensor) -> Tensor:
        def loss(flat: Tensor) -> Tensor:
            logits = x.flatten(1) @ flat[:6].view(3, 2).T + flat[6:]
            each = F.cross_entropy(logits, y, reduction="none")
            return (weights * each).sum() / weights.sum() + damping / 2 * flat.square().sum()

        flat = torch.zeros(9)
        for _ in range(8):  # Newton steps: each doubles the digits
            g = torch.autograd.functional.jacobian(loss, flat)
            flat = flat - torch.linalg.solve(torch.autograd.functional.hessian(loss, flat), g)
        return flat

    def test_losses(flat: Tensor) -> Tensor:
        logits = tests.flatten(1) @ flat[:6].view(3, 2).T + flat[6:]
        return F.cross_entropy(logits, answers, reduction="none")

    theta = minimum(torch.ones(9))[None]
    given = attribution.gradients(net, theta, x, y)
    wanted = attribution.gradients(net, theta, tests, answers)
    factor = attribution.curvature_factor(net, theta, x)
    table = attribution.products(given, wanted, factor, damping)
    for j in range(9):
        less = torch.ones(9)
        less[j] -= step
        slope = (test_losses(minimum(less)) - test_losses(theta[0])) / step
        assert torch.allclose(table[j], slope, rtol=2e-3, atol=1e-5), j


def convnet() -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    real = toy_data()
    net = ConvNet(*real.shape[:2], len(real.classes), width=4, depth=2, activation=nn.Softplus)
    theta = flatten(net, initialize_many(net, [0]))
    return net, theta, real.train_images[:6], real.train_labels[:6]


def test_gradients_are_those_of_single_images() -> None:
    net, theta, x, y = convnet()
    found = attribution.gradients(net, theta, x, y)
    for i in range(6):
        start = theta.clone().requires_grad_()
        loss = mean_loss(net, x[i : i + 1], y[i : i + 1])(start)
        assert torch.allclose(found[i], torch.autograd.grad(loss.sum(), start)[0][0])


def test_the_curvature_factor_is_the_gauss_newton_matrix() -> None:
    net, theta, x, _ = convnet()
    factor = attribution.curvature_factor(net, theta, x)
    answers = lambda flat: attribution._answers(net, flat.expand(6, -1), x)  # noqa: E731
    slopes = torch.autograd.functional.jacobian(answers, theta[0])  # (n, k, p)
    p = answers(theta[0]).softmax(1)
    middle = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    whole = torch.einsum("nkp,nkl,nlq->pq", slopes, middle, slopes) / 6
    assert torch.allclose(factor.T @ factor, whole)


def test_products_without_curvature_are_one_small_step() -> None:
    """The loss on x after a step without image j, minus that after a step with all images."""
    net, theta, x, y = convnet()
    step, tests = 1e-5, (x.flip(3), y)
    table = attribution.products(
        attribution.gradients(net, theta, x, y), attribution.gradients(net, theta, *tests)
    )

    def after(keep: list[int]) -> Tensor:
        start = theta.clone().requires_grad_()
        (g,) = torch.autograd.grad(mean_loss(net, x[keep], y[keep])(start).sum(), start)
        logits = attribution._answers(net, (theta - step * g).expand(6, -1), tests[0])
        return F.cross_entropy(logits, y, reduction="none")

    everyone = list(range(6))
    for j in everyone:
        change = (after([i for i in everyone if i != j]) - after(everyone)) / step
        assert torch.allclose(table[j] * 6 / 5, change, rtol=1e-3, atol=1e-5)


def test_likeness_counts_against_other_classes() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    tests = torch.tensor([[3.0, 0.0], [-3.0, 0.0]])
    found = attribution.likeness(x, tests, torch.tensor([0, 1]), torch.tensor([0, 1]))
    assert torch.allclose(found, torch.tensor([[1.0, 1.0], [0.0, 0.0]]))


def test_a_sum_of_influences_predicts_its_own_losses() -> None:
    table = torch.randn(4, 3, generator=generator("t"))
    left = torch.tensor([[1.0, 0, 1, 0], [0.0, 1, 1, 1]])
    losses = attribution.datamodeling_score(table, left)
    assert torch.allclose(losses[1], -table[1] - table[2] - table[3])
