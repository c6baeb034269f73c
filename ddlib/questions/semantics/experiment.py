"""Does one distilled image mean something beyond its class? Drawn shapes, where all is known.

Sets are distilled from shapes, their images left out one at a time. Within a class: does an image
help the test images that share its color, position, size or background more than the others?

Time: half an hour for what is recorded, 4 minutes for its repeat (`laptop`), one core. Device: any.
n: five classes of two sets of each method; three starts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product

import pandas as pd
import torch
from torch import Tensor

from ddlib.data import ImageData, shapes
from ddlib.distillation import Method, distill
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import Cell
from ddlib.networks import build
from ddlib.presets import METHODS
from ddlib.questions.semantics.attributes import ATTRIBUTES, Probe, fidelity, known
from ddlib.questions.semantics.single_images import (
    WORN,
    TakenApart,
    beside_pixels,
    by_worn,
    helps,
    reliability,
)
from ddlib.questions.shared.leaving_out import each_alone, losses_on, with_all_and_without
from ddlib.questions.shared.meaning import MEANINGS, Row, held_against, labelled
from ddlib.questions.shared.pixels import pixels_of
from ddlib.questions.shared.starts import most_alike
from ddlib.training import Recipe, logits, train

DATA = "shapes"
PLACES = ("own", "other")  # test images of the image's class; of all other classes
PROBE = 1  # seed of the shapes that the probe learns from, all of random color
# By their defaults, made for digits, an expert stops when it has hardly begun to tell shapes apart,
# and networks learn no more from the images of BPTT than from random ones. These were found on
# drawings of other seeds, by what networks learn there; no test image of the experiment had a say.
FITTED: dict[str, dict[str, float | int]] = {
    "mtt": {"expert_lr": 0.03, "max_start": 10, "lr": 30.0},
    "bptt": {"inner_lr": 0.03, "steps": 100, "lr": 0.02},
}
Collect = Callable[[Iterable[Cell]], pd.DataFrame]
Values = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of the experiment; methods keep their defaults, but for the network and `FITTED`."""

    levels: tuple[float, ...] = (0.0, 0.9)  # chance that a training image wears its class's color
    methods: tuple[str, ...] = ("random", "dm", "dc", "mtt", "bptt")
    ipc: int = 10
    sets: int = 2  # of each method
    network: str = "convnet-tiny"
    nets: int = 3  # starts, each for all trainings
    steps: int = 100
    lr: float = 0.03
    together: int | None = 6  # trainings side by side; None: what the device has memory for
    shuffles: int = 2000
    distill_steps: int | None = None  # of every method; None: as many as it takes by default

    @property
    def recipe(self) -> Recipe:
        """How networks train on a set."""
        return Recipe(epochs=self.steps, lr=self.lr)


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        methods=("random", "dm"), ipc=4, sets=1, nets=2, steps=40, lr=0.05, together=21,
        shuffles=500,
    ),
    "laptop": replace(RECORD, methods=("random", "dm", "bptt"), sets=1, nets=2),
    "record": RECORD,
    "full": replace(
        RECORD,
        levels=(0.0, 0.5, 0.9), methods=("random", "dm", "dc", "dsa", "mtt", "bptt"), sets=5,
        network="convnet", nets=10, steps=300, lr=0.01, together=None, shuffles=10_000,
    ),
}  # fmt: skip


# ---- sets, and the trainings without each of their images -----------------------------------


def method_for(method: str, plan: Plan) -> Method:
    """A method with its defaults, but for `FITTED`; those that learn use the plan's network."""
    how = METHODS[method](ipc=plan.ipc, **FITTED.get(method, {}))
    if not how.steps:
        return how
    return replace(how, network=plan.network, steps=plan.distill_steps or how.steps)


@cache
def drawn(device: torch.device, level: float, seed: int = 0) -> ImageData:
    """Shapes of one level of spurious correlation."""
    return shapes(level, seed).to(device)


@cache
def probe(device: torch.device) -> Probe:
    """Reads attributes off images; it has seen other drawings than those of the experiment."""
    return Probe.fitted(drawn(device, 0.0, PROBE))


def cells(device: torch.device, plan: Plan) -> Iterator[Cell]:
    """A set a cell, and a start a cell, in which its images are left out."""
    how = {"ipc": plan.ipc, "network": plan.network, "distilled": plan.distill_steps}
    for level, method, number in product(plan.levels, plan.methods, range(plan.sets)):
        at = {"level": level, "method": method, "set": number}
        work = partial(distilled, device, plan, level, method, number)
        made = Cell({"condition": "set", **at}, work, {**how, "how": FITTED.get(method)})
        yield made
        for network in range(plan.nets):
            labels = {"condition": "apart", **at, "network": network}
            work = partial(left_out, device, plan, level, network)
            yield Cell(labels, work, {**how, "recipe": asdict(plan.recipe)}, (made,))


def distilled(
    device: torch.device, plan: Plan, level: float, method: str, number: int
) -> dict[str, Tensor]:
    """One set, and the rows of the real images that it began with."""
    data = drawn(device, level)
    made = distill(data, method_for(method, plan), seed=number)
    first = made.history[0].images.to(device) if made.history else made.images
    rows = most_alike(data, replace(made, images=first))  # real images, found again exactly
    return {"images": made.images, "labels": made.labels, "rows": rows}


def left_out(
    device: torch.device, plan: Plan, level: float, seed: int, made: Values
) -> dict[str, Tensor]:
    """Losses on all test images with the whole set and without each image, from one start."""
    data, images, labels = drawn(device, level), made["images"], made["labels"]
    network = build(plan.network, data.shape, len(data.classes))
    weights = with_all_and_without(each_alone(len(images), device))
    trained = train(
        network, images.to(device), labels.to(device), plan.recipe, [seed] * len(weights),
        weights=weights, together=plan.together,
    )  # fmt: skip
    answers = logits(network, trained, data.test_images)
    right = answers[0].argmax(1) == data.test_labels
    return {"losses": losses_on(answers, data.test_labels), "right": right}


def taken_apart(data: ImageData, made: Values, parts: Sequence[Values]) -> TakenApart:
    """A set with the attributes of its images, and what leaving them out did in each network."""
    images, rows = made["images"].to(data.train_images.device), made["rows"]
    first = {k: v[rows] for k, v in (data.attributes or {})["train"].items()}
    return TakenApart(
        made["labels"],
        pixels_of(data, images).cpu(),
        {"start": known(first), "measured": probe(images.device).read(data, images)},
        torch.stack([part["losses"] for part in parts]),
        torch.stack([part["right"] for part in parts]),
    )


# ---- what they say ----------------------------------------------------------------------------


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Distill, leave out, and hold influence against attributes.

    Shapes are drawn here, for each level of spurious correlation; of the bench only the device is
    used. Conditions: `association`, of each set and class, by attribute, meaning and place (for
    colors with the `gap` of the effect), and `chance`, the same of shuffled attributes; `pixels`
    and `past pixels`, the likeness of all pixels and what attributes add; `helps`, mean influence;
    `reliability` between starts; `accuracy` by `worn` color; `kept`, attributes of the first image
    that are left; `probe`, how well attributes are read.
    """
    device = bench.real.device
    found = collect(cells(device, plan))
    rows: list[Row] = []
    for level, method in product(plan.levels, plan.methods):
        mine = found[(found["level"] == level) & (found["method"] == method)]
        some = [
            taken_apart(
                drawn(device, level),
                _values(part, "set", ["images", "labels", "rows"])[0],
                _values(part, "apart", ["losses", "right"]),
            )
            for _, part in mine.groupby("set")
        ]
        made = described(drawn(device, level), some, plan)
        rows += labelled(made, level=level, method=method)
    plain = drawn(device, 0.0)
    read = probe(device).read(plain, plain.test_images)
    rows += _by_attribute("probe", fidelity(read, known((plain.attributes or {})["test"])))
    table = pd.DataFrame(rows)
    return table.astype({"set": "Int64", "network": "Int64"}), {}


def _values(found: pd.DataFrame, condition: str, columns: Sequence[str]) -> list[dict[str, Tensor]]:
    """What the cells of one condition found."""
    rows = found.loc[found["condition"] == condition, list(columns)]
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]


def described(data: ImageData, some: Sequence[TakenApart], plan: Plan) -> Iterator[Row]:
    """What the sets of one method show."""
    tested, target = data.test_labels.cpu(), known((data.attributes or {})["test"])
    effects, labels = ([o.influence.mean(0) for o in some], [o.labels for o in some])
    for attribute, meaning, place in product(ATTRIBUTES, MEANINGS, PLACES):
        sources = [one.attributes[meaning][attribute] for one in some]
        against = held_against(
            effects, labels, tested, sources, target[attribute], data.classes, plan.shuffles,
            same=place == "own", gap=attribute == "color",
        )  # fmt: skip
        yield from labelled(against, attribute=attribute, meaning=meaning, place=place)
    shown = pixels_of(data, data.test_images).cpu()
    for number, one in enumerate(some):
        near = beside_pixels(one, shown, target, tested)
        yield from labelled(_of_set(one, near, data.classes, tested, target), set=number)


def _of_set(
    one: TakenApart, near: Values, classes: Sequence[str], tested: Tensor, target: Values
) -> Iterator[Row]:
    """What one set shows, beside what its attributes do."""
    for c, name in enumerate(classes):
        yield {"condition": "pixels", "class": name, "association": float(near["pixels"][c])}
        past = _by_attribute("past pixels", near["beyond_pixels"][c], "association")
        yield from labelled(past, **{"class": name})
    for place in PLACES:
        mean = helps(one, tested, same=place == "own")
        for name, value in zip(classes, mean.tolist(), strict=True):
            yield {"condition": "helps", "place": place, "class": name, "helps": value}
    yield {"condition": "reliability", "reliability": float(reliability(one, tested))}
    for i, percent in enumerate(by_worn(one, target["color"], tested).tolist()):
        for worn, value in zip(WORN, percent, strict=True):
            yield {"condition": "accuracy", "network": i, "worn": worn, "accuracy": value}
    yield from _by_attribute("kept", fidelity(one.attributes["measured"], one.attributes["start"]))


def _by_attribute(condition: str, values: Tensor, name: str = "agreement") -> Iterator[Row]:
    for attribute, value in zip(ATTRIBUTES, values.tolist(), strict=True):
        yield {"condition": condition, "attribute": attribute, name: value}
