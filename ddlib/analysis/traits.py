"""Do distilled photographs help those that share their visible traits? Measured on the influence.

Takes the recorded influence of each image on test images, and measures traits of both: background,
brightness, contrast, scale, and clusters of an independent network. No new sets are trained on. The
influence is a mean over as many networks of each source, so that sources can be compared.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.data import ImageData
from ddlib.ensemble import loaded
from ddlib.instruments.influences import averaged
from ddlib.instruments.leaving_out import first_rows
from ddlib.instruments.permutation import QUANTILES, by_class, permutation_test
from ddlib.instruments.traits import Encode, Traits, blinded, clusters, measure, nearest
from ddlib.networks import build
from ddlib.questions.shared.pixels import pixels_of
from ddlib.questions.shared.starts import starting_rows
from ddlib.seeds import generator
from ddlib.studies import Keep, Sets, Study, Tensors, at_once, load_study, together
from ddlib.training import Recipe, train

MEANINGS = ("start", "measured")  # traits of the real image it began with; of the image itself
SHADES = ("brightness", "contrast", "scale")  # traits that are one number


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The independent network that clusters come from, and the size of the test."""

    features: str = "convnet-group"  # another norm and another seed than those that were asked
    seed: int = 77
    pool: int = 20_000  # real training images that it learns from
    epochs: int = 3
    fitted: int = 300  # training images of each class that clusters are made of
    clusters: int = 4  # of each class
    shuffles: int = 2000

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.epochs, batch=128)


SETTINGS = {
    "fast": Settings(pool=500, epochs=3, fitted=50, shuffles=500),
    "laptop": Settings(),
    "record": Settings(),
    "full": Settings(pool=50_000, epochs=20, fitted=2000, shuffles=10_000),
}


def run(
    real: ImageData,
    sets: Sets,
    settings: Settings,
    keep: Keep = at_once,
    *,
    influence: Study | None = None,
    encode: Encode | None = None,
) -> Study:
    """Hold the recorded influence of images against their traits.

    `influence` is the study of that name, by default the recorded one. `encode` adds traits: it
    maps pixels (n, c, h, w) to numbers or kinds by name, for instance the answers of a
    vision-language model to `PROMPTS`.
    """
    s, study = settings, influence or load_study(f"{real.name}-influence")
    rows = torch.tensor(study.axes["test"], device=real.device)
    stacked, labels = [real.test_images[rows]], [real.test_labels[rows]]
    for tag in study.axes["source"]:
        one = sets[tag][0]
        each = len(study.axes["image"]) // len(real.classes)
        alone = first_rows(one.labels, each)  # the images that were left out
        stacked += [real.train_images[starting_rows(real, one)][alone], one.images[alone]]
        labels += [one.labels[alone]] * len(MEANINGS)
    piles = [pixels_of(real, x) for x in stacked]
    found = blinded(encoder(encode), piles, generator("pile"))
    embed = embedding(real, s, keep)
    for traits, x, y in zip(found, stacked, labels, strict=True):
        traits["cluster"] = own_cluster(embed, real, x, y, s)
    return compared(real, study, labels, found, s)


def encoder(encode: Encode | None) -> Encode:
    """What measures traits: `measure`, and what the caller brings."""
    return lambda pixels: {**measure(pixels), **(encode(pixels) if encode else {})}


def embedding(real: ImageData, s: Settings, keep: Keep) -> Callable[[Tensor], Tensor]:
    """Features of images in a network that was trained on real images alone."""
    net = build(s.features, real.shape, len(real.classes))
    images, labels = real.train_images[: s.pool], real.train_labels[: s.pool]
    made = keep("features", partial(train, net, images, labels, s.recipe, [s.seed]))
    trained = loaded(net, {name: p.to(real.device) for name, p in made.items()})
    return lambda x: torch.cat([trained.embed(part) for part in x.split(500)])


def own_cluster(
    embed: Callable[[Tensor], Tensor],
    real: ImageData,
    images: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    s: Settings,
) -> Int[Tensor, " n"]:
    """Which of the clusters of its own class each image belongs to; made of training images."""
    found = torch.empty_like(labels)
    for c in labels.unique().tolist():
        rows = (real.train_labels == c).nonzero()[: s.fitted, 0]
        features = embed(real.train_images[rows])
        centers = clusters(features, s.clusters, generator(s.seed, "clusters", c))
        mine = labels == c
        found[mine] = nearest(embed(images[mine]), centers)
    return found


def compared(
    real: ImageData, study: Study, labels: list[Tensor], traits: list[Traits], s: Settings
) -> Study:
    """Influence against each trait, by source and meaning.

    `labels` and `traits` begin with those of the test images; sources follow in both meanings.
    """
    tags, (tested, *own), (target, *rest) = study.axes["source"], labels, traits
    found: list[Tensors] = []
    for (tag, _), mine, y in zip(product(tags, MEANINGS), rest, own, strict=True):
        effect = study.pick("influence", source=tag).float()
        each = [_held_against(effect, y.cpu(), tested.cpu(), mine[t], target[t], s) for t in target]
        found.append(together(each) | {"offset": _offset(mine, target)})
    shape = (len(tags), len(MEANINGS))
    arrays = {k: v.unflatten(0, shape).float() for k, v in together(found).items()}
    cell = ("source", "meaning")
    dims = {
        "association": (*cell, "trait", "class"), "p": (*cell, "trait"),
        "null": (*cell, "trait", "quantile"), "offset": (*cell, "shade"),
    }  # fmt: skip
    axes = {
        "source": tags, "meaning": MEANINGS, "trait": tuple(target),
        "class": real.classes, "quantile": QUANTILES, "shade": SHADES,
    }  # fmt: skip
    asked = {"network": study.settings["network"], "averaged": averaged(study.settings["nets"])}
    return Study("traits", real.name, asdict(s) | asked, axes, dims, arrays)


def _held_against(
    effect: Float[Tensor, "n t"],
    labels: Int[Tensor, " n"],
    tested: Int[Tensor, " t"],
    source: Tensor,
    target: Tensor,
    s: Settings,
) -> Tensors:
    """The permutation test of one trait, within classes."""
    groups = by_class(effect, labels, tested, source.cpu(), target.cpu())
    test = permutation_test(groups, s.shuffles, generator("shuffles"))
    return {"association": test.each, **test.by_chance}


def _offset(traits: Traits, target: Traits) -> Float[Tensor, " shade"]:
    """How far images lie from test images on average, in units of the spread of those."""
    pairs = [(traits[t].double(), target[t].double()) for t in SHADES]
    return torch.stack([(mine.mean() - test.mean()) / test.std() for mine, test in pairs]).cpu()


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Correlations between influence and likeness, one value for each class that tells one.

    A class whose images all lie in one cluster tells nothing about clusters.
    """
    found: dict[str, tuple[float, ...]] = {}
    for tag, trait in product(study.axes["source"], study.axes["trait"]):
        own, random = (
            study.pick("association", source=source, trait=trait, meaning="measured")
            for source in (tag, "random")
        )
        found[f"{trait}-{tag}"] = tuple(own[~own.isnan()].tolist())
        if tag != "random":
            beyond = own - random
            found[f"{trait}-beyond-{tag}"] = tuple(beyond[~beyond.isnan()].tolist())
    return found
