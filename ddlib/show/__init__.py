"""The figures of the book, one function each: functions of results, and nothing else draws."""

from ddlib.show.agreement import (agreement_gaps, agreements, likeness_levels, matched_accuracies, missed_stops)
from ddlib.show.curvature import (confidence_along, curvature_along, curvature_beside_real, eigenvalues, published_traces, smoothing, stopping, turns)
from ddlib.show.looks import LOOKS, Look, SCALES
from ddlib.show.methods import (accuracies, accuracy_by_ipc, control, distances, images, slider)
from ddlib.show.mixing import (mixing_changes, mixing_controls, mixing_dips, mixing_doses, pixel_ranges)
from ddlib.show.recognition import (recognition_and_strength, recognition_by_kind, recognition_changes, recognition_leak, recognition_map, recognition_places, recognition_steps, recognition_sureness, released_chart)
from ddlib.show.text import attempt, source
from ddlib.show.transfer import gain_runs, gain_table, two_protocols
from ddlib.show.when_learned import (first_steps, in_order, learning_curves, long_training, other_recipes, published_curves, settling_steps, single)

__all__ = [
    "LOOKS",
    "Look",
    "SCALES",
    "accuracies",
    "accuracy_by_ipc",
    "agreement_gaps",
    "agreements",
    "attempt",
    "confidence_along",
    "control",
    "curvature_along",
    "curvature_beside_real",
    "distances",
    "eigenvalues",
    "first_steps",
    "gain_runs",
    "gain_table",
    "images",
    "in_order",
    "learning_curves",
    "likeness_levels",
    "long_training",
    "matched_accuracies",
    "missed_stops",
    "mixing_changes",
    "mixing_controls",
    "mixing_dips",
    "mixing_doses",
    "other_recipes",
    "pixel_ranges",
    "published_curves",
    "published_traces",
    "recognition_and_strength",
    "recognition_by_kind",
    "recognition_changes",
    "recognition_leak",
    "recognition_map",
    "recognition_places",
    "recognition_steps",
    "recognition_sureness",
    "released_chart",
    "settling_steps",
    "single",
    "slider",
    "smoothing",
    "source",
    "stopping",
    "turns",
    "two_protocols",
]
