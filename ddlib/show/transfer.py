"""Figures of transfer: what is left of each set's gain in each network, and by protocol."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.gains import gains, kept
from ddlib.plots.marks import matrix
from ddlib.plots.style import GRAY, LOOKS, finish, name_rows, panels
from ddlib.studies import Study


def _but_random(study: Study) -> tuple[list[str], list[int]]:
    """The sources that are compared with random images, and their places."""
    rows = [i for i, source in enumerate(study.axes["source"]) if source != "random"]
    return [study.axes["source"][i] for i in rows], rows


def gain_table(study: Study) -> Figure:
    """Points above random images in the same network, as colors and as mean ± spread over runs."""
    sources, rows = _but_random(study)
    table = gains(study)[:, rows].flatten(2)
    networks = study.axes["network"]
    figure, (axis,) = panels(width=0.9 * len(sources) + 2.1, height=0.4 * len(networks) + 1.3)
    labels = [LOOKS[source].label.replace(" ", "\n") for source in sources]
    text = [[_mean(runs) for runs in row] for row in table]
    matrix(axis, table.mean(2).numpy(), networks, labels, text=text, center=0.0)
    for row in _group_starts(study):
        axis.axhline(row - 0.5, color="white", linewidth=4)
    axis.set_xlabel(f"points above random images in the same network, {_runs(study)}")
    return finish(figure, [], study.profile)


def _group_starts(study: Study) -> list[int]:
    """Rows of the networks with which other norms, other architectures, other widths begin."""
    groups = ([study.settings["home"]], *(study.settings[k] for k in ("norms", "others", "widths")))
    ends = list(accumulate(len(group) for group in groups))
    return [row for row in ends if row < len(study.axes["network"])]


def _mean(runs: Float[Tensor, " run"]) -> str:
    spread = f" ± {runs.std():.1f}" if len(runs) > 1 else ""
    return f"{runs.mean():+.1f}{spread}"


def _runs(study: Study) -> str:
    """How many runs stand behind one number."""
    sets, nets = (len(study.axes[axis]) for axis in ("set", "net"))
    return f"n = {sets * nets} (sets: {sets}, networks for each: {nets})"


def gain_runs(study: Study) -> Figure:
    """Test accuracy of every single run, one row for each network, with its ceiling."""
    figure, axis = _rows_of_runs(study, study.axes["source"], study.pick("accuracy"))
    for row, network in enumerate(study.axes["network"]):
        ceilings = study.pick("ceiling", network=network).tolist()
        label = "10 times as many real images" if row == 0 else None
        axis.vlines(ceilings, row - 0.4, row + 0.4, color="black", linewidth=1.2, label=label)
    return _finish_runs(figure, study, "test accuracy in percent")


def kept_runs(study: Study) -> Figure:
    """The part of the room between random images and the ceiling that every run filled."""
    sources, rows = _but_random(study)
    figure, axis = _rows_of_runs(study, sources, kept(study)[:, rows])
    axis.axvline(0, color=LOOKS["random"].color, linestyle="--", label="random images")
    axis.axvline(100, color="black", linewidth=1.2, label="10 times as many real images")
    return _finish_runs(figure, study, "percent of the room above random images")


def _rows_of_runs(
    study: Study, sources: Sequence[str], values: Float[Tensor, "network source set net"]
) -> tuple[Figure, Axes]:
    """A row for each network, in it a line for each source: runs as marks, their mean as a bar.

    Marks of the first set are filled, those of others hollow.
    """
    networks = study.axes["network"]
    figure, axis = plt.subplots(figsize=(7, 0.8 * len(networks) + 1.3), layout="constrained")
    for row in range(len(networks)):
        for shift, source in enumerate(sources):
            look, runs = LOOKS[source], values[row, shift]
            height = row + 0.7 * (shift / (len(sources) - 1) - 0.5)
            for which, some in enumerate(runs.tolist()):
                axis.plot(
                    some, [height] * len(some), look.marker, color=look.color, alpha=0.8,
                    markerfacecolor="none" if which else look.color, markersize=5,
                    label=None if row or which else look.label,
                )  # fmt: skip
            if runs.numel() > 1:
                axis.vlines(float(runs.mean()), height - 0.07, height + 0.07, color=look.color)
    name_rows(axis, networks)
    return figure, axis


def _finish_runs(figure: Figure, study: Study, measured: str) -> Figure:
    (axis,) = figure.axes
    hollow = ", hollow: second set" if len(study.axes["set"]) > 1 else ""
    axis.set_xlabel(f"{measured}\n(one point for each run{hollow})", fontsize=9)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    finish(figure, [axis], study.profile)
    axis.grid(False, axis="y")
    starts = _group_starts(study)
    for row in range(1, len(study.axes["network"])):
        axis.axhline(row - 0.5, color=GRAY if row in starts else "#DDDDDD", linewidth=0.8)
    return figure


def two_protocols(
    tables: Mapping[int, tuple[Sequence[str], Float[Tensor, "m p s"]]], profile: str
) -> Figure:
    """Lead over random images under `augmented` over that under `plain`, a point for each set.

    On the line the protocol changes nothing but the level. One panel for each ipc.
    """
    figure, axes = plt.subplots(
        1, len(tables), figsize=(3.1 * len(tables), 3.1), squeeze=False, layout="constrained"
    )
    for axis, (ipc, (tags, y)) in zip(axes[0], tables.items(), strict=True):
        lead = y - y[tags.index("random")].mean(1)[None, :, None]
        for tag, points in zip(tags, lead, strict=True):
            look = LOOKS[tag]
            axis.plot(*points, look.marker, color=look.color, alpha=0.8, label=look.label)
        axis.axline((0, 0), slope=1, color="#BBBBBB", linewidth=1)
        axis.set_title(f"images per class: {ipc}", fontsize=9)
        axis.set_xlabel("lead under 'plain', points", fontsize=8)
    axes[0][0].set_ylabel("lead under 'augmented', points", fontsize=8)
    axes[0][0].legend(fontsize=6, frameon=False)
    return finish(figure, list(axes[0]), profile)
