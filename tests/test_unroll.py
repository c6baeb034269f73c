"""Derivatives through training: the adjoint against autograd through the whole chain."""

from collections.abc import Callable

import pytest
import torch
from helpers import relative_error
from torch import Tensor, nn

from ddlib.ensemble import flatten, initialize_many
from ddlib.estimate import Watch
from ddlib.networks import ConvNet
from ddlib.seeds import generator
from ddlib.unroll import (
    InnerLoss,
    Rule,
    adam,
    sgd,
    train_through,
    unroll,
    unroll_held,
    unroll_plain,
)

pytestmark = pytest.mark.usefixtures("double")

# A bias before a norm has gradient zero, up to rounding; Adam divides that rounding by eps. A large
# eps keeps the noise out of comparisons to twelve digits.
RULES = {"sgd": sgd(), "momentum": sgd(0.9), "adam": adam(eps=1e-3)}


def smooth_net(norm: str = "instance") -> nn.Module:
    """A small network without kinks, so that second derivatives are the same to rounding."""
    with torch.device("meta"):
        return ConvNet(2, 8, 3, width=6, depth=2, norm=norm, activation=nn.Softplus)


def problem(nets: int = 1, norm: str = "instance") -> tuple[nn.Module, list[Tensor]]:
    """A network and what one can differentiate by: theta, images, soft labels, rate."""
    net, draws = smooth_net(norm), generator("problem")
    theta = flatten(net, initialize_many(net, range(nets)))
    images = torch.randn(6, 2, 8, 8, generator=draws)
    labels = torch.randn(6, 3, generator=draws).softmax(1)
    return net, [t.requires_grad_() for t in (theta, images, labels, torch.tensor(0.1))]


def derivatives(
    unrolled: Callable,
    rule: Rule,
    net: nn.Module,
    inputs: list[Tensor],
    steps: range,
    **loss: object,
) -> list[Tensor]:
    """Value and derivatives of a loss that reads all the state at the end."""
    theta, images, labels, lr = inputs
    state = unrolled(InnerLoss(net, 7, **loss), rule, rule.begin(theta), images, labels, lr, steps)
    weights = generator("weights")
    value = sum((s * torch.randn(s.shape, generator=weights)).sum() for s in state)
    return [value, *torch.autograd.grad(value, inputs)]


@pytest.mark.parametrize("norm", ["instance", "layer", "group", "none"])
@pytest.mark.parametrize("nets", [1, 3])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_adjoint_equals_autograd_through_all_steps(rule: Rule, nets: int, norm: str) -> None:
    net, inputs = problem(nets, norm)
    found, expected = (
        derivatives(way, rule, net, inputs, range(2, 7)) for way in (unroll, unroll_plain)
    )
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) <= 1e-12


def test_batches_and_augmentation_are_differentiated_too() -> None:
    net, inputs = problem()
    options = {"batch": 4, "kinds": ("scale", "color", "crop")}
    found, expected = (
        derivatives(way, sgd(0.9), net, inputs, range(5), **options)
        for way in (unroll, unroll_plain)
    )
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) <= 1e-12


def test_networks_side_by_side_equal_single_ones() -> None:
    net, (theta, *given) = problem(3)
    together = derivatives(unroll, sgd(0.9), net, [theta, *given], range(4))
    images = sum(
        torch.autograd.grad(_weighted_end(net, theta, given, i), given[0])[0] for i in range(3)
    )
    assert relative_error(together[2], images) <= 1e-12


def _weighted_end(net: nn.Module, theta: Tensor, given: list[Tensor], i: int) -> Tensor:
    """Network i's share of the value in `derivatives`, trained alone."""
    rule, weights = sgd(0.9), generator("weights")
    own = theta[i : i + 1].detach().requires_grad_()
    state = unroll(InnerLoss(net, 7), rule, rule.begin(own), *given, range(4))
    drawn = [torch.randn(theta.shape, generator=weights)[i : i + 1] for _ in state]
    return sum((s * w).sum() for s, w in zip(state, drawn, strict=True))


@pytest.mark.parametrize("name", RULES)
def test_rules_step_as_torch_optim_does(name: str) -> None:
    net, (theta, images, labels, lr) = problem()
    lr = lr.detach()
    own = nn.Parameter(theta.detach().clone())
    optimizer = {
        "sgd": torch.optim.SGD([own], float(lr)),
        "momentum": torch.optim.SGD([own], float(lr), 0.9),
        "adam": torch.optim.Adam([own], float(lr), eps=1e-3),
    }[name]
    loss, rule = InnerLoss(net, 0), RULES[name]
    for i in range(5):
        optimizer.zero_grad()
        loss(own, i, images.detach(), labels.detach()).sum().backward()
        optimizer.step()
    *_, state = train_through(loss, rule, rule.begin(theta), images, labels, lr, range(5))
    assert relative_error(state[0], own) <= 1e-10  # Adam's root has a floor of 1e-16


def test_adam_has_finite_derivatives_where_a_gradient_is_zero() -> None:
    rule = adam()
    theta, lr = torch.ones(1, 3, requires_grad=True), torch.tensor(0.1)
    (after, *_) = rule.update(
        rule.begin(theta), theta * torch.tensor([0.0, 1.0, 2.0]), lr, torch.tensor(0.0)
    )
    (slope,) = torch.autograd.grad(after.sum(), theta)
    assert bool(slope.isfinite().all())


def test_hard_labels_and_fixed_inputs_get_no_derivative() -> None:
    net, (theta, images, _, lr) = problem()
    labels = torch.arange(6) % 3
    end = unroll(InnerLoss(net, 0), sgd(), (theta.detach(),), images, labels, lr.detach(), range(3))
    end[0].sum().backward()
    assert images.grad is not None
    assert theta.grad is None
    assert lr.grad is None


def test_no_steps_change_nothing() -> None:
    net, (theta, *given) = problem()
    assert unroll(InnerLoss(net, 0), sgd(), (theta,), *given, range(0))[0] is theta


def test_memory_does_not_grow_with_the_steps() -> None:
    """Most bytes of tensors alive at once, less the stored states, at 100 steps against 10."""
    net, (theta, images, labels, lr) = problem()

    def most(steps: int) -> int:
        with Watch(theta, images, labels, lr) as seen:
            end = unroll(InnerLoss(net, 0), sgd(), (theta,), images, labels, lr, range(steps))
            end[0].sum().backward()
        return seen.most - steps * theta.nbytes

    assert most(100) <= 1.5 * most(10)


def test_held_fixed_ends_at_the_same_place_with_other_derivatives() -> None:
    """Transcribed: theta_N = theta_0 - lr sum_i g_i, each g_i at a theta_i that is a constant."""
    net, (theta, images, labels, lr) = problem()
    loss, steps = InnerLoss(net, 0), range(4)
    held = unroll_held(loss, theta, images, labels, lr, steps)
    (exact,) = unroll_plain(loss, sgd(), (theta,), images, labels, lr, steps)
    assert relative_error(held, exact) <= 1e-12

    points = [theta.detach()]
    points += [s[0] for s in train_through(loss, sgd(), (theta,), images, labels, lr, steps)]
    goal = torch.randn(theta.shape, generator=generator("goal"))
    cotangent = 2 * (points[-1] - goal)
    expected = torch.zeros_like(images)
    for i in steps:
        here = points[i].requires_grad_()
        (g,) = torch.autograd.grad(loss(here, i, images, labels).sum(), here, create_graph=True)
        expected -= lr.detach() * torch.autograd.grad((g * cotangent).sum(), images)[0]
    (found,) = torch.autograd.grad((held - goal).square().sum(), images)
    (true,) = torch.autograd.grad((exact - goal).square().sum(), images)
    assert relative_error(found, expected) <= 1e-12
    assert relative_error(found, true) > 1e-3
