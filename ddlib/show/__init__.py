"""The figures of the book, one function each: functions of results, and nothing else draws."""

from ddlib.show.looks import LOOKS, Look, SCALES
from ddlib.show.methods import (accuracies, accuracy_by_ipc, control, distances, images, slider)
from ddlib.show.mixing import (mixing_changes, mixing_controls, mixing_dips, mixing_doses, pixel_ranges)
from ddlib.show.recognition import (recognition_and_strength, recognition_by_kind, recognition_changes, recognition_leak, recognition_map, recognition_places, recognition_steps, recognition_sureness, released_chart)
from ddlib.show.text import attempt, source

__all__ = [
    "LOOKS",
    "Look",
    "SCALES",
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
    "recognition_and_strength",
    "recognition_by_kind",
    "recognition_changes",
    "recognition_leak",
    "recognition_map",
    "recognition_places",
    "recognition_steps",
    "recognition_sureness",
    "released_chart",
    "slider",
    "source",
]
