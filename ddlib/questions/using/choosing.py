"""Choosing a network: does a cheap training rank candidates as a long one on all images does?"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import kendalltau, spearmanr
from torch import Tensor

from ddlib.data import ImageData
from ddlib.networks import build
from ddlib.training import Recipe, accuracy, train_epochs

Numbers = Float[np.ndarray, " n"]


def accuracies(
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    real: ImageData,
    network: str,
    recipe: Recipe,
    stops: Sequence[int],
    seed: int,
    test: int,
) -> Float[Tensor, " s"]:
    """Test accuracy in percent of one network after each of the rising `stops` of its training."""
    net = build(network, real.shape, len(real.classes))
    path = train_epochs(net, images, labels, recipe, [seed])
    held = real.test_images[:test], real.test_labels[:test]
    found = [accuracy(net, p, *held)[0] for epoch, p in enumerate(path) if epoch in set(stops)]
    return torch.stack(found)


def agreement(cheap: Numbers, truth: Numbers) -> dict[str, float]:
    """How well a cheap score of candidates stands for the true one.

    Kendall's and Spearman's rank correlation, and the `regret`: what the candidate of the best
    cheap score lacks to the truly best one.

    >>> agreement(np.array([1.0, 3.0, 2.0]), np.array([10.0, 50.0, 60.0]))["regret"]
    10.0
    """
    return {
        "kendall": float(kendalltau(cheap, truth).statistic),
        "spearman": float(spearmanr(cheap, truth).statistic),
        "regret": float(truth.max() - truth[cheap.argmax()]),
    }
