"""Students learn a set with one kind of label; soft labels leave room for fewer images."""

from dataclasses import replace

import torch

from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.evaluation import PROTOCOLS, train_and_test
from ddlib.labels import ipc_within


def student_accuracy(
    one: DistilledSet, real: ImageData, network: str, seed: int, *, steps: int, test: int
) -> float:
    """Accuracy in percent on the first `test` test images of a network that trains on a set."""
    recipe = replace(PROTOCOLS["plain"], epochs=steps)
    held = real.test_images[:test], real.test_labels[:test]
    ((accuracy, _),) = train_and_test(one, held, network, recipe, [seed])
    return accuracy


def within(one: DistilledSet) -> DistilledSet:
    """The first images of each class, as many as store no more with soft labels than all hard."""
    c, h, w = one.images.shape[1:]
    ipc = ipc_within(one.images.numel(), (c, h, w), len(one.classes), soft=True)
    rows = torch.arange(len(one.images)).view(len(one.classes), -1)[:, :ipc].flatten()
    return replace(one, images=one.images[rows], labels=one.labels[rows], ipc=ipc)
