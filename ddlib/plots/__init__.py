"""What the book draws with: one style, a few marks, and widgets for pages without a kernel."""

from ddlib.plots.comparison import comparison
from ddlib.plots.gallery import gallery
from ddlib.plots.ledger import effects, ledger
from ddlib.plots.marks import forest, lines, matrix, over_sets, sheet, strip
from ddlib.plots.sets import accuracies, accuracy_by_ipc, distances, images
from ddlib.plots.slider import control, slider
from ddlib.plots.style import LOOKS, Look, finish, legend_below, panels
from ddlib.plots.text import attempt, passing, source

__all__ = [
    "LOOKS",
    "Look",
    "accuracies",
    "accuracy_by_ipc",
    "attempt",
    "comparison",
    "control",
    "distances",
    "effects",
    "finish",
    "forest",
    "gallery",
    "images",
    "ledger",
    "legend_below",
    "lines",
    "matrix",
    "over_sets",
    "panels",
    "passing",
    "sheet",
    "slider",
    "source",
    "strip",
]
