"""Figures of recognition on the way: lines are where the study's numbers are."""

import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes

from ddlib.experiment.records import Record
from ddlib.questions.when_learned import figures
from ddlib.questions.when_learned.experiment import RECIPES
from ddlib.questions.when_learned.figures import RELEASED_STEPS
from ddlib.questions.when_learned.findings import curves, on_test, still_to_come

INF = float("inf")
SETTINGS = {
    "steps": 10, "every": 5, "recipe_every": 5, "long_steps": 40, "long_every": 20,
}  # fmt: skip


@pytest.fixture
def record() -> Record:
    seen = {"bptt": torch.tensor([20.0, 90, 100]), "easy": torch.tensor([10.0, 40, 80])}
    test = (torch.tensor([10.0, 50, 60]), torch.tensor([20.0, 40, 60]))
    first = (torch.tensor([0.0, 5]), torch.tensor([10, INF]))
    rows = []
    for condition in ("released", *RECIPES, "long"):
        part = 0.5 if condition in RECIPES else 1.0
        for network in (0, 1):
            at = {"condition": condition, "network": network}
            rows.append({**at, "method": "test", "recognized": test[network]})
            for i, (method, curve) in enumerate(seen.items()):
                rows += [
                    {**at, "method": method, "set": number, "recognized": part * curve,
                     "first": first[i]}
                    for number in (0, 1)
                ]  # fmt: skip
    table = pd.DataFrame(rows).astype({"set": "Int64"})
    return Record("when_learned", "digits", SETTINGS, table, {"epoch": torch.tensor(10)})


def lines(axis: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """The points of every line that has a label."""
    named = [line for line in axis.lines if not line.get_label().startswith("_")]
    points = lambda line: tuple(torch.as_tensor(d).tolist() for d in line.get_data())  # noqa: E731
    return {line.get_label(): points(line) for line in named}


def test_curves_are_drawn_by_step_and_by_test_accuracy(record: Record) -> None:
    left, right = figures.learning_curves(record, ("bptt", "easy")).axes
    assert lines(left)["BPTT"] == ([0, 5, 10], [20, 90, 100])
    assert lines(left)["real test images"] == ([0, 5, 10], [15, 45, 60])
    assert lines(right)["easy training images"] == ([15, 45, 60], [10, 40, 80])


def test_settling_is_drawn_network_by_network(record: Record) -> None:
    axis = figures.settling_steps(record, ("bptt", "easy")).axes[0]
    test, _, bptt, _, easy, *_ = (line.get_xdata() for line in axis.lines)
    assert [list(found) for found in (test, bptt, easy)] == [[10] * 2, [5] * 4, [10] * 4]


def test_images_that_are_never_recognized_are_missing_from_the_share(record: Record) -> None:
    drawn = lines(figures.first_steps(record, ("bptt", "easy")).axes[0])
    assert drawn["BPTT"][1] == [50, 100, 100]
    assert drawn["easy training images"][1] == [0, 0, 50]


def test_each_recipe_has_its_panel(record: Record) -> None:
    axes = figures.other_recipes(record, ("bptt",)).axes
    assert [axis.get_title() for axis in axes] == ["as released", *RECIPES]
    assert lines(axes[0])["BPTT"][1] == [20, 90, 100]
    assert lines(axes[1])["BPTT"] == ([15, 45, 60], [10, 45, 50])


def test_long_training_is_drawn_in_epochs(record: Record) -> None:
    assert lines(figures.long_training(record, ("bptt",)).axes[0])["BPTT"][0] == [0, 2, 4]


def test_the_released_curves_have_the_form_of_ours() -> None:
    released = figures.released_curves()
    bptt, test = curves(released, "bptt")[0, 0], on_test(released)[0]
    assert still_to_come(bptt, test) == 10  # 98 percent at step 100
    left, _ = figures.learning_curves(released, ("bptt", "mtt", "dc", "dm")).axes
    assert lines(left)["BPTT"] == (list(RELEASED_STEPS), bptt.tolist())
    assert "full scale" in left.figure.get_suptitle()


def test_one_run_is_one_network_and_one_set(record: Record) -> None:
    table = record.table
    mine = (table["network"] == 1) & (table["set"] == 1) & (table["method"] == "bptt")
    table.at[table.index[mine][0], "recognized"] = torch.tensor([1.0, 2, 3])
    left = figures.learning_curves(figures.single(record, 1, 1), ("bptt",)).axes[0]
    assert lines(left)["BPTT"][1] == [1, 2, 3]
    assert lines(left)["real test images"][1] == [20, 40, 60]
    assert not left.collections, "one run has no spread to draw"


def test_images_are_ordered_within_their_class() -> None:
    images = torch.arange(6.0).view(6, 1, 1, 1)
    first = torch.tensor([[5.0, 0, 10, 7, INF, 6], [5, 5, 10, 7, 9, 20]])
    assert figures.in_order(images, first, 2).flatten().tolist() == [1, 0, 2, 3, 5, 4]
