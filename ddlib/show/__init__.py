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
from ddlib.show.mixing import (
    mixing_changes,
    mixing_controls,
    mixing_dips,
    mixing_doses,
    pixel_ranges,
)
from ddlib.show.text import attempt, source

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
    "mixing_changes",
    "mixing_controls",
    "mixing_dips",
    "mixing_doses",
    "pixel_ranges",
    "slider",
    "source",
]
