"""Yardsticks: easy images are those of lowest loss, class by class."""

import torch
from helpers import toy_data
from torch.func import functional_call

from ddlib.ensemble import flatten, initialize_many, unflatten
from ddlib.networks import build
from ddlib.questions.shared.baselines import easy_images


def test_easy_images_have_the_lowest_loss_of_their_class() -> None:
    real = toy_data((40, 30, 35))
    net = build("convnet", real.shape, 3)
    theta = flatten(net, initialize_many(net, [0]))
    rows = easy_images(net, theta, real, 80, each=3)
    assert rows.shape == (2, 9)
    assert len(rows.unique()) == 18
    assert rows.max() < 80
    own = {k: v[0] for k, v in unflatten(net, theta).items()}
    logits = functional_call(net, own, (real.train_images[:80],))
    loss = torch.nn.functional.cross_entropy(logits, real.train_labels[:80], reduction="none")
    for c in range(3):
        mine = loss[real.train_labels[:80] == c].sort().values
        chosen = rows.flatten()[real.train_labels[rows.flatten()] == c]
        assert torch.allclose(loss[chosen].sort().values, mine[:6])
