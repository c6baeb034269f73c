"""Figures of mixing: each point must be the difference, in the row, that its labels name."""

from dataclasses import replace

import pytest
import torch
from helpers import toy_data
from matplotlib.axes import Axes

import ddlib
from ddlib import show
from ddlib.analysis import mixing
from ddlib.studies import Study

SMALL = mixing.Settings(
    sources=("random", "dm", "bptt"), doses=(0, 3), runs=2, wide=(), wide_sources=(),
    probed=("bptt", "random"), controls=("kept", "noise"), control_runs=2, orders=(), dose=3,
    changed=("random", "dm", "bptt"), changes=("Adam", "clipped"), change_runs=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def study() -> Study:
    """A study that trained nothing: all accuracies are made up, no two alike."""
    real, made = toy_data((9, 9, 9), channels=3), {}
    sets = {t: [ddlib.distill(real, ddlib.RandomSelection(ipc=3))] for t in SMALL.sources}
    keep = lambda key, _: {"accuracy": torch.tensor(made.setdefault(key, len(made) ** 1.5))}  # noqa: E731
    return replace(mixing.run(real, sets, SMALL, keep), profile="laptop")


def drawn(axis: Axes, color: str) -> list[tuple[tuple[float, ...], int]]:
    """What each set of points shows, and the row in which it lies."""
    lines = [line for line in axis.lines if line.get_color() == color and len(line.get_xdata())]
    return [
        (tuple(round(float(x), 3) for x in line.get_xdata()), round(float(line.get_ydata()[0])))
        for line in lines
    ]


def rounded(values: torch.Tensor) -> tuple[float, ...]:
    return tuple(round(float(x), 3) for x in values)


def test_a_lead_is_drawn_run_by_run(study: Study) -> None:
    axis = show.mixing_doses(study, over="random").axes[0]
    own, null = (study.pick("accuracy", source=t, dose=3) for t in ("dm", "random"))
    assert rounded(own - null) in [rounded(line.get_ydata()) for line in axis.lines]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        show.LOOKS[tag].label for tag in ("dm", "bptt")
    ]


def test_changes_are_drawn_alone_and_against_random_images_changed_alike(study: Study) -> None:
    left, right = show.mixing_changes(study).axes
    assert [text.get_text() for text in left.get_yticklabels()] == [
        "as published", "Adam", "clipped",
    ]  # fmt: skip
    dm, null = (study.pick("change", changed=t, change="clipped") for t in ("dm", "random"))
    color = show.LOOKS["dm"].color
    assert (rounded(dm), 2) in drawn(left, color)
    assert (rounded(dm - null), 2) in drawn(right, color)
    assert (rounded((dm - null).mean()[None]), 2) in drawn(right, color), "no mean"
    plain, null = (study.pick("accuracy", source=t, dose=0) for t in ("dm", "random"))
    assert (rounded(plain - null), 0) in drawn(right, color)
    assert len(drawn(left, show.LOOKS["random"].color)) == 6
    assert len(drawn(right, show.LOOKS["random"].color)) == 1, "the line at zero alone"


def test_controls_of_two_sources_share_their_rows(study: Study) -> None:
    axis = show.mixing_controls(study, "bptt", "random").axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == [
        "real images (as released)", "real images, set at full weight", "noise images",
    ]  # fmt: skip
    for tag in ("bptt", "random"):
        alone, joined = (study.pick("accuracy", source=tag, dose=k) for k in (0, 3))
        made = study.pick("control", probed=tag, control="noise")
        rows = drawn(axis, show.LOOKS[tag].color)
        assert (rounded(joined - alone), 0) in rows
        assert (rounded(made - alone), 2) in rows
        widths = [round(bar.get_width(), 3) for bar in axis.patches]
        assert rounded((made - alone).mean()[None])[0] in widths
