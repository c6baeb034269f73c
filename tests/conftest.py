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
