"""Evaluation: fresh networks, the last iterate, and the same numbers wherever they are computed."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib import evaluation
from ddlib.evaluation import PROTOCOLS, Evaluation, recipe_for
from ddlib.networks import build
from ddlib.training import Recipe, accuracy, train

SHORT = Recipe(epochs=8, batch=4, augment=("crop", "flip"))


@pytest.fixture
def real() -> ddlib.ImageData:
    return replace(toy_data(), mirrored=True)


@pytest.fixture
def synthetic(real: ddlib.ImageData) -> ddlib.DistilledSet:
    return ddlib.distill(real, ddlib.RandomSelection(ipc=2))


@pytest.fixture
def short(protocols: Callable[..., None]) -> None:
    """A protocol of eight epochs."""
    protocols(short=SHORT)


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.fixture
def cluster() -> Iterator[Executor]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as local,
        Client(local) as client,
    ):
        yield client.get_executor()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("kind", ["pool", "cluster"])
def test_an_executor_returns_the_same_numbers(
    request: pytest.FixtureRequest,
    synthetic: ddlib.DistilledSet,
    real: ddlib.ImageData,
    kind: str,
) -> None:
    executor = request.getfixturevalue(kind)
    here = ddlib.evaluate(synthetic, real, "short", nets=3, seed=5)
    there = ddlib.evaluate(synthetic, real, "short", nets=3, seed=5, executor=executor)
    assert there == here
    assert len(set(here.accuracies)) > 1


@pytest.mark.usefixtures("short")
def test_each_network_has_its_own_seed(
    synthetic: ddlib.DistilledSet, real: ddlib.ImageData
) -> None:
    three = ddlib.evaluate(synthetic, real, "short", nets=3, seed=0)
    tail = ddlib.evaluate(synthetic, real, "short", nets=2, seed=1)
    assert three.accuracies[1:] == tail.accuracies


@pytest.mark.usefixtures("short")
def test_the_last_iterate_is_tested(synthetic: ddlib.DistilledSet, real: ddlib.ImageData) -> None:
    net = build("convnet", real.shape, 3)
    parameters = train(net, synthetic.images, synthetic.labels, SHORT, [0])
    expected = accuracy(net, parameters, real.test_images, real.test_labels)
    found = ddlib.evaluate(synthetic, real, "short", nets=1)
    assert found.accuracies == tuple(expected.tolist())
    assert found.protocol == "short"


def test_protocols_are_those_of_the_papers() -> None:
    assert PROTOCOLS["plain"] == Recipe(epochs=300, batch=None, lr=0.01, momentum=0.9)
    long = PROTOCOLS["augmented"]
    assert (long.epochs, long.batch, long.weight_decay, long.drop_after) == (1000, 256, 5e-4, 501)
    assert (long.lr, long.momentum) == (0.01, 0.9)
    assert set(long.augment) == {"color", "crop", "cutout", "flip", "scale", "rotate"}


@pytest.mark.parametrize(("protocol", "rate"), [("augmented", 0.035), ("plain", 0.01)])
def test_a_learned_rate_is_used_by_augmented_alone(
    synthetic: ddlib.DistilledSet, real: ddlib.ImageData, protocol: str, rate: float
) -> None:
    assert recipe_for(protocol, replace(synthetic, lr=0.035), real).lr == rate
    assert recipe_for(protocol, synthetic, real).lr == 0.01


def test_summary_names_protocol_and_n() -> None:
    result = Evaluation((40.0, 42.0, 47.0), "augmented")
    assert (result.mean, result.n) == (43.0, 3)
    assert result.std == pytest.approx(13**0.5)  # squares 9, 1 and 16, over n - 1
    assert str(result) == "43.0 ± 3.6 % (n = 3, protocol 'augmented')"
    assert Evaluation((40.0,), "augmented").std != Evaluation((40.0,), "augmented").std  # NaN


def test_wrong_requests_are_refused(synthetic: ddlib.DistilledSet, real: ddlib.ImageData) -> None:
    with pytest.raises(
        ValueError, match="unknown protocol 'paper'; choose one of: plain, augmented"
    ):
        ddlib.evaluate(synthetic, real, "paper")
    with pytest.raises(ValueError, match=r"unknown network 'vgg'; choose one of: convnet, "):
        ddlib.evaluate(synthetic, real, network="vgg")
    with pytest.raises(ValueError, match="nets must be at least 1; got 0"):
        ddlib.evaluate(synthetic, real, nets=0)
    small = replace(synthetic, images=synthetic.images[..., :4, :4])
    with pytest.raises(ValueError, match=r"images are \(2, 4, 4\), those of toy are \(2, 8, 8\)"):
        ddlib.evaluate(small, real)
    other = replace(synthetic, classes=("x", "y", "z"))
    with pytest.raises(ValueError, match="classes are not those of toy"):
        ddlib.evaluate(other, real)


def test_a_worker_uses_as_many_threads_as_it_is_told(
    monkeypatch: pytest.MonkeyPatch, synthetic: ddlib.DistilledSet, real: ddlib.ImageData
) -> None:
    """Sums over other numbers of threads differ in the last bit."""
    told = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    test = (real.test_images, real.test_labels)
    evaluation.train_and_test(synthetic, test, "convnet", Recipe(epochs=1), [0], threads=7)
    assert told == [7]
