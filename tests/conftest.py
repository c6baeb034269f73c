"""Fixtures that several test files share."""

from collections.abc import Iterator

import jaxtyping
import pytest
import torch

import ddlib


@pytest.fixture(scope="session")
def digits() -> ddlib.ImageData:
    """The digits that come with scikit-learn."""
    return ddlib.load("digits")


@pytest.fixture(scope="session")
def random_digits_accuracy(digits: ddlib.ImageData) -> float:
    """What one random digit per class is worth, as the mean over the sets of three seeds."""
    sets = [ddlib.distill(digits, ddlib.RandomSelection(ipc=1), seed=seed) for seed in range(3)]
    return sum(ddlib.evaluate(one, digits, nets=2).mean for one in sets) / 3


@pytest.fixture
def double() -> Iterator[None]:
    """Let everything made in the test be float64, so that equal means equal to ten digits."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switch off the shape checks that only tests have: a reader meets ddlib's own messages."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
