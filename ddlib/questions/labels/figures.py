"""Figures of labels: what they add, when to stop the teacher, and what is left for the images."""

import pandas as pd
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.marks import lines, strip
from ddlib.plots.style import GRAY, LOOKS, SMALL, Look, finish, legend_below, panels
from ddlib.questions.labels.experiment import EARLY, FULL, HARD, SHUFFLED
from ddlib.questions.labels.findings import LEADERBOARD, accuracies, best_stop, findings, scores

LABEL_LOOKS = {
    HARD: Look("hard labels", "#7F7F7F", "o"),
    EARLY: Look("early-stopped teacher", "#D55E00", "D"),
    FULL: Look("fully trained teacher", "#56B4E9", "s"),
    SHUFFLED: Look("shuffled within the class", "#882255", "v"),
}


def by_label(record: Record) -> Figure:
    """Test accuracy of each method with each kind of label, a pale point for each network."""
    long = accuracies(record)[list(LABEL_LOOKS)].reset_index()
    long = long.melt(["method", "set", "network"], var_name="kind", value_name="accuracy")
    names = list(dict.fromkeys(long["method"]))
    figure, (axis,) = panels(height=0.55 * len(names) + 1.3)
    strip(axis, long, "accuracy", rows="method", by="kind", looks=LABEL_LOOKS)
    axis.set_xlabel("test accuracy in percent")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def tuning(record: Record) -> Figure:
    """By epochs of the teacher: its own accuracy, and that of students with its labels.

    Both on held-out training images. The line marks the stop with the best students.
    """
    looks = {
        "teacher": Look("the teacher itself", "#000000", "*"),
        "tuning": Look("students on random images with its labels", "#D55E00", "D"),
    }
    rows = record.table[record.table["condition"].isin(looks)]
    figure, axes = panels(2, height=2.7)
    for axis, condition in zip(axes, looks, strict=True):
        own = rows[rows["condition"] == condition].astype({"stop": float})
        lines(axis, own, "stop", "score", by="condition", looks=looks)
        axis.axvline(best_stop(record), color=GRAY, linewidth=1, linestyle=":")
        axis.set_xlabel("epochs of the teacher")
    axes[0].set_ylabel("held-out accuracy, %")
    legend_below(figure)
    return finish(figure, axes, record.scale)


def gains(record: Record) -> Figure:
    """The gain over random images with hard labels, and when both have those of the teacher."""
    found = findings(record)
    rows = found[(found["contrast"] == "gain") & found["kind"].isin([HARD, EARLY])]
    rows = rows[rows["method"] != "random"]
    figure, (axis,) = panels(height=0.45 * rows["method"].nunique() + 1.3)
    strip(axis, rows, "value", rows="method", by="kind", looks=LABEL_LOOKS)
    axis.axvline(0, color=GRAY, linewidth=1)
    axis.set_xlabel("points above random images with the same kind of label")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def score_and_accuracy(record: Record) -> Figure:
    """DD-Ranking's score over plain accuracy, each set with hard and with early labels."""
    mean = scores(record).groupby(["method", "kind"], sort=False)[["accuracy", "score"]].mean()
    figure, (axis,) = panels(height=3.4)
    for row in mean.reset_index().to_dict("records"):
        look, hard = LOOKS[row["method"]], row["kind"] == HARD
        axis.plot(
            row["accuracy"], row["score"], look.marker, color=look.color, markersize=7,
            markerfacecolor="white" if hard else look.color, label=None if hard else look.label,
        )  # fmt: skip
    axis.set_xlabel("test accuracy in percent (open: hard labels, full: soft ones)")
    axis.set_ylabel("label-robust score")
    legend_below(figure)
    return finish(figure, [axis], record.scale)


def leaderboard() -> Figure:
    """DD-Ranking's own rows for CIFAR-10 at ten images per class: what is gained over random."""
    table = pd.DataFrame(LEADERBOARD, index=["missing", "gained"]).T
    figure, (axis,) = panels(height=2.9)
    axis.plot(table["missing"], table["gained"], "o", color="#000000")
    for name, row in table.iterrows():
        axis.annotate(
            str(name), (row["missing"], row["gained"]), xytext=(-4, -12 if name == "DC" else 5),
            textcoords="offset points", fontsize=SMALL,
        )  # fmt: skip
    axis.axhline(0, color=GRAY, linewidth=1)
    axis.set_xlabel("points missing to all real images, both with hard labels")
    axis.set_ylabel("points above random\nimages, labels alike")
    return finish(figure, [axis], "full")
