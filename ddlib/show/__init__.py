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
from ddlib.show.when_learned import (
    first_steps,
    in_order,
    learning_curves,
    long_training,
    other_recipes,
    published_curves,
    settling_steps,
    single,
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
    "first_steps",
    "images",
    "in_order",
    "learning_curves",
    "long_training",
    "other_recipes",
    "published_curves",
    "settling_steps",
    "single",
    "slider",
    "source",
]
