"""What happens when real images join a distilled set, and when its training changes?

One network is trained a cell. Run r trains network seed r on set r (the sets take turns) with real
draw r, so that all three vary together; every comparison is made within a run. What is done to the
set is a condition, one change away from training on it `alone`.

Time: five hours for what is recorded, 12 minutes for its repeat (`laptop`), one core. Device: any.
n: 5 runs of each method and condition, on two sets.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ddlib import augment
from ddlib.data import ImageData, sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.files import digest
from ddlib.networks import build
from ddlib.questions.shared.pixels import clipped, histogram, outside
from ddlib.seeds import generator
from ddlib.training import Parameters, Recipe, accuracy, train_epochs

LR = PROTOCOLS["plain"].lr
K, MANY = 10, 50  # real images per class that join in the controls
ADAM_RATE = 0.001  # the usual one
Guests = tuple[Tensor, Tensor]  # images and labels of whatever joins


@dataclass(frozen=True, eq=False)
class Task:
    """One network to train: on what, how, and from which seed; `weights`: each image's say."""

    images: Float[Tensor, "n c h w"]
    labels: Tensor
    recipe: Recipe
    seed: int
    network: str = "convnet"
    weights: Float[Tensor, " n"] | None = None

    @property
    def mark(self) -> str:
        """What tells this task from all others."""
        given = {"images": self.images, "labels": self.labels, "weights": self.weights}
        how = {"recipe": asdict(self.recipe), "seed": self.seed, "network": self.network}
        return digest({k: v for k, v in given.items() if v is not None}, how)[:16]


@dataclass(frozen=True, eq=False)
class Run:
    """Run `number` of a method: what a condition builds its training from."""

    bench: Bench
    method: str
    number: int
    steps: int

    def one(self, method: str | None = None, shift: int = 0) -> DistilledSet:
        """The set of this run; with `shift` the method's next one."""
        return self.bench.turn(method or self.method, self.number + shift)

    def task(
        self,
        one: DistilledSet | None = None,
        guests: Guests | None = None,
        weight: float = 1.0,
        network: str = "convnet",
        **recipe: Any,
    ) -> Task:
        """Train on a set and its guests, one thing changed; each guest weighs `weight`."""
        one = one or self.one()
        images, labels = mixture(one, *guests) if guests else (one.images, one.labels)
        weights = None
        if weight != 1.0:
            weights = torch.ones(len(images), device=images.device)
            weights[len(one.images) :] = weight
        made = Recipe(**{"epochs": self.steps, **recipe})
        return Task(images, labels, made, self.number, network, weights)

    def guests(self, k: int) -> Guests:
        """`k` real images per class and their labels; the same for all methods, nested in `k`."""
        return draw(self.bench.real, k, self.number)

    def images(self, method: str | None = None, shift: int = 0) -> Guests:
        """The images and labels of a set, as guests of another one."""
        one = self.one(method, shift)
        return one.images, one.labels

    @property
    def grown(self) -> float:
        """How many times as many images train when `K` per class join."""
        return 1 + K / self.one().ipc

    def in_turn(self, first: str) -> tuple[Task, Task]:
        """Half of the steps on the set, half on as many real images, in one order or the other."""
        half = Recipe(epochs=self.steps // 2)
        parts = [self.images(), self.guests(K)]
        parts = parts if first == "set" else parts[::-1]
        one, two = (Task(*part, half, self.number) for part in parts)
        return one, two


def draw(real: ImageData, k: int, seed: int) -> Guests:
    """`k` real images per class and their labels; the draws of one seed are nested in `k`."""
    rows = sample_per_class(real, k, generator(seed, "joins", device=real.device)).flatten()
    return real.train_images[rows], real.train_labels[rows]


def mixture(one: DistilledSet, images: Tensor, labels: Tensor) -> Guests:
    """The images and labels of a set, and then the others."""
    return torch.cat([one.images, images]), torch.cat([one.labels, labels])


def noise_like(one: DistilledSet, n: int, seed: int) -> Guests:
    """`n` images per class of independent normal pixels, standardized, with hard labels."""
    labels = torch.arange(len(one.classes), device=one.images.device).repeat_interleave(n)
    draws = generator(seed, "noise", device=one.images.device)
    shape = (len(labels), *one.images.shape[1:])
    return torch.randn(shape, generator=draws, device=draws.device), labels


Condition = Callable[[Run], Task | tuple[Task, ...]]
ALONE = "alone"
# As released: set and `k` real images per class in one full batch.
DOSES: dict[str, Condition] = {
    ALONE: lambda x: x.task(),
    "2 real": lambda x: x.task(guests=x.guests(2)),
    "10 real": lambda x: x.task(guests=x.guests(10)),
    "50 real": lambda x: x.task(guests=x.guests(50)),
    "250 real": lambda x: x.task(guests=x.guests(250)),
}
# One thing is changed against "10 real". Of n + m images the set has the share n / (n + m):
# `diluted` cuts the rate to it and leaves the guests out, `kept` raises the rate by the inverse.
CONTROLS: dict[str, Condition] = {
    "diluted": lambda x: x.task(lr=LR / x.grown),
    "kept": lambda x: x.task(guests=x.guests(K), lr=LR * x.grown),
    "longer": lambda x: x.task(guests=x.guests(K), epochs=round(x.steps * x.grown)),
    "copies": lambda x: x.task(guests=x.images()),
    "noise": lambda x: x.task(guests=noise_like(x.one(), K, x.number)),
    "other": lambda x: x.task(guests=x.images("dm" if x.method == "bptt" else "bptt")),
    "twin": lambda x: x.task(guests=x.images(shift=1)),
    "worthy": lambda x: x.task(guests=x.guests(MANY), weight=K / MANY),
    "set, then real": lambda x: x.in_turn("set"),
    "real, then set": lambda x: x.in_turn("real"),
}
# One thing is changed against "alone".
CHANGES: dict[str, Condition] = {
    "rate / 3": lambda x: x.task(lr=LR / 3),
    "rate x 3": lambda x: x.task(lr=LR * 3),
    "a third of the steps": lambda x: x.task(epochs=x.steps // 3),
    "three times the steps": lambda x: x.task(epochs=x.steps * 3),
    "batches of 10": lambda x: x.task(batch=10, epochs=-(-x.steps * 10 // len(x.one().images))),
    "Adam": lambda x: x.task(optimizer="adam", lr=ADAM_RATE),
    "augmentation": lambda x: x.task(augment=augment.kinds_for(x.bench.real)),
    "layer norm": lambda x: x.task(network="convnet-layer"),
    "group norm": lambda x: x.task(network="convnet-group"),
    "clipped": lambda x: x.task(clipped(x.one())),
}
CONDITIONS = DOSES | CONTROLS | CHANGES
ALL = ("random", "bptt", "dm", "mtt", "dc")  # random is the null


def _but(names: dict[str, Condition], *others: str) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


@dataclass(frozen=True)
class Part:
    """Which methods meet which conditions, in how many runs."""

    methods: tuple[str, ...]
    conditions: tuple[str, ...]
    runs: int = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The recorded study; other plans are differences from it."""

    doses: Part = Part(ALL, tuple(DOSES))
    more: Part = Part((), ())  # further doses, in fewer runs
    controls: Part = Part(("bptt", "random"), tuple(CONTROLS))
    changes: Part = Part(ALL, _but(CHANGES, "three times the steps"))
    steps: int = PROTOCOLS["plain"].epochs

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.doses, self.more, self.controls, self.changes


RECORD = Plan()
FEW = ("diluted", "kept", "noise", "other", "set, then real", "real, then set")
PLANS = {
    "fast": replace(
        RECORD,
        doses=Part(("random", "dm", "bptt"), (ALONE, "10 real"), 2),
        controls=Part(("bptt",), _but(CONTROLS, "longer", "twin", "worthy"), 1),
        changes=Part(("random", "dm", "bptt"), ("rate x 3", "batches of 10", "clipped"), 1),
        steps=100,
    ),
    "laptop": replace(
        RECORD,
        doses=Part(ALL, (ALONE, "10 real"), 2),
        more=Part(("random", "bptt"), ("50 real",), 2),
        controls=Part(("bptt",), FEW, 2),
        changes=Part(ALL, ("rate x 3", "clipped"), 1),
    ),
    "colab": replace(
        RECORD,
        doses=Part(ALL, (ALONE, "10 real")),
        more=Part(ALL, ("50 real",), 3),
        controls=Part(("bptt", "random"), FEW),
        changes=Part(ALL, ("rate x 3", "layer norm", "clipped"), 3),
    ),
    "record": RECORD,
    "full": replace(
        RECORD,
        controls=Part(("bptt", "dm", "random"), tuple(CONTROLS)),
        changes=Part(ALL, tuple(CHANGES)),
    ),
}


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """One network a cell, run after run, and the pixels of the sets, which need no training."""
    for part in plan.parts:
        for number, method, name in product(range(part.runs), part.methods, part.conditions):
            run = Run(bench, method, number, plan.steps)
            labels = {
                "method": method, "condition": name,
                "set": number % len(bench.sets[method]), "network": number,
            }  # fmt: skip
            on = {"data": bench.mark, "tasks": [task.mark for task in tasks(run, name)]}
            yield Cell(labels, partial(score, run, name), on)
    for method in plan.doses.methods:
        for number, one in enumerate(bench.sets[method]):
            labels = {"method": method, "condition": "outside", "set": number}
            yield Cell(labels, partial(_outside, one), {"set": mark_of(one)})
    for method in (*plan.doses.methods, "real"):
        marks = [mark_of(one) for one in bench.sets.get(method, ())]
        labels = {"method": method, "condition": "pixels"}
        yield Cell(labels, partial(_histogram, bench, method), {"data": bench.mark, "sets": marks})


def tasks(run: Run, condition: str) -> tuple[Task, ...]:
    """What is trained under a condition: one task, or several in turn."""
    if condition not in CONDITIONS:
        raise ValueError(f"unknown condition {condition!r}; choose one of: {', '.join(CONDITIONS)}")
    made = CONDITIONS[condition](run)
    return made if isinstance(made, tuple) else (made,)


def score(run: Run, condition: str) -> dict[str, Tensor]:
    """Test accuracy in percent of the one network that a run trains under a condition."""
    real = run.bench.real
    parameters: Parameters = {}
    for task in tasks(run, condition):
        net = build(task.network, real.shape, len(real.classes))
        *_, parameters = train_epochs(
            net, task.images, task.labels, task.recipe, [task.seed],
            weights=None if task.weights is None else task.weights[None], start=parameters or None,
        )  # fmt: skip
    return {"accuracy": accuracy(net, parameters, real.test_images, real.test_labels)[0]}


def _outside(one: DistilledSet) -> dict[str, Tensor]:
    return {"outside": outside(one)}


def _histogram(bench: Bench, method: str) -> dict[str, Tensor]:
    """Of all pixels of a method's sets, or of all real training images."""
    real = bench.real
    sets = [one.images for one in bench.sets.get(method, ())]
    return {"histogram": histogram(torch.cat(sets) if sets else real.train_images, real)}


def run(
    bench: Bench, plan: Plan, collect: Callable[..., pd.DataFrame]
) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """The table of all cells; no array stands beside it."""
    return collect(cells(bench, plan)), {}
