"""What happens when real images join a distilled set, and when its training changes?

Run r trains network seed r on set r (mod the number of sets) with real draw r: all three vary
together, and every comparison is made within a run.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product

import torch
from torch import Tensor

from ddlib import augment
from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.instruments import leads
from ddlib.instruments.mixtures import Task, draw, in_turn, mixture, noise_like, score
from ddlib.instruments.pixels import EDGES, clipped, histogram, outside
from ddlib.studies import Keep, Sets, Study, Tensors, at_once
from ddlib.training import Recipe

CONTROLS = ("diluted", "kept", "longer", "copies", "noise", "other", "twin", "worthy")
ORDERS = ("set, then real", "real, then set")
CHANGES = (
    "rate / 3", "rate x 3", "a third of the steps", "three times the steps", "batches of 10",
    "Adam", "augmentation", "layer norm", "group norm", "clipped",
)  # fmt: skip
ADAM_RATE = 0.001  # the usual one

# Test accuracy in the released figure of Yang et al. (2024), one network each, by real images per
# class. Read off the picture: within 0.3 points, the last column within 0.7.
PUBLISHED = {
    "bptt": {0: 58.7, 2: 54.4, 10: 49.8, 50: 50.4, 250: 59.7},
    "mtt": {0: 53.2, 2: 49.3, 10: 45.3, 50: 49.6, 250: 59.2},
    "dc": {0: 44.7, 2: 44.0, 10: 42.4, 50: 47.1, 250: 59.0},
    "dm": {0: 42.9, 2: 40.4, 10: 41.7, 50: 47.9, 250: 59.0},
    "random": {0: 27.3, 2: 28.7, 10: 32.6, 50: 45.1, 250: 58.4},
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is trained on what; `probed` are the sources that the controls take apart."""

    sources: tuple[str, ...] = ("random", "bptt", "dm", "mtt", "dc")
    doses: tuple[int, ...] = (0, 2, 10)  # real images per class beside the set
    runs: int = 5
    wide: tuple[int, ...] = (50, 250)  # larger doses, for which training takes long
    wide_sources: tuple[str, ...] = ("random", "bptt", "dm", "mtt", "dc")
    wide_runs: int = 5
    probed: tuple[str, ...] = ("bptt", "dm", "random")
    controls: tuple[str, ...] = CONTROLS
    control_runs: int = 5
    dose: int = 10  # at which the controls are made
    many: int = 50  # real images per class in the control `worthy`
    orders: tuple[str, ...] = ORDERS
    changed: tuple[str, ...] = ("random", "bptt", "dm", "mtt", "dc")  # random is the null
    changes: tuple[str, ...] = CHANGES
    change_runs: int = 5
    steps: int = PROTOCOLS["plain"].epochs
    network: str = "convnet"


SETTINGS = {
    "fast": Settings(
        sources=("random", "dm", "bptt"), doses=(0, 10), runs=2, wide=(), probed=("bptt",),
        controls=("diluted", "kept", "copies", "noise", "other"), control_runs=1,
        changed=("random", "dm", "bptt"), changes=("rate x 3", "batches of 10", "clipped"),
        change_runs=1, steps=100,
    ),
    "laptop": Settings(
        doses=(0, 10), runs=2, wide=(50,), wide_sources=("random", "bptt"), wide_runs=2,
        probed=("bptt",), controls=("diluted", "kept", "noise", "other"), control_runs=2,
        changes=("rate x 3", "clipped"), change_runs=1,
    ),
    "colab": Settings(
        doses=(0, 10), wide=(50,), wide_runs=3, probed=("bptt", "random"),
        controls=("diluted", "kept", "noise", "other"),
        changes=("rate x 3", "layer norm", "clipped"), change_runs=3,
    ),
    "record": Settings(
        doses=(0, 2, 10, 50), wide=(250,), probed=("bptt", "random"),
        changes=tuple(name for name in CHANGES if name != "three times the steps"),
    ),
    "full": Settings(),
}  # fmt: skip


def mixed(real: ImageData, one: DistilledSet, k: int, settings: Settings, seed: int) -> Task:
    """The released experiment: set and `k` real images per class in one full batch."""
    recipe = Recipe(epochs=settings.steps)
    return Task(*mixture(one, *draw(real, k, seed)), recipe, seed, settings.network)


def control(
    name: str, real: ImageData, sets: Sets, tag: str, settings: Settings, seed: int
) -> Task:
    """The mixture at `settings.dose` with one thing changed; `CONTROLS` has the names.

    Of n + m images the set has the share n / (n + m). `diluted` cuts the rate to it and leaves the
    real images out; `kept` raises it by the inverse. `worthy`: `many` weigh as much as `dose`.
    """
    own = _chosen(sets[tag], seed)
    task = mixed(real, own, settings.dose, settings, seed)
    grown = len(task.images) / len(own.images)
    if name == "diluted":
        slow = replace(task.recipe, lr=task.recipe.lr / grown)
        return replace(task, images=own.images, labels=own.labels, recipe=slow)
    if name == "kept":
        return replace(task, recipe=replace(task.recipe, lr=task.recipe.lr * grown))
    if name == "longer":
        return replace(task, recipe=replace(task.recipe, epochs=round(settings.steps * grown)))
    if name == "worthy":
        task = mixed(real, own, settings.many, settings, seed)
        weights = torch.ones(len(task.images), device=own.images.device)
        weights[len(own.images) :] = settings.dose / settings.many
        return replace(task, weights=weights)
    if name == "noise":
        guests = noise_like(own, settings.dose, seed)
    else:
        other = _chosen(sets["dm" if tag == "bptt" else "bptt"], seed)
        choices = {"copies": own, "other": other, "twin": _chosen(sets[tag], seed + 1)}
        if name not in choices:
            raise ValueError(f"unknown control {name!r}; choose one of: {', '.join(CONTROLS)}")
        guests = (choices[name].images, choices[name].labels)
    images, labels = mixture(own, *guests)
    return replace(task, images=images, labels=labels)


def change(name: str, real: ImageData, one: DistilledSet, settings: Settings, seed: int) -> Task:
    """Training on the set alone with one thing changed; `CHANGES` has the names."""
    steps = settings.steps
    plain = Recipe(epochs=steps)
    recipes = {
        "rate / 3": replace(plain, lr=plain.lr / 3),
        "rate x 3": replace(plain, lr=plain.lr * 3),
        "a third of the steps": replace(plain, epochs=steps // 3),
        "three times the steps": replace(plain, epochs=steps * 3),
        "batches of 10": replace(plain, batch=10, epochs=-(-steps * 10 // len(one.images))),
        "Adam": replace(plain, optimizer="adam", lr=ADAM_RATE),
        "augmentation": replace(plain, augment=augment.kinds_for(real)),
    }
    norms = {"layer norm": "convnet-layer", "group norm": "convnet-group"}
    if name not in {*recipes, *norms, "clipped"}:
        raise ValueError(f"unknown change {name!r}; choose one of: {', '.join(CHANGES)}")
    one = clipped(one) if name == "clipped" else one
    network = norms.get(name, settings.network)
    return Task(one.images, one.labels, recipes.get(name, plain), seed, network)


def in_order(
    order: str, real: ImageData, one: DistilledSet, settings: Settings, seed: int
) -> Tensors:
    """Half of the steps on the set, half on as many real images, in one order or the other."""
    parts = [(one.images, one.labels), draw(real, settings.dose, seed)]
    parts = parts if order == ORDERS[0] else parts[::-1]
    return in_turn(real, parts, Recipe(epochs=settings.steps // 2), seed, settings.network)


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Everything that `settings` ask for, one network a part."""
    s = settings

    def trained(key: str, task: Callable[..., Task], *arguments) -> Tensor:
        return keep(key, lambda: score(real, task(*arguments)))["accuracy"]

    def dosed(tag: str, k: int, r: int) -> Tensor:
        return trained(f"{tag}-{k}-{r}", mixed, real, _chosen(sets[tag], r), k, s, r)

    def controlled(tag: str, name: str, r: int) -> Tensor:
        return trained(f"{tag}-{name}-{r}", control, name, real, sets, tag, s, r)

    def ordered(tag: str, order: str, r: int) -> Tensor:
        make = partial(in_order, order, real, _chosen(sets[tag], r), s, r)
        return keep(f"{tag}-{order.replace(', ', '-')}-{r}", make)["accuracy"]

    def changed(tag: str, name: str, r: int) -> Tensor:
        key = f"{tag}-{name.replace(' / ', ' over ')}-{r}"
        return trained(key, change, name, real, _chosen(sets[tag], r), s, r)

    arrays = {
        "accuracy": _table(dosed, s.runs, s.sources, s.doses),
        "control": _table(controlled, s.control_runs, s.probed, s.controls),
        "change": _table(changed, s.change_runs, s.changed, s.changes),
        "order": _table(ordered, s.control_runs, s.probed, s.orders),
        "wide": _table(dosed, s.wide_runs, s.wide_sources, s.wide),
        "outside": torch.stack([torch.stack([outside(o) for o in sets[t]]) for t in s.sources]),
        "histogram": torch.stack(
            [histogram(torch.cat([o.images for o in sets[t]]), real) for t in s.sources]
            + [histogram(real.train_images, real)]
        ),
    }
    return _study(real, s, arrays)


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Differences of accuracies in points, one for each run; see `leads.findings`."""
    return leads.findings(study)


def _table(cell: Callable[..., Tensor], runs: int, *axes: Sequence) -> Tensor:
    """The scalars `cell(a, b, run)` for all labels a, b of the axes, made run after run."""
    values = [cell(*labels, run) for run in range(runs) for labels in product(*axes)]
    table = torch.stack(values) if values else torch.empty(0)
    return table.view(runs, *map(len, axes)).movedim(0, -1).contiguous()


def _chosen(some: Sequence[DistilledSet], run: int) -> DistilledSet:
    return some[run % len(some)]


def _study(real: ImageData, s: Settings, arrays: Tensors) -> Study:
    axes = {
        "source": s.sources, "dose": s.doses, "run": tuple(range(s.runs)),
        "wide_source": s.wide_sources, "wide_dose": s.wide, "wide_run": tuple(range(s.wide_runs)),
        "probed": s.probed, "control": s.controls, "control_run": tuple(range(s.control_runs)),
        "order": s.orders, "changed": s.changed, "change": s.changes,
        "change_run": tuple(range(s.change_runs)), "set": tuple(range(arrays["outside"].shape[1])),
        "pictured": (*s.sources, "real"), "bin": EDGES[:-1],
    }  # fmt: skip
    dims = {
        "accuracy": ("source", "dose", "run"),
        "control": ("probed", "control", "control_run"),
        "change": ("changed", "change", "change_run"),
        "order": ("probed", "order", "control_run"),
        "wide": ("wide_source", "wide_dose", "wide_run"),
        "outside": ("source", "set"),
        "histogram": ("pictured", "bin"),
    }
    return Study("mixing", real.name, asdict(s), axes, dims, arrays)
