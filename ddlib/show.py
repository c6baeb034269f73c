"""The figures of the book, one function each: functions of results, and nothing else draws."""

from ddlib.names import SCALES
from ddlib.plots import (
    LOOKS,
    Look,
    accuracies,
    accuracy_by_ipc,
    attempt,
    control,
    distances,
    images,
    passing,
    slider,
    source,
)

__all__ = [
    "LOOKS",
    "SCALES",
    "Look",
    "accuracies",
    "accuracy_by_ipc",
    "attempt",
    "control",
    "distances",
    "images",
    "passing",
    "slider",
    "source",
]
