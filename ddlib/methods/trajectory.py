"""Trajectory matching (Cazenavette et al., CVPR 2022): train on the images, land where experts do.

Late segments with learned soft labels are Guo et al. (ICLR 2024).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ddlib import augment
from ddlib.compiled import Precision, in_precision
from ddlib.data import ImageData
from ddlib.distillation import Objective, Variables
from ddlib.experts import train_experts
from ddlib.methods.coresets import Init, first_images
from ddlib.networks import Network, build
from ddlib.seeds import new_key, pick
from ddlib.training import Recipe
from ddlib.unroll import InnerLoss, sgd, unroll

EXPERT_SEED = 10_000  # experts never share a beginning with networks that judge a set
SURE = 0.9  # what a soft label starts with for its own class


@dataclass(frozen=True, kw_only=True)
class TrajectoryMatching:
    """Settings of trajectory matching; the defaults suit 8x8 digits on two CPU cores."""

    tag: ClassVar[str] = "mtt"
    ipc: int
    steps: int = 50
    inner_steps: int = 20  # of the student, on the synthetic images
    batch: int | None = None  # synthetic images in one inner step; None: all
    experts: int = 2  # networks trained on the real images
    expert_epochs: int = 1  # how far the goal lies ahead of the start
    min_start: int = 0  # first epoch of an expert where a student may begin
    max_start: int = 2  # one past the last one
    expert_lr: float = 0.01
    expert_batch: int = 64
    nets: int = 1  # students side by side in each outer step
    lr: float = 10.0  # of the images, in standardized units
    inner_lr: float = 0.02  # where the learned learning rate begins
    lr_rate: float = 0.1  # of its logarithm, which keeps it positive
    soft_labels: bool = False  # learn the labels, too
    label_lr: float = 5.0  # of their logits
    momentum: float = 0.5
    augment: bool = False
    init: Init = "real"
    network: Network = "convnet"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if not 0 <= self.min_start < self.max_start:
            raise ValueError(f"min_start must be from 0 to max_start - 1; got {self.min_start}")

    def initialize(self, real: ImageData, seed: int) -> Variables:
        start = first_images(real, self.ipc, self.init, seed)
        start["log_lr"] = torch.tensor(math.log(self.inner_lr), device=real.device)
        if self.soft_labels:
            classes = len(real.classes)
            own = F.one_hot(start.pop("labels"), classes).float()
            start["label_logits"] = own * math.log(SURE * (classes - 1) / (1 - SURE))
        return start

    def render(self, variables: Variables) -> Variables:
        """Images, labels as they are or from their logits, and the learned rate exp(log_lr)."""
        labels = variables.get("labels")
        if labels is None:
            labels = variables["label_logits"].softmax(1)
        return {"images": variables["images"], "labels": labels, "lr": variables["log_lr"].exp()}

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        rates = {"images": self.lr, "log_lr": self.lr_rate, "label_logits": self.label_lr}
        learned = [{"params": [variables[k]], "lr": r} for k, r in rates.items() if k in variables]
        return torch.optim.SGD(learned, momentum=self.momentum)

    def objective(
        self, real: ImageData, seed: int, folder: Path | None = None, *, compiled: bool = False
    ) -> Objective:
        net = in_precision(build(self.network, real.shape, len(real.classes)), self.precision)
        kinds = augment.kinds_for(real) if self.augment else ()
        paths = self.expert_paths(real, folder, compiled=compiled)

        def loss(variables: Variables, draws: torch.Generator) -> Tensor:
            key, shown = new_key(draws), self.render(variables)
            some = torch.randint(len(paths), (self.nets,), generator=draws, device=draws.device)
            begin = self.min_start + pick(draws, self.max_start - self.min_start)
            start, goal = paths[some, begin], paths[some, begin + self.expert_epochs]
            inner = InnerLoss(net, key, self.batch, kinds, compiled)
            given = shown["images"], shown["labels"], shown["lr"]
            (end,) = unroll(inner, sgd(), (start,), *given, range(self.inner_steps))
            return trajectory_distance(end, start, goal).mean()

        return loss

    def passes(self, real: ImageData) -> float:
        """Three for a gradient, of experts and of students, and nine for a student's adjoint."""
        n = len(real.classes) * self.ipc
        epochs = self.max_start - 1 + self.expert_epochs
        students = self.steps * self.nets * self.inner_steps * min(self.batch or n, n)
        return float(3 * self.experts * epochs * len(real.train_images) + 12 * students)

    def expert_paths(
        self, real: ImageData, folder: Path | None = None, *, compiled: bool = False
    ) -> Float[Tensor, "e t p"]:
        """Where the experts were after each epoch that is ever read, and not one more.

        They are the same for every seed of the distillation, as in the published code: what a
        seed changes is the first images and the segments that are drawn.
        """
        recipe = Recipe(
            epochs=self.max_start - 1 + self.expert_epochs,
            batch=self.expert_batch,
            lr=self.expert_lr,
            momentum=0.0,
            augment=augment.kinds_for(real) if self.augment else (),
        )
        seeds = range(EXPERT_SEED, EXPERT_SEED + self.experts)
        more: dict[str, Any] = {"precision": self.precision, "compiled": compiled}
        return train_experts(real, self.network, recipe, seeds, folder, **more)


def trajectory_distance(
    end: Float[Tensor, "m p"], start: Float[Tensor, "m p"], goal: Float[Tensor, "m p"]
) -> Float[Tensor, " m"]:
    """The loss of trajectory matching, for each of m students::

        || theta_N - theta*_{t+M} ||^2  /  || theta*_t - theta*_{t+M} ||^2

    `start` theta*_t and `goal` theta*_{t+M} lie on an expert's path, `end` theta_N is where N steps
    on the synthetic images lead from `start`. Standing still gives 1, arriving gives 0.

    >>> start, goal = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    >>> trajectory_distance(torch.tensor([[3.0, 0.0]]), start, goal)  # 4^2 / 5^2
    tensor([0.6400])
    """
    return (end - goal).square().sum(1) / (start - goal).square().sum(1)
