"""What are distilled sets good for, beside training one network, and what do they give away?

Three uses, each against what is cheaper. *Replay*: classes come one after the other, and a buffer
of few images stays of each; chosen, averaged or distilled. *Choose*: candidates are ranked by a
short training on a set, or on all real images for as many visits, and held against a long training
on all. *Member*: sets are made from half of the images, and tests ask which images these were.

Time: most of an hour for what is recorded, on a core that it shared with others; a quiet one needs
a quarter of that. Device: any.
n: five sets of each method, three of them to choose with; each number of a set has its own order of
classes, its own half of the images and its own networks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import cast

import pandas as pd
import torch
from torch import Tensor

from ddlib.data import ImageData
from ddlib.distillation import Method, distill
from ddlib.distilled import DistilledSet
from ddlib.ensemble import Parameters
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import Cell
from ddlib.methods.averages import KMeans
from ddlib.methods.coresets import RandomSelection
from ddlib.methods.distribution import DistributionMatching
from ddlib.networks import build
from ddlib.presets import preset
from ddlib.questions.shared.baselines import losses_of
from ddlib.questions.shared.students import student_accuracy
from ddlib.questions.using.choosing import accuracies
from ddlib.questions.using.membership import (
    calibrated,
    found_in,
    half_of,
    nearest,
    part_of,
    told_apart,
)
from ddlib.questions.using.replay import (
    Memory,
    from_set,
    herded,
    learn_in_turn,
    stages_of,
    together,
)
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, train

DATA = "photos"  # the live set
SHORT = Recipe(epochs=1, batch=64)  # of training on real images, beside its epochs
REPLAY, CHOOSE, MEMBER = "replay", "choose", "member"
SHOWN, HELD = "shown", "used"  # members: images that a set began with; others it was made from
Collect = Callable[[Iterable[Cell]], pd.DataFrame]
Values = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which sets are put to which use."""

    buffers: tuple[str, ...] = ("none", "random", "herding", "kmeans", "dm", "all")
    first: int = 2  # classes of the first stage; then they come one at a time
    epochs: int = 8  # of each stage
    candidates: tuple[str, ...] = (
        "convnet-tiny", "convnet-quarter", "convnet-half", "convnet", "convnet-half-d1",
        "convnet-half-d2", "convnet-none", "vgg11-narrow", "vit-narrow", "resnet18-group-narrow",
    )  # fmt: skip
    rankers: tuple[str, ...] = ("random", "dm")
    stops: tuple[int, ...] = (60, 120, 240)  # steps on a set
    real_stops: tuple[int, ...] = (1, 2, 4, 7, 16)  # epochs on all images; the last is the truth
    told: tuple[str, ...] = ("random", "kmeans", "dm", "dm-noise", "real")
    network: str = "convnet-half"
    ipc: int = 5
    sets: int = 5
    ranked: int = 3  # of them rank candidates, which is the dearest use
    distilling: int = 400  # steps of distribution matching
    test: int = 900  # test images
    steps: int = PROTOCOLS["plain"].epochs


RECORD = Plan()
PLANS = {
    "fast": replace(RECORD, sets=2, ranked=2, candidates=RECORD.candidates[:4]),
    "laptop": replace(RECORD, sets=2, ranked=2),
    "record": RECORD,
    "full": replace(RECORD, sets=20, ranked=20),
}


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """One row for each use of each set; `part` says which use it is.

    `distilling` is what making one distilled set costs, in visits.
    """
    parts = [*replays(bench, plan), *choices(bench, plan), *tests(bench, plan)]
    cost = distilling_visits(plan, len(bench.real.classes))
    return collect(parts), {"distilling": torch.tensor(cost)}


# ---- the sets -------------------------------------------------------------------------------


def method_of(plan: Plan, method: str) -> Method:
    """The settings of a method, those of the live set."""
    dm = matching(plan)
    known: dict[str, Method] = {
        "random": RandomSelection(ipc=plan.ipc),
        "kmeans": KMeans(ipc=plan.ipc),
        "dm": dm,
        "dm-noise": replace(dm, init="noise"),
    }
    return known[method]


def matching(plan: Plan) -> DistributionMatching:
    """Distribution matching as the live set has it."""
    usual = cast(DistributionMatching, preset("dm", plan.ipc, "fast"))
    return replace(usual, steps=plan.distilling, network=plan.network)


def seen(bench: Bench, number: int, half: bool) -> ImageData:
    """All training images, or the half that set `number` may see."""
    return part_of(bench.real, half_of(bench.real, number)) if half else bench.real


def set_cell(bench: Bench, plan: Plan, method: str, number: int, *, half: bool = False) -> Cell:
    """The images of set `number` of a method."""
    how = method_of(plan, method)
    labels = {"made": method, "set": number, "half": int(half)}
    on = {"data": bench.mark, "settings": asdict(how)}
    return Cell(labels, partial(images, bench, how, number, half), on)


def images(bench: Bench, how: Method, number: int, half: bool) -> dict[str, Tensor]:
    """What a method makes with seed `number`."""
    return {"images": distill(seen(bench, number, half), how, seed=number).images}


def as_set(bench: Bench, made: Values) -> DistilledSet:
    """Images, class after class, as a set."""
    found = made["images"].to(bench.real.device)
    k = len(bench.real.classes)
    labels = torch.arange(k, device=found.device).repeat_interleave(len(found) // k)
    return DistilledSet.of(bench.real, found, labels)


# ---- replay ---------------------------------------------------------------------------------


def replays(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """A cell for each buffer and number."""
    names = ("network", "ipc", "first", "epochs", "test", "steps")
    on = {"data": bench.mark, **{name: getattr(plan, name) for name in names}}
    for number, method in product(range(plan.sets), plan.buffers):
        made = method not in ("none", "herding", "all")
        needs = (set_cell(bench, plan, method, number),) if made else ()
        labels = {"part": REPLAY, "method": method, "set": number, "network": number}
        yield Cell(labels, partial(replayed, bench, plan, method, number), on, needs)


def replayed(
    bench: Bench, plan: Plan, method: str, number: int, made: Values | None = None
) -> dict[str, Tensor | float]:
    """Test accuracy in percent on all classes after the last stage, and on the oldest ones.

    `known` is that on all classes so far, stage after stage, and `alone` that of a new network
    that learns from the buffer and nothing else.
    """
    real, k = bench.real, len(bench.real.classes)
    order = torch.randperm(k, generator=generator(number, "order")).tolist()
    stages = stages_of(order, plan.first)
    memory = memory_of(bench, plan, method, made)
    recipe = replace(SHORT, epochs=plan.epochs)
    net, known = build(plan.network, real.shape, k), []
    x, y = real.test_images[: plan.test], real.test_labels[: plan.test]

    def score(theta: Parameters, classes: Iterable[int]) -> Tensor:
        of = torch.isin(y, torch.tensor([*classes], device=y.device))
        return accuracy(net, theta, x[of], y[of])[0]

    path = learn_in_turn(real, stages, memory, plan.network, recipe, number)
    for theta, kept in path:  # what is kept at the end is asked for below
        known.append(score(theta, kept))
    found: dict[str, Tensor | float] = {
        "known": torch.stack(known),
        "accuracy": known[-1],
        "oldest": score(theta, stages[0]),
    }
    if method in ("none", "all"):
        return found
    buffer = DistilledSet.of(real, *together(kept))
    how = {"steps": plan.steps, "test": plan.test}
    return found | {"alone": student_accuracy(buffer, real, plan.network, number, **how)}


def memory_of(bench: Bench, plan: Plan, method: str, made: Values | None) -> Memory:
    """What stays of a class when it leaves."""
    real = bench.real
    if method == "herding":
        return herded(real, plan.ipc)
    if made is not None:
        one = as_set(bench, made)
        return from_set(one.images, one.labels)
    rows = slice(None) if method == "all" else slice(0)
    return from_set(real.train_images[rows], real.train_labels[rows])


# ---- choosing a network ---------------------------------------------------------------------


def choices(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """A cell for each candidate, each source of its images, and each number."""
    on = {"data": bench.mark, "test": plan.test}
    for number, candidate in product(range(plan.ranked), plan.candidates):
        labels = {"part": CHOOSE, "set": number, "network": number, "candidate": candidate}
        about = labels | {"method": "real"}
        yield Cell(about, partial(real_scores, bench, plan, candidate, number),
                   on | {"stops": plan.real_stops})  # fmt: skip
        for method in plan.rankers:
            needs = (set_cell(bench, plan, method, number),)
            work = partial(set_scores, bench, plan, candidate, number)
            yield Cell(labels | {"method": method}, work, on | {"stops": plan.stops}, needs)


def real_scores(bench: Bench, plan: Plan, candidate: str, number: int) -> dict[str, Tensor]:
    """Test accuracies of a candidate on the way to the end of its training on all images.

    A visit is one image in one training step.
    """
    real, stops = bench.real, plan.real_stops
    recipe = replace(SHORT, epochs=stops[-1])
    given = real.train_images, real.train_labels, real, candidate, recipe, stops
    visits = len(real.train_images) * torch.tensor(stops)
    return {"scores": accuracies(*given, number, plan.test), "visits": visits}


def set_scores(
    bench: Bench, plan: Plan, candidate: str, number: int, made: Values
) -> dict[str, Tensor]:
    """The same after some steps on a set."""
    one, recipe = as_set(bench, made), replace(PROTOCOLS["plain"], epochs=plan.stops[-1])
    given = one.images, one.labels, bench.real, candidate, recipe, plan.stops
    visits = len(one.images) * torch.tensor(plan.stops)
    return {"scores": accuracies(*given, number, plan.test), "visits": visits}


def distilling_visits(plan: Plan, classes: int) -> float:
    """What making one set costs in visits, each of which is three passes through a network."""
    dm = matching(plan)
    return dm.steps * classes * (dm.batch_real + 3 * dm.ipc) / 3


# ---- what a set gives away ------------------------------------------------------------------


def tests(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """A cell for each set, each attack, and each kind of member that the set has."""
    on = {"data": bench.mark, "network": plan.network, "steps": plan.steps}
    for method in plan.told:
        scored = [score_cell(bench, plan, method, number) for number in range(plan.sets)]
        attacks = ("loss",) if method == "real" else ("nearest", "loss")
        kinds = (SHOWN, HELD) if method in ("random", "dm") else (HELD,)
        for number, attack, kind in product(range(plan.sets), attacks, kinds):
            needs = (scored[number], *(c for i, c in enumerate(scored) if i != number))
            for against in ("plain", "calibrated"):
                labels = {
                    "part": MEMBER, "method": method, "set": number, "network": number,
                    "attack": attack, "against": against, "members": kind,
                }  # fmt: skip
                work = partial(attacked, bench, number, attack, against, kind)
                yield Cell(labels, work, on, needs)


def score_cell(bench: Bench, plan: Plan, method: str, number: int) -> Cell:
    """How much each image looks like a member of set `number`, to each attack."""
    labels = {"part": "scores", "method": method, "set": number}
    on = {"data": bench.mark, "network": plan.network, "steps": plan.steps, "ipc": plan.ipc}
    if method == "real":
        return Cell(labels, partial(real_loss, bench, plan, number), on | {"e": plan.real_stops})
    needs = (set_cell(bench, plan, method, number, half=True),)
    return Cell(labels, partial(suspected, bench, plan, method, number), on, needs)


def suspected(
    bench: Bench, plan: Plan, method: str, number: int, made: Values
) -> dict[str, Tensor]:
    """Scores (n,) of all training images by each attack, and which of them the set began with."""
    real, one = bench.real, as_set(bench, made)
    start = method_of(plan, method).initialize(seen(bench, number, True), number)["images"]
    recipe = replace(PROTOCOLS["plain"], epochs=plan.steps)
    return {
        "nearest": nearest(real.train_images, real.train_labels, one.images, one.labels),
        "loss": -losses(real, plan.network, one.images, one.labels, recipe, number),
        "shown": found_in(real.train_images, start),
    }


def real_loss(bench: Bench, plan: Plan, number: int) -> dict[str, Tensor]:
    """The attack by loss on a network that learned the real half itself."""
    half, recipe = seen(bench, number, True), replace(SHORT, epochs=plan.real_stops[-1])
    given = half.train_images, half.train_labels, recipe, number
    return {"loss": -losses(bench.real, plan.network, *given)}


def losses(
    real: ImageData, network: str, images: Tensor, labels: Tensor, recipe: Recipe, seed: int
) -> Tensor:
    """The loss of each real training image in a network that learned these images."""
    net = build(network, real.shape, len(real.classes))
    theta = train(net, images, labels, recipe, [seed])
    return losses_of(net, theta, real.train_images, real.train_labels)


def attacked(
    bench: Bench, number: int, attack: str, against: str, kind: str, mine: Values, *others: Values
) -> dict[str, float]:
    """How well an attack tells one kind of members of a set from images that were held out."""
    inside = half_of(bench.real, number).cpu()
    shown = mine.get("shown", torch.zeros_like(inside))
    score = mine[attack]
    if against == "calibrated":
        score = calibrated(score, [other[attack] for other in others])
    members = shown if kind == SHOWN else inside & ~shown
    return told_apart(score, members, ~inside)
