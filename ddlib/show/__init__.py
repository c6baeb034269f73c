"""The figures of the book, one function each: functions of results, and nothing else draws."""

from ddlib.show.curvature import (
    confidence_along,
    curvature_along,
    curvature_beside_real,
    eigenvalues,
    published_traces,
    smoothing,
    stopping,
    turns,
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
    "attempt",
    "confidence_along",
    "control",
    "curvature_along",
    "curvature_beside_real",
    "distances",
    "eigenvalues",
    "images",
    "published_traces",
    "slider",
    "smoothing",
    "source",
    "stopping",
    "turns",
]
