"""Selection: greedy choices, held against a plain loop on toy features."""

from collections.abc import Callable

import pytest
import torch
from helpers import toy_data
from torch import Tensor

import ddlib
from ddlib.data import ImageData
from ddlib.methods.coresets import by_class, cover, herd, trained_features
from ddlib.seeds import generator

SIZES = (7, 4, 9)
SMALLEST = min(SIZES)

pytestmark = pytest.mark.usefixtures("double")


def toy_features(real: ImageData, seed: int) -> Tensor:
    return torch.randn(len(real.train_labels), 5, generator=generator("features", seed))


def plain_herd(x: Tensor, ipc: int) -> list[int]:
    """Greedy: each choice brings the mean of the chosen as close to the class mean as it can."""
    mean, chosen = x.mean(0), []
    for _ in range(ipc):
        left = [i for i in range(len(x)) if i not in chosen]
        chosen.append(min(left, key=lambda i: float((mean - x[[*chosen, i]].mean(0)).norm())))
    return chosen


def plain_cover(x: Tensor, ipc: int) -> list[int]:
    """Greedy: first the image closest to the mean, then the farthest from all chosen ones."""
    chosen = [min(range(len(x)), key=lambda i: float((x[i] - x.mean(0)).norm()))]
    for _ in range(ipc - 1):
        left = [i for i in range(len(x)) if i not in chosen]
        chosen.append(max(left, key=lambda i: min(float((x[i] - x[j]).norm()) for j in chosen)))
    return chosen


PAIRS = pytest.mark.parametrize(("select", "plain"), [(herd, plain_herd), (cover, plain_cover)])


@PAIRS
@pytest.mark.parametrize("ipc", [1, 2, SMALLEST])
def test_selection_equals_a_plain_loop(select: Callable, plain: Callable, ipc: int) -> None:
    real = toy_data(SIZES)
    for seed in range(5):
        features = toy_features(real, seed)
        found = select(*by_class(real, features), ipc, real)
        for label in range(len(SIZES)):
            members = (real.train_labels == label).nonzero()[:, 0]
            expected = members[plain(features[members], ipc)]
            assert found[label].tolist() == expected.tolist()


@PAIRS
def test_smaller_selections_begin_larger_ones(select: Callable, plain: Callable) -> None:
    real = toy_data(SIZES)
    lined = by_class(real, toy_features(real, 0))
    all_rows = select(*lined, SMALLEST, real)
    for ipc in range(1, SMALLEST):
        assert torch.equal(select(*lined, ipc, real), all_rows[:, :ipc])


@PAIRS
def test_no_padding_and_no_image_twice(select: Callable, plain: Callable) -> None:
    """Whole classes of very different sizes, where a padded row would show as a repeat."""
    real = toy_data((4, 30, 4))
    found = select(*by_class(real, toy_features(real, 1)), 4, real)
    assert found.flatten().unique().numel() == 12
    assert torch.equal(real.train_labels[found], torch.arange(3)[:, None].expand(3, 4))


def test_copies_of_an_image_are_chosen_at_most_once_each() -> None:
    real = toy_data((5, 5))
    same = torch.ones(10, 3)
    for select in (herd, cover):
        rows = select(*by_class(real, same), 5, real)
        assert rows.flatten().unique().numel() == 10


def test_class_means_ignore_padding() -> None:
    real = toy_data(SIZES)
    features = toy_features(real, 2)
    _, means = by_class(real, features)
    for label in range(len(SIZES)):
        expected = features[real.train_labels == label].mean(0)
        assert torch.allclose(means[label], expected, atol=1e-14)


@pytest.mark.parametrize("method", [ddlib.RandomSelection, ddlib.Herding, ddlib.KCenter])
def test_a_selected_set_holds_real_images_of_the_right_class(method: type) -> None:
    real = toy_data(SIZES)
    made = ddlib.distill(real, method(ipc=3), seed=1)
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    rows = [(real.train_images == x).flatten(1).all(1).nonzero().item() for x in made.images]
    assert len(set(rows)) == 9
    assert torch.equal(real.train_labels[rows], made.labels)
    assert torch.equal(ddlib.distill(real, method(ipc=3), seed=1).images, made.images)


def test_random_selection_follows_its_seed() -> None:
    real = toy_data((50, 50))
    first, other = (
        ddlib.distill(real, ddlib.RandomSelection(ipc=5), seed=s).images for s in (0, 1)
    )
    assert not torch.equal(first, other)


def test_features_come_from_a_trained_network() -> None:
    """Trained on the images themselves, so a linear reader separates the classes on them."""
    real = toy_data(SIZES)
    raw, trained = (trained_features(real, "convnet", epochs, 0) for epochs in (0, 30))
    assert raw.shape == trained.shape == (sum(SIZES), 128)
    spread = [float(by_class(real, x)[1].std(0).mean() / x.std(0).mean()) for x in (raw, trained)]
    assert spread[1] > spread[0]
