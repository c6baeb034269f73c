"""Do models trained on distilled data predict like models stopped early on all real data?

Three kinds of networks are compared by their predictions on the same test images: trained on a
set of few images; stopped early in the first epochs on all real images; trained to the end on a
subset of the real images. Pools of the last two are matched to each network by accuracy.
Controls: sets of trajectory matching on late segments, and the real images that sets began with.

Time: hours for what is recorded, 8 minutes for its repeat (`laptop`), one core. Device: any.
n: 3 networks on each of two sets of each method; pools of 7, 42 and 6 networks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice

import pandas as pd
import torch
from torch import Tensor

from ddlib.data import sample_per_class
from ddlib.distillation import distill
from ddlib.distilled import DistilledSet
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.networks import build
from ddlib.presets import made_by
from ddlib.questions.agreement.matching import Pools, Runs, one_method
from ddlib.questions.agreement.predictions import predictions
from ddlib.questions.shared.starts import began_as_start, with_start
from ddlib.seeds import generator
from ddlib.training import Recipe, train, train_epochs, train_steps

LATE = "mtt-late"
METHODS = ("random", "start", "dm", "dc", "dsa", "mtt", LATE, "bptt")
EARLY, SUBSET, FULL_BATCH = 1000, 2000, 3000  # seeds: no two networks begin alike
Values = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many networks of each kind, and how long they train."""

    methods: tuple[str, ...] = METHODS
    images: int = 2000  # test images that predictions are compared on
    nets: int = 3  # networks for each set of few images
    steps: int = PROTOCOLS["plain"].epochs  # on few images, all of them in each
    early_nets: int = 7
    early_steps: int = 96  # mini-batches of all real images
    early_batch: int = 256
    every: int = 4  # an early-stopped network is asked after every so many steps
    subsets: tuple[int, ...] = (
        13, 16, 19, 40, 45, 50, 55, 62, 70, 80, 14, 14, 42, 43, 44, 46,
        11, 12, 13, 36, 38, 52, 58, 62, 110, 130, 150, 28, 30, 32, 34,
        10, 11, 11, 11, 12, 12, 12, 17, 18, 19, 20,
    )  # fmt: skip  # images per class, one network for each
    subset_epochs: int = 40
    subset_batch: int = 100
    stops: tuple[int, ...] = (3, 5, 7, 9, 12)  # epochs after which a subset network is asked too
    full_batch: tuple[int, ...] = (36, 11, 12, 42, 50, 60)  # images per class, a network for each
    within: float = 1.0  # accuracies are equal if no further apart, in percentage points
    late_sets: int = 2  # of trajectory matching on late segments
    late: tuple[int, int] = (6, 9)  # their `min_start` and `max_start`


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        methods=("random", "bptt"),
        images=600, nets=2, early_nets=4, early_steps=120, early_batch=64, late_sets=0,
        subsets=(9, 9, 10, 11, 12, 13, 20, 22, 24, 28, 32),
        stops=(5, 8, 12, 16, 20), full_batch=(9,),
    ),
    "laptop": replace(
        RECORD,
        nets=2, early_nets=3, full_batch=(11, 42), late_sets=0,
        subsets=(13, 14, 16, 19, 40, 43, 46, 50, 55, 62, 11, 10, 10),
    ),
    "record": RECORD,
    "full": replace(
        RECORD,
        images=10_000, nets=5, early_nets=30, early_steps=196, every=1,
        subsets=tuple(25 + 225 * i // 519 for i in range(520)), subset_epochs=100,
        subset_batch=256, stops=(5, 10, 15, 20, 30, 40),
        full_batch=(50, 100, 200) * 5, late=(30, 40),
    ),
}  # fmt: skip


# ---- the networks: a cell each, of predictions ----------------------------------------------


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """The predictions of every network of the pools, and of those on each set of few images."""
    data = {"data": bench.mark, "images": plan.images}
    early = plan.early_steps, plan.early_batch, plan.every
    subset = plan.subset_epochs, plan.subset_batch, plan.stops
    pools = {
        "early": (plan.early_nets, stopped_early, early),
        "subset": (len(plan.subsets), on_subset, subset),
        "full-batch": (len(plan.full_batch), in_full_batches, plan.steps),
    }
    for pool, (nets, work, how) in pools.items():
        for number in range(nets):
            sizes = {"subset": plan.subsets, "full-batch": plan.full_batch}.get(pool)
            on = {**data, "how": how, "size": sizes and sizes[number]}
            yield Cell({"method": pool, "network": number}, partial(work, bench, plan, number), on)
    recipe = asdict(_plain(plan))
    for method, number, one, needs in _sets(bench, plan):
        on = {**data, "set": mark_of(one), "recipe": recipe, "nets": plan.nets}
        work = partial(few_images, bench, one, plan, number)
        yield Cell({"method": method, "set": number}, work, on, needs)


def _sets(bench: Bench, plan: Plan) -> Iterator[tuple[str, int, DistilledSet, tuple[Cell, ...]]]:
    """Method, number and set, and the cell that makes its images if they are late."""
    late = late_cells(bench, plan)
    sets = {**with_start(bench.real, bench.sets), LATE: bench.sets.get("mtt", ())[: len(late)]}
    for method in plan.methods:
        for number, one in enumerate(sets.get(method, ())):
            yield method, number, one, (late[number],) if method == LATE else ()


def late_cells(bench: Bench, plan: Plan) -> list[Cell]:
    """Sets of trajectory matching on late segments, as many as asked for."""
    usual = bench.sets.get("mtt", ())[: plan.late_sets]
    on = {"data": bench.mark, "late": plan.late}
    return [
        Cell(
            {"method": LATE, "made like": number},
            partial(late_images, bench, one, plan.late),
            {**on, "set": mark_of(one)},
        )
        for number, one in enumerate(usual)
    ]


def late_images(bench: Bench, usual: DistilledSet, late: tuple[int, int]) -> dict[str, Tensor]:
    """Images (n, c, h, w) made like `usual`, a set of trajectory matching, on late segments.

    Settings, seed and first images are those of `usual`. Experts are shared in the bench's folder.
    """
    low, high = late
    method = replace(made_by(usual), min_start=low, max_start=high)
    seed, folder = usual.meta["seed"], bench.scratch
    checkpoint = folder and folder / f"{LATE}-seed{seed}.checkpoint.safetensors"
    return {"images": distill(bench.real, method, seed=seed, checkpoint=checkpoint).images}


def few_images(
    bench: Bench, one: DistilledSet, plan: Plan, number: int, made: Values | None = None
) -> dict[str, Tensor]:
    """Predictions (net, image) of networks trained on set `number` with the protocol `plain`.

    Seeds differ between the sets of a method, so that only the set is shared. `made` holds other
    images than those of the set, if it was made late.
    """
    real, images = bench.real, one.images if made is None else made["images"]
    net = build("convnet", real.shape, len(real.classes))
    seeds = range(plan.nets * number, plan.nets * (number + 1))
    trained = train(net, images.to(real.device), one.labels, _plain(plan), seeds)
    return {"predicted": predictions(net, trained, real.test_images[: plan.images])}


def _plain(plan: Plan) -> Recipe:
    return replace(PROTOCOLS["plain"], epochs=plan.steps)


def stopped_early(bench: Bench, plan: Plan, number: int) -> dict[str, Tensor]:
    """Predictions (stop, image) of a network on its way through all real images."""
    real = bench.real
    net = build("convnet", real.shape, len(real.classes))
    test = real.test_images[: plan.images]
    recipe = Recipe(epochs=1, batch=plan.early_batch)
    path = train_steps(net, real, recipe, EARLY + number)
    stops = islice(path, plan.every, plan.early_steps + 1, plan.every)
    return {"predicted": torch.stack([predictions(net, at, test)[0] for at in stops])}


def on_subset(bench: Bench, plan: Plan, number: int) -> dict[str, Tensor]:
    """Predictions (stop, image) of a network trained on a few real images of each class.

    The last stop is the end of training.
    """
    recipe = Recipe(epochs=plan.subset_epochs, batch=plan.subset_batch)
    stops = {*plan.stops, recipe.epochs}
    return _on_few(bench, plan, plan.subsets[number], SUBSET + number, recipe, stops)


def in_full_batches(bench: Bench, plan: Plan, number: int) -> dict[str, Tensor]:
    """The same for a network that trains like networks on distilled sets; its end is the stop."""
    recipe = _plain(plan)
    size, seed = plan.full_batch[number], FULL_BATCH + number
    return _on_few(bench, plan, size, seed, recipe, {recipe.epochs})


def _on_few(
    bench: Bench, plan: Plan, size: int, seed: int, recipe: Recipe, stops: set[int]
) -> dict[str, Tensor]:
    real = bench.real
    net = build("convnet", real.shape, len(real.classes))
    draws = generator(seed, "subset", device=real.device)
    rows = sample_per_class(real, size, draws).flatten()
    path = train_epochs(net, real.train_images[rows], real.train_labels[rows], recipe, [seed])
    test = real.test_images[: plan.images]
    found = [predictions(net, p, test)[0] for epoch, p in enumerate(path) if epoch in stops]
    return {"predicted": torch.stack(found)}


# ---- the comparison -------------------------------------------------------------------------


def run(
    bench: Bench, plan: Plan, collect: Callable[[Iterable[Cell]], pd.DataFrame]
) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Train all networks, then hold each against those of equal accuracy in every pool."""
    runs, pools = predicted(bench, plan, collect)
    labels = bench.real.test_labels[: plan.images].cpu()  # as all predictions
    table = pd.concat([one_method(m, runs, pools, labels, plan.within) for m in runs])
    sets = with_start(bench.real, bench.sets)
    began = began_as_start(bench.real, {m: sets[m] for m in runs if m in sets})
    began += (LATE,) if LATE in runs and "mtt" in began else ()
    return table.assign(began=table["method"].isin(began)).reset_index(drop=True), {}


def predicted(
    bench: Bench, plan: Plan, collect: Callable[[Iterable[Cell]], pd.DataFrame]
) -> tuple[Runs, Pools]:
    """Predictions by method (set, network, image), and by pool (network, stop, image)."""
    found = collect(cells(bench, plan)).groupby("method", sort=False)["predicted"]
    each = {str(method): torch.stack(list(some)) for method, some in found}
    pools = {name: each.pop(name) for name in ("early", "subset", "full-batch")}
    return each, pools
