"""The figures of the book, one function each: functions of results, and nothing else draws."""

from ddlib.show.looks import LOOKS, SCALES, Look
from ddlib.show.methods import (
    accuracies,
    accuracy_by_ipc,
    control,
    distances,
    images,
    slider,
)
from ddlib.show.text import attempt, source
from ddlib.show.transfer import gain_runs, gain_table, two_protocols

__all__ = [
    "LOOKS",
    "SCALES",
    "Look",
    "accuracies",
    "accuracy_by_ipc",
    "attempt",
    "control",
    "distances",
    "gain_runs",
    "gain_table",
    "images",
    "slider",
    "source",
    "two_protocols",
]
