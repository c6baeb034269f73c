"""What does one distilled image change? Exact leave-one-out, its noise floor, cheap substitutes.

For every image of a set a network is trained anew without it, from the same start. What that does
to the loss on each test image is the image's influence there. Rounds are beside it: round i leaves
a few images of class i out, in the usual network and from the next set of each method. No two
rounds share a network.

Time: three hours for what is recorded, 6 minutes for its repeat (`laptop`), one core. Device: any.
n: five narrow networks on one set of each method; five rounds of two networks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.files import digest
from ddlib.networks import build
from ddlib.questions.influence import measures
from ddlib.questions.influence.measures import KINDS, Row
from ddlib.questions.influence.retraining import SUBSTITUTES, Trainer
from ddlib.questions.shared.leaving_out import first_rows, left_out
from ddlib.questions.shared.pixels import pixels_of
from ddlib.training import Recipe

PLACES = 8  # test images that are listed for each image, helped and harmed
Collect = Callable[[Iterable[Cell]], pd.DataFrame]
Found = Mapping[tuple[str, str, int], Tensor]  # losses by condition, method and network


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of the experiment. It takes the first set of each method apart."""

    network: str = "convnet-quarter"
    methods: tuple[str, ...] = ("random", "dm", "mtt", "dc", "bptt")
    nets: int = 5  # for each method, trained again and again
    steps: int = 300  # full-batch, as in the protocol `plain`
    alone: int = 10  # images of each class that are left out, one at a time
    each: int = 100  # test images of each class
    shown: int = 50  # of them, how many can be looked at
    chunk: int = 25  # trainings that are kept together
    together: int | None = None  # trainings side by side; None: what the device has memory for
    deep: tuple[str, ...] = ("bptt",)  # methods with groups, halves and cheap substitutes
    deep_nets: int = 2  # in their first networks
    sizes: tuple[int, ...] = (2, 5, 10)  # of groups that are left out at once
    groups: int = 2  # of each size and kind
    halves: int = 16  # random halves of the set to train on
    stops: int = 10  # moments of training at which gradients are compared
    usual: str = "convnet"  # the network of the rounds
    beside: tuple[str, ...] = ("random", "dm", "dc", "dsa", "mtt", "bptt")  # held against the first
    rounds: int = 5
    few: int = 3  # images of each method in a round

    @property
    def recipe(self) -> Recipe:
        """How all networks train."""
        return Recipe(epochs=self.steps)


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        methods=("random", "bptt"), nets=2, steps=40, alone=4, each=20, shown=20, chunk=50,
        together=16, deep_nets=1, sizes=(2, 4), groups=3, halves=12, stops=3,
        usual="convnet-quarter", beside=("random", "bptt"), rounds=1, few=2,
    ),
    "laptop": replace(
        RECORD,
        methods=("random", "dm", "bptt"), nets=2, alone=3, deep_nets=1, sizes=(2, 3), halves=8,
        beside=("random", "bptt"), rounds=2,
    ),
    "colab": replace(
        RECORD,
        nets=3, alone=3, sizes=(2, 3), beside=("random", "dm", "dc", "mtt", "bptt"), rounds=3,
    ),
    "record": RECORD,
    "full": replace(
        RECORD,
        network="convnet", methods=("random", "herding", "dm", "mtt", "dc", "dsa", "bptt"), nets=10,
        each=1000, deep=("random", "dm", "bptt"), deep_nets=5, groups=10, halves=64, rounds=10,
        few=10,
    ),
}  # fmt: skip


# ---- the trainings: a cell each, of losses --------------------------------------------------


def trainer(real: ImageData, one: DistilledSet, plan: Plan, network: str, seed: int) -> Trainer:
    """One network to be trained on parts of a set and asked about the pool of test images."""
    rows = pool(real, plan).to(real.device)
    net = build(network, real.shape, len(real.classes))
    test = (real.test_images[rows], real.test_labels[rows])
    return Trainer(net, plan.recipe, seed, one.images, one.labels, test, plan.together)


def pool(real: ImageData, plan: Plan) -> Tensor:
    """Rows of the test images that networks are asked about."""
    return first_rows(real.test_labels.cpu(), plan.each)


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """What every network loses without some images: a chunk of trainings a cell."""
    for method, network in product(plan.methods, range(plan.nets)):
        mine = _Trained(bench, plan, method, 0, plan.network, network)
        yield mine.cell("noise", again)
        deep = method in plan.deep and network < plan.deep_nets
        for kind, groups in _out(mine.one, plan).items():
            if deep or kind in ("all", "alone"):
                yield from mine.without(kind, groups)
            if deep and kind == "alone":
                few = measures.few(groups)
                rate = 1 - 1 / len(mine.one.labels)  # a sum, where others take the mean
                yield from mine.without("summed", few, rate)
        if deep:
            yield mine.cell("substitutes", guesses, stops=plan.stops)
    for number, method in product(range(plan.rounds), plan.beside):
        for network in (2 * number, 2 * number + 1):
            mine = _Trained(bench, plan, method, number, plan.usual, network)
            few = measures.few_alone(mine.one.labels.cpu(), number, plan.few)
            yield from mine.without("round", few)
    for method in plan.beside:
        yield _Trained(bench, plan, method, 0, plan.usual, 0).cell("usual noise", again)


@dataclass(frozen=True)
class _Trained:
    """One network that is trained again and again on parts of one set, and its cells."""

    bench: Bench
    plan: Plan
    method: str
    number: int  # of the set
    network: str
    seed: int

    @property
    def one(self) -> DistilledSet:
        return self.bench.turn(self.method, self.number)

    def trainer(self) -> Trainer:
        return trainer(self.bench.real, self.one, self.plan, self.network, self.seed)

    def cell(
        self, condition: str, work: Callable[..., dict[str, Tensor]], part: int = 0, **on: object
    ) -> Cell:
        labels = {"condition": condition, "method": self.method, "network": self.seed, "part": part}
        how = {"net": self.network, "steps": self.plan.steps, "each": self.plan.each}
        known = {"data": self.bench.mark, "set": mark_of(self.one)}
        return Cell(labels, partial(work, self), {**known, **how, **on})

    def without(self, condition: str, groups: Tensor, rate: float = 1.0) -> Iterator[Cell]:
        """Trainings without each group, so many together."""
        for i, part in enumerate(groups.split(self.plan.chunk)):
            on = {"groups": digest({"groups": part}, {"rate": rate})[:16]}
            yield self.cell(condition, partial(losses, part, rate), i, **on)


def losses(groups: Tensor, rate: float, mine: _Trained) -> dict[str, Tensor]:
    """Losses (g, t) on the pool without each group."""
    return {"losses": mine.trainer().without(groups, rate)}


def again(mine: _Trained) -> dict[str, Tensor]:
    """Losses (noise, t) of the same training once more."""
    return {"losses": mine.trainer().noise()}


def guesses(mine: _Trained) -> dict[str, Tensor]:
    """Tables (n, t) of cheap substitutes."""
    return mine.trainer().substitutes(mine.plan.stops)


def _out(one: DistilledSet, plan: Plan) -> dict[str, Tensor]:
    labels = one.labels.cpu()
    return left_out(labels, plan.alone, plan.sizes, plan.groups, plan.halves)


# ---- what they say ----------------------------------------------------------------------------


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Leave everything out once, network after network, then compare.

    Conditions: `network`, sizes of influence and of noise; `top`, whom it names, by side and
    scaling; `pair`, what two networks share; `mean`, the tables of each method, over all networks.
    In deep networks `added`, `summed` and `judged`. `round` and `rounds`, in one and between both
    networks of a round; `usual`, the noise there. Arrays: rows of the images and of the test images
    by `image`, `test` and `shown`, and the `thumbnails` of those that are shown.
    """
    cell_table = collect(cells(bench, plan))
    parts: dict[tuple[str, str, int], list[Tensor]] = {}
    guessed: dict[tuple[str, int], dict[str, Any]] = {}
    for row in cell_table.to_dict("records"):
        at = row["method"], row["network"]
        if row["condition"] == "substitutes":
            guessed[at] = {str(name): value for name, value in row.items()}
        else:
            parts.setdefault((row["condition"], *at), []).append(row["losses"])
    found = {key: torch.cat(losses) for key, losses in parts.items()}
    rows = list(_narrow(bench, plan, found, guessed)) + list(_rounds(bench, plan, found))
    table = pd.DataFrame(rows)
    whole = [c for c in ("network", "other", "size", "group", "round", "set") if c in table]
    return table.astype(dict.fromkeys(whole, "Int64")), _arrays(bench, plan)


def _arrays(bench: Bench, plan: Plan) -> dict[str, Tensor]:
    real, rows = bench.real, pool(bench.real, plan)
    labels = real.test_labels.cpu()
    shown = rows[torch.isin(rows, first_rows(labels, plan.shown))]
    pixels = pixels_of(real, real.test_images[shown.to(real.device)]).cpu()
    image = first_rows(bench.sets[plan.methods[0]][0].labels.cpu(), plan.alone)
    thumbnails = (pixels * 255).round().byte()
    return {"image": image, "test": rows, "shown": shown, "thumbnails": thumbnails}


def _narrow(
    bench: Bench, plan: Plan, found: Found, guessed: Mapping[tuple[str, int], Mapping[str, Any]]
) -> Iterator[Row]:
    """Rows of all images of a set, left out in each of its networks."""
    labels, tests = bench.real.test_labels.cpu(), pool(bench.real, plan)
    tested, shown = labels[tests], torch.isin(tests, first_rows(labels, plan.shown))
    for method in plan.methods:
        classes = bench.sets[method][0].labels.cpu()
        own = classes[first_rows(classes, plan.alone)]  # the same rows in every set
        with_all = torch.cat([found["all", method, i] for i in range(plan.nets)])
        nets = range(plan.nets)
        tables = torch.stack([found["alone", method, i] - with_all[i] for i in nets])
        for i, table in enumerate(tables):
            at: Row = {"method": method, "network": i}
            noise = found["noise", method, i]
            yield {"condition": "network", **at, **measures.sizes(table, with_all[i], noise)}
            for row in measures.tops(table, with_all[i], own, tested):
                yield {"condition": "top", **at, **row}
        for a, b in combinations(nets, 2):
            both = measures.repeats(tables[a], tables[b], own, tested)
            yield {"condition": "pair", "method": method, "network": a, "other": b, **both}
        mean = {"influence": tables.mean(0).half(), "loss": with_all.mean(0).half()}
        alike = measures.listed(tables, shown, PLACES)
        yield {"condition": "mean", "method": method, **mean, **alike}
        if method in plan.deep:
            for i in range(plan.deep_nets):
                mine = {key[0]: value for key, value in found.items() if key[1:] == (method, i)}
                others = tables[[j for j in nets if j != i]].mean(0)
                rows = _deep(mine | guesses_of(guessed[method, i], classes, plan), others,
                             classes, tested, plan)  # fmt: skip
                yield from ({"method": method, "network": i, **row} for row in rows)


def guesses_of(row: Mapping[str, Any], classes: Tensor, plan: Plan) -> dict[str, Tensor]:
    """Cheap substitutes for the images that are left out alone."""
    return {name: row[name][first_rows(classes, plan.alone)] for name in SUBSTITUTES}


def _deep(
    mine: Mapping[str, Tensor], others: Tensor, classes: Tensor, tested: Tensor, plan: Plan
) -> Iterator[Row]:
    """Additivity, the other weighting, and substitutes for leave-one-out in one network."""
    alone, rows = mine["alone"] - mine["all"], first_rows(classes, plan.alone)
    out = left_out(classes, plan.alone, plan.sizes, plan.groups, plan.halves)
    out = {name: groups[:, rows] for name, groups in out.items()}
    which = product(plan.sizes, KINDS, range(plan.groups))
    sums = measures.added(alone, out["groups"], mine["groups"] - mine["all"])
    for (size, kind, group), row in zip(which, sums, strict=True):
        yield {"condition": "added", "size": size, "kind": kind, "group": group, **row}
    yield {"condition": "summed", **measures.summed(alone, mine["summed"] - mine["all"])}
    for row in measures.substituted(mine, others, out, classes[rows], tested):
        yield {"condition": "judged", **row}


def _rounds(bench: Bench, plan: Plan, found: Found) -> Iterator[Row]:
    """Rows of the rounds in the usual network, and what a nudge changes in the first one."""
    tested = bench.real.test_labels.cpu()[pool(bench.real, plan)]
    for number, method in product(range(plan.rounds), plan.beside):
        at: Row = {"method": method, "round": number, "set": number % len(bench.sets[method])}
        both = torch.stack([found["round", method, 2 * number + i] for i in (0, 1)])
        for i, one in enumerate(both):
            row = measures.in_round(one, number, tested)
            yield {"condition": "round", **at, "network": 2 * number + i, **row}
        yield {"condition": "rounds", **at, **measures.between_rounds(both, number, tested)}
    for method in plan.beside:
        noise = found["usual noise", method, 0]
        nudged = float((noise[2] - noise[0]).square().mean().sqrt())
        yield {"condition": "usual", "method": method, "nudged": nudged}
