"""How good is a set? Train fresh networks on it, test them on real images."""

import html
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddlib import augment
from ddlib.checks import TOLERANCE
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.networks import Network, build
from ddlib.own import findable
from ddlib.training import Recipe, logits, networks_at_once, train, worth_compiling

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
UNEVEN = 1.5  # times as many test images of one class as of another


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Test accuracies in percent of networks that differ only in their seed.

    `balanced` holds, for each network, the mean of its accuracies in each class. It is there where
    the classes of the test split are uneven, because a network that always answers the largest
    class has a high accuracy then.
    """

    accuracies: tuple[float, ...]
    protocol: str
    balanced: tuple[float, ...] | None = None

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
        told = f"{_with_spread(self.accuracies)} (n = {self.n}, protocol {self.protocol!r})"
        if self.balanced is None:
            return told
        return f"{told}; balanced over uneven test classes {_with_spread(self.balanced)}"

    def __repr__(self) -> str:
        return f"Evaluation({self})"

    def _repr_html_(self) -> str:
        return html.escape(str(self))


def _with_spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation in percent; one value has no spread."""
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{fmean(values):.1f}{spread} %"


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
    network: Network = "convnet",
    executor: Executor | None = None,
    compiled: bool | None = None,
) -> Evaluation:
    """Train `nets` fresh networks on `synthetic`, return their accuracies on `real`'s test images.

    The last iterate counts, not the best one. Networks have seeds `seed, seed + 1, ...`; with an
    `executor` (a process pool, or a cluster's) each trains wherever it puts them, with the same
    result as here, and several GPUs take turns. `network` is a name or a function of your own
    (see `ddlib.networks.build`). A set from another pixel space is refused, and where test classes
    are uneven the result has a balanced accuracy as well. Training is `compiled` on request, or
    where one network takes minutes.
    """
    if nets < 1:
        raise ValueError(f"nets must be at least 1; got {nets}")
    check_fits(synthetic, real)
    recipe = recipe_for(protocol, synthetic, real)
    build(network, real.shape, len(real.classes))  # an unknown name fails here, not in a worker
    bare = replace(synthetic.to(real.device), meta={}, history=())
    seeds, test = range(seed, seed + nets), (real.test_images, real.test_labels)
    if executor is None:
        results = [train_and_test(bare, test, network, recipe, seeds, compiled=compiled)]
    else:
        findable(network)
        threads, bare = torch.get_num_threads(), bare.to("cpu")
        test = real.test_images.cpu(), real.test_labels.cpu()
        given = bare, test, network, recipe
        tasks = [
            executor.submit(train_and_test, *given, [s], threads, compiled, in_turn(real.device, i))
            for i, s in enumerate(seeds)
        ]
        results = [task.result() for task in tasks]
    accuracies, balanced = zip(*(pair for pairs in results for pair in pairs), strict=True)
    sizes = torch.bincount(real.test_labels, minlength=len(real.classes))
    even = int(sizes.max()) <= UNEVEN * int(sizes.min())
    return Evaluation(accuracies, protocol, None if even else balanced)


def check_fits(synthetic: DistilledSet, real: ImageData) -> None:
    """A set is judged on data of its image size, its classes in their order, its pixel space."""
    if synthetic.images.shape[1:] != real.train_images.shape[1:]:
        raise ValueError(
            f"the set's images are {tuple(synthetic.images.shape[1:])}, those of {real.name} "
            f"are {real.shape}"
        )
    if synthetic.classes != real.classes:
        order = " in this order" if set(synthetic.classes) == set(real.classes) else ""
        raise ValueError(
            f"the set's classes are not those of {real.name}{order}: {synthetic.classes} against "
            f"{real.classes}"
        )
    if synthetic.whitening != real.whitening:
        raise ValueError(
            f"the set was made in another pixel space: its whitening is "
            f"{synthetic.whitening or 'none'}, that of {real.name} {real.whitening or 'none'}. "
            "Judge it on whitening(real).apply(real), from ddlib.whiten, or on the plain data"
        )
    for what, field in (("means", "mean"), ("spreads", "std")):
        theirs, ours = getattr(synthetic, field), getattr(real, field)
        if max(abs(a - b) for a, b in zip(theirs, ours, strict=True)) > TOLERANCE:
            raise ValueError(
                f"the set was made in another pixel space: its channel {what} are {theirs}, those "
                f"of {real.name} {ours}. Load the data as they were then, or move the set with "
                "ddlib.channels.to_pixels and from_pixels"
            )


def in_turn(device: torch.device, task: int) -> torch.device:
    """The device of the `task`-th task: on a machine with several GPUs each gets one in turn."""
    if device.type != "cuda":
        return device
    return torch.device("cuda", task % torch.cuda.device_count())


def train_and_test(
    synthetic: DistilledSet,
    test: tuple[Tensor, Tensor],
    network: Network,
    recipe: Recipe,
    seeds: Sequence[int],
    threads: int | None = None,
    compiled: bool | None = None,
    device: torch.device | None = None,
) -> list[tuple[float, float]]:
    """Accuracy and balanced accuracy in percent of one network per seed: what an executor gets.

    `threads` makes a worker add up in the same order as the process that asked, and `device` is
    where it works. Networks that were trained side by side are tested before the next ones are
    trained.
    """
    if threads:
        torch.set_num_threads(threads)
    if device:
        synthetic, test = synthetic.to(device), (test[0].to(device), test[1].to(device))
    images, labels = synthetic.images, synthetic.labels
    c, h, w = images.shape[1:]
    net = build(network, (c, h, w), len(synthetic.classes))
    together = networks_at_once(net, images, recipe)
    if compiled is None:
        compiled = worth_compiling(net, images, recipe)
    how: dict[str, Any] = {"together": together, "compiled": compiled}
    pairs: list[tuple[float, float]] = []
    for i in range(0, len(seeds), together):
        parameters = train(net, images, labels, recipe, seeds[i : i + together], **how)
        right = logits(net, parameters, test[0], compiled=compiled).argmax(2) == test[1]
        shares = 100 * right.sum(1) / len(test[1])
        pairs += zip(shares.tolist(), balanced_accuracy(right, test[1]).tolist(), strict=True)
    return pairs


def balanced_accuracy(right: Bool[Tensor, "m t"], labels: Int[Tensor, " t"]) -> Float[Tensor, " m"]:
    """The mean over classes of the share of their images that are right, in percent."""
    counts = torch.bincount(labels)
    hits = torch.zeros(len(right), len(counts), device=right.device)
    hits.index_add_(1, labels, right.to(hits))
    return 100 * (hits / counts)[:, counts > 0].mean(1)
