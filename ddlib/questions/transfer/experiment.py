"""Distilled with one network and setting, used with another: what is left of the gain?

Sets are compared with random real images in the same architecture, and with ten times as many of
them. A cell is one architecture trained on one set, by one network for each seed.

Time: four hours for what is recorded, 12 minutes for its repeat (`laptop`), one core. Device: any.
n: two sets of each method, three networks of each architecture on each.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import pandas as pd
from torch import Tensor

from ddlib.data import sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.networks import build
from ddlib.questions.shared.pixels import clipped
from ddlib.seeds import generator
from ddlib.training import accuracy, train

MATCHING = ("dm", "dc", "dsa")  # compare features or gradients, at one place at a time
UNROLLED = ("mtt", "bptt")  # differentiate through a stretch of training
CHOSEN = ("random", "herding", "kcenter")  # real images
Collect = Callable[[Iterable[Cell]], pd.DataFrame]
Test = tuple[Tensor, Tensor]
PUBLISHED = ("vit", "resnet18-group", "resnet18-batch", "vgg11")
FEW = tuple(f"{name}-narrow" for name in PUBLISHED)  # about as large as the ConvNet


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where the sets go. `home` is the architecture that all of them were distilled with."""

    home: str = "convnet"
    widths: tuple[str, ...] = ()
    norms: tuple[str, ...] = ("convnet-none", "convnet-layer", "convnet-group", "convnet-batch")
    others: tuple[str, ...] = FEW
    tuned: tuple[str, ...] = ("convnet-none", *FEW)  # get the best of `rates`
    clipped: tuple[str, ...] = ("convnet-none",)  # also without pixels outside [0, 1]
    methods: tuple[str, ...] = ("random", "herding", "dm", "dc", "dsa", "mtt", "bptt")
    few: tuple[str, ...] = ("random", "bptt")  # in tuned ones: at the protocol's rate, too
    rates: tuple[float, ...] = (0.01, 0.05)  # the first is that of the protocol
    sets: int = 2  # of each method
    nets: int = 3  # networks for each set
    test: int = 2000  # test images
    held_out: int = 200  # training images of each class that judge the rates
    ipc: int = 10  # of the sets
    more: int = 10  # times as many real images for the ceiling
    steps: int = PROTOCOLS["plain"].epochs

    @property
    def architectures(self) -> tuple[str, ...]:
        return (self.home, *self.norms, *self.others, *self.widths)

    @property
    def distilled(self) -> tuple[str, ...]:
        return tuple(method for method in self.methods if method not in CHOSEN)


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        norms=("convnet-none",), others=("vit-narrow",), tuned=("vit-narrow",),
        methods=("random", "dm", "mtt", "bptt"), few=("random", "dm"), sets=1, nets=1, test=1000,
        held_out=50,
    ),
    "laptop": replace(
        RECORD,
        norms=("convnet-none", "convnet-batch"), others=("vit-narrow", "vgg11-narrow"),
        tuned=("vit-narrow", "vgg11-narrow"), methods=("random", "herding", "dm", "mtt", "bptt"),
        sets=1, nets=2, held_out=50,
    ),
    "colab": replace(
        RECORD,
        norms=("convnet-none", "convnet-layer", "convnet-batch"),
        others=("resnet18-group-narrow", "vgg11-narrow"),
        tuned=("convnet-none", "resnet18-group-narrow", "vgg11-narrow"),
        methods=("random", "herding", "dm", "dc", "mtt", "bptt"), nets=2, test=10_000,
    ),
    "record": RECORD,
    "full": replace(
        RECORD,
        widths=("convnet-half", "convnet-double"), others=PUBLISHED,
        tuned=("convnet-none", *PUBLISHED), clipped=("convnet", "convnet-none"),
        few=("random", "dm", "bptt"), nets=5, test=10_000, held_out=500,
    ),
}  # fmt: skip


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Train every architecture on every set, a row for each network.

    Conditions: `own` is the rate that suits the architecture, `strict` that of the protocol where
    it is another one, `clipped` are sets without pixels outside [0, 1]. `ceiling` comes from more
    real images; `rate` is what a candidate scored on held-out images, of which the best is used.
    """
    tried = collect(rate_cells(bench, plan)) if plan.tuned else pd.DataFrame()
    rates = dict.fromkeys(plan.architectures, plan.rates[0])
    if len(tried):
        best = tried.loc[tried.groupby("architecture")["score"].idxmax()]
        rates |= dict(zip(best["architecture"], best["rate"], strict=True))
    return pd.concat([tried, each_network(collect(cells(bench, plan, rates)), plan)]), {}


def rate_cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """What each candidate scores in the architectures that may choose."""
    how = {"ipc": plan.ipc, "held out": plan.held_out, "nets": plan.nets, "steps": plan.steps}
    for architecture, rate in product(plan.tuned, plan.rates):
        labels = {"architecture": architecture, "condition": "rate", "rate": rate}
        work = partial(score, bench, plan, architecture, rate)
        yield Cell(labels, work, how | {"data": bench.mark})


def cells(bench: Bench, plan: Plan, rates: dict[str, float]) -> Iterator[Cell]:
    """Sets in architectures: as they are, clipped, or at the protocol's rate; and the ceilings."""
    given = [("own", a, plan.methods) for a in plan.architectures]
    given += [("clipped", a, plan.distilled) for a in plan.clipped]
    given += [("strict", a, plan.few) for a in plan.tuned if rates[a] != plan.rates[0]]
    on = {"data": bench.mark, "test": plan.test, "nets": plan.nets, "steps": plan.steps}
    for condition, architecture, methods in given:
        rate = plan.rates[0] if condition == "strict" else rates[architecture]
        for number, method in product(range(plan.sets), methods):
            one = bench.sets[method][number]
            one = clipped(one) if condition == "clipped" else one
            labels = {
                "architecture": architecture, "method": method, "condition": condition,
                "set": number, "rate": rate,
            }  # fmt: skip
            work = partial(measured, bench, plan, architecture, one, rate, number)
            yield Cell(labels, work, {**on, "set": mark_of(one)})
    for architecture in plan.architectures:
        rate = rates[architecture]
        labels = {"architecture": architecture, "condition": "ceiling", "rate": rate}
        more = {"ipc": plan.ipc, "more": plan.more}
        yield Cell(labels, partial(ceiling, bench, plan, architecture, rate), on | more)


def each_network(table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row for each network, where a cell has a row for all networks of a set."""
    rows = [
        {**row, "network": seed, "accuracy": float(row["accuracy"][i])}
        | ({"fit": float(row["fit"][i])} if isinstance(row["fit"], Tensor) else {})
        for row in table.to_dict("records")
        for i, seed in enumerate(seeds(plan, 0 if pd.isna(row["set"]) else int(row["set"])))
    ]
    return pd.DataFrame(rows).astype({"set": "Int64"})


def measured(
    bench: Bench, plan: Plan, architecture: str, one: DistilledSet, rate: float, number: int
) -> dict[str, Tensor]:
    """`measure` on the test images of the plan, with the networks of set `number`."""
    real = bench.real
    test = real.test_images[: plan.test], real.test_labels[: plan.test]
    return measure(architecture, one, rate, seeds(plan, number), test, plan.steps)


def measure(
    architecture: str, one: DistilledSet, rate: float, seeds: Sequence[int], test: Test,
    steps: int = PROTOCOLS["plain"].epochs,
) -> dict[str, Tensor]:  # fmt: skip
    """Accuracy on `test`, and on the set itself (`fit`), in percent, of one network for each seed.

    The protocol is `plain` with its rate replaced.
    """
    _, c, h, w = one.images.shape
    net = build(architecture, (c, h, w), len(one.classes))
    recipe = replace(PROTOCOLS["plain"], lr=rate, epochs=steps)
    trained = train(net, one.images, one.labels, recipe, seeds)
    own = one.labels.argmax(1) if one.labels.is_floating_point() else one.labels
    return {
        "accuracy": accuracy(net, trained, *test),
        "fit": accuracy(net, trained, one.images, own),
    }


def seeds(plan: Plan, number: int) -> range:
    """Each set has networks of its own, the same for all methods."""
    return range(number * plan.nets, (number + 1) * plan.nets)


def score(bench: Bench, plan: Plan, architecture: str, rate: float) -> dict[str, Tensor]:
    """Accuracy on held-out *training* images, of networks trained on random real images."""
    real = bench.real
    draws = generator("rates", device=real.device)
    rows = sample_per_class(real, plan.ipc + plan.held_out, draws)
    few, judges = rows[:, : plan.ipc].flatten(), rows[:, plan.ipc :].flatten()
    one = DistilledSet.of(real, real.train_images[few], real.train_labels[few])
    test = real.train_images[judges], real.train_labels[judges]
    found = measure(architecture, one, rate, seeds(plan, 0), test, plan.steps)
    return {"score": found["accuracy"].mean()}


def ceiling(bench: Bench, plan: Plan, architecture: str, rate: float) -> dict[str, Tensor]:
    """Accuracy after as many steps of as many images, drawn from `more` times as many real ones."""
    real = bench.real
    draws = generator("ceiling", device=real.device)
    rows = sample_per_class(real, plan.more * plan.ipc, draws).flatten()
    batch, epochs = len(rows) // plan.more, plan.steps // plan.more
    recipe = replace(PROTOCOLS["plain"], lr=rate, batch=batch, epochs=epochs)
    net = build(architecture, real.shape, len(real.classes))
    images, labels = real.train_images[rows], real.train_labels[rows]
    trained = train(net, images, labels, recipe, seeds(plan, 0))
    test = real.test_images[: plan.test], real.test_labels[: plan.test]
    return {"accuracy": accuracy(net, trained, *test)}
