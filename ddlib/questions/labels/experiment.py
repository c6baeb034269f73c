"""How much of what distilled sets teach would real images with good labels teach?

Each set is trained on with its own hard labels and with soft labels of a teacher: one that was
trained to the end on real images, and one that was stopped early. When to stop is tuned on held-out
*training* images, with random real images as students' images; no test image takes part. Shuffled
labels are those of the early teacher, exchanged among images of one class.

Time: three minutes for what is recorded, one for its repeat (`laptop`), one core. Device: any.
n: five sets of each method, one network on each; one teacher.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product

import pandas as pd
import torch
from torch import Tensor

from ddlib.data import ImageData, sample_per_class
from ddlib.distillation import Method, distill
from ddlib.distilled import DistilledSet
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.labels import relabel, teacher_of, teacher_weights
from ddlib.methods.averages import KMeans
from ddlib.methods.coresets import RandomSelection
from ddlib.presets import preset
from ddlib.questions.shared.students import student_accuracy, within
from ddlib.seeds import generator

TEACHER = 7000  # seed of the teacher: no student begins with the same weights
HARD, FULL, EARLY, SHUFFLED, WITHIN = "hard", "full", "early", "shuffled", "within"
LABELS = (HARD, EARLY, FULL, SHUFFLED)
DATA = "photos"  # the live set, for which five sets of each method take minutes
Collect = Callable[[Iterable[Cell]], pd.DataFrame]
Values = Mapping[str, Tensor]
Given = tuple[DistilledSet, tuple[Cell, ...]]  # a set, and the cells that make its images first


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which sets get which labels, and how the teacher is trained and tuned."""

    methods: tuple[str, ...] = ("random", "kmeans", "dm")
    controls: tuple[str, ...] = ("random",)  # get full and shuffled labels, too
    network: str = "convnet-half"  # of the teacher, of students, and of presets on these data
    teacher_images: int = 240  # training images of each class that the teacher learns from
    held_out: int = 60  # others of each class, which judge when to stop
    stops: tuple[int, ...] = (1, 2, 4, 8, 16)  # epochs; the last is the fully trained teacher
    tuning: int = 1  # random sets that the stop is tuned with; they are not among those judged
    ipc: int = 5
    sets: int = 5  # of each method
    nets: int = 1  # networks on each set
    test: int = 900  # test images
    steps: int = PROTOCOLS["plain"].epochs


RECORD = Plan()
PLANS = {
    "fast": replace(RECORD, sets=1),
    "laptop": replace(RECORD, sets=2),
    "record": RECORD,
    "full": replace(
        RECORD, methods=("random", "herding", "kmeans", "dm", "dc", "dsa", "mtt", "bptt"), nets=5
    ),
}


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
    scores = tuning.groupby("stop")["score"].mean()
    best = int(scores.sort_values(kind="stable", ascending=False).index[0])
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
    taught = replace(real, train_images=x[learned], train_labels=y[learned])
    return taught, replace(taught, test_images=x[judges], test_labels=y[judges])


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


def score(bench: Bench, plan: Plan, stop: int, number: int, teacher: Values) -> dict[str, float]:
    """Accuracy on held-out training images of a student that has the teacher's labels."""
    learned, held = split(bench.real, plan)
    one = distill(learned, RandomSelection(ipc=plan.ipc), seed=TEACHER + number)
    given = teacher_of(held, teacher["theta"][stop], network=plan.network)
    taught, how = relabel(one, given), {"steps": plan.steps, "test": plan.test}
    return {"score": student_accuracy(taught, held, plan.network, TEACHER + 1 + number, **how)}


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
    """The sets of each method: those of the bench, and cells that make the images of others.

    What is made has random images in its place until then.
    """
    found: dict[str, list[Given]] = {}
    for method in plan.methods:
        found[method] = [(one, ()) for one in bench.sets.get(method, ())[: plan.sets]]
        for number in range(len(found[method]), plan.sets):
            place = distill(bench.real, RandomSelection(ipc=plan.ipc), seed=number)
            made = (set_cell(bench, plan, method, number),)
            found[method].append((place, () if method == "random" else made))
    return found


def set_cell(bench: Bench, plan: Plan, method: str, number: int) -> Cell:
    """The images of a set made with the settings of the live set."""
    how = KMeans(ipc=plan.ipc) if method == "kmeans" else preset(method, plan.ipc, "fast")
    on = {"data": bench.mark, "settings": asdict(how)}
    return Cell({"method": method, "made": number}, partial(images, bench, how, number), on)


def images(bench: Bench, how: Method, number: int) -> dict[str, Tensor]:
    """What a method makes with seed `number`."""
    return {"images": distill(bench.real, how, seed=number).images}


def student(
    bench: Bench,
    plan: Plan,
    one: DistilledSet,
    kind: str,
    stop: int | None,
    network: int,
    teacher: Values,
    made: Values | None = None,
) -> dict[str, float | int]:
    """Test accuracy of one network on a set with one kind of label, and the numbers it stores."""
    if made is not None:
        one = replace(one, images=made["images"].to(one.images.device))
    if kind == WITHIN:
        one = within(one)
    if stop is not None:
        given = teacher_of(bench.real, teacher["theta"][stop], network=plan.network)
        one = relabel(one, given)
    if kind == SHUFFLED:
        one = exchanged(one, network)
    soft = one.labels.numel() if one.labels.is_floating_point() else 0
    how = {"steps": plan.steps, "test": plan.test}
    found = student_accuracy(one, bench.real, plan.network, network, **how)
    return {"accuracy": found, "numbers": one.images.numel() + soft}


def exchanged(one: DistilledSet, seed: int) -> DistilledSet:
    """Labels of other images of the same class: a set lies class after class."""
    k = len(one.classes)
    draws = generator(seed, "exchange")
    order = torch.cat([torch.randperm(one.ipc, generator=draws) + c * one.ipc for c in range(k)])
    return replace(one, labels=one.labels[order.to(one.labels.device)])
