"""Predictions: measures against other implementations, and means of what is known."""

import pytest
import torch
from helpers import some_predictions, toy_data
from sklearn.metrics import cohen_kappa_score

from ddlib.networks import build
from ddlib.questions.agreement.predictions import (
    MEASURES,
    alike,
    correct,
    drawn_again,
    known_mean,
    predictions,
)
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, train


def test_kappa_is_that_of_scikit_learn() -> None:
    a, b, labels = (
        some_predictions(3),
        some_predictions(2, seed=1),
        some_predictions(1, seed=2)[0].long(),
    )
    b[:, :90] = a[0, :90]
    found = alike(a, b, labels)[:, :, MEASURES.index("kappa")]
    for i in range(3):
        for j in range(2):
            want = cohen_kappa_score(a[i].numpy(), b[j].numpy())
            assert float(found[i, j]) == pytest.approx(want, abs=1e-5)


def test_measures_equal_a_count_by_hand() -> None:
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    a = torch.tensor([[0, 0, 1, 2, 3, 3, 0, 3]]).byte()  # right: 0, 1, 2, 7
    b = torch.tensor([[0, 1, 1, 2, 3, 0, 3, 3]]).byte()  # right: 0, 2, 6, 7
    same, _, consistency, wrong = alike(a, b, labels)[0, 0].tolist()
    assert same == pytest.approx(5 / 8)
    assert consistency == pytest.approx(6 / 8 - 0.5)
    assert wrong == pytest.approx(2 / 3)  # both wrong on 3, 4, 5; the same class on 3 and 4


def test_independent_networks_have_no_kappa_and_no_consistency() -> None:
    a, b, labels = (
        some_predictions(1, 60_000),
        some_predictions(1, 60_000, seed=1),
        some_predictions(1, 60_000, seed=2)[0].long(),
    )
    same, kappa, consistency, _ = alike(a, b, labels)[0, 0].tolist()
    assert same == pytest.approx(1 / 4, abs=0.01)
    assert kappa == pytest.approx(0, abs=0.01)
    assert consistency == pytest.approx(0, abs=0.01)


def test_networks_that_share_no_error_have_no_share_of_errors() -> None:
    labels = torch.tensor([0, 1])
    assert alike(torch.tensor([[0, 0]]).byte(), torch.tensor([[1, 1]]).byte(), labels)[
        0, 0, 3
    ].isnan()


def test_predictions_count_to_the_accuracy_of_training() -> None:
    real = toy_data()
    net = build("convnet", real.shape, 3)
    trained = train(net, real.train_images, real.train_labels, Recipe(epochs=3), [0, 1])
    found = correct(predictions(net, trained, real.test_images), real.test_labels)
    assert torch.allclose(found, accuracy(net, trained, real.test_images, real.test_labels))


def test_the_mean_counts_networks_as_often_as_drawn() -> None:
    values = torch.tensor([[1.0, 3.0], [5.0, float("nan")]])[:, :, None]
    assert known_mean(values, torch.tensor([3.0, 1.0]), 1).flatten().tolist() == [1.5, 5]
    assert known_mean(values, torch.tensor([1.0, 1.0]), 0).flatten().tolist() == [3, 3]
    assert known_mean(values, torch.tensor([0.0, 1.0]), 0)[1].isnan()
    counts = drawn_again(50, generator(0))
    assert counts.sum() == 50
    assert (counts == 0).any()
