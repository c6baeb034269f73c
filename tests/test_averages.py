"""Averages: k-means where the answer is known, and the class average as its first case."""

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.seeds import generator

SIZES = (7, 5, 9)


def test_one_center_is_the_class_average() -> None:
    real = toy_data(SIZES)
    made = ddlib.distill(real, ddlib.KMeans(ipc=1), seed=0)
    for c, image in enumerate(made.images):
        torch.testing.assert_close(image, real.train_images[real.train_labels == c].mean(0))
    assert made.labels.tolist() == [0, 1, 2]


def test_separate_clumps_are_found(unchecked: None) -> None:
    """Every class is two tight clumps; the centers are their means, in either order."""
    draws = generator(0, "clumps")
    real = toy_data((6, 6, 6))
    side = torch.arange(18) % 2
    clumps = 10.0 * side[:, None, None, None] + 0.01 * torch.randn(
        real.train_images.shape, generator=draws
    )
    real.train_images.copy_(clumps)
    made = ddlib.distill(real, ddlib.KMeans(ipc=2), seed=0)
    assert made.labels.tolist() == [0, 0, 1, 1, 2, 2]
    for c, pair in enumerate(made.images.unflatten(0, (3, 2))):
        own = real.train_labels == c
        wanted = [clumps[own & (side == s)].mean(0) for s in (0, 1)]
        low, high = sorted(pair, key=lambda image: float(image.mean()))
        torch.testing.assert_close(low, wanted[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(high, wanted[1], atol=1e-4, rtol=0)


def test_same_seed_same_centers() -> None:
    real = toy_data(SIZES)
    first, again = (ddlib.distill(real, ddlib.KMeans(ipc=3), seed=4).images for _ in range(2))
    assert torch.equal(first, again)


def test_more_centers_than_images_are_refused() -> None:
    with pytest.raises(ValueError, match="ipc must be between 1 and 5"):
        ddlib.distill(toy_data(SIZES), ddlib.KMeans(ipc=6))
