"""Sets distilled from shapes whose color gives the class away: is the bias kept or amplified?

Networks trained on a set classify the same drawings twice, in the color of their class (aligned)
and in another one (conflict). The gap between the two accuracies is the bias. Data are drawn and
sets are made here, anew for each level and set.

Time: six hours for what is recorded, 3 minutes for its repeat (`laptop`), one core. Device: any.
n: two sets of each method and level, three networks on each.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.data import ImageData, sample_per_class, shapes
from ddlib.distillation import Method, distill
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import Cell
from ddlib.networks import build
from ddlib.presets import METHODS
from ddlib.questions.bias.colors import (
    TwoColors,
    changed,
    judge,
    minority,
    own_share,
    two_colors,
)
from ddlib.seeds import generator
from ddlib.training import train_steps

DATA = "shapes"
METRICS = ("aligned", "conflict", "color")
IPC = 10
STEPS = PROTOCOLS["plain"].epochs
EARLY = 40  # steps after which networks still go by the color
VARIANTS = (
    "dm-plain", "dm-colorless", "dsa-colorless", "dm-even", "random-even", "dm-harder",
    "mtt-harder", "dc-softer",
)  # fmt: skip
TIMES = {"harder": 10.0, "softer": 0.1}  # times the image rate
SHOWN = 4  # images of each class that the record keeps for looking at
Collect = Callable[[Iterable[Cell]], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`network` distills and judges. `level` is that of all controls."""

    network: str = "convnet-quarter"
    levels: tuple[float, ...] = (0.0, 0.3, 0.6, 0.9, 1.0)  # chance of the color of the class
    level: float = 0.6
    seen: float = 0.9  # the level whose images are kept
    methods: tuple[str, ...] = ("random", "start", "herding", "dm", "dc", "dsa", "mtt", "bptt")
    variants: tuple[str, ...] = VARIANTS
    sizes: tuple[int, ...] = (1, 10, 50, 200)  # random images per class
    marks: tuple[int, ...] = (5, 10, 20, 40, 80, 160, STEPS, 900)  # steps on all real images
    image_lr: float = 1.0  # of gradient matching: its default is too small for so few matches
    bptt_steps: int = 20  # half of its default: it is the slowest
    dm_steps: int | None = None  # None: as many as it takes by default
    drawings: int = 400  # test drawings before those whose color agrees are left out
    sets: int = 2  # each from real images of its own
    nets: int = 3
    steps: int = STEPS  # after which networks on sets are judged


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        network="convnet-tiny", levels=(0.0, 0.6), seen=0.6, methods=("random", "dm"),
        variants=("random-even",), sizes=(10, 50), marks=(10, 20, 40, 80, STEPS), drawings=300,
        sets=1, nets=1,
    ),
    "laptop": replace(
        RECORD,
        levels=(0.0, 0.6), seen=0.6, methods=("random", "start", "dm", "bptt"),
        variants=("random-even",), sizes=(10, 50), marks=(5, 10, 20, 40, 80, 160, STEPS), sets=1,
        nets=2,
    ),
    "record": RECORD,
    "full": replace(
        RECORD,
        network="convnet", levels=(0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0),
        methods=("random", "start", "herding", "kcenter", "dm", "dc", "dsa", "mtt", "bptt"),
        bptt_steps=100, drawings=1000, sets=5, nets=5,
    ),
}  # fmt: skip


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Distill at every level and judge; then the controls at one level.

    A row for each network, with its `METRICS` in percent. Conditions: `set`; `variant`, another
    augmentation or image rate, or evened data; `path`, all real images after so many steps; `size`,
    so many random images per class. `look` has a row for each set: the share of pixels in the color
    of their class (`own`), images in another one (`minority`), and its first images (`shown`).
    """
    rows = []
    for cell in collect(cells(bench, plan)).to_dict("records"):
        at = {name: cell[name] for name in LABELS if not pd.isna(cell.get(name))}
        for percent, step in zip(cell["percent"], _marks(plan, at["condition"]), strict=True):
            for i, values in enumerate(percent.T.tolist()):
                metrics = dict(zip(METRICS, values, strict=True))
                seed = at["set"] * plan.nets + i
                rows.append({**at, "step": step, "network": seed, **metrics})
        if isinstance(cell.get("shown"), Tensor):
            kept = at["condition"] == "set" and (at["level"], at["set"]) == (plan.seen, 0)
            look = {"condition": "look", "own": cell["own"], "minority": cell["minority"]}
            rows.append({**at, **look} | ({"shown": cell["shown"]} if kept else {}))
    return pd.DataFrame(rows).astype({k: "Int64" for k in ("step", "size", "network")}), {}


LABELS = ("condition", "level", "set", "method", "variant", "size")


def _marks(plan: Plan, condition: str) -> Sequence[int]:
    return plan.marks if condition == "path" else (plan.steps,)


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """A set, a variant, a size or a path on all real images a cell."""
    device = bench.real.device
    on = {"network": plan.network, "nets": plan.nets, "drawings": plan.drawings}
    on |= {"steps": plan.steps, "rates": [plan.image_lr, plan.bptt_steps, plan.dm_steps]}
    for level, seed in ((level, seed) for level in plan.levels for seed in range(plan.sets)):
        at = {"level": level, "set": seed}
        for method in plan.methods:
            work = partial(made, device, plan, level, seed, method)
            yield Cell({"condition": "set", **at, "method": method}, work, on)
        work = partial(of_all_images, device, plan, level, seed)
        yield Cell({"condition": "path", **at}, work, {**on, "marks": plan.marks})
        if level == plan.level:
            for variant in plan.variants:
                work = partial(made, device, plan, level, seed, *variant.split("-"))
                yield Cell({"condition": "variant", **at, "variant": variant}, work, on)
            for size in plan.sizes:
                labels = {"condition": "size", **at, "size": size}
                work = partial(of_size, device, plan, level, seed, size)
                yield Cell(labels, work, {**on, "most": max(plan.sizes)})


@cache
def drawn(
    device: torch.device, level: float, seed: int, drawings: int
) -> tuple[ImageData, TwoColors]:
    """The real images of one level and set, and the drawings that networks are judged on."""
    real = shapes(level, seed).to(device)
    return real, two_colors(real, drawings, seed)


def made(
    device: torch.device, plan: Plan, level: float, seed: int, method: str, change: str = ""
) -> dict[str, Tensor]:
    """A set of a method, or a variant of it: how networks judge, its colors, its first images."""
    real, _ = drawn(device, level, seed, plan.drawings)
    how = varied(method_of(method, plan), change)
    one = distill(changed(real, change, seed), how, seed=seed, snapshots=2)
    few = one.pixels().unflatten(0, (-1, IPC))[:, :SHOWN].flatten(0, 1)
    found = on_images(device, plan, level, seed, one.images, one.labels, (plan.steps,))
    return {
        **found, "own": own_share(one), "minority": minority(one),
        "shown": (255 * few).round().byte(),
    }  # fmt: skip


def of_all_images(device: torch.device, plan: Plan, level: float, seed: int) -> dict[str, Tensor]:
    """Networks on all real images, step by step."""
    real, _ = drawn(device, level, seed, plan.drawings)
    images = real.train_images, real.train_labels
    return on_images(device, plan, level, seed, *images, plan.marks)


def of_size(
    device: torch.device, plan: Plan, level: float, seed: int, size: int
) -> dict[str, Tensor]:
    """Networks on random images; every larger draw holds the smaller ones."""
    real, _ = drawn(device, level, seed, plan.drawings)
    draws = generator(seed, "sizes", device=device)
    rows = sample_per_class(real, max(plan.sizes), draws)[:, :size].flatten()
    images = real.train_images[rows], real.train_labels[rows]
    return on_images(device, plan, level, seed, *images, (plan.steps,))


def on_images(
    device: torch.device, plan: Plan, level: float, seed: int, images: Tensor, labels: Tensor,
    marks: Sequence[int],
) -> dict[str, Float[Tensor, "mark metric net"]]:  # fmt: skip
    """Each set has networks of its own, the same for all methods."""
    real, test = drawn(device, level, seed, plan.drawings)
    seeds = range(seed * plan.nets, (seed + 1) * plan.nets)
    data = replace(real, train_images=images, train_labels=labels)
    return {"percent": judged(data, test, plan.network, seeds, marks).movedim(1, 0)}


def method_of(method: str, plan: Plan) -> Method:
    """A method by name with its defaults, on the network of the plan."""
    if method == "start":  # what all learned sets of one seed begin with
        return replace(METHODS["dm"](ipc=IPC), steps=0)
    how = METHODS[method](ipc=IPC)
    how = how if method == "random" else replace(how, network=plan.network)
    steps = {"bptt": plan.bptt_steps, "dm": plan.dm_steps}.get(method)
    if steps:
        return replace(how, steps=steps)
    return replace(how, lr=plan.image_lr) if method in ("dc", "dsa") else how


def varied(how: Any, change: str) -> Method:
    """A method without augmentation (`plain`), or with another image rate."""
    how = replace(how, augment=False) if change == "plain" else how
    return replace(how, lr=how.lr * TIMES[change]) if change in TIMES else how


def judged(
    data: ImageData, test: TwoColors, network: str, seeds: Sequence[int], marks: Sequence[int]
) -> Float[Tensor, "metric mark net"]:
    """Train networks on `data` and judge each after `marks` steps, in percent by `METRICS`.

    The protocol is `plain`, its steps taken in batches as large as a set: a set is seen whole.
    """
    net = build(network, data.shape, len(data.classes))
    recipe = replace(PROTOCOLS["plain"], batch=min(IPC * len(data.classes), len(data.train_labels)))
    found = []
    for seed in seeds:
        steps = enumerate(islice(train_steps(net, data, recipe, seed), max(marks) + 1))
        found.append(torch.stack([judge(net, p, test) for step, p in steps if step in marks], 1))
    return torch.stack(found, 2)
