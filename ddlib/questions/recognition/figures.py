"""Figures of recognition: who recognizes which images, and how surely."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.plots.style import GRAY, LOOKS, finish
from ddlib.questions.recognition.findings import (
    kinds,
    learned,
    level,
    methods,
    near,
    recognized,
)
from ddlib.questions.recognition.probes import VERSIONS
from ddlib.questions.recognition.recognizers import LONG, MAIN
from ddlib.questions.shared.arrays import as_array

# The bars of the released chart, digitized from its stored image: trajectory matching, BPTT,
# distribution matching, gradient matching. `FILLED` is the order in which its code collects the
# results, `PRINTED` the order of its legend. What it calls ResNet-32 is a ResNet-34.
BARS = (
    (0.93, 0.91, 0.46, 0.41),
    (1.00, 1.00, 0.71, 0.68),
    (1.00, 1.00, 0.54, 0.55),
    (0.95, 0.95, 0.41, 0.36),
)
BAR_SOURCES = ("TM", "BPTT", "DM", "GM")
BAR_OF = {"mtt": "TM", "bptt": "BPTT", "dm": "DM", "dc": "GM", "dsa": "GM"}
PRINTED = ("ConvNet-Tiny", "ConvNet", "ResNet-18", "ResNet-32")
FILLED = ("ResNet-18", "ConvNet", "ConvNet-Tiny", "ResNet-34")
RELEASED_TEST = {  # stored outputs of the same notebook, in percent
    "ConvNet-Tiny": 68.37, "ConvNet": 80.91, "ResNet-18": 90.79, "ResNet-34": 92.76,
}  # fmt: skip
SHADES = ("#C6C6C6", "#8C8C8C", "#555555", "#111111")
MARKERS = dict(zip(("convnet-tiny", "convnet", "convnet-batch"), "v^<", strict=True))
MARKERS |= {"convnet-long": "o", "resnet-group": "s", "resnet-batch": "D"}


def released_chart() -> Figure:
    """The released bars under the legend that was printed, and under the one that fits them."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True, layout="constrained")
    for axis, title, names in zip(
        axes, ("as printed", "as mended"), (PRINTED, FILLED), strict=True
    ):
        order = ("ConvNet-Tiny", "ConvNet", "ResNet-18", names[3])  # weak to strong
        for i, name in enumerate(order):
            bars = BARS[names.index(name)]
            places = [x + 0.2 * (i - 1.5) for x in range(len(bars))]
            axis.bar(places, bars, 0.2, color=SHADES[i], edgecolor="white", label=name)
        axis.set_xticks(range(len(BAR_SOURCES)), BAR_SOURCES)
        axis.set_title(title, fontsize=9)
        axis.legend(fontsize=7, frameon=False, ncols=2, loc="upper right")
    axes[0].set_ylim(0, 1.35)
    axes[0].set_ylabel("share of 100 images\nrecognized (published)", fontsize=8)
    return finish(figure, list(axes), "full")


def _dots(axis: Axes, x: float | int, values: Tensor, color: str, marker: str, **more: Any) -> None:
    """Each network as a pale point, their mean as a full one."""
    values = values[~values.isnan()]
    axis.plot([x] * len(values), values, marker, color=color, alpha=0.3, markersize=4)
    if len(values):
        axis.plot([x], values.mean(), marker, color=color, markersize=7, **more)


def _panel(axis: Axes, found: Mapping[str, Tensor], line: Tensor | float, label: str) -> None:
    """The networks' values on each method, and a line where real images are."""
    for x, (method, values) in enumerate(found.items()):
        _dots(axis, x, values, LOOKS[method].color, LOOKS[method].marker)
    axis.axhline(float(line), color="black", linewidth=1)
    axis.set_ylabel(label, fontsize=8)
    _name_methods(axis, tuple(found))


def _name_methods(axis: Axes, names: Sequence[str]) -> None:
    axis.set_xticks(
        range(len(names)), [LOOKS[s].label for s in names], rotation=40, ha="right", fontsize=7
    )


def _row(n: int, width: float, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(
        1, n, figsize=(width, height), sharey=True, squeeze=False, layout="constrained"
    )
    return figure, list(axes[0])


def by_kind(record: Record) -> Figure:
    """Accuracy of each kind of network on each method, beside its accuracy on real test images."""
    names = kinds(record)
    figure, grid = plt.subplots(2, 3, figsize=(9, 5.6), sharey=True, layout="constrained")
    for axis in grid.flat[len(names) :]:
        axis.remove()
    axes = list(grid.flat[: len(names)])
    for axis, kind in zip(axes, names, strict=True):
        found = {method: recognized(record, kind, method) for method in methods(record)}
        _panel(axis, found, level(record, kind, "test").mean(), "")
        axis.axhline(level(record, kind, "shuffled").mean(), color="black", linewidth=1, ls=":")
        n = len(level(record, kind, "test"))
        axis.set_title(f"{kind} (n = {n})", fontsize=8)
        axis.set_ylim(0, 103)
    for axis in axes[::3]:
        axis.set_ylabel("images recognized, percent\n(line: real test images)", fontsize=8)
    return finish(figure, axes, record.profile)


def beside_test(record: Record) -> Figure:
    """Accuracy on sets minus accuracy on real test images: ConvNets trained briefly, and longer."""
    figure, (axis,) = _row(1, 7.0, 3.6)
    names = ("random", *learned(record))
    for x, method in enumerate(names):
        look = LOOKS[method]
        for kind, shift, full in ((MAIN, -0.17, "none"), (LONG, 0.17, "full")):
            above = recognized(record, kind, method) - level(record, kind, "test")
            _dots(axis, x + shift, above, look.color, look.marker, fillstyle=full)
        if method in BAR_OF:
            bar = BARS[FILLED.index("ConvNet")][BAR_SOURCES.index(BAR_OF[method])]
            published = 100 * bar - RELEASED_TEST["ConvNet"]
            axis.hlines(published, x - 0.4, x + 0.4, color=GRAY, linestyles=":")
    axis.axhline(0, color="black", linewidth=1)
    _name_methods(axis, names)
    short, long = (record.settings["recognizers"][k]["epochs"] for k in (MAIN, LONG))
    axis.set_ylabel(
        f"points above real test images\n(open: {short} epochs, full: {long},\ndotted: published)",
        fontsize=8,
    )
    return finish(figure, [axis], record.profile)


def and_strength(record: Record) -> Figure:
    """Accuracy on sets over accuracy on real test images, one point for each network."""
    shown = learned(record)
    figure, axes = _row(len(shown), 9.5, 2.9)
    for axis, method in zip(axes, shown, strict=True):
        for kind in kinds(record):
            axis.plot(
                level(record, kind, "test"), recognized(record, kind, method), MARKERS[kind],
                color=LOOKS[method].color, markersize=6, alpha=0.7,
                fillstyle="full" if "resnet" in kind else "none", label=kind,
            )  # fmt: skip
        axis.axline((60, 60), slope=1, color="black", linewidth=0.8, ls=":")
        axis.set_title(LOOKS[method].label, fontsize=8)
        axis.set_xlabel("accuracy on real test images", fontsize=8)
    axes[0].set_ylabel("images recognized, percent", fontsize=8)
    axes[0].legend(fontsize=6, frameon=False)
    return finish(figure, axes, record.profile)


def leak(record: Record) -> Figure:
    """Recognizers that were trained on the sets' first images, and others that never saw them."""
    figure, axes = _row(2, 8.0)
    names = learned(record)
    for axis, version, title in zip(
        axes, ("start", "set"), ("the images they began with", "the distilled sets"), strict=True
    ):
        for x, method in enumerate(names):
            look = LOOKS[method]
            for half, shift in (("own", -0.17), ("other", 0.17)):
                found = recognized(record, MAIN, method, half=half, version=version)
                full = "full" if half == "own" else "none"
                _dots(axis, x + shift, found, look.color, look.marker, fillstyle=full)
        axis.set_title(title, fontsize=9)
        _name_methods(axis, names)
    axes[0].set_ylabel(
        "images recognized, percent\n(full: starts seen, open: not seen)", fontsize=8
    )
    return finish(figure, axes, record.profile)


def changes(record: Record) -> Figure:
    """Accuracy of the main recognizers on the sets after small changes."""
    figure, (axis,) = _row(1, 8.0)
    versions = [v for v in VERSIONS if v != "start"]
    names = ("random", *learned(record))
    for i, method in enumerate(names):
        look = LOOKS[method]
        for x, version in enumerate(versions):
            place = x + 0.12 * (i - len(names) / 2 + 0.5)
            found = recognized(record, MAIN, method, version=version)
            label = {"label": look.label} if x == 0 else {}
            _dots(axis, place, found, look.color, look.marker, **label)
    axis.set_xticks(range(len(versions)), ["as it is", *versions[1:]])
    axis.set_ylabel("images recognized, percent", fontsize=8)
    axis.legend(fontsize=7, frameon=False, loc="lower left", ncols=2)
    return finish(figure, [axis], record.profile)


def sureness(record: Record) -> Figure:
    """Probability of the true class and margin, for sets and for real test images."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    labels = {"probability": "probability of true class, percent"}
    labels["margin"] = "mean margin, logits"
    for axis, (metric, label) in zip(axes, labels.items(), strict=True):
        found = {s: recognized(record, MAIN, s, metric) for s in methods(record)}
        line = level(record, MAIN, "test", metric=metric).mean()
        _panel(axis, found, line, f"{label}\n(line: real test images)")
    return finish(figure, list(axes), record.profile)


def steps(record: Record) -> Figure:
    """Accuracy on the images of a distillation on its way; each run's last step is 1."""
    figure, (axis,) = _row(1, 6.5)
    for method in learned(record):
        look = LOOKS[method]
        steps = record.rows(condition="steps", method=method)["along"].iloc[0]
        x = steps / steps.nan_to_num(0).max()
        rows = record.rows(condition="along", kind=MAIN, half="other", method=method)
        found = as_array(rows, "along", "network")
        axis.plot(x, found.mean(0), look.marker + "-", color=look.color, label=look.label)
        axis.fill_between(
            x, found.amin(0), found.amax(0), color=look.color, alpha=0.12, linewidth=0
        )
    axis.set_xlabel("share of the distillation steps")
    axis.set_ylabel("images recognized, percent\n(bands: all networks)", fontsize=8)
    axis.legend(fontsize=7, frameon=False)
    return finish(figure, [axis], record.profile)


def places(record: Record) -> Figure:
    """Labels of the nearest real images, and how far out the sets lie in their class."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    labels = {"agreement": "neighbors with own label, percent"}
    labels["percentile"] = "distance to mean, percentile"
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        found = {s: near(record, s, name).mean(1) for s in methods(record)}
        line = record.rows(condition="place", method="real")[name].mean()
        _panel(axis, found, line, f"{label}\n(line: real images held out)")
        axis.set_ylim(0, 103)
    return finish(figure, list(axes), record.profile)


def map(record: Record, names: Sequence[str] = ("dm", "bptt")) -> Figure:
    """Real test images as dots, one set of each method on top, colors by class."""
    figure, axes = plt.subplots(
        1, len(names), figsize=(8, 3.6), sharex=True, sharey=True, layout="constrained"
    )
    for axis, method in zip(axes, names, strict=True):
        arrays, i = record.arrays, methods(record).index(method)
        _points(axis, arrays["map_real"], arrays["map_real_label"], s=6, alpha=0.35)
        _points(
            axis, arrays["map"][i], arrays["map_label"][i],
            s=32, marker=LOOKS[method].marker, edgecolors="black", linewidths=0.5,
        )  # fmt: skip
        axis.set_title(f"{LOOKS[method].label} among real test images", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    return finish(figure, list(axes), record.profile)


def _points(axis: Axes, xy: Float[Tensor, "n 2"], labels: Tensor, **look: Any) -> None:
    axis.scatter(xy[:, 0], xy[:, 1], c=labels, cmap="tab10", vmin=-0.5, vmax=9.5, **look)
