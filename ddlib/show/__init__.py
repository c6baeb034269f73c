"""The figures of the book, one function each: functions of results, and nothing else draws."""

from ddlib.show.bias import (
    bias_colors,
    bias_controls,
    bias_gaps,
    bias_groups,
    bias_images,
    bias_paths,
    bias_sizes,
)
from ddlib.show.influence import (
    explorer,
    helped_and_harmed,
    influence_sizes,
    own_shares,
    published_top,
    substitutes,
    sums_and_groups,
)
from ddlib.show.looks import LOOKS, SCALES, Look
from ddlib.show.methods import accuracies, accuracy_by_ipc, control, distances, images, slider
from ddlib.show.repetition import repeat_table, repeated, usual_table, usual_width
from ddlib.show.semantics import (
    helped,
    meaning,
    p_values,
    shuffles,
    spurious_color,
    traits_meaning,
)
from ddlib.show.text import attempt, source

__all__ = [
    "LOOKS",
    "SCALES",
    "Look",
    "accuracies",
    "accuracy_by_ipc",
    "attempt",
    "bias_colors",
    "bias_controls",
    "bias_gaps",
    "bias_groups",
    "bias_images",
    "bias_paths",
    "bias_sizes",
    "control",
    "distances",
    "explorer",
    "helped",
    "helped_and_harmed",
    "images",
    "influence_sizes",
    "meaning",
    "own_shares",
    "p_values",
    "published_top",
    "repeat_table",
    "repeated",
    "shuffles",
    "slider",
    "source",
    "spurious_color",
    "substitutes",
    "sums_and_groups",
    "traits_meaning",
    "usual_table",
    "usual_width",
]
