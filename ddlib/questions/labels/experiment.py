"""How much of what distilled sets teach would real images with good labels teach?

Each set is trained on with its own hard labels and with soft labels of a teacher: one that was
trained to the end on real images, and one that was stopped early. When to stop is tuned on held-out
*training* images, with random real images as students' images; no test image takes part. Shuffled
labels are those of the early teacher, exchanged among images of one class.

Time: 20 minutes for what is recorded, 5 for its repeat (`laptop`), one core. Device: any.
n: five sets of random images, two of every other method, one network on each; one teacher.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import pandas as pd
import torch
from torch import Tensor

from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.data import ImageData, sample_per_class
from ddlib.distillation import distill
from ddlib.distilled import DistilledSet
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.labels import ipc_within, relabel, teacher_of, teacher_weights
from ddlib.methods.averages import KMeans
from ddlib.methods.coresets import RandomSelection
from ddlib.networks import build
from ddlib.queue import LONG
from ddlib.results import load_recorded, recorded, set_name
from ddlib.seeds import generator
from ddlib.training import accuracy, train

TEACHER = 7000  # seed of the teacher: no student begins with the same weights
HARD, FULL, EARLY, SHUFFLED, WITHIN = "hard", "full", "early", "shuffled", "within"
LABELS = (HARD, EARLY, FULL, SHUFFLED)
SUFFIX = "-long"  # sets of the long runs, which moved far from where they began
Collect = Callable[[Iterable[Cell]], pd.DataFrame]
Values = Mapping[str, Tensor]
Given = tuple[DistilledSet, tuple[Cell, ...]]  # a set, and the cells that make its images first


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which sets get which labels, and how the teacher is trained and tuned."""

    methods: tuple[str, ...] = ("random", "herding", "kmeans", "dm", "mtt", "bptt", "dm-long")
    controls: tuple[str, ...] = ("random",)  # get full and shuffled labels, too
    network: str = "convnet"
    teacher_images: int = 1000  # training images of each class that the teacher learns from
    held_out: int = 100  # others of each class, which judge when to stop
    stops: tuple[int, ...] = (1, 2, 4, 10)  # epochs; the last is the fully trained teacher
    tuning: int = 1  # random sets that the stop is tuned with; they are not among those judged
    ipc: int = 10
    draws: int = 5  # sets of random images
    sets: int = 2  # of every other method, if there are as many
    nets: int = 1  # networks on each set
    test: int = 2000  # test images
    steps: int = PROTOCOLS["plain"].epochs


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        methods=("random", "kmeans", "dm"), controls=("random", "dm"), network="convnet-half",
        teacher_images=240,
        held_out=60, stops=(1, 4, 12), ipc=5, draws=1, sets=1, nets=2, test=900,
    ),
    "laptop": replace(
        RECORD, methods=("random", "dm", "mtt", "bptt"), controls=("random",), stops=(1, 2, 4),
        draws=2, sets=1
    ),
    "record": RECORD,
    "full": replace(
        RECORD, teacher_images=4500, held_out=500, stops=(1, 2, 3, 5, 10, 30), tuning=3, sets=5,
        nets=3, test=10_000,
    ),
}  # fmt: skip


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Train the teacher, tune its stop, then train on every set with every kind of label.

    Conditions: `hard`, `full`, `early` and `shuffled` labels; `within` are early labels of fewer
    random images, so that the set stores no more numbers than one with hard labels. `teacher` is
    the teacher itself at each stop, `tuning` what students with its labels score on held-out
    images.
    """
    teacher = teacher_cell(bench, plan)
    told = collect(teacher_cells(bench, plan, teacher))
    tuning = told[told["condition"] == "tuning"]
    best = int(tuning.groupby("stop")["score"].mean().idxmax())
    table = collect(student_cells(bench, plan, teacher, best))
    return pd.concat([told, table], ignore_index=True), {}


# ---- the teacher ----------------------------------------------------------------------------


def split(real: ImageData, plan: Plan) -> tuple[ImageData, ImageData]:
    """Two parts of the training images: what the teacher learns, and what judges its stop.

    The judging part lies in the place of the test images, which nothing here looks at.
    """
    draws = generator("labels", device=real.device)
    rows = sample_per_class(real, plan.teacher_images + plan.held_out, draws)
    learned, judges = (part.flatten() for part in rows.tensor_split([plan.teacher_images], 1))
    x, y = real.train_images, real.train_labels
    train_part = {"train_images": x[learned], "train_labels": y[learned]}
    held = {"test_images": x[judges], "test_labels": y[judges]}
    return replace(real, **train_part), replace(real, **train_part, **held)


def teacher_cell(bench: Bench, plan: Plan) -> Cell:
    """The weights of the teacher at each of its stops."""
    on = {
        "data": bench.mark, "stops": plan.stops, "network": plan.network,
        "images": plan.teacher_images, "held out": plan.held_out,
    }  # fmt: skip
    return Cell({"condition": "weights"}, partial(weights, bench, plan), on)


def weights(bench: Bench, plan: Plan) -> dict[str, Tensor]:
    """The teacher's weights (stop, p)."""
    real, _ = split(bench.real, plan)
    return {"theta": teacher_weights(real, plan.stops, network=plan.network, seed=TEACHER)}


def teacher_cells(bench: Bench, plan: Plan, teacher: Cell) -> Iterator[Cell]:
    """How good the teacher is at each stop, and how well it teaches random images."""
    on = {"test": plan.test, "steps": plan.steps, "ipc": plan.ipc}
    for i, stop in enumerate(plan.stops):
        labels = {"condition": "teacher", "stop": stop}
        yield Cell(labels, partial(knows, bench, plan, i), on, (teacher,))
        for number in range(plan.tuning):
            labels = {"condition": "tuning", "stop": stop, "set": number}
            yield Cell(labels, partial(score, bench, plan, i, number), on, (teacher,))


def knows(bench: Bench, plan: Plan, stop: int, teacher: Values) -> dict[str, Tensor]:
    """Accuracy of the teacher on held-out training images (`score`) and on test images."""
    _, held = split(bench.real, plan)
    given = teacher_of(held, teacher["theta"][stop], network=plan.network)
    right = {
        "score": (held.test_images, held.test_labels),
        "accuracy": (bench.real.test_images[: plan.test], bench.real.test_labels[: plan.test]),
    }
    return {
        name: 100 * (given.answer(x).argmax(1) == y).float().mean()
        for name, (x, y) in right.items()
    }


def score(bench: Bench, plan: Plan, stop: int, number: int, teacher: Values) -> dict[str, Tensor]:
    """Accuracy on held-out training images of a student that has the teacher's labels."""
    learned, held = split(bench.real, plan)
    one = distill(learned, RandomSelection(ipc=plan.ipc), seed=TEACHER + number)
    given = teacher_of(held, teacher["theta"][stop], network=plan.network)
    return {"score": _trained(held, plan, relabel(one, given), TEACHER + 1 + number)}


# ---- the students ---------------------------------------------------------------------------


def student_cells(bench: Bench, plan: Plan, teacher: Cell, best: int) -> Iterator[Cell]:
    """A network a cell, on each set with each kind of label; and the smaller set with soft ones."""
    stops = {FULL: plan.stops[-1], EARLY: best, SHUFFLED: best, WITHIN: best}
    for method, (number, (one, needs)), kind in given(bench, plan):
        for network in range(number * plan.nets, (number + 1) * plan.nets):
            labels = {"method": method, "condition": kind, "set": number, "network": network}
            on = {
                "set": mark_of(one), "stop": stops.get(kind), "test": plan.test,
                "steps": plan.steps, "network": plan.network, "data": bench.mark,
            }  # fmt: skip
            at = plan.stops.index(stops[kind]) if kind in stops else None
            work = partial(student, bench, plan, one, kind, at, network)
            yield Cell(labels, work, on, (teacher, *needs))


def given(bench: Bench, plan: Plan) -> Iterator[tuple[str, tuple[int, Given], str]]:
    """Which set gets which kind of label."""
    for method, sets in sets_of(bench, plan).items():
        more = (FULL, SHUFFLED) if method in plan.controls else ()
        kinds = (HARD, EARLY, *more, *((WITHIN,) if method == "random" else ()))
        yield from ((method, one, kind) for one, kind in product(enumerate(sets), kinds))


def sets_of(bench: Bench, plan: Plan) -> dict[str, list[Given]]:
    """The sets of each method, with the cells that make their images first."""
    real = bench.real
    sets = {m: bench.sets[m][: plan.sets] for m in plan.methods if m in bench.sets}
    drawn = [distill(real, RandomSelection(ipc=plan.ipc), seed=s) for s in range(plan.draws)]
    sets["random"] = [*bench.sets.get("random", ()), *drawn][: plan.draws]
    for method in (m for m in plan.methods if m.endswith(SUFFIX)):
        names = [
            set_name(real.name, method.removesuffix(SUFFIX), plan.ipc, s) for s in range(plan.sets)
        ]
        known = [n for n in names if n in recorded("sets", LONG)]
        sets[method] = [load_recorded(n, LONG).to(real.device) for n in known]
    found = {m: [(one, ()) for one in some] for m, some in sets.items() if some}
    if "kmeans" in plan.methods:
        found["kmeans"] = [averages(bench, plan, number) for number in range(plan.sets)]
    return {method: found[method] for method in plan.methods if method in found}


def averages(bench: Bench, plan: Plan, number: int) -> tuple[DistilledSet, tuple[Cell, ...]]:
    """A set in the place of that of k-means, and the cell that computes the centers."""
    place = distill(bench.real, RandomSelection(ipc=plan.ipc), seed=number)
    labels = {"method": "kmeans", "made": number}
    on = {"data": bench.mark, "ipc": plan.ipc}
    return place, (Cell(labels, partial(centers, bench, plan.ipc, number), on),)


def centers(bench: Bench, ipc: int, number: int) -> dict[str, Tensor]:
    """The images of k-means."""
    return {"images": KMeans(ipc=ipc).initialize(bench.real, number)["images"]}


def student(
    bench: Bench,
    plan: Plan,
    one: DistilledSet,
    kind: str,
    stop: int | None,
    network: int,
    teacher: Values,
    made: Values | None = None,
) -> dict[str, Tensor | int]:
    """Test accuracy of one network on a set with one kind of label, and the numbers it stores."""
    if made is not None:
        one = replace(one, images=made["images"].to(one.images.device))
    if kind == WITHIN:
        one = fewer(one, ipc_within(one.images.numel(), bench.real.shape, len(one.classes),
                                    soft=True))  # fmt: skip
    if stop is not None:
        given = teacher_of(bench.real, teacher["theta"][stop], network=plan.network)
        one = relabel(one, given)
    if kind == SHUFFLED:
        one = exchanged(one, network)
    soft = one.labels.numel() if one.labels.is_floating_point() else 0
    found = _trained(bench.real, plan, one, network)
    return {"accuracy": found, "numbers": one.images.numel() + soft}


def fewer(one: DistilledSet, ipc: int) -> DistilledSet:
    """The first images of each class."""
    rows = torch.arange(len(one.images)).view(len(one.classes), -1)[:, :ipc].flatten()
    return replace(one, images=one.images[rows], labels=one.labels[rows], ipc=ipc)


def exchanged(one: DistilledSet, seed: int) -> DistilledSet:
    """Labels of other images of the same class: a set lies class after class."""
    k = len(one.classes)
    draws = generator(seed, "exchange")
    order = torch.cat([torch.randperm(one.ipc, generator=draws) + c * one.ipc for c in range(k)])
    return replace(one, labels=one.labels[order.to(one.labels.device)])


def _trained(real: ImageData, plan: Plan, one: DistilledSet, seed: int) -> Tensor:
    """Accuracy in percent on the first test images of a network that trains on a set."""
    net = build(plan.network, real.shape, len(real.classes))
    recipe = replace(PROTOCOLS["plain"], epochs=plan.steps)
    parameters = train(net, one.images, one.labels, recipe, [seed])
    return accuracy(net, parameters, real.test_images[: plan.test], real.test_labels[: plan.test])[
        0
    ]
