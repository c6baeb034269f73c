"""How good is a set? Train fresh networks on it, test them on real images."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import torch
from torch import Tensor

from ddlib import augment
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.networks import build
from ddlib.training import Recipe, accuracy, networks_at_once, train

# Two named protocols; a number means nothing without the name of the one that made it.
PROTOCOLS = {
    # "What is Dataset Distillation Learning?": 300 full-batch steps, no augmentation.
    "plain": Recipe(epochs=300),
    # Zhao et al.: mini-batches, weight decay, one step decay, augmentation, 1000 epochs.
    "augmented": Recipe(
        epochs=1000,
        batch=256,
        weight_decay=5e-4,
        drop_after=501,
        augment=tuple(augment.KINDS),
    ),
}


@dataclass(frozen=True)
class Evaluation:
    """Test accuracies in percent of networks that differ only in their seed."""

    accuracies: tuple[float, ...]
    protocol: str

    @property
    def n(self) -> int:
        return len(self.accuracies)

    @property
    def mean(self) -> float:
        return fmean(self.accuracies)

    @property
    def std(self) -> float:
        """Sample standard deviation over networks (n - 1 in the denominator); NaN for one."""
        return stdev(self.accuracies) if self.n > 1 else float("nan")

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.std:.1f} % (n = {self.n}, protocol {self.protocol!r})"


def recipe_for(protocol: str, synthetic: DistilledSet, real: ImageData) -> Recipe:
    """The named recipe, with the set's learned rate if it has one, and no mirrored digits."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; choose one of: {', '.join(PROTOCOLS)}")
    recipe = PROTOCOLS[protocol]
    kinds = tuple(k for k in recipe.augment if k in augment.kinds_for(real))
    rate = synthetic.lr if protocol == "augmented" and synthetic.lr else recipe.lr
    return replace(recipe, augment=kinds, lr=rate)


def evaluate(
    synthetic: DistilledSet,
    real: ImageData,
    protocol: str = "plain",
    nets: int = 5,
    *,
    seed: int = 0,
    network: str = "convnet",
    executor: Executor | None = None,
) -> Evaluation:
    """Train `nets` fresh networks on `synthetic`, return their accuracies on `real`'s test images.

    The last iterate counts, not the best one. Networks have seeds `seed, seed + 1, ...`; with an
    `executor` (a process pool, or a cluster's) each trains wherever it puts them, with the same
    result as here.
    """
    if nets < 1:
        raise ValueError(f"nets must be at least 1; got {nets}")
    if synthetic.images.shape[1:] != real.train_images.shape[1:]:
        raise ValueError(
            f"the set's images are {tuple(synthetic.images.shape[1:])}, those of {real.name} "
            f"are {real.shape}"
        )
    if synthetic.classes != real.classes:
        raise ValueError(f"the set's classes are not those of {real.name}: {synthetic.classes}")
    recipe = recipe_for(protocol, synthetic, real)
    build(network, real.shape, len(real.classes))  # an unknown name fails here, not in a worker
    synthetic = replace(synthetic.to(real.device), meta={}, history=())
    seeds = range(seed, seed + nets)
    test = (real.test_images, real.test_labels)
    if executor is None:
        results = [train_and_test(synthetic, test, network, recipe, seeds)]
    else:
        threads = torch.get_num_threads()
        tasks = [
            executor.submit(train_and_test, synthetic, test, network, recipe, [s], threads)
            for s in seeds
        ]
        results = [task.result() for task in tasks]
    return Evaluation(tuple(a for accuracies in results for a in accuracies), protocol)


def train_and_test(
    synthetic: DistilledSet,
    test: tuple[Tensor, Tensor],
    network: str,
    recipe: Recipe,
    seeds: Sequence[int],
    threads: int | None = None,
) -> list[float]:
    """Accuracy in percent of one network per seed: the unit of work handed to an executor.

    `threads` makes a worker add up in the same order as the process that asked. Networks that were
    trained side by side are tested before the next ones are trained.
    """
    if threads:
        torch.set_num_threads(threads)
    images, labels = synthetic.images, synthetic.labels
    net = build(network, tuple(images.shape[1:]), len(synthetic.classes))
    together = networks_at_once(net, images, recipe)
    accuracies = []
    for i in range(0, len(seeds), together):
        parameters = train(net, images, labels, recipe, seeds[i : i + together], together=together)
        accuracies += accuracy(net, parameters, *test).tolist()
    return accuracies
