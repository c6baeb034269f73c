"""Soft labels: they are the teacher's, they fit the set, and what they cost is counted."""

from dataclasses import replace

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.ensemble import loaded
from ddlib.labels import Teacher, ipc_within, label_robust_score, relabel, teachers
from ddlib.networks import build
from ddlib.questions.labels.findings import LEADERBOARD
from ddlib.training import Recipe, train

REAL = toy_data((12, 10, 11))
ONE = ddlib.distill(REAL, ddlib.RandomSelection(ipc=3))


def test_labels_are_the_softened_answers_of_a_network_trained_as_long() -> None:
    """Against a plain loop: one network, trained for as many epochs, asked image by image."""
    made = teachers(REAL, (0, 2, 3), batch=8, lr=0.05, seed=4)
    net = build("convnet", REAL.shape, 3)
    for epochs, teacher in made.items():
        recipe = Recipe(epochs=epochs, batch=8, lr=0.05)
        own = loaded(net, train(net, REAL.train_images, REAL.train_labels, recipe, [4]))
        with torch.no_grad():
            answers = torch.stack([own(x[None])[0] for x in ONE.images])
        for temperature in (1.0, 4.0):
            powers = (answers / temperature).exp()
            soft = relabel(ONE, teacher, temperature=temperature)
            assert torch.allclose(soft.labels, powers / powers.sum(1, keepdim=True), atol=1e-6)
            assert soft.images.equal(ONE.images)
            assert soft.meta["labels"]["epochs"] == epochs
    assert not torch.allclose(*(relabel(ONE, made[e]).labels for e in (2, 3)))


def test_a_set_with_soft_labels_is_trained_on_saved_and_read_back(tmp_path) -> None:
    soft = relabel(ONE, teachers(REAL, (1,))[1])
    again = ddlib.DistilledSet.load(soft.save(tmp_path / "soft.safetensors"))
    assert again.labels.equal(soft.labels)
    found = [ddlib.evaluate(one, REAL, nets=1, network="convnet-half") for one in (soft, again)]
    assert found[0] == found[1]


def answer(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)[:, :3]


SMALLER = replace(
    REAL, train_images=REAL.train_images[..., :4, :4], test_images=REAL.test_images[..., :4, :4]
)


@pytest.mark.parametrize(
    ("real", "one_answer", "temperature", "said"),
    [
        (replace(REAL, classes=("a", "b", "x")), answer, 1.0, "knows other classes"),
        (replace(REAL, classes=("b", "a", "c")), answer, 1.0, "knows other classes"),
        (SMALLER, answer, 1.0, "knows images of"),
        (replace(REAL, mean=(0.4, 0.5)), answer, 1.0, "another pixel space"),
        (replace(REAL, std=(0.25, 0.3)), answer, 1.0, "another pixel space"),
        (replace(REAL, whitening="ZCA, eps 0.1"), answer, 1.0, "another pixel space"),
        (REAL, lambda x: answer(x)[:, :2], 1.0, r"one logit for each of 3 classes.*\(9, 2\)"),
        (REAL, lambda x: answer(x)[:5], 1.0, r"one logit for each of 3 classes.*\(5, 3\)"),
        (REAL, lambda x: answer(x) / 0, 1.0, "logits must be finite"),
        (REAL, answer, 0.0, "temperature must be"),
        (REAL, answer, float("nan"), "temperature must be"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_of_its_own(
    real, one_answer, temperature, said, unchecked
) -> None:
    with pytest.raises(ValueError, match=said):
        relabel(ONE, Teacher.of(real, one_answer), temperature=temperature)


@pytest.mark.parametrize("stops", [(), (2, 1), (1, 1), (-1, 2)])
def test_stops_rise(stops) -> None:
    with pytest.raises(ValueError, match="stops must be rising"):
        teachers(REAL, stops)


def test_budgets_count_every_number() -> None:
    shape = (3, 16, 16)
    hard, soft = (100 * (768 + extra) for extra in (0, 10))
    assert ipc_within(hard, shape, 10, soft=False) == 10
    assert ipc_within(hard, shape, 10, soft=True) == 9
    assert ipc_within(soft, shape, 10, soft=True) == 10
    assert ipc_within(soft - 1, shape, 10, soft=True) == 9
    with pytest.raises(ValueError, match=r"with soft labels stores 7780 numbers.* 7779"):
        ipc_within(7779, shape, 10, soft=True)
    assert ipc_within(7680, shape, 10, soft=False) == 1


def test_the_score_of_dd_ranking_by_hand_and_in_its_own_order() -> None:
    """Its bounds; a worked example; and that it orders the project's own rows as their mean does.

    The example is one in that project's repositories: accuracies 87.89, 70.26, 70.26 and 52.26 give
    HLR 17.63 and IOR 18.00, so a = 0.00185.
    """
    assert label_robust_score(0.0, 100.0, 100.0, 0.0) == pytest.approx(100)
    assert label_robust_score(100.0, 0.0, 0.0, 100.0) == pytest.approx(0)
    a = (0.18 - 0.1763) / 2
    worked = 100 * (2.718281828**a - 0.367879441) / (2.718281828 - 0.367879441)
    assert label_robust_score(87.89, 70.26, 70.26, 52.26) == pytest.approx(worked)
    found = {
        name: label_robust_score(hlr, 0.0, ior, 0.0) for name, (hlr, ior) in LEADERBOARD.items()
    }
    order = sorted(LEADERBOARD, key=lambda name: LEADERBOARD[name][1] - LEADERBOARD[name][0])
    assert sorted(found, key=found.__getitem__) == order
    given = 50.0, 30.0, 40.0, 35.0
    assert label_robust_score(*given, weight=1.0) > label_robust_score(*given)
