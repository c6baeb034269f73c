"""Distilled with one network and setting, used with another: what is left of the gain?

Sets are compared with random real images in the same network, and with ten times as many of them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.data import ImageData, sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.instruments.gains import agreement, clipping_helps, gains, kept, rate_helps
from ddlib.instruments.pixels import clipped
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.studies import IPC, Keep, Sets, Study, Tensors, at_once
from ddlib.training import accuracy, train

MATCHING = ("dm", "dc", "dsa")  # compare features or gradients, at one place at a time
UNROLLED = ("mtt", "bptt")  # differentiate through a stretch of training
CHOSEN = ("random", "herding", "kcenter")  # real images


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the sets go. `home` is the network that all of them were distilled with."""

    home: str = "convnet"
    widths: tuple[str, ...] = ("convnet-half", "convnet-double")
    norms: tuple[str, ...] = ("convnet-none", "convnet-layer", "convnet-group", "convnet-batch")
    others: tuple[str, ...]  # other architectures
    tuned: tuple[str, ...]  # networks that get the best of `rates`; the rest keep the protocol's
    clipped: tuple[str, ...] = ("convnet", "convnet-none")  # also without pixels outside [0, 1]
    sources: tuple[str, ...] = ("random", "herding", "dm", "dc", "dsa", "mtt", "bptt")
    few: tuple[str, ...] = ("random", "dm", "bptt")  # tuned networks: at the protocol's rate, too
    rates: tuple[float, ...] = (0.01, 0.05)  # the first is that of the protocol
    sets: int  # recorded sets of each method
    nets: int  # networks for each recorded set
    test: int  # test images
    held_out: int  # training images of each class that judge the rates
    more: int = 10  # times as many real images for the ceiling

    @property
    def networks(self) -> tuple[str, ...]:
        return (self.home, *self.norms, *self.others, *self.widths)

    @property
    def distilled(self) -> tuple[str, ...]:
        return tuple(source for source in self.sources if source not in CHOSEN)


PUBLISHED = ("vit", "resnet18-group", "resnet18-batch", "vgg11")
FEW = ("vit-narrow", "resnet18-group-narrow")  # about as large as the ConvNet
SETTINGS = {
    "fast": Settings(
        widths=(), norms=("convnet-none",), others=("vit-narrow",), tuned=("vit-narrow",),
        clipped=("convnet-none",), sources=("random", "dm", "mtt", "bptt"),
        few=("random", "dm"), sets=1, nets=1, test=1000, held_out=50,
    ),
    "laptop": Settings(
        widths=(), norms=("convnet-none", "convnet-layer"), others=FEW,
        tuned=("convnet-none", *FEW), clipped=("convnet-none",),
        sources=("random", "dm", "dc", "mtt", "bptt"), few=("random", "bptt"),
        sets=1, nets=1, test=2000, held_out=200,
    ),
    "full": Settings(
        others=PUBLISHED, tuned=("convnet-none", *PUBLISHED), sets=2, nets=5, test=10_000,
        held_out=500,
    ),
}  # fmt: skip
Test = tuple[Tensor, Tensor]
RUNS = ("network", "source", "set", "net")
DIMS = {
    "accuracy": RUNS, "fit": RUNS, "strict": ("network", "few", "net"),
    "strict_fit": ("network", "few", "net"), "ceiling": ("network", "net"),
    "held_out": ("network", "candidate"), "rate": ("network",),
    "clipped": ("clipped", "distilled", "net"),
}  # fmt: skip


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Train every network on every set: the first sets first, then the controls, then the others.

    `accuracy` and `fit` (on the set itself) are measured at the rate that suits the network,
    `strict` and `strict_fit` at the protocol's, on the first set. `ceiling` comes from more real
    images, `clipped` from sets without pixels outside [0, 1].
    """
    bench = _Bench(real, sets, settings, keep)
    by_set = [[bench.cells(network, 0) for network in settings.networks]]
    firsts = zip(settings.networks, by_set[0], strict=True)
    controls = [bench.controls(network, first) for network, first in firsts]
    clipped = [bench.clipped(network) for network in settings.clipped]
    for i in range(1, settings.sets):
        by_set.append([bench.cells(network, i) for network in settings.networks])
    arrays = {key: torch.stack([one[key] for one in controls]) for key in controls[0]}
    for key in ("accuracy", "fit"):
        each = [torch.stack([cells[key] for cells in networks]) for networks in by_set]
        arrays[key] = torch.stack(each, 2)
    arrays["clipped"] = torch.stack(clipped)
    axes = {
        "network": settings.networks, "source": settings.sources, "few": settings.few,
        "set": tuple(range(settings.sets)), "net": tuple(range(settings.nets)),
        "candidate": settings.rates, "clipped": settings.clipped, "distilled": settings.distilled,
    }  # fmt: skip
    return Study("transfer", real.name, asdict(settings), axes, DIMS, arrays)


@dataclass(frozen=True)
class _Bench:
    """Data, sets and settings of one run; every training is a part that is kept."""

    real: ImageData
    sets: Sets
    settings: Settings
    keep: Keep

    def on(
        self, key: str, network: str, made: DistilledSet, rate: float, which: int = 0
    ) -> Tensors:
        """Networks of the seeds of set number `which`, trained on `made`."""
        real, n = self.real, self.settings.test
        test = real.test_images[:n], real.test_labels[:n]
        seeds = _seeds(self.settings, which)
        return self.keep(f"{network}-{key}", partial(measure, network, made, rate, seeds, test))

    def cells(self, network: str, which: int) -> dict[str, Float[Tensor, "source net"]]:
        """All methods' sets of number `which` in one network."""
        rate, _ = self.rate(network)
        cells = [
            self.on(f"{source}-{which}", network, self.sets[source][which], rate, which)
            for source in self.settings.sources
        ]
        return {key: torch.stack([cell[key] for cell in cells]) for key in cells[0]}

    def rate(self, network: str) -> tuple[float, Float[Tensor, " candidate"]]:
        """The rate that suits a network, and what each candidate scored (NaN: not tried)."""
        settings = self.settings
        rates = settings.rates if network in settings.tuned else settings.rates[:1]
        work = partial(_try_rates, self.real, settings, network, rates)
        found = self.keep(f"{network}-rates", work)["score"]
        scores = torch.full((len(settings.rates),), torch.nan)
        scores[: len(rates)] = found
        return rates[int(found.argmax())], scores

    def controls(self, network: str, first: Tensors) -> Tensors:
        """The ceiling of a network, and a few of its `first` cells at the protocol's rate."""
        settings, (rate, scores) = self.settings, self.rate(network)
        work = partial(_ceiling, self.real, settings, network, rate)
        strict = [{k: v[settings.sources.index(s)] for k, v in first.items()} for s in settings.few]
        if rate != settings.rates[0]:
            strict = [
                self.on(f"{s}-strict", network, self.sets[s][0], settings.rates[0])
                for s in settings.few
            ]
        found = {"held_out": scores, "rate": torch.tensor(rate, dtype=torch.float64)}
        for key, name in (("accuracy", "strict"), ("fit", "strict_fit")):
            found[name] = torch.stack([cell[key] for cell in strict])
        return found | self.keep(f"{network}-ceiling", work)

    def clipped(self, network: str) -> Float[Tensor, "distilled net"]:
        """Accuracy of the first set of each method, with every pixel brought into [0, 1]."""
        rate, _ = self.rate(network)
        cells = [
            self.on(f"{source}-clipped", network, clipped(self.sets[source][0]), rate)
            for source in self.settings.distilled
        ]
        return torch.stack([cell["accuracy"] for cell in cells])


def measure(
    network: str, made: DistilledSet, rate: float, seeds: Sequence[int], test: Test
) -> Tensors:
    """Accuracy on `test`, and on the set itself (`fit`), in percent, of one network for each seed.

    The protocol is `study` with its rate replaced.
    """
    net = build(network, tuple(made.images.shape[1:]), len(made.classes))
    recipe = replace(PROTOCOLS["study"], lr=rate)
    trained = train(net, made.images, made.labels, recipe, seeds)
    own = made.labels.argmax(1) if made.labels.is_floating_point() else made.labels
    return {
        "accuracy": accuracy(net, trained, *test).cpu(),
        "fit": accuracy(net, trained, made.images, own).cpu(),
    }


def _seeds(settings: Settings, which: int) -> range:
    """Each recorded set has networks of its own, the same for all methods."""
    return range(which * settings.nets, (which + 1) * settings.nets)


def _try_rates(
    real: ImageData, settings: Settings, network: str, rates: Sequence[float]
) -> Tensors:
    """Accuracy by rate on held-out *training* images, of networks trained on random real images."""
    if len(rates) == 1:
        return {"score": torch.full((1,), torch.nan)}
    rows = sample_per_class(real, IPC + settings.held_out, generator("rates", device=real.device))
    few, judges = rows[:, :IPC].flatten(), rows[:, IPC:].flatten()
    made = DistilledSet.of(real, real.train_images[few], real.train_labels[few])
    test, seeds = (real.train_images[judges], real.train_labels[judges]), _seeds(settings, 0)
    scores = [measure(network, made, rate, seeds, test)["accuracy"].mean() for rate in rates]
    return {"score": torch.stack(scores)}


def _ceiling(real: ImageData, settings: Settings, network: str, rate: float) -> Tensors:
    """Accuracy after as many steps of as many images, drawn from `more` times as many real ones."""
    rows = sample_per_class(
        real, settings.more * IPC, generator("ceiling", device=real.device)
    ).flatten()
    protocol, batch = PROTOCOLS["study"], len(rows) // settings.more
    recipe = replace(protocol, lr=rate, batch=batch, epochs=protocol.epochs // settings.more)
    net, seeds = build(network, real.shape, len(real.classes)), _seeds(settings, 0)
    trained = train(net, real.train_images[rows], real.train_labels[rows], recipe, seeds)
    test = real.test_images[: settings.test], real.test_labels[: settings.test]
    return {"ceiling": accuracy(net, trained, *test).cpu()}


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Numbers for the ledger: one value for each network of a group, unless said otherwise."""
    networks, sources = study.axes["network"], study.axes["source"]
    gain, share = gains(study).mean(2), kept(study)
    elsewhere = (*study.settings["norms"], *study.settings["others"])
    rows = {g: [networks.index(n) for n in study.settings[g]] for g in ("norms", "others")}
    found = {
        f"{source}-{group}": tuple(gain[rows[group], i].tolist())
        for i, source in enumerate(sources)
        for group in rows
        if source != "random"
    }
    away = [networks.index(n) for n in elsewhere]
    lost = share[networks.index(study.settings["home"])] - share[away]
    parts = [lost[:, [sources.index(s) for s in f if s in sources]] for f in (UNROLLED, MATCHING)]
    found["unrolled-lose-more"] = tuple((parts[0].mean(1) - parts[1].mean(1)).tolist())
    found["same-order"] = tuple(agreement(study)[0, away].tolist())
    found["rate-helps"] = tuple(rate_helps(study).mean(1).tolist())
    found["clipping-helps"] = tuple(clipping_helps(study).flatten().tolist())
    return found
