"""Figures of recognition: the released chart beside ours, and points above real test images."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.marks import over_sets, strip
from ddlib.plots.style import GRAY, Look, finish, legend_below, panels
from ddlib.questions.recognition.probes import VERSIONS
from ddlib.questions.recognition.recognizers import LONG, MAIN
from ddlib.questions.shared.figures import banded, diamonds, released_beside_ours

# The bars of the released chart, digitized from its stored image: trajectory matching, BPTT,
# distribution matching, gradient matching. `FILLED` is the order in which its code collects the
# results, `PRINTED` the order of its legend. What it calls ResNet-32 is a ResNet-34.
BARS = (
    (0.93, 0.91, 0.46, 0.41),
    (1.00, 1.00, 0.71, 0.68),
    (1.00, 1.00, 0.54, 0.55),
    (0.95, 0.95, 0.41, 0.36),
)
BAR_METHODS = ("mtt", "bptt", "dm", "dc")
PRINTED = ("ConvNet-Tiny", "ConvNet", "ResNet-18", "ResNet-32")
FILLED = ("ResNet-18", "ConvNet", "ConvNet-Tiny", "ResNet-34")
RELEASED_TEST = {  # stored outputs of the same notebook, in percent
    "ConvNet-Tiny": 68.37, "ConvNet": 80.91, "ResNet-18": 90.79, "ResNet-34": 92.76,
}  # fmt: skip
SOURCES = ("random", "dm", "dc", "dsa", "mtt", "bptt")
NAMES = {"real": "real test images"}

NETWORKS = {
    "ConvNet-Tiny": Look("ConvNet-Tiny", "#56B4E9", "v"),
    "ConvNet": Look("ConvNet", "#000000", "o"),
    "ResNet-18": Look("ResNet-18", "#D55E00", "D"),
    "ResNet-34": Look("ResNet-34", "#8A4FBF", "s"),
}
SAME = {"convnet-tiny": "ConvNet-Tiny", LONG: "ConvNet", "resnet-batch": "ResNet-18"}
KINDS = {
    "convnet-tiny": "ConvNet-Tiny", MAIN: "ConvNet", LONG: "ConvNet, trained long",
    "convnet-batch": "ConvNet, batch norm", "resnet-group": "ResNet-18, group norm",
    "resnet-batch": "ResNet-18, batch norm",
}  # fmt: skip


def chart(record: Record) -> Figure:
    """Images recognized by each network, released and ours, in rows with real test images first."""
    released = [
        {"method": method, "network": name, "recognized": 100 * bar}
        for name, bars in zip(FILLED, BARS, strict=True)
        for method, bar in zip(BAR_METHODS, bars, strict=True)
    ]
    released += [
        {"method": "real", "network": n, "recognized": v} for n, v in RELEASED_TEST.items()
    ]
    ours = above_test(record)
    ours = ours[ours["kind"].isin(list(SAME))]
    ours = ours.groupby(["kind", "method", "set"], sort=False)[["accuracy", "test"]].mean()
    ours = ours.reset_index().assign(network=lambda table: table["kind"].map(SAME))
    level = ours.drop_duplicates("network").assign(method="real", accuracy=lambda t: t["test"])
    ours = pd.concat([level, ours]).rename(columns={"accuracy": "recognized"})
    rows = ("real", *(m for m in SOURCES if m in set(ours["method"])))
    figure, axes = panels(2, height=0.42 * len(rows) + 2.0, sharex=True, sharey=True)
    for axis, table in zip(axes, (pd.DataFrame(released), ours), strict=True):
        blank = pd.DataFrame({"method": rows, "network": "ConvNet"})  # a row for each, also empty
        shown = pd.concat([blank, table[table["method"].isin(rows)]])
        strip(axis, shown, "recognized", by="network", looks=NETWORKS, names=NAMES)
        axis.axhline(0.5, color=GRAY, linewidth=1)
        axis.set_xlabel("images recognized,\nin percent")
    return released_beside_ours(figure, axes[0], axes[1], record, "a point: one network")


def above_test(record: Record, half: str = "other", version: str = "set") -> pd.DataFrame:
    """Recognition of each set by each network, in points above that of real test images."""
    table = record.table[record.table["half"] == half]
    shown = table[(table["condition"] == "set") & (table["version"] == version)]
    test = table[(table["condition"] == "level") & (table["level"] == "test")]
    level = test.set_index(["kind", "network"])["accuracy"].rename("test")
    found = shown[shown["method"].isin(SOURCES)].join(level, on=["kind", "network"])
    columns = ["kind", "method", "set", "network", "accuracy", "test", "value"]
    return found.assign(value=found["accuracy"] - found["test"])[columns]


def beside_test(record: Record) -> Figure:
    """Points above real test images: the same ConvNet trained briefly and long, and released."""
    epochs = {k: record.settings["recognizers"][k]["epochs"] for k in (MAIN, LONG)}
    looks = {
        MAIN: Look(f"after {epochs[MAIN]} epochs", "#56B4E9", "v"),
        LONG: Look(f"after {epochs[LONG]} epochs", "#000000", "o"),
    }
    found = above_test(record)
    found = found[found["kind"].isin(list(looks))]
    bars = dict(zip(BAR_METHODS, BARS[FILLED.index("ConvNet")], strict=True))
    shown = set(found["method"])
    released = {m: 100 * b - RELEASED_TEST["ConvNet"] for m, b in bars.items() if m in shown}
    figure, axis = _above(found, "kind", looks)
    rows = list(dict.fromkeys(found["method"]))
    diamonds(axis, released, rows, "released, after 40 epochs")
    axis.set_xlim(left=min(axis.get_xlim()[0], *released.values()) - 1)
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def starts(record: Record) -> Figure:
    """Points above real test images: first images, sets, and sets by who knows the first images."""
    looks = {
        "start": Look("first images", "#B09A74", "h"),
        "set": Look("the set", "#000000", "o"),
        "own": Look("the set, first images known", "#56B4E9", "v"),
    }
    parts = {
        "start": above_test(record, version="start"), "set": above_test(record),
        "own": above_test(record, half="own"),
    }  # fmt: skip
    found = pd.concat([part.assign(who=name) for name, part in parts.items()])
    found = found[(found["kind"] == MAIN) & (found["method"] != "random")]
    figure, axis = _above(found, "who", looks)
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def by_kind(record: Record) -> Figure:
    """Points above real test images by kind of network, each beside its own level."""
    found = above_test(record)
    found = found[found["method"].isin(["random", "dm", "dc", "dsa"])]
    rows = [kind for kind in KINDS if kind in set(found["kind"])]
    found = pd.concat([found[found["kind"] == kind] for kind in rows])
    figure, (axis,) = panels(height=0.6 * len(rows) + 1.6)
    axis.axvline(0, color="black", linewidth=1)
    over_sets(axis, found, rows="kind", names=KINDS)
    axis.set_xlabel("points above real test images")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def changes(record: Record) -> Figure:
    """Images recognized after small changes, those of random real images among them."""
    table = record.table
    table = table[(table["condition"] == "set") & (table["half"] == "other")]
    table = table[(table["kind"] == MAIN) & table["method"].isin(SOURCES)]
    names = {v: v for v in VERSIONS if v != "start"} | {"set": "as it is"}
    table = pd.concat([table[table["version"] == version] for version in names])
    figure, (axis,) = panels(height=0.72 * len(names) + 1.4)
    banded(axis, len(names))
    over_sets(axis, table, "accuracy", rows="version", names=names)
    axis.set_xlabel("images recognized, percent")
    legend_below(figure)
    return finish(figure, [axis], record.profile)


def _above(found: pd.DataFrame, by: str, looks: dict[str, Look]) -> tuple[Figure, Axes]:
    """A row for each method, with a line where real test images are."""
    figure, (axis,) = panels(height=0.45 * found["method"].nunique() + 1.5)
    axis.axvline(0, color="black", linewidth=1)
    over_sets(axis, found, by=by, looks=looks, names=NAMES)
    axis.set_xlabel("points above real test images")
    return figure, axis
