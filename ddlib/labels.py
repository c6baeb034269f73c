"""Soft labels: what a teacher says about each image of a set, and what storing that costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import e, exp, isfinite
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.checks import TOLERANCE, check_finite
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.ensemble import flatten, unflatten
from ddlib.networks import Network, build
from ddlib.training import Recipe, logits, train_epochs

Answer = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n k"]]  # images to logits


@dataclass(frozen=True, eq=False, repr=False)
class Teacher:
    """A network that gives labels, and the classes and the pixel space that it knows.

    `answer` maps standardized images (n, c, h, w) to logits (n, k).
    """

    answer: Answer
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    whitening: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, real: ImageData, answer: Answer, **meta: Any) -> "Teacher":
        """A teacher for the images of `real`: any function of theirs that returns logits."""
        return cls(answer, real.shape, real.classes, real.mean, real.std, real.whitening, meta=meta)

    def __repr__(self) -> str:
        told = ", ".join(f"{key} {value}" for key, value in self.meta.items())
        return f"Teacher({len(self.classes)} classes{', ' if told else ''}{told})"


def teachers(
    real: ImageData,
    stops: Sequence[int],
    *,
    network: Network = "convnet",
    batch: int = 128,
    lr: float = 0.01,
    seed: int = 0,
) -> dict[int, Teacher]:
    """One training on all real images, stopped after each number of epochs in `stops`.

    The last stop is the fully trained teacher, those before it the early-stopped ones. Training is
    SGD with momentum 0.9 in mini-batches, without augmentation.
    """
    thetas = teacher_weights(real, stops, network=network, batch=batch, lr=lr, seed=seed)
    return {
        stop: teacher_of(real, theta, network=network, epochs=stop, seed=seed)
        for stop, theta in zip(stops, thetas, strict=True)
    }


def teacher_weights(
    real: ImageData,
    stops: Sequence[int],
    *,
    network: Network = "convnet",
    batch: int = 128,
    lr: float = 0.01,
    seed: int = 0,
) -> Float[Tensor, "s p"]:
    """The weights of `teachers` as vectors, one for each of the rising `stops`."""
    if not stops or list(stops) != sorted(set(stops)) or stops[0] < 0:
        raise ValueError(f"stops must be rising numbers of epochs, e.g. (1, 5, 20); got {stops!r}")
    net = build(network, real.shape, len(real.classes))
    recipe = Recipe(epochs=stops[-1], batch=batch, lr=lr)
    path = train_epochs(net, real.train_images, real.train_labels, recipe, [seed])
    kept = [flatten(net, p).detach()[0] for epoch, p in enumerate(path) if epoch in set(stops)]
    return torch.stack(kept)


def teacher_of(
    real: ImageData, theta: Float[Tensor, " p"], *, network: Network = "convnet", **meta: Any
) -> Teacher:
    """The teacher with these weights."""
    net = build(network, real.shape, len(real.classes))
    parameters = unflatten(net, theta.to(real.device)[None])
    return Teacher.of(real, lambda images: logits(net, parameters, images)[0], **meta)


def relabel(synthetic: DistilledSet, teacher: Teacher, *, temperature: float = 1.0) -> DistilledSet:
    """The same images with the teacher's soft labels, softmax(logits / temperature).

    A higher `temperature` makes labels softer; at 1 they are the teacher's probabilities. A learned
    rate stays with the set. Raises `ValueError` for a teacher of other classes, of another image
    size or of another pixel space, and for one that does not answer one logit for each class.

    Source: Hinton, Vinyals & Dean, 2015 (arXiv 1503.02531), for one view of each image.
    """
    if not (isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be a finite number above zero; got {temperature!r}")
    _check_knows(teacher, synthetic)
    with torch.no_grad():
        answer = teacher.answer(synthetic.images)
    n, k = len(synthetic.images), len(synthetic.classes)
    if tuple(answer.shape) != (n, k):
        raise ValueError(
            f"the teacher must answer one logit for each of {k} classes, shape ({n}, {k}); got "
            f"{tuple(answer.shape)}"
        )
    check_finite(answer[:, :, None, None], "the teacher's logits")
    about = {"temperature": temperature, **teacher.meta}
    labels = (answer / temperature).softmax(1)
    return replace(synthetic, labels=labels, meta={**synthetic.meta, "labels": about})


def _check_knows(teacher: Teacher, synthetic: DistilledSet) -> None:
    """A teacher labels images of the classes, the size and the pixel space it was trained in."""
    if teacher.classes != synthetic.classes:
        raise ValueError(
            f"the teacher knows other classes than the set has: {teacher.classes} against "
            f"{synthetic.classes}. Train it on the data that the set stands for"
        )
    if teacher.shape != tuple(synthetic.images.shape[1:]):
        raise ValueError(
            f"the teacher knows images of {teacher.shape}, the set has images of "
            f"{tuple(synthetic.images.shape[1:])}"
        )
    pairs = zip(teacher.mean + teacher.std, synthetic.mean + synthetic.std, strict=True)
    same = max(abs(a - b) for a, b in pairs) <= TOLERANCE
    if not same or teacher.whitening != synthetic.whitening:
        raise ValueError(
            "the teacher was trained in another pixel space than the set was made in: means "
            f"{teacher.mean}, spreads {teacher.std}, whitening {teacher.whitening or 'none'} "
            f"against {synthetic.mean}, {synthetic.std}, {synthetic.whitening or 'none'}"
        )


def ipc_within(numbers: int, shape: tuple[int, int, int], classes: int, *, soft: bool) -> int:
    """How many images per class fit into so many stored numbers.

    An image of c x h x w pixels stores as many numbers, and a soft label one for each class. A hard
    label stores none, because images lie class after class.

    >>> [ipc_within(76_800, (3, 16, 16), 10, soft=soft) for soft in (False, True)]
    [10, 9]
    """
    c, h, w = shape
    each = classes * (c * h * w + classes * soft)
    if numbers < each:
        kind = "with soft labels " if soft else ""
        raise ValueError(
            f"the budget is too small: one image per class {kind}stores {each} numbers, and the "
            f"budget is {numbers}"
        )
    return numbers // each


def label_robust_score(
    real_hard: float, hard: float, own: float, random: float, weight: float = 0.5
) -> float:
    """DD-Ranking's label-robust score in percent, from accuracies in percent.

    With HLR = real_hard - hard, what is missing to all real images when both have hard labels, and
    IOR = own - random, the gain over random images when both are trained as the method wants it::

        a = weight * IOR - (1 - weight) * HLR    (as shares)
        score = 100 * (exp(a) - exp(-1)) / (e - exp(-1))

    Source: Li et al., DD-Ranking, 2025 (arXiv 2505.13300).

    >>> round(label_robust_score(80.0, 80.0, 50.0, 50.0), 2)  # nothing missing, nothing gained
    26.89
    """
    a = (weight * (own - random) - (1 - weight) * (real_hard - hard)) / 100
    return 100 * (exp(a) - exp(-1)) / (e - exp(-1))
