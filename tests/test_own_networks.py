"""Networks that a reader brings: any function (shape, classes) -> module, everywhere by name."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from helpers import toy_data
from torch import Tensor, nn

import ddlib
from ddlib.ensemble import activation_bytes, forward, initialize_many, loaded
from ddlib.methods.coresets import trained_features
from ddlib.networks import build, depth_for, features, fresh, initialize, redrawn
from ddlib.own import name_of
from ddlib.seeds import generator
from ddlib.training import Recipe

pytestmark = pytest.mark.usefixtures("unchecked")
Shape = tuple[int, int, int]
HERE = f"{__name__}:"


def small(shape: Shape, classes: int) -> nn.Module:
    """Ends in a linear layer, and begins in its own way."""
    net = nn.Sequential(
        nn.Conv2d(shape[0], 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(shape[1] // 2), nn.Flatten(),
        nn.Linear(16, classes),
    )  # fmt: skip
    nn.init.constant_(net[4].bias, 0.25)
    return net


def with_batch_norm(shape: Shape, classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(shape[0], 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(4 * (shape[1] - 2) ** 2, classes),
    )  # fmt: skip


class Unusual(nn.Module):
    """Parameters of its own, a constant buffer, and features that it knows."""

    def __init__(self, shape: Shape, classes: int):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(shape))
        self.slope = nn.PReLU()
        self.register_buffer("positions", torch.linspace(0, 1, shape[1]))
        self.last = nn.Linear(shape[0] * shape[1] * shape[2], classes)
        assert float(torch.rand(3).sum()) > 0  # needs real numbers while it is built

    def embed(self, images: Tensor) -> Tensor:
        return self.slope(images + self.token + self.positions).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.embed(images))


NETWORKS = {"sequential": small, "batch norm": with_batch_norm, "unusual": Unusual}
METHODS = {
    "herding": ddlib.Herding(ipc=1, epochs=1),
    "dm": ddlib.DistributionMatching(ipc=1, steps=2, batch_real=3),
    "dc": ddlib.GradientMatching(ipc=1, steps=2, outer=2, inner_epochs=1, batch_real=3),
    "bptt": ddlib.BPTT(ipc=1, steps=2, inner_steps=2, batch_real=3),
    "mtt": ddlib.TrajectoryMatching(ipc=1, steps=2, inner_steps=2, experts=1),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@pytest.fixture(autouse=True)
def short(protocols: Callable[..., None]) -> None:
    protocols(plain=Recipe(epochs=3))


@every_network
@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_it_and_its_set_is_judged_with_it(
    network: Callable, method: str, tmp_path: Path
) -> None:
    real = toy_data((6, 6, 6))
    made = ddlib.distill(
        real, replace(METHODS[method], network=network), checkpoint=tmp_path / "run"
    )
    assert made.meta["method"]["network"] == HERE + network.__qualname__
    again = ddlib.distill(
        real, replace(METHODS[method], network=HERE + network.__qualname__),
        checkpoint=tmp_path / "run",
    )  # fmt: skip
    assert torch.equal(again.images, made.images)
    json.dumps(made.meta)
    assert ddlib.DistilledSet.load(made.save(tmp_path / "set")).meta == made.meta
    found = ddlib.evaluate(made, real, nets=2, network=network)
    assert found.n == 2


@every_network
def test_it_begins_as_its_function_makes_it(network: Callable) -> None:
    net = build(network, (2, 8, 8), 3)
    before = torch.get_rng_state()
    one, again, other = (initialize(net, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.keys() == dict(net.named_parameters()).keys()
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)
    assert all(p.is_meta for p in net.parameters())


def test_an_own_initialization_counts() -> None:
    assert set(initialize(build(small, (2, 8, 8), 3), generator(0))["4.bias"].tolist()) == {0.25}
    drawn = initialize(build(Unusual, (2, 8, 8), 3), generator(0))
    assert float(drawn["slope.weight"]) == 0.25
    assert not drawn["token"].any()


@every_network
def test_many_at_once_are_each_as_alone(network: Callable) -> None:
    real, net = toy_data(), build(network, (2, 8, 8), 3)
    parameters = initialize_many(net, [4, 5, 6])
    together = forward(net, parameters, real.test_images)
    for i, row in enumerate(together):
        alone = {name: p[i : i + 1] for name, p in parameters.items()}
        torch.testing.assert_close(forward(net, alone, real.test_images)[0], row)
        torch.testing.assert_close(loaded(net, alone)(real.test_images), row)
    assert activation_bytes(net, (2, 8, 8)) > 0
    used = redrawn(fresh(network, real, generator(1)), generator(2))
    torch.testing.assert_close(
        used(real.test_images), fresh(network, real, generator(2))(real.test_images)
    )


@every_network
def test_features_are_what_enters_the_last_layer(network: Callable) -> None:
    real, net = toy_data(), fresh(network, toy_data(), generator(3))
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    vectors = features(net)(real.test_images)
    assert vectors.ndim == 2
    torch.testing.assert_close(last(vectors), net(real.test_images))
    assert trained_features(real, network, 1, 0).shape == (20, vectors.shape[1])


def test_batch_norm_uses_the_batch_at_hand() -> None:
    net, images = fresh(with_batch_norm, toy_data(), generator(0)), toy_data().test_images
    before = net(images)
    assert torch.equal(net.eval()(images), before)
    assert not torch.allclose(net(images[:4]), before[:4])


def test_buffers_go_where_the_images_are() -> None:
    net = fresh(Unusual, toy_data(), generator(0))
    shown = net.to("meta")(torch.zeros(1, 2, 8, 8, device="meta"))
    assert shown.is_meta
    assert not build(Unusual, (2, 8, 8), 3).positions.is_meta


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        yield executor


def test_workers_find_it_by_its_name(pool: Executor) -> None:
    real = toy_data()
    made = ddlib.distill(real, ddlib.RandomSelection(ipc=1))
    here = ddlib.evaluate(made, real, nets=2, network=small)
    assert ddlib.evaluate(made, real, nets=2, network=small, executor=pool) == here
    local = lambda shape, classes: small(shape, classes)  # noqa: E731
    assert ddlib.evaluate(made, real, nets=2, network=local) == here
    with pytest.raises(ValueError, match=r"no worker can find .*<lambda>: write"):
        ddlib.evaluate(made, real, network=local, executor=pool)


def test_settings_stay_settings() -> None:
    method = ddlib.DistributionMatching(ipc=1, network=small)
    assert method == replace(method)
    assert hash(method) == hash(ddlib.DistributionMatching(ipc=1, network=small))
    assert asdict(method)["network"] is small
    assert name_of(small) == f"{HERE}small"
    assert name_of("convnet") == "convnet"


def tied(shape: Shape, classes: int) -> nn.Module:
    one = nn.Linear(4, 4)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * shape[0], 4), one, one
    )


class Counting(nn.Module):
    def __init__(self, shape: Shape, classes: int):
        super().__init__()
        self.net = small(shape, classes)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return self.net(images)


def then(*layers: nn.Module) -> Callable[[Shape, int], nn.Module]:
    return lambda shape, classes: nn.Sequential(*layers, small(shape, classes))


REFUSED = {
    "a module": (small((2, 8, 8), 3), "a name or a function"),
    "a number": (7, "a name or a function"),
    "one argument": (lambda shape: small(shape, 3), "must take (shape, classes)"),
    "no module": (lambda shape, classes: "net", "must return an nn.Module; got a str"),
    "other classes": (
        lambda shape, classes: small(shape, 5),
        "logits (2, 3) for 2 images; got (2, 5)",
    ),
    "other channels": (then(nn.Conv2d(7, 2, 1)), "does not take images of (2, 8, 8)"),
    "instance norm": (then(nn.InstanceNorm2d(2, affine=True)), "nn.GroupNorm(C, C)"),
    "dropout": (then(nn.Dropout(0.5)), "set p=0"),
    "lazy": (then(nn.LazyConv2d(2, 1)), "a lazy layer"),
    "shared": (tied, "share weights"),
    "counting": (Counting, "must not change its buffer 'seen'"),
    "no such module": ("nowhere:net", "there is no network 'nowhere:net'"),
    "no such function": ("helpers:net", "there is no network 'helpers:net'"),
    "no function": (f"{HERE}HERE", "is a str, not a function"),
}


@pytest.mark.parametrize(("network", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_with_the_reason(network: object, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        build(network, (2, 8, 8), 3)


def test_without_features_distribution_matching_says_what_it_needs() -> None:
    class NoFeatures(nn.Module):
        def __init__(self, shape: Shape, classes: int):
            super().__init__()
            self.net = small(shape, classes)

        def forward(self, images: Tensor) -> Tensor:
            return self.net(images)

    with pytest.raises(ValueError, match=r"a NoFeatures does not say .*embed\(images\)"):
        ddlib.distill(toy_data(), ddlib.DistributionMatching(ipc=1, network=NoFeatures))


SIZES = {8: 2, 15: 2, 16: 3, 28: 3, 32: 3, 33: 4, 64: 4, 65: 5, 96: 5, 128: 5, 224: 6}


@pytest.mark.parametrize(("size", "depth"), SIZES.items())
def test_depth_grows_with_the_images(size: int, depth: int) -> None:
    assert depth_for(size) == depth
    convs = [m for m in build("convnet", (3, size, size), 7).modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == depth


def test_any_depth_by_name() -> None:
    for name in ("convnet-d1", "convnet-batch-d4", "convnet-half-d2"):
        convs = [m for m in build(name, (3, 16, 16), 7).modules() if isinstance(m, nn.Conv2d)]
        assert len(convs) == int(name[-1])
    for name in ("convnet-d0", "vgg11-d4", "convnet-dd2", "convnet-d"):
        with pytest.raises(ValueError, match="unknown network"):
            build(name, (3, 16, 16), 7)
    with pytest.raises(ValueError, match="7 poolings need images of at least 128 pixels"):
        build("convnet-d7", (3, 16, 16), 7)


@pytest.mark.parametrize("name", ["resnet18-group-narrow", "vgg11-narrow", "vit-narrow"])
@pytest.mark.parametrize("size", [64, 128])
def test_other_networks_take_large_images(name: str, size: int) -> None:
    images = torch.zeros(1, 3, size, size, device="meta")
    assert build(name, (3, size, size), 200)(images).shape == (1, 200)
