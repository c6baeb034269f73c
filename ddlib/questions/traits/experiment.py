"""Do distilled photographs help those that share their visible traits? Measured on the influence.

Takes the recorded influence of each image on test images, and measures traits of both: background,
brightness, contrast, scale, and clusters of an independent network. No new sets are trained on. The
influence is a mean over as many networks of each method, so that methods can be compared.

Time: two minutes for what is recorded and for its repeat (`laptop`), one core. Device: any.
n: ten classes of one set of each method.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.data import ImageData
from ddlib.ensemble import loaded
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import Cell
from ddlib.experiment.records import Record, load_record
from ddlib.networks import build, features
from ddlib.questions.shared.leaving_out import first_rows
from ddlib.questions.shared.meaning import MEANINGS, Row, held_against, labelled
from ddlib.questions.shared.pixels import pixels_of
from ddlib.questions.shared.starts import starting_rows
from ddlib.questions.traits.photographs import (
    SHADES,
    Encode,
    Traits,
    blinded,
    clusters,
    measure,
    nearest,
    offsets,
)
from ddlib.seeds import generator
from ddlib.training import Recipe, train

OF_RECORD = "influence"  # the question whose record this one takes apart
Collect = Callable[[Iterable[Cell]], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The independent network that clusters come from, and the size of the test."""

    network: str = "convnet-quarter"  # that whose influence is taken apart
    features: str = "convnet-group"  # another norm and another seed than those that were asked
    seed: int = 77
    pool: int = 20_000  # real training images that it learns from
    epochs: int = 3
    fitted: int = 300  # training images of each class that clusters are made of
    clusters: int = 4  # of each class
    shuffles: int = 2000

    @property
    def recipe(self) -> Recipe:
        """How the independent network trains."""
        return Recipe(epochs=self.epochs, batch=128)


RECORD = Plan()
PLANS = {
    "fast": replace(RECORD, pool=500, fitted=50, shuffles=500),
    "laptop": RECORD,
    "record": RECORD,
    "full": replace(
        RECORD, network="convnet", pool=50_000, epochs=20, fitted=2000, shuffles=10_000
    ),
}


def run(
    bench: Bench, plan: Plan, collect: Collect, encode: Encode | None = None
) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Hold the recorded influence of images against their traits.

    `encode` adds traits: it maps pixels (n, c, h, w) to numbers or kinds by name, for instance the
    answers of a vision-language model to `PROMPTS`. Conditions: `association`, by method, meaning,
    trait and class; `chance`, the same of shuffled traits; `offset`, how far images lie from test
    images on average; `asked`, how many networks' influence it is.
    """
    real, record = bench.real, load_record(f"{bench.real.name}-{OF_RECORD}", bench.records)
    if record.settings["network"] != plan.network:
        raise ValueError(
            f"{record.name} asked {record.settings['network']!r}, not {plan.network!r}"
        )
    labels, images = piles(bench, record)
    draws = generator("pile")
    found = blinded(encoder(encode), [pixels_of(real, x) for x in images], draws)
    embed = embedding(real, plan, collect([features_cell(bench, plan)]))
    for traits, x, y in zip(found, images, labels, strict=True):
        traits["cluster"] = own_cluster(embed, real, x, y, plan)
    return compared(real, record, labels, found, plan), {}


def piles(bench: Bench, record: Record) -> tuple[list[Tensor], list[Tensor]]:
    """Labels and images: those tested, then of each method what it began with, and what it is."""
    real, rows = bench.real, record.arrays["test"].to(bench.real.device)
    images, labels = [real.test_images[rows]], [real.test_labels[rows]]
    each = len(record.arrays["image"]) // len(real.classes)
    for method in record.settings["methods"]:
        one = bench.sets[method][0]
        alone = first_rows(one.labels, each)  # the images that were left out
        images += [real.train_images[starting_rows(real, one)][alone], one.images[alone]]
        labels += [one.labels[alone]] * len(MEANINGS)
    return labels, images


def encoder(encode: Encode | None) -> Encode:
    """What measures traits: `measure`, and what the caller brings."""
    return lambda pixels: {**measure(pixels), **(encode(pixels) if encode else {})}


def features_cell(bench: Bench, plan: Plan) -> Cell:
    """The weights of a network that is trained on real images alone."""
    on = {"data": bench.mark, "network": plan.features, "pool": plan.pool, "seed": plan.seed}
    work = partial(weights, bench, plan)
    return Cell({"condition": "features"}, work, {**on, "recipe": asdict(plan.recipe)})


def weights(bench: Bench, plan: Plan) -> dict[str, Tensor]:
    """Train the network that features come from."""
    real = bench.real
    net = build(plan.features, real.shape, len(real.classes))
    images, labels = real.train_images[: plan.pool], real.train_labels[: plan.pool]
    return dict(train(net, images, labels, plan.recipe, [plan.seed]))


def embedding(
    real: ImageData, plan: Plan, trained: pd.DataFrame
) -> Callable[[Tensor], Float[Tensor, "n d"]]:
    """Features of images in the network of `features_cell`."""
    row = trained.iloc[0].drop(["condition", "seconds"])
    net = build(plan.features, real.shape, len(real.classes))
    known = features(loaded(net, {str(name): p.to(real.device) for name, p in row.items()}))
    return lambda x: torch.cat([known(part) for part in x.split(500)])


def own_cluster(
    embed: Callable[[Tensor], Tensor],
    real: ImageData,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    plan: Plan,
) -> Int[Tensor, " n"]:
    """Which of the clusters of its own class each image belongs to; made of training images."""
    found = torch.empty_like(labels)
    for c in labels.unique().tolist():
        rows = (real.train_labels == c).nonzero()[: plan.fitted, 0]
        seen = embed(real.train_images[rows])
        centers = clusters(seen, plan.clusters, generator(plan.seed, "clusters", c))
        mine = labels == c
        found[mine] = nearest(embed(images[mine]), centers)
    return found


def compared(
    real: ImageData, record: Record, labels: Sequence[Tensor], traits: Sequence[Traits], plan: Plan
) -> pd.DataFrame:
    """Influence against each trait, by method and meaning.

    `labels` and `traits` begin with those of the test images; methods follow in both meanings.
    """
    (tested, *own), (target, *rest) = labels, traits
    rows: list[Row] = [{"condition": "asked", "networks": record.settings["nets"]}]
    which = product(record.settings["methods"], MEANINGS)
    for (method, meaning), mine, y in zip(which, rest, own, strict=True):
        effect = record.rows(condition="mean", method=method)["influence"].iloc[0].float()
        at = {"method": method, "meaning": meaning}
        for trait in target:
            sources, targets = [mine[trait].cpu()], target[trait].cpu()
            against = held_against(
                [effect], [y.cpu()], tested.cpu(), sources, targets, real.classes, plan.shuffles
            )
            rows += labelled(against, **at, trait=trait)
        for trait, value in zip(SHADES, offsets(mine, target).tolist(), strict=True):
            rows.append({"condition": "offset", **at, "trait": trait, "offset": value})
    return pd.DataFrame(rows).drop(columns="set").astype({"networks": "Int64"})
