"""What does one distilled image change? Exact leave-one-out, its noise floor, cheap substitutes.

For every image of a set a network is trained anew without it, from the same start. What that does
to the loss on each test image is the image's influence there.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.func import functional_call

from ddlib.channels import to_pixels
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.ensemble import flatten, initialize_many, unflatten
from ddlib.instruments.attribution import (
    curvature_factor,
    damping_of,
    gradients,
    likeness,
    products,
)
from ddlib.instruments.influences import (
    REPEATS,
    SCALINGS,
    SIDES,
    added,
    judged,
    listed,
    named,
    repeats,
)
from ddlib.instruments.leaving_out import (
    losses_on,
    random_groups,
    random_halves,
    retrained,
)
from ddlib.instruments.rankings import correlation, pairs, slope
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.studies import Keep, Sets, Study, Tensors, at_once
from ddlib.training import Recipe, logits, train_epochs

NOISES = ("again", "reordered", "nudged")  # the same training once more: how much can it change?
SUBSTITUTES = ("gradients, end", "gradients, along", "inverse curvature", "features", "pixels")
ATTRIBUTIONS = ("leave-one-out", "other networks", *SUBSTITUTES, "own class")
FEW = 5  # images that are left out of a sum instead of a mean
PLACES = 8  # test images that are listed for each image, helped and harmed
NUDGE = 1e-6  # relative change of the first weights, a few units in the last place


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of the experiment. One set of each source is taken apart, that of seed 0."""

    network: str
    nets: Mapping[str, int]  # by source, how many networks are trained again and again
    steps: int = 300  # full-batch, as in the protocol `study`
    alone: int = 10  # images of each class that are left out, one at a time
    each: int  # test images of each class
    shown: int = 50  # of them, how many can be looked at
    chunk: int = 25  # trainings that are kept together
    together: int | None = None  # trainings side by side; None: what the device has memory for
    deep: tuple[str, ...]  # sources with groups, halves and cheap substitutes
    deep_nets: int  # in their first networks
    sizes: tuple[int, ...] = (2, 5, 10)  # of groups that are left out at once
    groups: int  # of each size and kind
    halves: int  # random halves of the set to train on
    stops: int = 10  # moments of training at which gradients are compared

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.steps)


SETTINGS = {
    "fast": Settings(
        network="convnet-quarter", nets={"random": 2, "bptt": 2}, steps=40, alone=5, each=20,
        shown=20, chunk=50, together=16, deep=("bptt",), deep_nets=1, sizes=(2, 5), groups=3,
        halves=16, stops=3,
    ),
    "laptop": Settings(
        network="convnet-quarter", nets={"random": 2, "dm": 1, "mtt": 1, "dc": 1, "bptt": 5},
        each=100, deep=("bptt",), deep_nets=2, groups=2, halves=16,
    ),
    "full": Settings(
        network="convnet",
        nets={tag: 10 for tag in ("random", "herding", "dm", "mtt", "dc", "dsa", "bptt")},
        each=1000, deep=("random", "dm", "bptt"), deep_nets=5, groups=10, halves=64,
    ),
}  # fmt: skip


def first_rows(labels: Int[Tensor, " t"], each: int) -> Int[Tensor, " p"]:
    """Rows of the first `each` images of every class, class after class."""
    return torch.cat([(labels == c).nonzero()[:each, 0] for c in labels.unique()])


@dataclass(frozen=True)
class Trainer:
    """Trains one network on parts of one set and says what each test image then costs."""

    real: ImageData
    one: DistilledSet
    settings: Settings
    seed: int

    @property
    def net(self) -> nn.Module:
        return build(self.settings.network, self.real.shape, len(self.real.classes))

    @property
    def test(self) -> tuple[Tensor, Tensor]:
        rows = first_rows(self.real.test_labels, self.settings.each)
        return self.real.test_images[rows], self.real.test_labels[rows]

    def without(self, groups: Bool[Tensor, "g n"], rate: float = 1.0) -> Tensors:
        """Losses (g, t) after trainings without each group; `rate` changes the learning rate."""
        recipe = replace(self.settings.recipe, lr=rate * self.settings.recipe.lr)
        images, labels = self.one.images, self.one.labels
        weights = groups.logical_not().float()
        found = retrained(
            self.net, images, labels, recipe, self.seed, weights, *self.test,
            together=self.settings.together,
        )  # fmt: skip
        return {"losses": found.cpu()}

    def noise(self) -> Tensors:
        """Losses (noise, t) of the same training once more, as it was and all but as it was."""
        images, labels, device = self.one.images, self.one.labels, self.one.images.device
        start = initialize_many(self.net, [self.seed], device)
        draws = generator(self.seed, "nudge", device=device)
        nudged = {
            k: v * (1 + NUDGE * torch.randn(v.shape, generator=draws, device=device))
            for k, v in start.items()
        }
        order = torch.randperm(len(images), generator=draws, device=device)
        found = []
        for x, y, first in (
            (images, labels, start), (images[order], labels[order], start), (images, labels, nudged)
        ):  # fmt: skip
            path = train_epochs(self.net, x, y, self.settings.recipe, [self.seed], start=first)
            *_, last = path
            found.append(losses_on(logits(self.net, last, self.test[0]), self.test[1]))
        return {"losses": torch.cat(found).cpu()}

    def substitutes(self) -> Tensors:
        """Tables (n, t) of `SUBSTITUTES` from one training with all images."""
        s, net, x, y = self.settings, self.net, self.one.images, self.one.labels
        stops = {round(i * s.steps / s.stops) for i in range(s.stops)}
        along = []
        for step, path in enumerate(train_epochs(net, x, y, s.recipe, [self.seed])):
            theta = flatten(net, path).detach().clone()
            if step in stops:
                along.append(
                    products(gradients(net, theta, x, y), gradients(net, theta, *self.test))
                )
        given, wanted = gradients(net, theta, x, y), gradients(net, theta, *self.test)
        damping = damping_of(s.recipe.lr, s.recipe.momentum, s.steps)
        curved = products(given, wanted, curvature_factor(net, theta, x), damping)
        embed = lambda images: functional_call(net.embed, _embedding(net, theta), (images,))  # noqa: E731
        kinds = {"features": embed, "pixels": lambda images: images.flatten(1)}
        alike = [likeness(f(x), f(self.test[0]), y, self.test[1]) for f in kinds.values()]
        tables = [products(given, wanted), torch.stack(along).mean(0), curved, *alike]
        rows = first_rows(y, s.alone)
        return {name: t[rows].cpu() for name, t in zip(SUBSTITUTES, tables, strict=True)}


def _embedding(net: nn.Module, theta: Tensor) -> Tensors:
    """The weights of the part of a network that makes features."""
    prefix = "embed."
    parameters = unflatten(net, theta).items()
    return {k.removeprefix(prefix): p[0] for k, p in parameters if k.startswith(prefix)}


def left_out(one: DistilledSet, s: Settings) -> dict[str, Bool[Tensor, "g n"]]:
    """What is left out: nothing, each image, groups of a class and of all classes, halves."""
    n, device = len(one.labels), one.images.device
    draws = generator("groups", device=device)
    rows = first_rows(one.labels, s.alone)
    alone = F.one_hot(rows, n).bool()
    groups = [
        random_groups(one.labels[rows], size, s.groups, draws, same=same)
        for size in s.sizes
        for same in (True, False)
    ]
    halves = random_halves(len(rows), s.halves, generator("halves", device=device))
    return {
        "all": torch.zeros(1, n, dtype=torch.bool, device=device),
        "alone": alone,
        "groups": _of(torch.cat(groups), alone),
        "halves": _of(halves, alone),
    }


def _of(groups: Bool[Tensor, "g r"], alone: Bool[Tensor, "r n"]) -> Bool[Tensor, "g n"]:
    """Groups of the images that are left out alone, as groups of all images."""
    return (groups.float() @ alone.float()).bool()


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Leave everything out once, network after network, then compare."""
    s = settings
    order = [(tag, 0) for tag in s.nets]
    order += [(tag, net) for tag in s.nets for net in range(1, s.nets[tag])]
    found = {}
    for tag, net in order:
        deep = tag in s.deep and net < s.deep_nets
        found[tag, net] = one_network(Trainer(real, sets[tag][0], s, net), deep, tag, keep)
    return compared(real, sets, found, s)


def one_network(trainer: Trainer, deep: bool, tag: str, keep: Keep) -> Tensors:
    """Losses on the pool by what was left out: (g, t) for each name of `left_out`, and noise."""
    s, groups = trainer.settings, left_out(trainer.one, trainer.settings)
    parts = {"noise": keep(f"noise-{tag}-{trainer.seed}", trainer.noise)["losses"]}
    for name in ("all", "alone", "groups", "halves") if deep else ("all", "alone"):
        chunks = groups[name].split(s.chunk)
        keys = [f"{name}-{tag}-{trainer.seed}-{i}" for i in range(len(chunks))]
        kept = [
            keep(key, partial(trainer.without, chunk))
            for key, chunk in zip(keys, chunks, strict=True)
        ]
        parts[name] = torch.cat([part["losses"] for part in kept])
    if deep:
        few = groups["alone"][:: len(groups["alone"]) // FEW]
        rate = 1 - 1 / len(trainer.one.labels)  # a sum of what is left, not a mean
        key = f"summed-{tag}-{trainer.seed}"
        parts["summed"] = keep(key, partial(trainer.without, few, rate))["losses"]
        parts |= keep(f"substitutes-{tag}-{trainer.seed}", trainer.substitutes)
    return parts


# ---- what the tables say --------------------------------------------------------------------


def compared(
    real: ImageData, sets: Sets, found: Mapping[tuple[str, int], Tensors], s: Settings
) -> Study:
    """The study: mean influence of each image, and what its repetitions and substitutes say."""
    rows = first_rows(real.test_labels.cpu(), s.each)
    tested = real.test_labels.cpu()[rows]
    shown = torch.zeros(len(rows), dtype=torch.bool)
    shown[first_rows(tested, s.shown)] = True
    most = max(s.nets.values())
    each = []
    for tag, nets in s.nets.items():
        mine = [found[tag, net] for net in range(nets)]
        classes = sets[tag][0].labels.cpu()
        classes = classes[first_rows(classes, s.alone)]
        each.append(_one_source(mine, classes, tested, shown, most))
    deep = [
        _deep(found, sets[tag][0].to("cpu"), tag, net, s, tested)
        for tag in s.deep
        for net in range(s.deep_nets)
    ]
    arrays = {k: torch.stack([one[k] for one in each]) for k in each[0]}
    arrays |= {
        k: torch.stack([one[k] for one in deep]).unflatten(0, (len(s.deep), s.deep_nets))
        for k in deep[0]
    }
    pixels = to_pixels(real.test_images.cpu()[rows][shown], real.mean, real.std)
    arrays["thumbnails"] = (pixels.clamp(0, 1) * 255).round().byte()
    return _study(real, s, arrays, rows, shown)


def _study(real: ImageData, s: Settings, arrays: Tensors, rows: Tensor, shown: Tensor) -> Study:
    most = max(s.nets.values())
    net = ("source", "net")
    dims = {
        "influence": ("source", "image", "test"),
        "loss": ("source", "test"),
        "spread": net,
        "noise": (*net, "noise"),
        "own": (*net, "side", "scaling"),
        "hardness": (*net, "scaling"),
        "distinct": (*net, "scaling"),
        "repeat": ("source", "pair", "repeat"),
        "overlap": ("source", "pair", "which"),
        "listed": ("source", "image", "side", "place"),
        "alike": ("source", "image", "side", "place"),
        "added": ("deep", "deep_net", "size", "kind", "group", "value"),
        "summed": ("deep", "deep_net", "value"),
        "judged": ("deep", "deep_net", "attribution", "judge"),
        "thumbnails": ("shown", "channel", "height", "width"),
    }
    n = s.alone * len(real.classes)
    c, h, w = (tuple(range(size)) for size in real.shape)
    axes = {
        "source": tuple(s.nets), "net": tuple(range(most)), "image": tuple(range(n)),
        "test": tuple(rows.tolist()), "shown": tuple(rows[shown].tolist()), "noise": NOISES,
        "side": SIDES, "scaling": SCALINGS, "pair": tuple(f"{i}, {j}" for i, j in pairs(most)),
        "repeat": REPEATS, "which": ("same image", "other image"), "place": tuple(range(PLACES)),
        "deep": s.deep, "deep_net": tuple(range(s.deep_nets)), "size": s.sizes,
        "kind": ("one class", "all classes"), "group": tuple(range(s.groups)),
        "value": ("correlation", "slope"), "attribution": ATTRIBUTIONS,
        "judge": ("all images", "own images", "datamodeling score"),
        "channel": c, "height": h, "width": w,
    }  # fmt: skip
    return Study("influence", real.name, asdict(s), axes, dims, arrays)


def _one_source(
    mine: list[Tensors], classes: Tensor, tested: Tensor, shown: Tensor, most: int
) -> Tensors:
    """Arrays of one source; those of networks that it does not have are NaN."""
    tables = torch.stack([one["alone"] - one["all"] for one in mine])
    noise = torch.stack([(one["noise"] - one["all"]).square().mean(1).sqrt() for one in mine])
    who = [named(t, one["all"][0], classes, tested) for t, one in zip(tables, mine, strict=True)]
    arrays = {k: torch.stack([one[k] for one in who]) for k in who[0]}
    arrays |= {"spread": tables.square().mean((1, 2)).sqrt(), "noise": noise}
    padded = {k: _filled(v, most) for k, v in arrays.items()}
    order = [pairs(most).index(p) for p in pairs(len(mine))]
    for name, values in repeats(tables, classes, tested).items():
        padded[name] = torch.full((len(pairs(most)), values.shape[1]), torch.nan)
        padded[name][order] = values
    return padded | listed(tables, shown, PLACES) | {
        "influence": tables.mean(0).half(),
        "loss": torch.cat([one["all"] for one in mine]).mean(0).half(),
    }  # fmt: skip


def _filled(values: Tensor, length: int) -> Tensor:
    full = torch.full((length, *values.shape[1:]), torch.nan)
    full[: len(values)] = values
    return full


def _deep(
    found: Mapping[tuple[str, int], Tensors], one: DistilledSet, tag: str, net: int,
    s: Settings, tested: Tensor,
) -> Tensors:  # fmt: skip
    """Additivity, the other weighting, and substitutes for leave-one-out in one network."""
    mine, out = found[tag, net], left_out(one, s)
    rows = first_rows(one.labels, s.alone)
    alone = mine["alone"] - mine["all"]
    others = [found[tag, i]["alone"] - found[tag, i]["all"] for i in range(s.nets[tag]) if i != net]
    own = (one.labels[rows][:, None] == tested).float()
    tables = {"leave-one-out": alone, "other networks": torch.stack(others).mean(0)}
    tables |= {name: mine[name] for name in SUBSTITUTES} | {"own class": own}
    few = alone[:: len(alone) // FEW]
    summed = mine["summed"] - mine["all"]
    sums = added(alone, out["groups"][:, rows], mine["groups"] - mine["all"])
    left = out["halves"][:, rows].logical_not().float()
    return {
        "added": sums.view(len(s.sizes), 2, s.groups, 2),
        "summed": torch.stack([correlation(few, summed).mean(), slope(few, summed).mean()]),
        "judged": judged(tables, alone, left, mine["halves"], one.labels[rows], tested),
    }


def costs(s: Settings, n: int, t: int, classes: int) -> dict[str, int]:
    """Passes of one image through the network, forward and back, that each attribution takes."""
    training = s.steps * n
    both = n + t
    return {
        "leave-one-out": (n + 1) * training, "other networks": (n + 1) * training,
        "gradients, end": training + both, "gradients, along": training + s.stops * both,
        "inverse curvature": training + both + n * classes, "features": training + both,
        "pixels": 0, "own class": 0,
    }  # fmt: skip
