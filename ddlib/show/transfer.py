"""Figures of transfer: what is left of each set's gain in each network, and by protocol."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ddlib.instruments.gains import gains
from ddlib.show.looks import LOOKS, finish
from ddlib.studies import Study


def gain_table(study: Study) -> Figure:
    """Points above random images in the same network, as colors and numbers, mean over runs."""
    sources = [source for source in study.axes["source"] if source != "random"]
    rows = [study.axes["source"].index(source) for source in sources]
    table = gains(study).mean(2)[:, rows]
    networks = study.axes["network"]
    figure, axis = plt.subplots(
        figsize=(1.3 * len(sources) + 2.6, 0.42 * len(networks) + 1.3), layout="constrained"
    )
    most = float(table.abs().max())
    axis.imshow(table.numpy(), cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
    for i, row in enumerate(table.tolist()):
        for j, value in enumerate(row):
            color = "white" if abs(value) > 0.6 * most else "black"
            axis.text(j, i, f"{value:+.1f}", ha="center", va="center", color=color, fontsize=9)
    labels = [LOOKS[source].label.replace(" (", "\n(") for source in sources]
    axis.set_xticks(range(len(sources)), labels, fontsize=8)
    axis.set_yticks(range(len(networks)), networks, fontsize=8)
    axis.tick_params(length=0)
    n = _runs(study)
    axis.set_xlabel(f"points above random images in the same network, mean of {n}", fontsize=8)
    finish(figure, [axis], study.profile)
    axis.grid(False)
    return figure


def _runs(study: Study) -> str:
    """How many runs stand behind one cell."""
    sets, nets = (len(study.axes[axis]) for axis in ("set", "net"))
    return f"{sets * nets} (sets: {sets}, networks for each: {nets})"


def gain_runs(study: Study) -> Figure:
    """Test accuracy of every single run, one row for each network, with its ceiling."""
    networks = study.axes["network"]
    figure, axis = plt.subplots(figsize=(6.5, 0.55 * len(networks) + 1.3), layout="constrained")
    sources = study.axes["source"]
    for row, network in enumerate(networks):
        for shift, source in enumerate(sources):
            look = LOOKS[source]
            runs = study.pick("accuracy", network=network, source=source).flatten().tolist()
            height = row + 0.7 * (shift / (len(sources) - 1) - 0.5)
            label = look.label if row == 0 else None
            axis.plot(
                runs, [height] * len(runs), look.marker, color=look.color, alpha=0.7, label=label,
                markersize=5,
            )  # fmt: skip
        ceiling = study.pick("ceiling", network=network).mean().item()
        label = "10 times as many real images" if row == 0 else None
        axis.plot([ceiling] * 2, [row - 0.4, row + 0.4], color="black", label=label)
    axis.set_yticks(range(len(networks)), networks, fontsize=8)
    axis.set_ylim(len(networks) - 0.5, -0.5)
    axis.set_xlabel("test accuracy in percent, one point for each run")
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(figure, [axis], study.profile)


def two_protocols(
    tables: Mapping[int, tuple[Sequence[str], Float[Tensor, "m p s"]]], profile: str
) -> Figure:
    """Lead over random images under protocol `dc` over that under `study`, a point for each set.

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
        axis.set_xlabel("lead under 'study', points", fontsize=8)
    axes[0][0].set_ylabel("lead under 'dc', points", fontsize=8)
    axes[0][0].legend(fontsize=6, frameon=False)
    return finish(figure, list(axes[0]), profile)
