"""The figures of the book, one function each: functions of results, and nothing else draws."""

from ddlib.show.agreement import (
    agreement_gaps,
    agreements,
    likeness_levels,
    matched_accuracies,
    missed_stops,
)
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

__all__ = [
    "LOOKS",
    "SCALES",
    "Look",
    "accuracies",
    "accuracy_by_ipc",
    "agreement_gaps",
    "agreements",
    "attempt",
    "control",
    "distances",
    "images",
    "likeness_levels",
    "matched_accuracies",
    "missed_stops",
    "slider",
    "source",
]
