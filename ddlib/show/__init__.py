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
from ddlib.show.influence import (
    explorer,
    helped_and_harmed,
    influence_sizes,
    own_shares,
    published_top,
    substitutes,
    sums_and_groups,
)
from ddlib.show.repetition import repeat_table, repeated, usual_table, usual_width
from ddlib.show.semantics import (
    helped,
    meaning,
    p_values,
    shuffles,
    spurious_color,
    traits_meaning,
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
    "explorer",
    "helped",
    "helped_and_harmed",
    "images",
    "influence_sizes",
    "meaning",
    "own_shares",
    "p_values",
    "passing",
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
