"""Does one distilled image mean something beyond its class? Drawn shapes, where all is known.

Sets are distilled from shapes, their images left out one at a time. Within a class: does an image
help the test images that share its color, position, size or background more than the others?
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product

import torch
from torch import Tensor

from ddlib.data import ImageData, shapes
from ddlib.distillation import Method, distill
from ddlib.instruments.attributes import ATTRIBUTES, Probe, fidelity, known
from ddlib.instruments.leaving_out import each_alone, losses_on, with_all_and_without
from ddlib.instruments.permutation import QUANTILES, by_class, permutation_test, shared_gap
from ddlib.instruments.single_images import (
    WORN,
    TakenApart,
    beside_pixels,
    by_worn,
    helps,
    reliability,
)
from ddlib.networks import build
from ddlib.presets import METHODS
from ddlib.questions.shared.pixels import pixels_of
from ddlib.questions.shared.starts import most_alike
from ddlib.seeds import generator
from ddlib.studies import Keep, Sets, Study, Tensors, at_once, together
from ddlib.training import Recipe, logits, train

MEANINGS = ("start", "measured")  # attributes of the real image it began with; read off the image
PLACES = ("own", "other")  # test images of the image's class; of all other classes
PROBE = 1  # seed of the shapes that the probe learns from, all of random color
# By their defaults, made for digits, an expert stops when it has hardly begun to tell shapes apart,
# and networks learn no more from the images of BPTT than from random ones. These were found on
# drawings of other seeds, by what networks learn there; no test image of the experiment had a say.
FITTED: dict[str, dict[str, float | int]] = {
    "mtt": {"expert_lr": 0.03, "max_start": 10, "lr": 30.0},
    "bptt": {"inner_lr": 0.03, "steps": 100, "lr": 0.02},
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of the experiment; methods keep their defaults, but for the network and `FITTED`."""

    spurious: tuple[float, ...] = (0.0, 0.9)  # chance that a training image wears its class's color
    tags: tuple[str, ...] = ("random", "dm", "dc", "mtt", "bptt")
    ipc: int = 10
    draws: int = 2  # sets of each method
    network: str = "convnet-tiny"
    nets: int = 3  # starts, each for all trainings
    steps: int = 100
    lr: float = 0.03
    together: int | None = 6  # trainings side by side; None: what the device has memory for
    shuffles: int = 2000

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.steps, lr=self.lr)


SETTINGS = {
    "fast": Settings(
        tags=("random", "dm"), ipc=4, draws=1, nets=2, steps=40, lr=0.05, together=21, shuffles=500,
    ),
    "laptop": Settings(tags=("random", "dm", "bptt"), draws=1, nets=2),
    "record": Settings(),
    "full": Settings(
        spurious=(0.0, 0.5, 0.9), tags=("random", "dm", "dc", "dsa", "mtt", "bptt"), draws=5,
        network="convnet", nets=10, steps=300, lr=0.01, together=None, shuffles=10_000,
    ),
}  # fmt: skip


def method_for(tag: str, s: Settings) -> Method:
    """A method with its defaults, but for `FITTED`; those that learn use the settings' network."""
    method = METHODS[tag](ipc=s.ipc, **FITTED.get(tag, {}))
    return replace(method, network=s.network) if method.steps else method


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Distill, leave out, and hold influence against attributes.

    Shapes are drawn here, once for each spurious correlation; of `real` only the device is used.
    """
    s, probe = settings, Probe.fitted(shapes(seed=PROBE).to(real.device))
    cells = []
    for level in s.spurious:
        data = shapes(level).to(real.device)
        for tag in s.tags:
            some = [taken_apart(data, f"{level}-{tag}", d, probe, s, keep) for d in range(s.draws)]
            cells.append(described(data, some, s))
    shape = (len(s.spurious), len(s.tags))
    arrays = {k: v.unflatten(0, shape).float() for k, v in together(cells).items()}
    plain = shapes(seed=0).to(real.device)
    arrays["probe"] = fidelity(
        probe.read(plain, plain.test_images), known(plain.attributes["test"])
    ).float()
    return Study(
        "semantics", real.name, asdict(s), axes_of(real, s), {k: DIMS[k] for k in arrays}, arrays
    )  # fmt: skip


CELL = ("spurious", "source")
DIMS = {
    "association": (*CELL, "attribute", "meaning", "place", "draw", "class"),
    "p": (*CELL, "attribute", "meaning", "place"),
    "null": (*CELL, "attribute", "meaning", "place", "quantile"),
    "gap": (*CELL, "meaning", "place", "draw", "class"),
    "pixels": (*CELL, "draw", "class"),
    "beyond_pixels": (*CELL, "draw", "class", "attribute"),
    "helps": (*CELL, "place", "draw", "class"),
    "reliability": (*CELL, "draw"),
    "accuracy": (*CELL, "draw", "net", "worn"),
    "kept": (*CELL, "draw", "attribute"),
    "probe": ("attribute",),
}


def axes_of(real: ImageData, s: Settings) -> dict[str, tuple]:
    """The labels along every axis."""
    return {
        "spurious": s.spurious, "source": s.tags, "attribute": ATTRIBUTES, "meaning": MEANINGS,
        "place": PLACES, "draw": tuple(range(s.draws)), "class": real.classes,
        "net": tuple(range(s.nets)), "worn": WORN, "quantile": QUANTILES,
    }  # fmt: skip


def taken_apart(
    data: ImageData, name: str, draw: int, probe: Probe, s: Settings, keep: Keep
) -> TakenApart:
    """Distill one set and train on it without each of its images, start after start."""
    tag, key = name.split("-")[1], f"{name}-{draw}"
    made = keep(f"set-{key}", partial(_distilled, data, tag, draw, s))
    images, labels = made["images"].to(data.device), made["labels"].to(data.device)
    parts = [
        keep(f"apart-{key}-{net}", partial(_left_out, data, images, labels, net, s))
        for net in range(s.nets)
    ]
    drawn = {k: v[made["rows"].cpu()] for k, v in data.attributes["train"].items()}
    attributes = {"start": known(drawn), "measured": probe.read(data, images)}
    return TakenApart(
        labels.cpu(),
        pixels_of(data, images).cpu(),
        attributes,
        torch.stack([part["losses"] for part in parts]),
        torch.stack([part["right"] for part in parts]),
    )


def _distilled(data: ImageData, tag: str, draw: int, s: Settings) -> Tensors:
    """One set, and the rows of the real images that it began with."""
    made = distill(data, method_for(tag, s), seed=draw)
    first = made.history[0].images.to(data.device) if made.history else made.images
    rows = most_alike(data, replace(made, images=first))  # real images, found again exactly
    return {"images": made.images, "labels": made.labels, "rows": rows}


def _left_out(data: ImageData, images: Tensor, labels: Tensor, net: int, s: Settings) -> Tensors:
    """Losses on all test images with the whole set and without each image, from one start."""
    network = build(s.network, data.shape, len(data.classes))
    weights = with_all_and_without(each_alone(len(images), images.device))
    trained = train(
        network, images, labels, s.recipe, [net] * len(weights), weights=weights,
        together=s.together,
    )  # fmt: skip
    answers = logits(network, trained, data.test_images)
    right = answers[0].argmax(1) == data.test_labels
    return {"losses": losses_on(answers, data.test_labels), "right": right}


def described(data: ImageData, some: Sequence[TakenApart], s: Settings) -> Tensors:
    """What the sets of one method show: arrays by `DIMS`, without the first two axes."""
    found = [
        _held_against(data, some, attribute, meaning, place, s)
        for attribute, meaning, place in product(ATTRIBUTES, MEANINGS, PLACES)
    ]
    shape = (len(ATTRIBUTES), len(MEANINGS), len(PLACES))
    arrays = {k: v.unflatten(0, shape) for k, v in together(found).items()}
    arrays["gap"] = arrays["gap"][0]  # of colors alone: the others are not shared or not shared
    tested, target = data.test_labels.cpu(), known(data.attributes["test"])
    arrays["helps"] = torch.stack(
        [torch.stack([helps(o, tested, same=w == "own") for o in some]) for w in PLACES]
    )
    arrays["reliability"] = torch.stack([reliability(one, tested) for one in some])
    arrays["accuracy"] = torch.stack([by_worn(one, target["color"], tested) for one in some])
    shown = pixels_of(data, data.test_images).cpu()
    arrays |= together([beside_pixels(one, shown, target, tested) for one in some])
    kept = [fidelity(one.attributes["measured"], one.attributes["start"]) for one in some]
    return arrays | {"kept": torch.stack(kept)}


def _held_against(
    data: ImageData,
    some: Sequence[TakenApart],
    attribute: str,
    meaning: str,
    place: str,
    s: Settings,
) -> Tensors:
    """Influence against one attribute, within each class: a correlation, and what chance gives."""
    target = known(data.attributes["test"])[attribute]
    groups = [
        group
        for one in some
        for group in by_class(
            one.influence.mean(0), one.labels, data.test_labels.cpu(),
            one.attributes[meaning][attribute], target, same=place == "own",
        )
    ]  # fmt: skip
    # The same shuffles for all: their luck is shared.
    test = permutation_test(groups, s.shuffles, generator("shuffles"))
    gaps = torch.stack([shared_gap(*group) for group in groups])
    return {
        "association": test.each.view(len(some), -1),
        **test.by_chance,
        "gap": gaps.view(len(some), -1),
    }


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Correlations between influence and likeness, one value for each set and class.

    Classes of a set whose images all wear one color are left out of what is said of colors.
    """
    found: dict[str, tuple[float, ...]] = {}
    levels = study.axes["spurious"]

    def of(tag: str, attribute: str, level: float, place: str = "own") -> Tensor:
        where = dict(spurious=level, attribute=attribute, meaning="measured", place=place)
        return study.pick("association", source=tag, **where).flatten()

    def told(values: Tensor) -> tuple[float, ...]:
        return tuple(values[~values.isnan()].tolist())

    for tag, attribute in product(study.axes["source"], ATTRIBUTES):
        own, random = (of(source, attribute, levels[0]) for source in (tag, "random"))
        found[f"{attribute}-{tag}"] = told(own)
        past = study.pick("beyond_pixels", source=tag, spurious=levels[0], attribute=attribute)
        found[f"{attribute}-past-pixels-{tag}"] = told(past.flatten())
        if tag != "random":
            found[f"{attribute}-beyond-{tag}"] = told(own - random)
    for tag in study.axes["source"]:
        last = levels[-1]
        found[f"spurious-own-{tag}"] = told(of(tag, "color", last))
        found[f"spurious-other-{tag}"] = told(-of(tag, "color", last, "other"))
        worn = study.pick("accuracy", spurious=last, source=tag)
        found[f"shortcut-{tag}"] = tuple((worn[..., 0] - worn[..., 1]).flatten().tolist())
    return found
