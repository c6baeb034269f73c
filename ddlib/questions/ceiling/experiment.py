"""What a network reaches that sees all real images: the ceiling for every distilled set.

Time: 3 hours for what is recorded, one core. Device: any. n: 3 networks.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import Cell
from ddlib.networks import build
from ddlib.questions.shared.arrays import unfolded
from ddlib.training import Recipe, accuracy, train_epochs


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Plain training in mini-batches; the rate is a tenth of itself in the last third."""

    nets: int = 3
    epochs: int = 12
    batch: int = 256
    lr: float = 0.05
    network: str = "convnet"

    @property
    def recipe(self) -> Recipe:
        drop = self.epochs - self.epochs // 3
        return Recipe(epochs=self.epochs, batch=self.batch, lr=self.lr, drop_after=drop)


RECORD = Plan()
PLANS = {
    "fast": replace(RECORD, nets=2, epochs=6, batch=64),
    "laptop": replace(RECORD, nets=2, epochs=4),
    "record": RECORD,
    "full": replace(RECORD, nets=5, epochs=40),
}


def run(
    bench: Bench, plan: Plan, collect: Callable[[Iterable[Cell]], pd.DataFrame]
) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """A row for each network and epoch. Distilled sets play no part; epoch 0 is before a step."""
    found = collect(cells(bench, plan))
    return unfolded(found, ["accuracy"], "epoch", range(plan.epochs + 1)), {}


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """A network a cell."""
    on = {"data": bench.mark, "recipe": asdict(plan.recipe), "network": plan.network}
    for seed in range(plan.nets):
        yield Cell({"network": seed}, partial(along, bench, plan, seed), on)


def along(bench: Bench, plan: Plan, seed: int) -> dict[str, Tensor]:
    """The test accuracy in percent of one network before training and after each epoch."""
    real = bench.real
    net = build(plan.network, real.shape, len(real.classes))
    path = train_epochs(net, real.train_images, real.train_labels, plan.recipe, [seed])
    found = [accuracy(net, p, real.test_images, real.test_labels)[0] for p in path]
    return {"accuracy": torch.stack(found)}
