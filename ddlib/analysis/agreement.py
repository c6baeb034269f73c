"""Do models trained on distilled data predict like models stopped early on all real data?

Three kinds of networks are compared by their predictions on the same test images: trained on a
set of few images; stopped early in the first epochs on all real images; trained to the end on a
subset of the real images. Pools of the last two are matched to each network by accuracy.
Controls: sets of trajectory matching on late segments, and the real images that sets began with.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.data import ImageData, sample_per_class
from ddlib.distillation import distill
from ddlib.distilled import DistilledSet
from ddlib.instruments.agreement_gaps import gaps
from ddlib.instruments.matching import (
    OFFSETS,
    POOLS,
    QUANTITIES,
    RELATIONS,
    RELEASED,
    Pools,
    one_source,
)
from ddlib.instruments.predictions import MEASURES, predictions
from ddlib.instruments.yardsticks import began_as_start, with_start
from ddlib.networks import build
from ddlib.presets import made_by
from ddlib.seeds import generator
from ddlib.studies import Keep, Keeper, Sets, Study, Tensors, at_once
from ddlib.training import Recipe, train, train_epochs, train_steps

LATE = "mtt-late"
SOURCES = ("random", "start", "dm", "dc", "dsa", "mtt", LATE, "bptt")
EARLY, SUBSET, FULL_BATCH = 1000, 2000, 3000  # seeds: no two networks begin alike


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How many networks of each kind, and how long they train."""

    sources: tuple[str, ...] = SOURCES
    images: int  # test images that predictions are compared on
    nets: int  # networks for each set of few images
    early_nets: int
    early_steps: int  # mini-batches of all real images
    early_batch: int = 256
    every: int  # an early-stopped network is asked after every so many steps
    subsets: tuple[int, ...]  # images per class, one network for each
    subset_epochs: int
    subset_batch: int
    stops: tuple[int, ...]  # epochs after which a subset network is asked too
    full_batch: tuple[int, ...]  # images per class, one network for each
    within: float = 1.0  # accuracies are equal if no further apart, in percentage points
    late_sets: int = 0  # of trajectory matching on late segments
    late: tuple[int, int] = (6, 9)  # their `min_start` and `max_start`


SETTINGS = {
    "fast": Settings(
        sources=("random", "bptt"),
        images=600, nets=2, early_nets=4, early_steps=120, early_batch=64, every=4,
        subsets=(9, 9, 10, 11, 12, 13, 20, 22, 24, 28, 32), subset_epochs=40, subset_batch=100,
        stops=(5, 8, 12, 16, 20), full_batch=(9,),
    ),
    "laptop": Settings(
        images=2000, nets=2, early_nets=3, early_steps=96, every=4,
        subsets=(13, 14, 16, 19, 40, 43, 46, 50, 55, 62, 11, 10, 10),
        subset_epochs=40, subset_batch=100, stops=(3, 5, 7, 9, 12), full_batch=(11, 42),
    ),
    "record": Settings(
        images=2000, nets=3, early_nets=7, early_steps=96, every=4,
        subsets=(
            13, 16, 19, 40, 45, 50, 55, 62, 70, 80, 14, 14, 42, 43, 44, 46,
            11, 12, 13, 36, 38, 52, 58, 62, 110, 130, 150, 28, 30, 32, 34,
            10, 11, 11, 11, 12, 12, 12, 17, 18, 19, 20,
        ),
        subset_epochs=40, subset_batch=100, stops=(3, 5, 7, 9, 12),
        full_batch=(36, 11, 12, 42, 50, 60), late_sets=2,
    ),
    "full": Settings(
        images=10_000, nets=5, early_nets=30, early_steps=196, every=1,
        subsets=tuple(25 + 225 * i // 519 for i in range(520)), subset_epochs=100,
        subset_batch=256, stops=(5, 10, 15, 20, 30, 40),
        full_batch=(50, 100, 200) * 5, late_sets=2, late=(30, 40),
    ),
}  # fmt: skip


def late_images(
    real: ImageData, usual: DistilledSet, settings: Settings, folder: Path | None
) -> Tensors:
    """Images (n, c, h, w) made like `usual`, a set of trajectory matching, on late segments.

    Settings, seed and first images are those of `usual`. Experts are shared in `folder`.
    """
    low, high = settings.late
    method = replace(made_by(usual), min_start=low, max_start=high)
    seed = usual.meta["seed"]
    checkpoint = folder and folder / f"{LATE}-seed{seed}.checkpoint.safetensors"
    return {"images": distill(real, method, seed=seed, checkpoint=checkpoint).images}


def with_late(real: ImageData, sets: Sets, settings: Settings, keep: Keep) -> Sets:
    """The sets, and late ones beside the first of trajectory matching, as many as asked for."""
    usual = sets.get("mtt", ())[: settings.late_sets]
    folder = keep.folder if isinstance(keep, Keeper) else None  # experts lie beside the parts
    parts = [
        keep(f"{LATE}-set-{i}", partial(late_images, real, one, settings, folder))
        for i, one in enumerate(usual)
    ]
    made = [replace(o, **part).to(real.device) for o, part in zip(usual, parts, strict=True)]
    return {**sets, LATE: made} if made else sets


def few_images(real: ImageData, one: DistilledSet, settings: Settings, number: int) -> Tensors:
    """Predictions (net, image) of networks trained on set `number` with the protocol `plain`.

    Seeds differ between the sets of a method, so that only the set is shared.
    """
    net = build("convnet", real.shape, len(real.classes))
    test = real.test_images[: settings.images]
    seeds = range(settings.nets * number, settings.nets * (number + 1))
    trained = train(net, one.images, one.labels, PROTOCOLS["plain"], seeds)
    return {"predicted": predictions(net, trained, test)}


def stopped_early(real: ImageData, settings: Settings, number: int) -> Tensors:
    """Predictions (stop, image) of a network on its way through all real images."""
    net = build("convnet", real.shape, len(real.classes))
    test = real.test_images[: settings.images]
    recipe = Recipe(epochs=1, batch=settings.early_batch)
    path = train_steps(net, real, recipe, EARLY + number)
    stops = islice(path, settings.every, settings.early_steps + 1, settings.every)
    found = [predictions(net, parameters, test)[0] for parameters in stops]
    return {"predicted": torch.stack(found)}


def on_subset(real: ImageData, settings: Settings, number: int, full_batch: bool) -> Tensors:
    """Predictions (stop, image) of a network trained on a few real images of each class.

    The last stop is the end of training. With `full_batch` it trains like networks on distilled
    sets, and its end is the only stop.
    """
    sizes = settings.full_batch if full_batch else settings.subsets
    seed = number + (FULL_BATCH if full_batch else SUBSET)
    minis = Recipe(epochs=settings.subset_epochs, batch=settings.subset_batch)
    recipe = PROTOCOLS["plain"] if full_batch else minis
    stops = {recipe.epochs} if full_batch else {*settings.stops, recipe.epochs}
    net = build("convnet", real.shape, len(real.classes))
    draws = generator(seed, "subset", device=real.device)
    rows = sample_per_class(real, sizes[number], draws).flatten()
    path = train_epochs(net, real.train_images[rows], real.train_labels[rows], recipe, [seed])
    test = real.test_images[: settings.images]
    found = [predictions(net, p, test)[0] for epoch, p in enumerate(path) if epoch in stops]
    return {"predicted": torch.stack(found)}


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Train all networks, or take those that were kept, and compare their predictions."""
    numbers = {
        "early": (settings.early_nets, stopped_early),
        "subset": (len(settings.subsets), partial(on_subset, full_batch=False)),
        "full-batch": (len(settings.full_batch), partial(on_subset, full_batch=True)),
    }
    pools = {
        name: torch.stack(
            [keep(f"{name}-{i}", partial(make, real, settings, i))["predicted"] for i in range(n)]
        )
        for name, (n, make) in numbers.items()
    }
    runs, sets = {}, with_start(real, with_late(real, sets, settings, keep))
    for tag in (t for t in settings.sources if t in sets):
        parts = [
            keep(f"{tag}-{i}", partial(few_images, real, one, settings, i))["predicted"]
            for i, one in enumerate(sets[tag])
        ]
        runs[tag] = torch.stack(parts)
    study = compared(real, runs, pools, settings)
    began = began_as_start(real, {tag: sets[tag] for tag in runs})
    return replace(study, axes={**study.axes, "began": began})


def compared(real: ImageData, runs: dict[str, Tensor], pools: Pools, settings: Settings) -> Study:
    """The study: how alike each network is to those of equal accuracy in each pool."""
    labels = real.test_labels[: settings.images].cpu()  # as all predictions
    members = {"early": len(pools["early"]), "subset": len(pools["subset"])}
    members |= {"stopped": len(pools["subset"]), "full-batch": len(pools["full-batch"])}
    axes = {
        "source": tuple(runs),
        "set": tuple(range(max(map(len, runs.values())))),
        "net": tuple(range(settings.nets)),
        "member": tuple(f"{pool} {i}" for pool, n in members.items() for i in range(n)),
        "pair": tuple(f"{a}, {b}" for i, a in enumerate(POOLS) for b in POOLS[i:]),
        "subset": tuple(range(members["subset"])),
        "relation": RELATIONS, "measure": MEASURES, "quantity": QUANTITIES, "offset": OFFSETS,
        "value": ("mean", "low", "high"), "released": RELEASED,
    }  # fmt: skip
    one = ("source", "set", "net")
    dims = {
        "accuracy": one, "alike": (*one, "member", "measure"), "matched": (*one, "member"),
        "kin": (*one, "relation", "measure"), "level": ("source", "pair", "measure"),
        "reference": ("source", "subset", "measure"),
        "interval": ("source", "quantity", "measure", "value"),
        "missed": (*one, "offset"), "missed_accuracy": (*one, "offset"),
        "released": (*one, "released"), "released_accuracy": (*one, "released"),
    }  # fmt: skip
    found = [one_source(tag, runs, pools, labels, settings.within) for tag in runs]
    # Where a source has fewer sets than others there is NaN.
    arrays = {n: pad_sequence([f[n] for f in found], True, torch.nan) for n in dims}
    return Study("agreement", real.name, asdict(settings), axes, dims, arrays)


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """How much more alike networks are to early-stopped ones than to others, for each source.

    One value for each network trained on a set of the source, or, as the reference, for each
    network trained on a subset of the same accuracy. The pools are the same for all networks.
    A network on a set and one on what the set began with are paired: they share their first
    weights. Usual and late sets of trajectory matching are paired, one value for each pair of sets.
    """
    found = {}
    for tag in study.axes["source"]:
        gap = gaps(study, tag, "subset").flatten(0, 1)
        stopped = gaps(study, tag, "stopped").flatten(0, 1)
        reference = study.pick("reference", source=tag)
        columns = {
            "gap": gap[:, 0],
            "gap kappa": gap[:, 1],
            "gap stopped": stopped[:, 0],
            "reference": reference[:, 0],
            "beyond": gap[:, 0] - reference[:, 0].nanmean(),
            "beyond kappa": gap[:, 1] - reference[:, 1].nanmean(),
        }
        found |= {
            f"{tag} {name}": tuple(values[values.isfinite()].tolist())
            for name, values in columns.items()
        }
    if LATE in study.axes["source"]:
        apart = (gaps(study, "mtt", "subset") - gaps(study, LATE, "subset"))[..., 0].nanmean(1)
        found["mtt less late gap"] = tuple(apart[apart.isfinite()].tolist())
    for tag in study.axes["began"]:
        moved = (gaps(study, tag, "subset") - gaps(study, "start", "subset"))[..., 0]
        found[f"{tag} beyond start"] = tuple(moved[moved.isfinite()].tolist())
    return found
