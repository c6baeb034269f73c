"""What does one distilled image change? Exact leave-one-out, its noise floor, cheap substitutes.

For every image of a set a network is trained anew without it, from the same start. What that does
to the loss on each test image is the image's influence there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.instruments.influences import (
    ATTRIBUTIONS,
    DIMS,
    FEW,
    JUDGES,
    REPEATS,
    SCALINGS,
    SIDES,
    TOP,
    by_network,
    listed,
    of_few,
    of_network,
    of_source,
)
from ddlib.instruments.leaving_out import HALVES, each_alone, first_rows, left_out
from ddlib.instruments.pixels import pixels_of
from ddlib.instruments.rankings import pairs
from ddlib.instruments.retraining import NOISES, SUBSTITUTES, Trainer
from ddlib.networks import build
from ddlib.studies import Keep, Sets, Study, Tensors, at_once, together
from ddlib.training import Recipe

PLACES = 8  # test images that are listed for each image, helped and harmed


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
    usual: str = "convnet"  # the network in which a few images are left out as well
    beside: tuple[str, ...] = ("random", "dm", "dc", "mtt", "bptt")  # sources of these images
    few: tuple[int, ...] = (*range(10), *range(70, 75))  # their rows: airplanes and horses

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.steps)


SETTINGS = {
    "fast": Settings(
        network="convnet-quarter", nets={"random": 2, "bptt": 2}, steps=40, alone=4, each=20,
        shown=20, chunk=50, together=16, deep=("bptt",), deep_nets=1, sizes=(2, 4), groups=3,
        halves=12, stops=3, usual="convnet-quarter", beside=("bptt",),
        few=(0, 1, 10, 11),
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


def trainer(real: ImageData, one: DistilledSet, s: Settings, seed: int) -> Trainer:
    """One network to be trained on parts of a set and asked about the pool of test images."""
    rows = first_rows(real.test_labels, s.each)
    net = build(s.network, real.shape, len(real.classes))
    test = (real.test_images[rows], real.test_labels[rows])
    return Trainer(net, s.recipe, seed, one.images, one.labels, test, s.together)


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Leave everything out once, network after network, then compare."""
    s = settings
    found = {}
    order = [(tag, net) for tag in s.nets for net in range(s.nets[tag])]
    for tag, net in order:
        deep = tag in s.deep and net < s.deep_nets
        one = sets[tag][0]
        mine = trainer(real, one, s, net)
        found[tag, net] = one_network(mine, _left_out(one.labels, s), deep, s, f"{tag}-{net}", keep)
    usual = [_usual(real, sets[tag][0], s, tag, keep) for tag in s.beside]
    return compared(real, sets, found, usual, s)


def _usual(real: ImageData, one: DistilledSet, s: Settings, tag: str, keep: Keep) -> Tensors:
    """A few images alone, in two networks of the usual width: what the study shows."""
    rows, alone = list(s.few), each_alone(len(one.labels), real.device)
    groups = torch.cat([torch.zeros_like(alone[:1]), alone[rows]])  # nothing first
    mine = [trainer(real, one, replace(s, network=s.usual), net) for net in (0, 1)]
    parts = [
        keep(f"usual-{tag}-{net}-{i}", lambda m=m, c=c: {"losses": m.without(c)})["losses"]
        for net, m in enumerate(mine)
        for i, c in enumerate(groups.tensor_split(len(groups) // 5))
    ]
    losses = torch.cat(parts).unflatten(0, (2, -1))
    noise = keep(f"usual-noise-{tag}", lambda: {"losses": mine[0].noise()})["losses"]
    found = of_few(losses[:, 1:] - losses[:, :1], one.labels.cpu()[rows], mine[0].test[1].cpu())
    return found | {"usual_noise": (noise - losses[0, 0]).square().mean(1).sqrt()}


def one_network(
    mine: Trainer, out: Mapping[str, Tensor], deep: bool, s: Settings, name: str, keep: Keep
) -> Tensors:
    """Losses (g, t) on the pool for each kind of groups left out, and what else one network tells.

    All trainings with noise, and, in `deep` networks, groups, halves, sums and substitutes.
    """
    losses = lambda make: {"losses": make()}  # noqa: E731
    parts = {"noise": keep(f"noise-{name}", partial(losses, mine.noise))["losses"]}
    for kind in ("all", "alone", "groups", *HALVES) if deep else ("all", "alone"):
        makes = [partial(losses, partial(mine.without, c)) for c in out[kind].split(s.chunk)]
        kept = [keep(f"{kind}-{name}-{i}", make) for i, make in enumerate(makes)]
        parts[kind] = torch.cat([part["losses"] for part in kept])
    if deep:
        few = out["alone"][:: len(out["alone"]) // FEW]
        rate = 1 - 1 / len(mine.labels)  # a sum over what is left, where others take the mean
        make = partial(losses, partial(mine.without, few, rate))
        parts["summed"] = keep(f"summed-{name}", make)["losses"]
        parts |= keep(f"substitutes-{name}", partial(mine.substitutes, s.stops))
    return parts


def compared(
    real: ImageData, sets: Sets, found: Mapping[tuple[str, int], Tensors],
    usual: Sequence[Tensors], s: Settings,
) -> Study:  # fmt: skip
    """The study: mean influence of each image, and what its repetitions and substitutes say."""
    labels, each, most = real.test_labels.cpu(), [], max(s.nets.values())
    rows = first_rows(labels, s.each)
    shown = torch.isin(rows, first_rows(labels, s.shown))
    for tag, nets in s.nets.items():
        classes = sets[tag][0].labels.cpu()
        images = first_rows(classes, s.alone)  # the same rows in every set: they go by class
        mine = [found[tag, net] for net in range(nets)]
        one = of_source(mine, classes[images], labels[rows], most)
        each.append(one | listed(torch.stack([m["alone"] - m["all"] for m in mine]), shown, PLACES))
    deep = [
        _deep(found, sets[tag][0].labels.cpu(), tag, net, s, labels[rows])
        for tag in s.deep
        for net in range(s.deep_nets)
    ]
    arrays = together(each) | together(usual)
    arrays |= {k: v.unflatten(0, (-1, s.deep_nets)) for k, v in together(deep).items()}
    pixels = pixels_of(real, real.test_images.cpu()[rows][shown])
    arrays["thumbnails"] = (pixels * 255).round().byte()
    axes = _axes(real, s, {"image": images, "test": rows, "shown": rows[shown]})
    return Study("influence", real.name, asdict(s), axes, DIMS, arrays)


def _axes(real: ImageData, s: Settings, rows: Tensors) -> dict[str, tuple]:
    most = max(s.nets.values())
    c, h, w = (tuple(range(size)) for size in real.shape)
    return {k: tuple(v.tolist()) for k, v in rows.items()} | {
        "source": tuple(s.nets), "net": tuple(range(most)), "noise": NOISES, "side": SIDES,
        "scaling": SCALINGS, "pair": tuple(f"{i}, {j}" for i, j in pairs(most)),
        "repeat": REPEATS, "which": ("same image", "other image"), "by": ("found", "chance"),
        "place": tuple(range(PLACES)), "usual": s.beside, "usual_net": (0, 1), "few": s.few,
        "deep": s.deep, "deep_net": tuple(range(s.deep_nets)), "size": s.sizes,
        "kind": ("one class", "all classes"), "group": tuple(range(s.groups)),
        "value": ("correlation", "slope"), "attribution": ATTRIBUTIONS, "judge": JUDGES,
        "channel": c, "height": h, "width": w,
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
    deep = of_network(mine, torch.stack(nets).mean(0), out, labels[rows], tested)
    return deep | {"added": deep["added"].view(len(s.sizes), 2, s.groups, 2)}


def _left_out(labels: Tensor, s: Settings) -> Tensors:
    return left_out(labels, s.alone, s.sizes, s.groups, s.halves)


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """One number for each network; what pairs of networks say is averaged for each network.

    own, own-harmed: share of own class in the top, more than chance; -usual: for each of a
    few images in the usual network. hard: their place among the losses, above the middle.
    distinct: share of different ones, more than by chance. above: how far influence is above what
    a nudge does. repeat: rank correlation with another network.
    image: that of one image over its own class, more than that of two images of the class.
    shared, beyond: overlap of the top with that in another network, more than chance, and more
    than of two images of the class. agrees, agrees-own: an attribution with leave-one-out, over
    all images and over those of the class. score: its datamodeling score; balanced: on halves of
    each class; gains: beyond that of the class alone. adds: correlation of sums with groups.
    """
    found, axes, chance = {}, study.axes, study.settings["each"] / len(study.axes["test"])
    for tag in axes["source"]:
        own, spread, noise = (study.pick(k, source=tag) for k in ("own", "spread", "noise"))
        distinct = study.pick("distinct", source=tag, scaling="raw")
        pairwise = (study.pick(k, source=tag) for k in ("repeat", "overlap"))
        repeat, overlap = (by_network(values, len(axes["net"])) for values in pairwise)
        found |= {
            f"own-{tag}": own[:, 0, 0] - chance,
            f"own-harmed-{tag}": own[:, 1, 0] - chance,
            f"hard-{tag}": study.pick("hardness", source=tag)[:, 0] - 0.5,
            f"distinct-{tag}": distinct[:, 0] - distinct[:, 1],
            f"above-{tag}": 1 - noise[:, NOISES.index("nudged")] / spread,
            f"repeat-{tag}": repeat[:, 0],
            f"image-{tag}": repeat[:, 2] - repeat[:, 3],
            f"shared-{tag}": overlap[:, 0] - TOP / len(axes["test"]),
            f"beyond-{tag}": overlap[:, 0] - overlap[:, 1],
        }
    known = study.pick("judged", attribution="own class", judge="datamodeling score")
    for name in axes["attribution"]:
        agrees, own, score, balanced = study.pick("judged", attribution=name).unbind(-1)
        found |= {f"agrees-{name}": agrees, f"agrees-own-{name}": own, f"score-{name}": score}
        found |= {f"balanced-{name}": balanced, f"gains-{name}": score - known}
    for tag in axes["usual"]:
        found[f"own-usual-{tag}"] = study.pick("usual_own", usual=tag).mean(0) - chance
        for name, array in (("image", "usual_repeat"), ("beyond", "usual_overlap")):
            itself, others = study.pick(array, usual=tag).unbind(1)
            found[f"{name}-usual-{tag}"] = itself - others
    found |= {f"adds-{k}": study.pick("added", kind=k, value="correlation") for k in axes["kind"]}
    return {k: tuple(v[v.isfinite()].tolist()) for k, v in found.items()}
