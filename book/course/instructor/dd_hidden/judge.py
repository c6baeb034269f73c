"""Which items of a problem set an answer passes."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from dd_hidden.apart import student

Ask = Callable[..., Any]


class Item(NamedTuple):
    """One thing that is tested: its points, what the student reads about it, and the test."""

    points: int
    about: str
    passed: Callable[[Ask], bool]


def items(name: str) -> Mapping[str, Item]:
    """The items of a problem set, `ps1` to `ps6`: the public one, then the hidden ones."""
    return import_module(f"dd_hidden.{name}").ITEMS


def verdicts(name: str, source: str) -> dict[str, bool]:
    """For each item, whether it is passed; whatever goes wrong is no pass."""
    ask = student(source)
    return {key: _passed(item, ask) for key, item in items(name).items()}


def _passed(item: Item, ask: Ask) -> bool:
    try:
        return item.passed(ask) is True
    except Exception:
        return False


def close(found: Any, expected: float, tolerance: float = 1e-6) -> bool:
    """Whether an answer is that number; what is no number is not."""
    if isinstance(found, bool) or not isinstance(found, float | int):
        return False
    return abs(found - expected) <= tolerance * max(1.0, abs(expected))
