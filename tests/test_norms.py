"""Every norm layer under every pattern of derivatives in use equals a plain loop over networks.

The reference runs one network after the other and asks autograd for each derivative. Float64 and
smooth activations, because a ReLU at its kink makes rounding visible.
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers import relative_error
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap

from ddlib import ensemble
from ddlib.networks import NORMS, ConvNet

Forward = Callable[[nn.Module, dict[str, Tensor], Tensor], Tensor]
Gradients = Callable[[nn.Module, dict[str, Tensor], Tensor], list[Tensor]]

NETS, CLASSES, RATE = 3, 3, 0.1
LABELS = torch.arange(6) % CLASSES

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture(params=["softplus", "tanh"])
def activation(request: pytest.FixtureRequest) -> type[nn.Module]:
    return {"softplus": nn.Softplus, "tanh": nn.Tanh}[request.param]


@pytest.fixture(params=list(NORMS))
def net(request: pytest.FixtureRequest, activation: type[nn.Module]) -> nn.Module:
    return small_net(request.param, activation)


def small_net(norm: str, activation: type[nn.Module]) -> nn.Module:
    """Sixteen channels, so that eight groups differ from one group per channel."""
    return ConvNet(2, 8, CLASSES, width=16, depth=2, norm=norm, activation=activation)


def stacked_parameters(net: nn.Module) -> dict[str, Tensor]:
    """Parameters of three networks, norm weights away from one and biases away from zero."""
    draws = torch.Generator().manual_seed(0)
    start = ensemble.initialize_many(net, range(NETS))
    return {
        k: (p + 0.2 * torch.randn(p.shape, generator=draws)).requires_grad_()
        for k, p in start.items()
    }


def images(seed: int) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(len(LABELS), 2, 8, 8, generator=draws).requires_grad_()


def one_loss(net: nn.Module, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
    """The loss of one network."""
    return F.cross_entropy(functional_call(net, parameters, (x,)), LABELS)


def loop(net: nn.Module, stacked: dict[str, Tensor], x: Tensor) -> Tensor:
    """Losses of all networks, one after the other: the reference."""
    each = [{k: p[i] for k, p in stacked.items()} for i in range(NETS)]
    return torch.stack([one_loss(net, parameters, x) for parameters in each])


def mapped(net: nn.Module, stacked: dict[str, Tensor], x: Tensor) -> Tensor:
    """The same losses through the package's vmapped forward pass."""
    logits = ensemble.forward(net, stacked, x)
    return torch.stack([F.cross_entropy(one, LABELS) for one in logits])


def gradients_of(losses: Forward) -> Gradients:
    """Parameter gradients by autograd, from outside whatever `losses` does."""

    def gradients(net: nn.Module, stacked: dict[str, Tensor], x: Tensor) -> list[Tensor]:
        total = losses(net, stacked, x).sum()
        return list(torch.autograd.grad(total, list(stacked.values()), create_graph=True))

    return gradients


def gradients_inside(net: nn.Module, stacked: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Parameter gradients taken inside the vmap."""
    one_gradient = grad(lambda p: one_loss(net, p, x))
    return list(vmap(one_gradient)(stacked).values())


def first_derivative(net: nn.Module, losses: Forward, gradients: Gradients) -> Tensor:
    """All parameter gradients as one vector."""
    return torch.cat([g.flatten() for g in gradients(net, stacked_parameters(net), images(1))])


def gradient_matching(net: nn.Module, losses: Forward, gradients: Gradients) -> Tensor:
    """Pixel gradient of the squared distance between two parameter gradients."""
    stacked, x = stacked_parameters(net), images(1)
    pairs = zip(gradients(net, stacked, x), gradients(net, stacked, images(2)), strict=True)
    distance = sum((mine - theirs.detach()).square().sum() for mine, theirs in pairs)
    return torch.autograd.grad(distance, x)[0]


def inner_step(net: nn.Module, losses: Forward, gradients: Gradients) -> Tensor:
    """Pixel gradient of the loss on other images after one step of SGD."""
    stacked, x = stacked_parameters(net), images(1)
    moved = zip(stacked.items(), gradients(net, stacked, x), strict=True)
    after = {k: p - RATE * g for (k, p), g in moved}
    return torch.autograd.grad(losses(net, after, images(2)).sum(), x)[0]


WAYS = {"forward mapped": gradients_of(mapped), "gradient mapped": gradients_inside}
QUANTITIES = [first_derivative, gradient_matching, inner_step]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_derivatives_through_an_ensemble(net: nn.Module, way: str, quantity: Callable) -> None:
    """Exact as the package does it; batch norm has no exact second derivative the other way."""
    exact = way == "forward mapped" or quantity is first_derivative or not has_batch_norm(net)
    expected = quantity(net, loop, gradients_of(loop))
    assert (relative_error(quantity(net, mapped, WAYS[way]), expected) <= 1e-10) == exact


def has_batch_norm(net: nn.Module) -> bool:
    return any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


def hessian_times(loss: Callable, parameters: dict, probe: dict) -> dict[str, Tensor]:
    """Hessian-vector product of one network, forward over reverse."""
    return jvp(grad(loss), (parameters,), (probe,))[1]


def hessian_times_by_autograd(loss: Callable, parameters: dict, probe: dict) -> dict[str, Tensor]:
    """The same product, by differentiating twice in reverse."""
    leaves = {k: p.clone().requires_grad_() for k, p in parameters.items()}
    first = torch.autograd.grad(loss(leaves), list(leaves.values()), create_graph=True)
    along = sum((g * v).sum() for g, v in zip(first, probe.values(), strict=True))
    return dict(zip(leaves, torch.autograd.grad(along, list(leaves.values())), strict=True))


def row(stacked: dict[str, Tensor], i: int) -> dict[str, Tensor]:
    return {k: v[i].detach() for k, v in stacked.items()}


def flat(products: list[dict[str, Tensor]]) -> Tensor:
    return torch.cat([v.flatten() for one in products for v in one.values()])


# torch.func.jvp compiles its own rules with torch.jit, which torch itself calls deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
def test_hessian_vector_products(net: nn.Module) -> None:
    """Plain, mapped over probes, mapped over networks: all equal the loop."""
    stacked = {k: p.detach() for k, p in stacked_parameters(net).items()}
    draws = torch.Generator().manual_seed(3)
    probes = {k: torch.randn(p.shape, generator=draws) for k, p in stacked.items()}
    loss = partial(one_loss, net, x=images(1).detach())
    times, by_loop = (partial(f, loss) for f in (hessian_times, hessian_times_by_autograd))
    one, each = row(stacked, 0), range(NETS)

    plain = [times(one, row(probes, 0))]
    assert relative_error(flat(plain), flat([by_loop(one, row(probes, 0))])) <= 1e-10

    over_probes = vmap(times, in_dims=(None, 0))(one, probes)
    expected = flat([by_loop(one, row(probes, i)) for i in each])
    assert relative_error(flat([row(over_probes, i) for i in each]), expected) <= 1e-10

    over_networks = vmap(times)(stacked, probes)
    expected = flat([by_loop(row(stacked, i), row(probes, i)) for i in each])
    assert relative_error(flat([row(over_networks, i) for i in each]), expected) <= 1e-10


@pytest.mark.parametrize("quantity", [gradient_matching, inner_step])
def test_a_norm_that_is_wrong_under_vmap_is_caught(
    monkeypatch: pytest.MonkeyPatch, activation: type[nn.Module], quantity: Callable
) -> None:
    """PyTorch's affine instance norm, the trap this file guards against."""
    monkeypatch.setitem(NORMS, "instance", lambda width: nn.InstanceNorm2d(width, affine=True))
    net = small_net("instance", activation)
    expected = quantity(net, loop, gradients_of(loop))
    assert relative_error(quantity(net, mapped, gradients_inside), expected) > 1e-4
