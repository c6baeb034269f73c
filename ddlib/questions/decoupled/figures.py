"""Figures of decoupled methods: what their sets teach, and what their statistics are."""

from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.marks import strip
from ddlib.plots.style import Look, finish, legend_below, panels
from ddlib.questions.decoupled.findings import accuracies

KIND_LOOKS = {
    "hard": Look("hard labels", "#7F7F7F", "o"),
    "soft": Look("the teacher's soft labels", "#D55E00", "D"),
    "within": Look("soft labels, no more numbers stored", "#56B4E9", "s"),
}
NAMES = {"herding": "herding, teacher's features"}


def by_label(record: Record) -> Figure:
    """Test accuracy of each method with each kind of label, a pale point for each set."""
    long = accuracies(record)
    figure, (axis,) = panels(height=0.6 * long["method"].nunique() + 1.3)
    strip(axis, long, "accuracy", rows="method", by="kind", names=NAMES, looks=KIND_LOOKS)
    axis.set_xlabel("test accuracy in percent")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def statistics(record: Record) -> Figure:
    """How far the statistics of each set are from the real ones, all batch norms together."""
    figure, (axis,) = panels(height=0.4 * record.table["method"].nunique() + 1.0)
    strip(axis, record.table, "away", names=NAMES)
    axis.set_xlim(left=0)
    axis.set_xlabel("distance of means and variances from the real ones")
    return finish(figure, [axis], record.scale)
