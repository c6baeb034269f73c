"""Figures of what single images of a set do for single test images, and the explorer."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from ddlib.instruments.attribution import costs
from ddlib.instruments.influences import TOP, averaged
from ddlib.plots.explorer import Explored, Sides
from ddlib.plots.explorer import explorer as explorer_of
from ddlib.plots.style import GRAY, LOOKS, closed, finish, name_rows
from ddlib.studies import Sets, Study

NOISE_LOOKS = {"reordered": ("images in another order", "|"), "nudged": ("start nudged", "_")}
# Of the ten airplane images that the study shows, each with the nine test images it helps most.
PUBLISHED = {"shown": 90, "airplanes, by eye": 90, "different ones": 88}


def explorer(study: Study, sets: Sets) -> HTML:
    """Choose an image, see whom it helps and harms; works without a kernel or a network."""
    rows = list(study.axes["image"])
    chosen = {tag: sets[tag][0] for tag in study.axes["source"]}
    explored = {
        tag: Explored(
            LOOKS[tag].label, (one.pixels().cpu()[rows] * 255).round().byte(), effects(study, tag)
        )
        for tag, one in chosen.items()
    }
    classes, nets = next(iter(chosen.values())).classes, averaged(study.settings["nets"])
    key = f"dd-explorer-{study.dataset}"
    return explorer_of(key, explored, study.arrays["thumbnails"], classes, nets)


def effects(study: Study, tag: str) -> list[Sides]:
    """For each image, helped and harmed: test image, mean change, in spreads, networks alike."""
    where = [study.axes["test"].index(row) for row in study.axes["shown"]]
    change = study.pick("influence", source=tag)[:, where].float()
    spread = change.std(0)
    listed, alike = (study.pick(k, source=tag).tolist() for k in ("listed", "alike"))

    def side(j: int, which: int) -> list[tuple[int, float, float, int]]:
        return [
            (t, round(v := float(change[j, t]), 3), round(v / float(spread[t]), 1), n)
            for t, n in zip(listed[j][which], alike[j][which], strict=True)
        ]

    return [(side(j, 0), side(j, 1)) for j in range(len(listed))]


def published_top() -> str:
    """What the study's figure shows, as a line of text."""
    return ", ".join(f"{name}: {value}" for name, value in PUBLISHED.items())


def helped_and_harmed(study: Study, sets: Sets, tag: str, images: Sequence[int]) -> Figure:
    """Some images of a set; beside each the test images that it helps and harms most."""
    pool, places = study.arrays["thumbnails"], len(study.axes["place"])
    figure, axes = plt.subplots(
        len(images), 2 * places + 2, figsize=(9, 0.62 * len(images) + 0.5),
        width_ratios=[1.4] + [1] * places + [0.4] + [1] * places, squeeze=False,
    )  # fmt: skip
    own = sets[tag][0].pixels().cpu()[list(study.axes["image"])]
    listed = study.pick("listed", source=tag)
    for row, j in zip(axes, images, strict=True):
        for axis in row:
            axis.axis("off")
        _draw(row[0], own[j])
        for side, first in ((0, 1), (1, places + 2)):
            for axis, t in zip(row[first : first + places], listed[j, side].tolist(), strict=True):
                _draw(axis, pool[t] / 255)
    for i, text in ((0, "image"), (1, "helps most"), (places + 2, "harms most")):
        axes[0][i].set_title(text, fontsize=8, loc="left")
    figure.subplots_adjust(0, 0, 1, 0.88, wspace=0.08, hspace=0.08)
    return closed(figure)


def _draw(axis: Axes, pixels: Tensor) -> None:
    picture = pixels.permute(1, 2, 0).expand(-1, -1, 3).numpy()
    axis.imshow(picture, interpolation="nearest")


def influence_sizes(study: Study) -> Figure:
    """How large influence is in each network, and how large what rounding alone changes."""
    figure, axis = plt.subplots(
        figsize=(7, 0.5 * len(study.axes["source"]) + 1.6), layout="constrained"
    )
    for row, tag in enumerate(study.axes["source"]):
        spread = study.pick("spread", source=tag)
        axis.plot(spread, _at(row, spread), LOOKS[tag].marker, color=LOOKS[tag].color)
        for name, (_, marker) in NOISE_LOOKS.items():
            noise = study.pick("noise", source=tag, noise=name)
            axis.plot(noise, _at(row, noise), marker, color=GRAY, markersize=9)
    for label, marker in NOISE_LOOKS.values():
        axis.plot([], [], marker, color=GRAY, label=label, linestyle="", markersize=9)
    axis.set_xscale("log")
    axis.set_xlim(None, 1.2)
    axis.xaxis.set_minor_formatter(NullFormatter())
    name_rows(axis, [LOOKS[tag].label for tag in study.axes["source"]])
    axis.set_xlabel("typical change of the loss of a test image (root of the mean square)")
    axis.legend(
        title="the same training, but", fontsize=7, title_fontsize=7, frameon=False,
        loc="upper left", bbox_to_anchor=(1, 1),
    )  # fmt: skip
    return finish(figure, [axis], study.profile, study.settings["network"])


def _at(row: int, values: Tensor) -> list[float]:
    """Heights of points in a row, a little apart."""
    return [row + 0.06 * (i - (len(values) - 1) / 2) for i in range(len(values))]


def own_shares(study: Study) -> Figure:
    """How many test images at both ends have the class of the image; each network a point."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    chance = 100 * study.settings["each"] / len(study.axes["test"])
    titles = {"helped": f"{TOP} helped most", "harmed": f"{TOP} harmed most"}
    for axis, (side, title) in zip(axes, titles.items(), strict=True):
        for row, tag in enumerate(study.axes["source"]):
            for scaling, fill in (("raw", "full"), ("standardized", "none")):
                share = 100 * study.pick("own", source=tag, side=side, scaling=scaling)
                axis.plot(
                    share, _at(row, share), LOOKS[tag].marker, color=LOOKS[tag].color,
                    fillstyle=fill,
                )  # fmt: skip
        axis.axvline(chance, color=GRAY, linestyle=":")
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("share of its own class, in percent", fontsize=8)
        axis.set_xlim(-4, 104)
        name_rows(axis, [LOOKS[tag].label for tag in study.axes["source"]])
    axes[1].plot([], [], "o", color=GRAY, label="raw change")
    axes[1].plot([], [], "o", color=GRAY, fillstyle="none", label="standardized")
    axes[1].plot([], [], ":", color=GRAY, label="chance")
    axes[1].legend(fontsize=7, frameon=False)
    return finish(figure, list(axes), study.profile, study.settings["network"])


def sums_and_groups(study: Study) -> Figure:
    """Does what single images do add up to what a group does? By size and kind of the group."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), layout="constrained")
    sizes = study.axes["size"]
    for axis, value in zip(axes, ("correlation", "slope"), strict=True):
        for kind, shift, fill in (("one class", -0.1, "full"), ("all classes", 0.1, "none")):
            found = study.pick("added", kind=kind, value=value)  # (deep, net, size, group)
            for i in range(len(sizes)):
                points = found[:, :, i].flatten()
                axis.plot(
                    [i + shift] * len(points), points, "o", color=LOOKS["bptt"].color,
                    fillstyle=fill, label=f"of {kind}" if i == 0 else None,
                )  # fmt: skip
        axis.set_xticks(range(len(sizes)), [str(n) for n in sizes])
        axis.set_xlabel("images left out at once")
        axis.axhline(1, color=GRAY, linestyle=":")
    axes[0].set_title("correlation of the sum with the group", fontsize=9)
    axes[1].set_title("group divided by sum", fontsize=9)
    axes[0].legend(fontsize=7, frameon=False)
    return finish(figure, list(axes), study.profile, study.settings["network"])


def substitutes(study: Study) -> Figure:
    """Each attribution against exact leave-one-out and against trainings on halves of the set."""
    names, judges = study.axes["attribution"], study.axes["judge"]
    figure, axes = plt.subplots(
        1, len(judges), figsize=(9, 3.2), sharey=True, sharex=True, layout="constrained"
    )
    n = len(study.axes["image"]) // study.settings["alone"] * 10
    steps, stops = study.settings["steps"], study.settings["stops"]
    others = study.settings["nets"][study.axes["deep"][0]] - 1
    spent, training = costs(steps, n, len(study.axes["test"]), 10, stops, others), steps * n
    for axis, judge in zip(axes, judges, strict=True):
        for row, name in enumerate(names):
            found = study.pick("judged", attribution=name, judge=judge).flatten()
            axis.plot(found, _at(row, found), "o", color=LOOKS["bptt"].color)
        axis.set_title(judge, fontsize=9)
        axis.axvline(0, color=GRAY, linestyle=":")
    labels = [f"{name} ({spent[name] / training:.3g})" for name in names]
    name_rows(axes[0], labels)
    axes[0].set_xlabel("rank correlation", fontsize=8)
    return finish(figure, list(axes), study.profile, study.settings["network"])
