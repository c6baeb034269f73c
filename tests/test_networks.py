"""Networks: the field's ConvNet, and PyTorch's default initialization from a generator."""

import pytest
import torch
import torch.nn.functional as F
from helpers import toy_data
from scipy.stats import ks_2samp
from torch import Tensor, nn
from torch.func import functional_call

from ddlib.networks import ConvNet, Halve, build, fresh, initialize, redrawn
from ddlib.seeds import generator

NETS = 60


def drawn(kind: type[nn.Module], ours: bool) -> Tensor:
    """Weights and biases of many layers of one kind, in units of the bound 1 / sqrt(fan_in)."""
    values = []
    for seed in range(NETS):
        net = ConvNet(2, 8, 3, width=16, depth=2)
        if ours:
            net.load_state_dict(initialize(net, generator(seed)))
        for layer in net.modules():
            if isinstance(layer, kind):
                bound = layer.weight[0].numel() ** -0.5
                values += [p.detach().flatten() / bound for p in layer.parameters()]
    return torch.cat(values)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Linear])
def test_initialization_is_that_of_pytorch(kind: type[nn.Module]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = drawn(kind, ours=False)
    ours = drawn(kind, ours=True)
    assert len(ours) == len(theirs) > 10_000
    assert float(ours.abs().max()) <= 1
    assert ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 1e-3


def test_biases_fill_their_range_too() -> None:
    net = ConvNet(2, 8, 3, width=16, depth=2)
    biases = [initialize(net, generator(seed))["head.bias"] for seed in range(100)]
    bound = net.head.in_features**-0.5
    assert 0.9 * bound < float(torch.cat(biases).abs().max()) <= bound


def test_norms_start_as_the_identity() -> None:
    parameters = initialize(ConvNet(2, 8, 3, width=16, depth=2), generator(0))
    assert torch.equal(parameters["embed.1.weight"], torch.ones(16))
    assert torch.equal(parameters["embed.1.bias"], torch.zeros(16))


def test_a_fresh_network_computes_with_the_drawn_numbers() -> None:
    real = toy_data()
    net = fresh("convnet", real, generator(5))
    assert not any(p.requires_grad for p in net.parameters())
    skeleton = build("convnet", real.shape, 3)
    parameters = initialize(skeleton, generator(5))
    expected = functional_call(skeleton, parameters, (real.test_images,))
    assert torch.equal(net(real.test_images), expected)


def test_a_module_with_redrawn_weights_equals_a_fresh_one() -> None:
    real = toy_data()
    used = redrawn(fresh("convnet", real, generator(5)), generator(6))
    assert not any(p.requires_grad for p in used.parameters())
    assert torch.equal(
        used(real.test_images), fresh("convnet", real, generator(6))(real.test_images)
    )


def test_published_network_has_its_published_size() -> None:
    net = build("convnet", (3, 32, 32), 10)
    assert sum(p.numel() for p in net.parameters()) == 320_010
    assert net.head.in_features == 2048


@pytest.mark.parametrize("size", [8, 15, 16, 28, 32])
def test_every_image_size_has_a_network(size: int) -> None:
    real_size = torch.zeros(1, 3, size, size, device="meta")
    assert build("convnet", (3, size, size), 10)(real_size).shape == (1, 10)


def test_unknown_network_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown network 'resnet'.*convnet, convnet-layer"):
        build("resnet", (3, 32, 32), 10)


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="square images; these are 8x16"):
        build("convnet", (3, 8, 16), 10)
    with pytest.raises(ValueError, match="at least 4 pixels"):
        build("convnet", (3, 2, 2), 10)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 3, 7, 9), (3, 2, 2)])
def test_halving_is_average_pooling(shape: tuple[int, ...]) -> None:
    images = torch.randn(shape, generator=generator(0), dtype=torch.float64)
    torch.testing.assert_close(Halve()(images), F.avg_pool2d(images, 2), rtol=0, atol=1e-15)
