"""Fixtures that several test files share."""

from collections.abc import Callable, Iterator

import jaxtyping
import pytest
import torch

import ddlib
from ddlib.evaluation import PROTOCOLS
from ddlib.training import Recipe


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


@pytest.fixture
def protocols(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Other recipes under the names of protocols, for one test: `protocols(plain=Recipe(3))`."""

    def change(**recipes: Recipe) -> None:
        for name, recipe in recipes.items():
            monkeypatch.setitem(PROTOCOLS, name, recipe)

    return change
