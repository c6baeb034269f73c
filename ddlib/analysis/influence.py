"""What does one distilled image change? Exact leave-one-out, its noise floor, cheap substitutes.

For every image of a set a network is trained anew without it, from the same start. What that does
to the loss on each test image is the image's influence there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.instruments import influence_gaps, influences, rounds
from ddlib.instruments.leaving_out import HALVES, first_rows, left_out
from ddlib.instruments.retraining import SUBSTITUTES, Trainer
from ddlib.networks import build
from ddlib.questions.shared.pixels import pixels_of
from ddlib.questions.shared.rankings import pairs
from ddlib.studies import Keep, Sets, Study, Tensors, at_once, together
from ddlib.training import Recipe

PLACES = 8  # test images that are listed for each image, helped and harmed


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of the experiment. It takes the first set of each source apart.

    Rounds are beside it: round i leaves a few images of class i out, in the usual network. It takes
    the next set of each source, and two networks that no other round has.
    """

    network: str
    nets: Mapping[str, int]  # by source, how many networks are trained again and again
    steps: int = 300  # full-batch, as in the protocol `plain`
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
    usual: str = "convnet"  # the network of the rounds
    beside: tuple[str, ...] = ("random", "dm", "dc", "dsa", "mtt", "bptt")  # held against the first
    rounds: int = 5
    few: int = 3  # images of each source in a round

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.steps)


SETTINGS = {
    "fast": Settings(
        network="convnet-quarter", nets={"random": 2, "bptt": 2}, steps=40, alone=4, each=20,
        shown=20, chunk=50, together=16, deep=("bptt",), deep_nets=1, sizes=(2, 4), groups=3,
        halves=12, stops=3, usual="convnet-quarter", beside=("random", "bptt"), rounds=1, few=2,
    ),
    "laptop": Settings(
        network="convnet-quarter", nets={"random": 2, "dm": 2, "bptt": 2}, alone=3, each=100,
        deep=("bptt",), deep_nets=1, sizes=(2, 3), groups=2, halves=8,
        beside=("random", "bptt"), rounds=2,
    ),
    "colab": Settings(
        network="convnet-quarter", nets=dict.fromkeys(("random", "dm", "mtt", "dc", "bptt"), 3),
        alone=3, each=100, deep=("bptt",), deep_nets=2, sizes=(2, 3), groups=2, halves=16,
        beside=("random", "dm", "dc", "mtt", "bptt"), rounds=3,
    ),
    "record": Settings(
        network="convnet-quarter", nets=dict.fromkeys(("random", "dm", "mtt", "dc", "bptt"), 5),
        each=100, deep=("bptt",), deep_nets=2, groups=2, halves=16,
    ),
    "full": Settings(
        network="convnet",
        nets={tag: 10 for tag in ("random", "herding", "dm", "mtt", "dc", "dsa", "bptt")},
        each=1000, deep=("random", "dm", "bptt"), deep_nets=5, groups=10, halves=64,
        rounds=10, few=10,
    ),
}  # fmt: skip


def trainer(real: ImageData, one: DistilledSet, s: Settings, seed: int) -> Trainer:
    """One network to be trained on parts of a set and asked about the pool of test images."""
    rows = first_rows(real.test_labels, s.each)
    net = build(s.network, real.shape, len(real.classes))
    test = (real.test_images[rows], real.test_labels[rows])
    return Trainer(net, s.recipe, seed, one.images, one.labels, test, s.together)


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Leave everything out once, network after network, then compare."""
    s, found = settings, {}
    for tag, net in ((tag, net) for tag, nets in s.nets.items() for net in range(nets)):
        deep = tag in s.deep and net < s.deep_nets
        one = sets[tag][0]
        mine = trainer(real, one, s, net)
        found[tag, net] = one_network(mine, _left_out(one.labels, s), deep, s, f"{tag}-{net}", keep)
    return compared(real, sets, found, _rounds(real, sets, replace(s, network=s.usual), keep), s)


def _rounds(real: ImageData, sets: Sets, s: Settings, keep: Keep) -> Tensors:
    """Round after round in the usual network, and what a nudge changes in the first one."""
    found = [
        together([_round(real, sets[tag], s, tag, i, keep) for tag in s.beside])
        for i in range(s.rounds)
    ]
    firsts = {tag: trainer(real, sets[tag][0], s, 0) for tag in s.beside}
    noise = [_kept(keep, f"usual-noise-{tag}", mine.noise) for tag, mine in firsts.items()]
    again, _, nudged = torch.stack(noise).unbind(1)
    return together(found) | {"usual_noise": (nudged - again).square().mean(1).sqrt()}


def _round(
    real: ImageData, some: Sequence[DistilledSet], s: Settings, tag: str, i: int, keep: Keep
) -> Tensors:
    one, losses = some[i % len(some)], []
    groups = rounds.few_alone(one.labels, i, s.few)
    for net in (2 * i, 2 * i + 1):
        make = partial(trainer(real, one, s, net).without, groups)
        losses.append(_kept(keep, f"usual-{tag}-{i}-{net}", make))
    tested = real.test_labels[first_rows(real.test_labels, s.each)].cpu()
    return rounds.of_class(torch.stack(losses), i, tested)


def one_network(
    mine: Trainer, out: Mapping[str, Tensor], deep: bool, s: Settings, name: str, keep: Keep
) -> Tensors:
    """Losses (g, t) on the pool for each kind of groups left out, and what else one network tells.

    All trainings with noise, and, in `deep` networks, groups, halves, sums and substitutes.
    """
    parts = {"noise": _kept(keep, f"noise-{name}", mine.noise)}
    for kind in ("all", "alone", "groups", *HALVES) if deep else ("all", "alone"):
        chunks = enumerate(out[kind].split(s.chunk))
        kept = [_kept(keep, f"{kind}-{name}-{i}", partial(mine.without, c)) for i, c in chunks]
        parts[kind] = torch.cat(kept)
    if deep:
        few = out["alone"][:: len(out["alone"]) // influences.FEW]
        rate = 1 - 1 / len(mine.labels)  # a sum over what is left, where others take the mean
        parts["summed"] = _kept(keep, f"summed-{name}", partial(mine.without, few, rate))
        parts |= keep(f"substitutes-{name}", partial(mine.substitutes, s.stops))
    return parts


def _kept(keep: Keep, name: str, make: Callable[[], Tensor]) -> Tensor:
    return keep(name, lambda: {"losses": make()})["losses"]


def compared(
    real: ImageData, sets: Sets, found: Mapping[tuple[str, int], Tensors], usual: Tensors,
    s: Settings,
) -> Study:  # fmt: skip
    """The study: mean influence of each image, and what its repetitions and substitutes say."""
    labels, each = real.test_labels.cpu(), []
    few, most = influences.averaged(s.nets), max(s.nets.values())
    rows = first_rows(labels, s.each)
    shown = torch.isin(rows, first_rows(labels, s.shown))
    for tag, nets in s.nets.items():
        classes = sets[tag][0].labels.cpu()
        images = first_rows(classes, s.alone)  # the same rows in every set: they go by class
        mine = [found[tag, net] for net in range(nets)]
        tables = torch.stack([m["alone"] - m["all"] for m in mine])
        one = influences.of_source(mine, tables, classes[images], labels[rows], few, most)
        each.append(one | influences.listed(tables[:few], shown, PLACES))
    deep = [
        _deep(found, sets[tag][0].labels.cpu(), tag, net, s, labels[rows])
        for tag in s.deep
        for net in range(s.deep_nets)
    ]
    arrays = together(each) | usual
    arrays |= {k: v.unflatten(0, (-1, s.deep_nets)) for k, v in together(deep).items()}
    pixels = pixels_of(real, real.test_images.cpu()[rows][shown])
    arrays["thumbnails"] = (pixels * 255).round().byte()
    axes = _axes(real, s, {"image": images, "test": rows, "shown": rows[shown]})
    return Study("influence", real.name, asdict(s), axes, influences.DIMS | rounds.DIMS, arrays)


def _axes(real: ImageData, s: Settings, rows: Tensors) -> dict[str, tuple]:
    most = max(s.nets.values())
    c, h, w = (tuple(range(size)) for size in real.shape)
    return influences.AXES | {k: tuple(v.tolist()) for k, v in rows.items()} | {
        "source": tuple(s.nets), "net": tuple(range(most)), "place": tuple(range(PLACES)),
        "pair": tuple(f"{i}, {j}" for i, j in pairs(most)), "group": tuple(range(s.groups)),
        "deep": s.deep, "deep_net": tuple(range(s.deep_nets)), "size": s.sizes,
        "round": real.classes[: s.rounds], "usual": s.beside, "usual_net": (0, 1),
        "few": tuple(range(s.few)), "channel": c, "height": h, "width": w,
    }  # fmt: skip


def _deep(
    found: Mapping[tuple[str, int], Tensors], labels: Tensor, tag: str, net: int,
    s: Settings, tested: Tensor,
) -> Tensors:  # fmt: skip
    rows = first_rows(labels, s.alone)
    nets = [found[tag, i]["alone"] - found[tag, i]["all"] for i in range(s.nets[tag]) if i != net]
    mine = found[tag, net]
    mine = mine | {name: mine[name][rows] for name in SUBSTITUTES}
    out = {name: g[:, rows] for name, g in _left_out(labels, s).items()}
    deep = influences.of_network(mine, torch.stack(nets).mean(0), out, labels[rows], tested)
    return deep | {"added": deep["added"].view(len(s.sizes), 2, s.groups, 2)}


def _left_out(labels: Tensor, s: Settings) -> Tensors:
    return left_out(labels, s.alone, s.sizes, s.groups, s.halves)


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """One number for each network, or for each round; see `influence_gaps.findings`."""
    return influence_gaps.findings(study)
