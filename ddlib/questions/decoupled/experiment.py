"""Do images that a teacher chose or recovered teach more than real ones with the same labels?

For each number of a set there is one teacher. It crops and chooses (RDED), recovers images from its
statistics (SRe2L), or lends its features to herding; random images get its labels, too. Every set
is trained on with hard labels, with the teacher's soft ones, and with soft ones of fewer images
that store no more numbers than all of them with hard labels.

Time: two minutes for what is recorded, one for its repeat (`laptop`), one core. Device: any.
n: three sets of each method, each with a teacher of its own and one network for each label.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ddlib.data import ImageData
from ddlib.distillation import Method, distill
from ddlib.distilled import DistilledSet
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import Cell
from ddlib.labels import relabel
from ddlib.methods.coresets import RandomSelection, by_class, chosen, herd
from ddlib.methods.decoupled import RDED, Recovery, squeezed_net, watched
from ddlib.networks import features
from ddlib.questions.shared.students import student_accuracy, within

DATA = "photos"  # the live set
Collect = Callable[[Iterable[Cell]], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The sets and their teachers."""

    methods: tuple[str, ...] = ("random", "herding", "rded", "sre2l")
    teacher: str = "convnet-batch-half"
    student: str = "convnet-half"
    epochs: int = 8  # of the teacher
    pool: int = 300  # images of each class that RDED crops
    crops: int = 5
    recovery: int = 200  # steps
    weight: float = 0.1  # of the statistics
    ipc: int = 5
    sets: int = 3
    test: int = 900  # test images
    steps: int = PROTOCOLS["plain"].epochs


RECORD = Plan()
PLANS = {
    "fast": replace(RECORD, sets=1),
    "laptop": replace(RECORD, sets=2),
    "record": RECORD,
    "full": replace(RECORD, sets=5, epochs=16, recovery=1000),
}


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """One row for each set: accuracies by label, what it cost, how far its statistics are off."""
    return collect(cells(bench, plan)), {}


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """Set after set, so that those of one number share their teacher."""
    on = {"data": bench.mark, **{k: v for k, v in asdict(plan).items() if k != "sets"}}
    for number, method in product(range(plan.sets), plan.methods):
        labels = {"method": method, "set": number, "network": number}
        yield Cell(labels, partial(judged, bench, plan, method, number), on)


def judged(bench: Bench, plan: Plan, method: str, number: int) -> dict[str, Any]:
    """Test accuracies of networks that meet the set with each label, in percent.

    `away` is how far its statistics are from the real ones, and `passes` how many passes of one
    image through the teacher made it, derivatives counted as passes, the teacher's own training
    left out.
    """
    real = bench.real
    one = made(real, plan, method, number)
    teacher = rded(plan).teacher(real, number)
    soft = relabel(one, teacher)
    with watched(squeezed_net(real, plan.teacher, plan.epochs, number)) as away:
        teacher.answer(one.images)
    score = partial(student_accuracy, steps=plan.steps, test=plan.test)
    given = {"hard": one, "soft": soft, "within": within(soft)}
    return {
        **{kind: score(some, real, plan.student, number) for kind, some in given.items()},
        "away": sum(away),
        "passes": passes(real, plan)[method],
    }


def made(real: ImageData, plan: Plan, method: str, number: int) -> DistilledSet:
    """Set `number` of a method, with hard labels."""
    if method == "herding":
        net = squeezed_net(real, plan.teacher, plan.epochs, number)
        embed = features(net)
        found = torch.cat([embed(part) for part in real.train_images.split(500)])
        return DistilledSet.of(real, **chosen(real, herd(*by_class(real, found), plan.ipc, real)))
    recovery = Recovery(
        ipc=plan.ipc, steps=plan.recovery, weight=plan.weight, epochs=plan.epochs,
        network=plan.teacher,
    )  # fmt: skip
    how: dict[str, Method] = {
        "random": RandomSelection(ipc=plan.ipc),
        "rded": rded(plan),
        "sre2l": recovery,
    }
    return distill(real, how[method], seed=number)


def rded(plan: Plan) -> RDED:
    """RDED as the plan has it."""
    return RDED(
        ipc=plan.ipc, crops=plan.crops, pool=plan.pool, epochs=plan.epochs, network=plan.teacher
    )


def passes(real: ImageData, plan: Plan) -> dict[str, int]:
    """Passes of one image through the teacher that each method needs for a set."""
    k = len(real.classes)
    return {
        "random": 0,
        "herding": len(real.train_images),
        "rded": k * plan.pool * plan.crops,
        "sre2l": 3 * plan.recovery * k * plan.ipc,
    }
