"""Many classes and large images: what does not fit into one graph is taken in parts."""

from collections.abc import Callable

import pytest
import torch
from helpers import relative_error, toy_data

import ddlib
from ddlib import ensemble
from ddlib.ensemble import cached_images, graph_images, initialize_many
from ddlib.methods.distribution import mean_feature_distance
from ddlib.networks import build, fresh
from ddlib.questions.agreement.predictions import predictions
from ddlib.seeds import generator
from ddlib.training import Recipe, logits, mean_loss, train

DEVICE = torch.device("cpu")
NET = build("convnet", (2, 8, 8), 3)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a graph hold so many images of `toy_data`."""

    def hold(images: int) -> None:
        size = 2 * images * ensemble.activation_bytes(NET, (2, 8, 8))
        monkeypatch.setattr(ensemble, "CPU_GRAPH_BYTES", size)
        assert graph_images(NET, (2, 8, 8), DEVICE) == images

    return hold


def test_sets_of_the_book_fit_into_one_graph() -> None:
    """So that nothing that was recorded adds up in another order."""
    sizes = {8: 640, 16: 1000, 32: 900}
    for size, images in sizes.items():
        shape = (3, size, size)
        assert graph_images(build("convnet", shape, 10), shape, DEVICE) >= images


def test_a_gpu_takes_what_an_eighth_of_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        total_memory = 16 * 2**30

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    shape = (3, 64, 64)
    net, cuda = build("convnet", shape, 200), torch.device("cuda")
    most = graph_images(net, shape, cuda)
    assert cached_images(net, shape, cuda) == most
    assert most * 2 * ensemble.activation_bytes(net, shape) <= 2**31


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("most", [1, 4, 5])
def test_distribution_matching_in_parts_has_the_same_gradient(most: int) -> None:
    draws = generator(0)
    real, made = (
        torch.randn(3, 5, 2, 8, 8, generator=draws),
        torch.randn(3, 2, 2, 8, 8, generator=draws),
    )
    embed = fresh("convnet", toy_data(), generator(1)).embed
    found = []
    for limit in (None, most):
        images = made.clone().requires_grad_()
        loss = mean_feature_distance(embed, real, images, most=limit)
        found.append((float(loss.detach()), torch.autograd.grad(loss, images)[0]))
    assert found[0][0] == pytest.approx(found[1][0])
    assert relative_error(found[1][1], found[0][1]) < 1e-12


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("batch", [None, 12])
@pytest.mark.parametrize("weighted", [False, True])
def test_training_in_parts_ends_with_the_same_weights(
    batch: int | None, weighted: bool, parts: Callable[[int], None]
) -> None:
    real = toy_data()
    data = real.train_images, real.train_labels
    recipe = Recipe(epochs=3, batch=batch, augment=("crop",) if batch else ())
    weights = torch.rand(2, 20, generator=generator(3)) if weighted else None
    whole = train(NET, *data, recipe, [1, 2], weights=weights, together=2)
    parts(14)  # of each network 7
    some = train(NET, *data, recipe, [1, 2], weights=weights, together=2)
    for name, parameter in whole.items():
        assert relative_error(some[name], parameter) < 1e-9, name


@pytest.mark.usefixtures("double")
def test_the_loss_of_meta_model_matching_in_parts(parts: Callable[[int], None]) -> None:
    real = toy_data()
    theta = ensemble.flatten(NET, initialize_many(NET, [1]))
    slopes = []
    for most in (1000, 4):
        parts(most)
        at = theta.clone().requires_grad_()
        loss = mean_loss(NET, real.train_images, real.train_labels)(at).sum()
        slopes.append(torch.autograd.grad(loss, at)[0])
    assert relative_error(slopes[1], slopes[0]) < 1e-12


@pytest.mark.usefixtures("double")
def test_answers_in_parts(parts: Callable[[int], None]) -> None:
    real, parameters = toy_data(), initialize_many(NET, [1, 2])
    whole = logits(NET, parameters, real.test_images)
    parts(7)
    torch.testing.assert_close(logits(NET, parameters, real.test_images), whole)


def many_classes(k: int, size: int) -> ddlib.ImageData:
    draws = generator("many")
    images = torch.randn(2 * k, 3, size, size, generator=draws)
    labels = torch.arange(k).repeat(2)
    names = tuple(f"class {i}" for i in range(k))
    return ddlib.ImageData(
        "many", images, labels, images[:k], labels[:k], names, (0.5,) * 3, (0.25,) * 3
    )


def test_three_hundred_classes_keep_their_numbers(protocols: Callable[..., None]) -> None:
    protocols(plain=Recipe(epochs=2))
    real = many_classes(300, 8)
    made = ddlib.distill(real, ddlib.DistributionMatching(ipc=1, steps=1, batch_real=2))
    assert made.labels.tolist() == list(range(300))
    assert ddlib.evaluate(made, real, nets=1).n == 1
    net = build("convnet", real.shape, 300)
    parameters = initialize_many(net, [0])
    parameters["head.bias"][0, 299] = 1e6  # every answer is the last class
    assert set(predictions(net, parameters, real.test_images).flatten().tolist()) == {299}


@pytest.mark.parametrize("size", [64, 128])
def test_large_images_are_distilled_and_judged(size: int, parts: Callable[[int], None]) -> None:
    real = many_classes(3, size)
    method = ddlib.DistributionMatching(ipc=1, steps=1, batch_real=2, network="convnet-quarter")
    made = ddlib.distill(real, method)
    assert made.images.shape == (3, 3, size, size)
    assert not torch.equal(made.images, method.initialize(real, 0)["images"])
