"""Influence by retraining: the loss on a test image when some training images are left out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ddlib.seeds import generator
from ddlib.training import Recipe, logits, train

HALVES = ("halves", "balanced")  # of whatever class, or half of each class


def each_alone(n: int, device: torch.device | None = None) -> Bool[Tensor, "n n"]:
    """The groups of leave-one-out: group j holds image j alone."""
    return torch.eye(n, dtype=torch.bool, device=device)


def with_all_and_without(groups: Bool[Tensor, "g n"]) -> Float[Tensor, "g_and_1 n"]:
    """Weights of images for training: with all of them first, then without each group."""
    return torch.cat([torch.zeros_like(groups[:1]), groups]).logical_not().float()


def influence(
    net: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    recipe: Recipe,
    seeds: Sequence[int],
    groups: Bool[Tensor, "g n"],
    test_images: Float[Tensor, "t c h w"],
    test_labels: Int[Tensor, " t"],
) -> Float[Tensor, "net g t"]:
    """Loss on each test image without a group of images, minus the loss with all: above 0 it helps.

    Exact: for every group a network is trained anew on the images outside of it, from the same
    start and with the mean loss of the images that are left. All that is random comes from `seeds`,
    so that a group without members has an influence of zero.
    """
    weights = with_all_and_without(groups)
    found = []
    for seed in seeds:
        losses = retrained(net, images, labels, recipe, seed, weights, test_images, test_labels)
        found.append(losses[1:] - losses[0])
    return torch.stack(found)


def retrained(
    net: nn.Module,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    recipe: Recipe,
    seed: int,
    weights: Float[Tensor, "m n"],
    test_images: Float[Tensor, "t c h w"],
    test_labels: Int[Tensor, " t"],
    together: int | None = None,
) -> Float[Tensor, "m t"]:
    """Loss on each test image after training from one start, once for each row of weights.

    Networks train `together` at a time, as in `train`.
    """
    seeds = [seed] * len(weights)
    trained = train(net, images, labels, recipe, seeds, weights=weights, together=together)
    return losses_on(logits(net, trained, test_images), test_labels)


def losses_on(answers: Float[Tensor, "m t k"], labels: Int[Tensor, " t"]) -> Float[Tensor, "m t"]:
    """The cross-entropy of each network on each image."""
    m, t = answers.shape[:2]
    flat = F.cross_entropy(answers.flatten(0, 1), labels.repeat(m), reduction="none")
    return flat.view(m, t)


def random_groups(
    labels: Int[Tensor, " n"], size: int, count: int, draws: torch.Generator, *, same: bool
) -> Bool[Tensor, "count n"]:
    """Random groups of `size` images: of one class, a new one for each group, or of all classes."""
    groups = torch.zeros(count, len(labels), dtype=torch.bool, device=labels.device)
    classes = torch.randperm(int(labels.max()) + 1, generator=draws, device=labels.device)
    for i, group in enumerate(groups):
        rows = torch.randperm(len(labels), generator=draws, device=labels.device)
        if same:
            rows = rows[labels[rows] == classes[i % len(classes)]]
        group[rows[:size]] = True
    return groups


def random_halves(
    labels: Int[Tensor, " n"], count: int, draws: torch.Generator, *, balanced: bool
) -> Bool[Tensor, "count n"]:
    """Random groups of half of the images: of whatever class, or half of each class."""
    drawn = torch.rand(count, len(labels), generator=draws, device=labels.device)
    if not balanced:
        return drawn.argsort(1) < len(labels) // 2
    same = labels[:, None] == labels
    place = (drawn[:, None, :] < drawn[:, :, None]).logical_and(same).sum(2)  # within the class
    return place < same.sum(1) // 2


def first_rows(labels: Int[Tensor, " t"], each: int) -> Int[Tensor, " p"]:
    """Rows of the first `each` images of every class, class after class."""
    return torch.cat([(labels == c).nonzero()[:each, 0] for c in labels.unique()])


def left_out(
    labels: Int[Tensor, " n"], alone: int, sizes: Sequence[int], groups: int, halves: int
) -> dict[str, Bool[Tensor, "g n"]]:
    """What is left out: nothing, single images, groups of a class and of all classes, halves.

    Only the first `alone` images of each class are ever left out.
    """
    device, rows = labels.device, first_rows(labels, alone)
    own = labels[rows]
    each = F.one_hot(rows, len(labels)).float()
    draws = generator("groups", device=device)
    drawn = [
        random_groups(own, size, groups, draws, same=same)
        for size in sizes
        for same in (True, False)
    ]
    found = {
        "all": torch.zeros(1, len(rows), device=device),
        "alone": each_alone(len(rows), device),
        "groups": torch.cat(drawn),
    }
    for name in HALVES:
        keys = generator(name, device=device)
        found[name] = random_halves(own, halves, keys, balanced=name == "balanced")
    return {name: (group.float() @ each).bool() for name, group in found.items()}
