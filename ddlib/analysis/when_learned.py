"""When does a network that sees only real data learn to recognize distilled images?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ddlib.data import ImageData
from ddlib.instruments.rankings import rank_correlation
from ddlib.networks import build
from ddlib.questions.shared.baselines import blends, easy_rows
from ddlib.questions.shared.starts import started_from
from ddlib.studies import Keep, Sets, Study, Tensors, at_once, together
from ddlib.training import Recipe, logits, train_steps

DISTILLED = ("bptt", "mtt", "dc", "dsa", "dm")
YARDSTICKS = ("random", "start", "herding", "easy", "mean")  # real images, or made from them
SOURCES = DISTILLED + YARDSTICKS
RECIPES = {  # what is varied: a factor of the rate, and the network
    "rate divided by three": (1 / 3, "convnet"),
    "rate times three": (3.0, "convnet"),
    "group norm": (1.0, "convnet-group"),
}
RECOGNIZED = 95.0  # percent of a set from which on we call it recognized
SETTLED = 0.9  # part of its own final level at which a curve counts as settled
DIMS = {
    "recognition": ("net", "step", "source", "set"),
    "test": ("net", "step"),
    "first": ("net", "source", "set", "image"),
    "recipe_recognition": ("recipe", "recipe_net", "recipe_step", "source", "set"),
    "recipe_test": ("recipe", "recipe_net", "recipe_step"),
    "long_recognition": ("long_net", "long_step", "source", "set"),
    "long_test": ("long_net", "long_step"),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How long networks train on real images, and when they are asked about the others."""

    nets: int = 5  # seeds 0, 1, ...
    steps: int = 300
    every: int = 5  # steps between two measurements
    batch: int = 256
    lr: float = 0.01
    recipe_nets: int = 5  # for each of RECIPES
    recipe_every: int = 10
    long_nets: int = 5
    long_steps: int = 7840  # 40 epochs of 50,000 images
    long_every: int = 196
    test_images: int = 10_000
    judge_steps: int = 100  # easy: of low loss in another network after so many steps
    pool: int = 500  # images of each class that the judge chooses from
    blend: int = 50  # images averaged into one class-mean image


SETTINGS = {
    "fast": Settings(
        steps=100, every=5, batch=64, recipe_nets=1, recipe_every=20, long_nets=1,
        long_steps=230, long_every=23, judge_steps=30, pool=100, blend=20,
    ),
    "laptop": Settings(
        nets=2, recipe_nets=1, long_nets=1, long_steps=1960, test_images=1000,
    ),
    "record": Settings(test_images=1000, recipe_nets=3),
    "full": Settings(),
}  # fmt: skip


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Networks in training on real images, asked again and again what they see in each set."""
    asked = probes(real, sets, settings, keep)
    s = settings
    steps = range(0, s.steps + 1, s.every)
    sparse = range(0, s.steps + 1, s.recipe_every)
    long = range(0, s.long_steps + 1, s.long_every)

    def networks(
        name: str, n: int, when: range, factor: float = 1, net: str = "convnet"
    ) -> Tensors:
        recipe = Recipe(epochs=1, batch=s.batch, lr=s.lr * factor)
        make = lambda seed: follow(real, asked, net, recipe, seed, when, s.test_images)  # noqa: E731
        each = [keep(f"{name}-{seed}", lambda seed=seed: make(seed)) for seed in range(n)]
        return together(each)

    released = networks("released", s.nets, steps)
    recipes = [
        networks(f"recipe{i}", s.recipe_nets, sparse, *recipe)
        for i, recipe in enumerate(RECIPES.values())
    ]
    lasting = networks("long", s.long_nets, long)
    first = [first_recognized(right, steps) for right in released["right"]]
    arrays = {
        "recognition": percent(released["right"]),
        "test": released["test"],
        "first": torch.stack(first),
        "recipe_recognition": percent(torch.stack([r["right"] for r in recipes])),
        "recipe_test": torch.stack([r["test"] for r in recipes]),
        "long_recognition": percent(lasting["right"]),
        "long_test": lasting["test"],
    }
    axes = {
        "source": SOURCES, "set": tuple(range(first[0].shape[1])), "recipe": tuple(RECIPES),
        "image": tuple(range(first[0].shape[2])), "step": tuple(steps), "net": tuple(range(s.nets)),
        "recipe_step": tuple(sparse), "recipe_net": tuple(range(s.recipe_nets)),
        "long_step": tuple(long), "long_net": tuple(range(s.long_nets)),
    }  # fmt: skip
    about = {**asdict(s), "epoch": -(-len(real.train_images) // s.batch)}
    return Study("when_learned", real.name, about, axes, DIMS, arrays)


def percent(right: Bool[Tensor, "*a n"]) -> Float[Tensor, "*a"]:
    """The share of images that are classified right, in percent."""
    return 100 * right.float().mean(-1)


def probes(
    real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once
) -> dict[str, Tensor]:
    """`images` (source, set, n, c, h, w) and `labels` (source, set, n), sources as in SOURCES."""
    s, recipe = settings, Recipe(epochs=1, batch=settings.batch, lr=settings.lr)

    def one_set(source: str, seed: int) -> tuple[Tensor, Tensor]:
        if source in sets:
            return sets[source][seed].images, sets[source][seed].labels
        first = sets["dm"][seed]
        if source == "start":
            return started_from(first, real)
        if source == "mean":
            return blends(real, first.ipc, s.blend, seed)
        easy = lambda: easy_rows(real, first.ipc, seed, recipe, s.judge_steps, s.pool)  # noqa: E731
        rows = keep(f"easy-{seed}", lambda: {"rows": easy()})["rows"].flatten()
        return real.train_images[rows], real.train_labels[rows]

    found = [[one_set(source, i) for i in range(len(sets["dm"]))] for source in SOURCES]
    return {
        name: torch.stack([torch.stack([one[i] for one in pair]) for pair in found])
        for i, name in enumerate(("images", "labels"))
    }


def follow(
    real: ImageData,
    asked: Mapping[str, Tensor],
    network: str,
    recipe: Recipe,
    seed: int,
    steps: range,
    test_images: int,
) -> Tensors:
    """Train one network and measure it at `steps`.

    `right` (step, source, set, image): is it classified as labeled? `test` (step): accuracy on the
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
    """
    left = torch.arange(len(right), 0, -1, device=right.device).view(-1, *[1] * (right.ndim - 1))
    since = right.flip(0).cumsum(0).flip(0)  # right answers from here on
    found = right & (2 * since > left)
    first = torch.tensor(steps, device=right.device).float()[found.int().argmax(0)]
    return first.where(found.any(0), float("inf"))


def level(curve: Float[Tensor, "t *a"]) -> Float[Tensor, "*a"]:
    """Where a curve ends: its mean over the last fifth of the measurements."""
    return curve[-max(1, len(curve) // 5) :].mean(0)


def settled(curve: Float[Tensor, " t"], steps: Sequence[int]) -> float:
    """The first step at which a curve has 90 percent of its own final level.

    A high curve passes every mark before a low one. This asks instead when it stops rising.
    """
    return float(steps[int((curve >= SETTLED * level(curve)).int().argmax())])


def still_to_come(
    curve: Float[Tensor, " t"], test: Float[Tensor, " t"], least: float = RECOGNIZED
) -> float:
    """Points of test accuracy still to be learned when `curve` first reaches `least` percent.

    Zero if it never does.
    """
    reached = curve >= least
    return float(test[-1] - test[int(reached.int().argmax())]) if reached.any() else 0.0


def order_agreement(first: Float[Tensor, "m n"]) -> Float[Tensor, " pairs"]:
    """Spearman's rank correlation of the first steps of n images, for each two of m networks.

    Images that come at the same time share the mean of their ranks.
    """
    one, two = torch.triu_indices(len(first), len(first), 1)
    return rank_correlation(first[one], first[two])


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """What the ledger judges; one value for each network and set, oriented as claimed."""
    found, steps = {}, study.axes["step"]
    random = study.pick("recognition", source="random")
    test = study.arrays["test"][..., None].expand(random.shape)  # the same beside each set
    settles = lambda curves: torch.tensor([settled(c, steps) for c in each(curves)])  # noqa: E731
    for source in SOURCES:
        curves = study.pick("recognition", source=source)  # (net, step, set)
        pairs = zip(each(curves), each(test), strict=True)
        found[f"{source}_early"] = torch.tensor([still_to_come(c, t) for c, t in pairs])
        found[f"{source}_settles"] = settles(test) - settles(curves)
        found[f"{source}_settles_random"] = settles(random) - settles(curves)
        found[f"{source}_falls"] = falls(study, source)
        for other in ("random", "start", "easy"):
            beside = study.pick("recognition", source=other)
            found[f"{source}_over_{other}"] = (curves - beside).mean(1)
    return {name: tuple(values.flatten().tolist()) for name, values in found.items()}


def each(curves: Float[Tensor, "net step set"]) -> Float[Tensor, "curves step"]:
    """One curve for each network and set."""
    return curves.movedim(1, 2).flatten(0, 1)


def falls(study: Study, source: str) -> Float[Tensor, "net set"]:
    """Points lost between the last third of the short training and the end of the long one.

    Levels of the same networks, not peaks: the highest of many jagged values is too high.
    """
    steps = study.axes["step"]
    late = [i for i, step in enumerate(steps) if 3 * step >= 2 * steps[-1]]
    long = study.pick("long_recognition", source=source)
    plateau = study.pick("recognition", source=source)[: len(long), late].mean(1)
    return plateau - level(long.movedim(1, 0))
