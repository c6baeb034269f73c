"""Figures of recognition on the way: lines are where the study's numbers are."""

import pytest
import torch
from matplotlib.axes import Axes

from ddlib import show
from ddlib.analysis.when_learned import RECIPES, still_to_come
from ddlib.show.when_learned import PUBLISHED_STEPS
from ddlib.studies import Study

INF = float("inf")


@pytest.fixture
def study() -> Study:
    recognition = torch.zeros(2, 3, 2, 2)  # (net, step, source, set)
    recognition[:, :, 0] = torch.tensor([20.0, 90, 100])[:, None]
    recognition[:, :, 1] = torch.tensor([10.0, 40, 80])[:, None]
    test = torch.tensor([[10.0, 50, 60], [20, 40, 60]])
    first = torch.tensor([[0.0, 5], [10, INF]]).view(1, 2, 1, 2).expand(2, 2, 2, 2)
    axes = {
        "net": (0, 1), "step": (0, 5, 10), "source": ("bptt", "easy"), "set": (0, 1),
        "image": (0, 1), "recipe": tuple(RECIPES), "recipe_net": (0, 1), "recipe_step": (0, 5, 10),
        "long_net": (0, 1), "long_step": (0, 20, 40),
    }  # fmt: skip
    dims = {
        "recognition": ("net", "step", "source", "set"), "test": ("net", "step"),
        "first": ("net", "source", "set", "image"),
        "recipe_recognition": ("recipe", "recipe_net", "recipe_step", "source", "set"),
        "recipe_test": ("recipe", "recipe_net", "recipe_step"),
        "long_recognition": ("long_net", "long_step", "source", "set"),
        "long_test": ("long_net", "long_step"),
    }  # fmt: skip
    arrays = {
        "recognition": recognition, "test": test, "first": first,
        "recipe_recognition": recognition.expand(3, *recognition.shape) / 2,
        "recipe_test": test.expand(3, 2, 3), "long_recognition": recognition, "long_test": test,
    }  # fmt: skip
    return Study("when_learned", "digits", {"epoch": 10}, axes, dims, arrays)


def lines(axis: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """The points of every line that has a label."""
    named = [line for line in axis.lines if not line.get_label().startswith("_")]
    points = lambda line: tuple(torch.as_tensor(d).tolist() for d in line.get_data())  # noqa: E731
    return {line.get_label(): points(line) for line in named}


def test_curves_are_drawn_by_step_and_by_test_accuracy(study: Study) -> None:
    left, right = show.learning_curves(study, ("bptt", "easy")).axes
    assert lines(left)["BPTT"] == ([0, 5, 10], [20, 90, 100])
    assert lines(left)["real test images"] == ([0, 5, 10], [15, 45, 60])
    assert lines(right)["easy training images"] == ([15, 45, 60], [10, 40, 80])


def test_settling_is_drawn_network_by_network(study: Study) -> None:
    axis = show.settling_steps(study, ("bptt", "easy")).axes[0]
    test, _, bptt, _, easy, *_ = (line.get_xdata() for line in axis.lines)
    assert [list(found) for found in (test, bptt, easy)] == [[10] * 2, [5] * 4, [10] * 4]


def test_images_that_are_never_recognized_are_missing_from_the_share(study: Study) -> None:
    drawn = lines(show.first_steps(study, ("bptt", "easy")).axes[0])
    assert drawn["BPTT"][1] == [50, 100, 100]
    assert drawn["easy training images"][1] == [0, 0, 50]


def test_each_recipe_has_its_panel(study: Study) -> None:
    axes = show.other_recipes(study, ("bptt",)).axes
    assert [axis.get_title() for axis in axes] == ["as released", *RECIPES]
    assert lines(axes[0])["BPTT"][1] == [20, 90, 100]
    assert lines(axes[1])["BPTT"] == ([15, 45, 60], [10, 45, 50])


def test_long_training_is_drawn_in_epochs(study: Study) -> None:
    assert lines(show.long_training(study, ("bptt",)).axes[0])["BPTT"][0] == [0, 2, 4]


def test_the_published_curves_have_the_form_of_ours() -> None:
    published = show.published_curves()
    bptt, test = published.pick("recognition", source="bptt")[0, :, 0], published.arrays["test"][0]
    assert still_to_come(bptt, test) == 10  # 98 percent at step 100
    left, _ = show.learning_curves(published, published.axes["source"]).axes
    assert lines(left)["BPTT"] == (list(PUBLISHED_STEPS), bptt.tolist())
    assert "full scale" in left.figure.get_suptitle()


def test_one_run_is_one_network_and_one_set(study: Study) -> None:
    study.arrays["recognition"][1, :, 0, 1] = torch.tensor([1.0, 2, 3])
    left = show.learning_curves(show.single(study, 1, 1), ("bptt",)).axes[0]
    assert lines(left)["BPTT"][1] == [1, 2, 3]
    assert lines(left)["real test images"][1] == [20, 40, 60]
    assert not left.collections, "one run has no spread to draw"


def test_images_are_ordered_within_their_class() -> None:
    images = torch.arange(6.0).view(6, 1, 1, 1)
    first = torch.tensor([[5.0, 0, 10, 7, INF, 6], [5, 5, 10, 7, 9, 20]])
    assert show.in_order(images, first, 2).flatten().tolist() == [1, 0, 2, 3, 5, 4]
