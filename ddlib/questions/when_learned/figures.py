"""Figures of recognition on the way: by step, by test accuracy, by recipe, for long."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.marks import lines, over_sets
from ddlib.plots.style import GRAY, LOOKS, Look, finish, legend_below, panels
from ddlib.questions.shared.figures import released_beside_ours
from ddlib.questions.when_learned.experiment import LONG, RECIPES, RELEASED, TEST, steps_of
from ddlib.questions.when_learned.findings import findings, on_test

ALL: Mapping[str, Look] = LOOKS | {
    TEST: Look("real test images", "#000000", "*"),
    "random": Look("random training images", GRAY, "o"),
}
# The released figure, read off by eye: percent after so many steps, one network and one set each.
RELEASED_STEPS = (10, 20, 30, 50, 75, 100, 125, 150, 200, 250, 295)
RELEASED_CURVES = {
    "bptt": (23, 36, 44, 75, 89, 98, 100, 100, 100, 100, 100),
    "mtt": (28, 40, 50, 66, 87, 99, 99, 100, 100, 100, 100),
    "dc": (34, 44, 56, 65, 77, 79, 81, 85, 82, 83, 82),
    "dm": (33, 45, 47, 52, 64, 64, 68, 68, 77, 71, 75),
    "test": (29, 37, 42, 47, 52, 56, 58, 60, 62, 65, 66),
}
AGAINST = {
    "random": Look("above random training images", GRAY, "o"),
    "start": Look("above images before distillation", "#B09A74", "h"),
    "easy": Look("above easy training images", "#56B4E9", "<"),
}
ROWS = ("dm", "dc", "dsa", "mtt", "bptt", "mean")


def released_curves() -> pd.DataFrame:
    """The curves of the released figure, in the form of `along`."""
    return pd.DataFrame([
        {"method": method, "set": 0, "step": step, "recognized": float(value)}
        for method, values in RELEASED_CURVES.items()
        for step, value in zip(RELEASED_STEPS, values, strict=True)
    ])  # fmt: skip


def learning_curves(record: Record) -> Figure:
    """Recognition by training step, released and ours; pale lines are sets."""
    ours = along(record, tuple(RELEASED_CURVES))
    figure, (left, right) = panels(2, height=3.8, sharex=True, sharey=True)
    for axis, table in ((left, released_curves()), (right, ours)):
        lines(axis, table, "step", "recognized", each=["set"], looks=ALL)
        axis.set_xlabel("training steps\non real images")
    left.set_ylabel("images recognized, in percent")
    left.set_ylim(0, 102)
    return released_beside_ours(figure, left, right, record, "one network")


def against_test(record: Record, methods: Sequence[str]) -> Figure:
    """Recognition by the test accuracy that the same networks have reached; pale lines are sets."""
    figure, (axis,) = panels(height=3.9)
    _against(axis, record, methods, RELEASED)
    axis.set_xlabel("accuracy on real test images, in percent")
    axis.set_ylabel("images recognized, in percent")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def over(record: Record) -> Figure:
    """Points by which a set is ahead of real images, on the mean over the way, set by set."""
    found = findings(record)
    found = found[(found["contrast"] == "over") & found["other"].isin(list(AGAINST))]
    found = pd.concat([found[found["method"] == method] for method in ROWS])
    figure, (axis,) = panels(height=0.5 * len(ROWS) + 1.6)
    axis.axvline(0, color="black", linewidth=1)
    over_sets(axis, found, by="other", looks=AGAINST, names={m: ALL[m].label for m in ROWS})
    axis.set_xlabel("points ahead, mean over all measured steps")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def other_recipes(record: Record, methods: Sequence[str]) -> Figure:
    """Recognition by test accuracy, as released and with other rates and another network."""
    titles = {"as released": RELEASED} | {recipe: recipe for recipe in RECIPES}
    figure, axes = panels(2, rows=2, height=5.4, sharex=True, sharey=True)
    for axis, (title, condition) in zip(axes, titles.items(), strict=True):
        _against(axis, record, methods, condition)
        axis.set_title(title, fontsize=9)
    for axis in axes[2:]:
        axis.set_xlabel("accuracy on test images")
    for axis in axes[::2]:
        axis.set_ylabel("images recognized")
    legend_below(figure)
    return finish(figure, axes, record.profile)


def long_training(record: Record, methods: Sequence[str]) -> Figure:
    """Recognition when training goes on, in epochs; pale lines are sets."""
    epoch = int(record.arrays["epoch"])
    table = along(record, (TEST, *methods), LONG)
    table = table.assign(epoch=table["step"] / epoch)
    figure, (axis,) = panels(height=3.9)
    lines(axis, table, "epoch", "recognized", each=["set"], looks=ALL)
    axis.axvline(steps_of(record.settings)[-1] / epoch, color="black", ls=":")
    axis.set_xlabel("epochs of training on real images")
    axis.set_ylabel("images recognized, in percent")
    axis.set_ylim(0, 102)
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def along(record: Record, methods: Sequence[str], condition: str = RELEASED) -> pd.DataFrame:
    """Percent recognized by method, set and step, the mean of the networks that were asked."""
    steps = list(steps_of(record.settings, condition))
    rows = record.rows(condition=condition)
    parts = []
    for method in methods:
        mine = rows[rows["method"] == method]
        for number, some in mine.assign(set=mine["set"].fillna(0)).groupby("set"):
            mean = torch.stack(list(some["recognized"])).mean(0)
            parts += [
                {"method": method, "set": number, "step": step, "recognized": value}
                for step, value in zip(steps, mean.tolist(), strict=True)
            ]
    return pd.DataFrame(parts)


def _against(axis: Axes, record: Record, methods: Sequence[str], condition: str) -> None:
    """Curves over the test accuracy at the same step; on the dotted line both are equal."""
    steps = list(steps_of(record.settings, condition))
    test = dict(zip(steps, on_test(record, condition).mean(0).tolist(), strict=True))
    table = along(record, methods, condition)
    axis.plot([0, 100], [0, 100], ":", color="black", label="as well as test images")
    table = table.assign(test=table["step"].map(test))
    for (method, _), one in table.groupby(["method", "set"], sort=False):
        color = ALL[str(method)].color
        axis.plot(one["test"], one["recognized"], color=color, alpha=0.25, linewidth=0.7)
    for method, part in table.groupby("method", sort=False):
        look, mean = ALL[str(method)], part.groupby("step")[["test", "recognized"]].mean()
        axis.plot(
            mean["test"], mean["recognized"], look.line, marker=look.marker, color=look.color,
            markersize=5, markevery=max(1, len(mean) // 8), linewidth=1.4, label=look.label,
        )  # fmt: skip
    axis.set_xlim(5, 1.05 * max(test.values()))
    axis.set_ylim(0, 102)
