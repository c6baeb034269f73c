"""Many networks at once: network i is the network its seed makes, whoever runs beside it."""

import pytest
import torch
from helpers import relative_error, toy_data
from torch import nn
from torch.func import functional_call

from ddlib.ensemble import (
    activation_bytes,
    flatten,
    forward,
    initialize_many,
    side_by_side,
    trainable,
    unflatten,
)
from ddlib.networks import build, initialize
from ddlib.seeds import generator


@pytest.fixture
def net() -> nn.Module:
    return build("convnet", (2, 8, 8), 3)


def test_initial_network_depends_on_its_seed_alone(net: nn.Module) -> None:
    many = initialize_many(net, [4, 7, 9])
    for name, value in initialize_many(net, [7]).items():
        assert torch.equal(many[name][1], value[0])
    assert not torch.equal(many["head.weight"][0], many["head.weight"][1])


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("own", [False, True], ids=["shared images", "own images"])
def test_forward_equals_a_loop(net: nn.Module, own: bool) -> None:
    stacked = initialize_many(net, range(3))
    images = toy_data().test_images
    images = torch.stack([images, images + 1, images - 1]) if own else images
    logits = forward(net, stacked, images)
    for i in range(3):
        one = {k: p[i] for k, p in stacked.items()}
        expected = functional_call(net, one, (images[i] if own else images,))
        assert relative_error(logits[i], expected) <= 1e-12


def test_one_network_runs_as_plainly_as_without_an_ensemble(net: nn.Module) -> None:
    images = toy_data().test_images
    parameters = initialize(net, generator(3, "network"))
    expected = functional_call(net, parameters, (images,))
    stacked = initialize_many(net, [3])
    assert torch.equal(forward(net, stacked, images)[0], expected)
    assert torch.equal(forward(net, stacked, images[None])[0], expected)


@pytest.mark.parametrize("nets", [1, 3])
def test_what_moves_the_vector_moves_every_network(net: nn.Module, nets: int) -> None:
    start = initialize_many(net, range(nets))
    vector = flatten(net, start)
    parameters = unflatten(net, vector)
    call, variables = trainable(net, parameters)
    images = toy_data((2, 2, 2)).train_images
    assert torch.equal(call(images), forward(net, start, images))
    vector += 1
    moved = {name: p + 1 for name, p in start.items()}
    assert torch.equal(call(images), forward(net, moved, images))
    assert torch.equal(torch.cat([v.detach().view(nets, -1) for v in variables], 1), vector)
    assert all(torch.equal(parameters[name], p) for name, p in moved.items())


def test_activation_bytes_counts_every_layer() -> None:
    net = build("convnet", (2, 8, 8), 3)  # width 32, depth 2: 8x8, pooled to 4x4, then to 2x2
    first = 3 * 32 * 64 + 32 * 16  # conv, norm, ReLU; then the pool
    second = 3 * 32 * 16 + 32 * 4
    assert activation_bytes(net, (2, 8, 8)) == 4 * (first + second + 128 + 3)  # flatten, head


def test_networks_run_one_after_the_other_on_a_cpu(net: nn.Module) -> None:
    assert side_by_side(net, 10, (2, 8, 8), torch.device("cpu")) == 1
