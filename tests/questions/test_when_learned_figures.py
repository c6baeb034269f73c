"""Figures of recognition on the way: lines are where the study's numbers are."""

import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes

from ddlib.experiment.records import Record
from ddlib.questions.when_learned import figures
from ddlib.questions.when_learned.experiment import METHODS, RECIPES
from ddlib.questions.when_learned.figures import RELEASED_STEPS
from ddlib.questions.when_learned.findings import findings, still_to_come

SETTINGS = {
    "steps": 10, "every": 5, "recipe_every": 5, "long_steps": 40, "long_every": 20,
}  # fmt: skip


@pytest.fixture
def record() -> Record:
    seen = {
        method: torch.tensor([20.0, 90, 100]) - (i > 0) * torch.tensor([10.0, 50, 20]) - i
        for i, method in enumerate(METHODS)
    }
    test = (torch.tensor([10.0, 50, 60]), torch.tensor([20.0, 40, 60]))
    rows = []
    for condition in ("released", *RECIPES, "long"):
        part = 0.5 if condition in RECIPES else 1.0
        for network in (0, 1):
            at = {"condition": condition, "network": network}
            rows.append({**at, "method": "test", "recognized": test[network]})
            for method, curve in seen.items():
                rows += [
                    {**at, "method": method, "set": number, "recognized": part * curve + number}
                    for number in (0, 1)
                ]
    table = pd.DataFrame(rows).astype({"set": "Int64"})
    return Record("when_learned", "digits", SETTINGS, table, {"epoch": torch.tensor(10)})


def lines(axis: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """The points of every line that has a label."""
    named = [line for line in axis.lines if not line.get_label().startswith("_")]
    points = lambda line: tuple(torch.as_tensor(d).tolist() for d in line.get_data())  # noqa: E731
    return {line.get_label(): points(line) for line in named}


def test_curves_are_drawn_by_step_beside_the_released_ones(record: Record) -> None:
    left, right = figures.learning_curves(record).axes
    assert lines(left)["BPTT"] == (list(RELEASED_STEPS), list(figures.RELEASED_CURVES["bptt"]))
    assert left.get_ylim() == right.get_ylim()
    assert lines(right)["BPTT"] == ([0, 5, 10], [20.5, 90.5, 100.5]), "the mean of two sets"
    assert lines(right)["real test images"] == ([0, 5, 10], [15, 45, 60])
    pale = [line for line in right.lines if line.get_alpha() == 0.25]
    assert len(pale) == 2 * 4 + 1, "a line for each set"


def test_curves_are_drawn_by_test_accuracy(record: Record) -> None:
    drawn = lines(figures.against_test(record, ("bptt", "easy")).axes[0])
    assert drawn["BPTT"] == ([15, 45, 60], [20.5, 90.5, 100.5])
    assert set(drawn) == {"as well as test images", "BPTT", "easy training images"}


def test_how_far_a_set_is_ahead_is_drawn_in_its_row(record: Record) -> None:
    axis = figures.over(record).axes[0]
    rows = [text.get_text() for text in axis.get_yticklabels()]
    found = findings(record)
    found = found[(found["contrast"] == "over") & (found["method"] == "bptt")]
    for other, look in figures.AGAINST.items():
        means = {
            rows[round(line.get_ydata()[0])]: line.get_xdata()[0]
            for line in axis.lines
            if line.get_markersize() == 8 and line.get_color() == look.color
        }
        want = found[found["other"] == other]["value"].mean()
        assert means["BPTT"] == pytest.approx(want)


def test_each_recipe_has_its_panel(record: Record) -> None:
    axes = figures.other_recipes(record, ("bptt",)).axes
    assert [axis.get_title() for axis in axes] == ["as released", *RECIPES]
    assert lines(axes[0])["BPTT"][1] == [20.5, 90.5, 100.5]
    assert lines(axes[1])["BPTT"] == ([15, 45, 60], [10.5, 45.5, 50.5])


def test_long_training_is_drawn_in_epochs(record: Record) -> None:
    assert lines(figures.long_training(record, ("bptt",)).axes[0])["BPTT"][0] == [0, 2, 4]


def test_the_released_curves_are_as_early_as_the_ledger_has_it() -> None:
    wide = figures.released_curves().pivot(index="step", columns="method", values="recognized")
    bptt, test = (torch.tensor(wide[name].to_numpy()) for name in ("bptt", "test"))
    assert still_to_come(bptt, test) == 10  # 98 percent at step 100
