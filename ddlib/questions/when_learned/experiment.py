"""When does a network that sees only real data learn to recognize distilled images?

A network in training on real images is asked again and again what it sees in every set. Conditions
are recipes: as released, with other rates, with another norm, and for long.

Time: five hours for what is recorded, 6 minutes for its repeat (`laptop`), one core. Device: any.
n: 5 networks as released and for long, 3 for each other recipe; two sets of each method.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice, product

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ddlib.data import ImageData
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.networks import build
from ddlib.questions.shared.baselines import blends, easy_rows
from ddlib.questions.shared.starts import started_from
from ddlib.training import Recipe, logits, train_steps

DISTILLED = ("bptt", "mtt", "dc", "dsa", "dm")
BASELINES = ("random", "start", "herding", "easy", "mean")  # real images, or made from them
METHODS = DISTILLED + BASELINES
TEST = "test"  # what the rows of real test images are called
RELEASED, LONG = "released", "long"
RECIPES = {  # what is varied: a factor of the rate, and the network
    "rate divided by three": (1 / 3, "convnet"),
    "rate times three": (3.0, "convnet"),
    "group norm": (1.0, "convnet-group"),
}
Values = Mapping[str, Tensor]
Collect = Callable[[Iterable[Cell]], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long networks train on real images, and when they are asked about the others."""

    nets: int = 5  # seeds 0, 1, ...
    steps: int = 300
    every: int = 5  # steps between two measurements
    batch: int = 256
    lr: float = 0.01
    recipe_nets: int = 3  # for each of RECIPES
    recipe_every: int = 10
    long_nets: int = 5
    long_steps: int = 7840  # 40 epochs of 50,000 images
    long_every: int = 196
    test_images: int = 1000
    judge_steps: int = 100  # easy: of low loss in another network after so many steps
    pool: int = 500  # images of each class that the judge chooses from
    blend: int = 50  # images averaged into one class-mean image


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        steps=100, batch=64, recipe_nets=1, recipe_every=20, long_nets=1, long_steps=230,
        long_every=23, test_images=10_000, judge_steps=30, pool=100, blend=20,
    ),
    "laptop": replace(RECORD, nets=2, recipe_nets=1, long_nets=1, long_steps=1960),
    "record": RECORD,
    "full": replace(RECORD, recipe_nets=5, test_images=10_000),
}  # fmt: skip


def steps_of(settings: Mapping[str, int], condition: str = RELEASED) -> range:
    """The steps at which networks are asked under a condition."""
    last, every = {
        RELEASED: ("steps", "every"), LONG: ("long_steps", "long_every")
    }.get(condition, ("steps", "recipe_every"))  # fmt: skip
    return range(0, settings[last] + 1, settings[every])


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """A row for each network and set: what is `recognized` along the steps, in percent.

    The rows of method `test` hold the accuracy on real test images. `first`, as released: the step
    from which each image is recognized. The array `epoch` is the number of steps in one.
    """
    rows = []
    for cell in collect(cells(bench, plan)).to_dict("records"):
        at = {"condition": cell["condition"], "network": cell["network"]}
        rows.append({**at, "method": TEST, "recognized": cell["test"]})
        for i, j in product(range(len(METHODS)), range(cell["right"].shape[2])):
            right = cell["right"][:, i, j]
            row = {**at, "method": METHODS[i], "set": j, "recognized": percent(right)}
            if at["condition"] == RELEASED:
                row["first"] = first_recognized(right, steps_of(asdict(plan)))
            rows.append(row)
    epoch = -(-len(bench.real.train_images) // plan.batch)
    return pd.DataFrame(rows).astype({"set": "Int64"}), {"epoch": torch.tensor(epoch)}


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """A training a cell."""
    marks = {m: [mark_of(one) for one in bench.sets.get(m, ())] for m in (*METHODS, "dm")}
    on = {"data": bench.mark, "batch": plan.batch, "lr": plan.lr}
    judge = {**on, "steps": plan.judge_steps, "pool": plan.pool}
    easy = tuple(
        Cell({"condition": "easy", "set": i}, partial(easy_images, bench, plan, i), judge)
        for i in range(len(bench.sets["dm"]))
    )
    on |= {"sets": marks, "test": plan.test_images, "blend": plan.blend}
    nets = {RELEASED: plan.nets, **dict.fromkeys(RECIPES, plan.recipe_nets), LONG: plan.long_nets}
    for condition, many in nets.items():
        steps = steps_of(asdict(plan), condition)
        for seed in range(many):
            labels = {"condition": condition, "network": seed}
            work = partial(asked, bench, plan, condition, seed)
            yield Cell(labels, work, {**on, "steps": [steps[-1], steps.step]}, easy)


def easy_images(bench: Bench, plan: Plan, number: int) -> dict[str, Tensor]:
    """Rows of real images that a judge finds easy, as many as the set of that number has."""
    recipe, ipc = Recipe(epochs=1, batch=plan.batch, lr=plan.lr), bench.sets["dm"][number].ipc
    return {"rows": easy_rows(bench.real, ipc, number, recipe, plan.judge_steps, plan.pool)}


def asked(bench: Bench, plan: Plan, condition: str, seed: int, *easy: Values) -> dict[str, Tensor]:
    """Train one network under a condition and ask it about all sets; see `follow`."""
    factor, network = RECIPES.get(condition, (1.0, "convnet"))
    recipe = Recipe(epochs=1, batch=plan.batch, lr=plan.lr * factor)
    steps, shown = steps_of(asdict(plan), condition), probes(bench, plan, easy)
    return follow(bench.real, shown, network, recipe, seed, steps, plan.test_images)


def probes(bench: Bench, plan: Plan, easy: Sequence[Values]) -> dict[str, Tensor]:
    """`images` (method, set, n, c, h, w) and `labels` (method, set, n), methods as in METHODS."""
    real, sets = bench.real, bench.sets

    def one_set(method: str, number: int) -> tuple[Tensor, Tensor]:
        if method in sets:
            return sets[method][number].images, sets[method][number].labels
        first = sets["dm"][number]
        if method == "start":
            return started_from(first, real)
        if method == "mean":
            return blends(real, first.ipc, plan.blend, number)
        rows = easy[number]["rows"].flatten().to(real.device)
        return real.train_images[rows], real.train_labels[rows]

    found = [[one_set(method, i) for i in range(len(sets["dm"]))] for method in METHODS]
    return {
        name: torch.stack([torch.stack([one[i] for one in pair]) for pair in found])
        for i, name in enumerate(("images", "labels"))
    }


def percent(right: Bool[Tensor, "*a n"]) -> Float[Tensor, "*a"]:
    """The share of images that are classified right, in percent."""
    return 100 * right.float().mean(-1)


def follow(
    real: ImageData,
    asked: Mapping[str, Tensor],
    network: str,
    recipe: Recipe,
    seed: int,
    steps: range,
    test_images: int,
) -> dict[str, Tensor]:
    """Train one network and measure it at `steps`.

    `right` (step, method, set, image): is it classified as labeled? `test` (step): accuracy on the
    first `test_images` test images, in percent.
    """
    net = build(network, real.shape, len(real.classes))
    images, labels = asked["images"].flatten(0, 2), asked["labels"]
    tests, answers = real.test_images[:test_images], real.test_labels[:test_images]
    right, test = [], []
    for step, now in enumerate(islice(train_steps(net, real, recipe, seed), steps[-1] + 1)):
        if step in steps:
            seen = logits(net, now, images)[0].argmax(1).view(labels.shape)
            right.append(seen == labels)
            test.append(percent(logits(net, now, tests)[0].argmax(1) == answers))
    return {"right": torch.stack(right), "test": torch.stack(test)}


def first_recognized(right: Bool[Tensor, "t *a"], steps: Sequence[int]) -> Float[Tensor, "*a"]:
    """The step from which an image is recognized, for each image; infinite if there is none.

    It is the first measured step at which the image is classified right, and at more than half of
    the measurements from there on.

    >>> right = torch.tensor([[True, False], [False, True], [True, True], [True, True]])
    >>> first_recognized(right, steps=(1, 2, 5, 10))
    tensor([1., 2.])
    """
    left = torch.arange(len(right), 0, -1, device=right.device).view(-1, *[1] * (right.ndim - 1))
    since = right.flip(0).cumsum(0).flip(0)  # right answers from here on
    found = right & (2 * since > left)
    first = torch.tensor(steps, device=right.device).float()[found.int().argmax(0)]
    return first.where(found.any(0), float("inf"))
