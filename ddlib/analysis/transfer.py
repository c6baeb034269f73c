"""Distilled with one network and setting, used with another: what is left of the gain?

Sets are compared with random real images in the same network, and with ten times as many of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.data import ImageData, sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.instruments.gains import agreement, clipping_helps, costs, gains, kept
from ddlib.networks import build
from ddlib.questions.shared.pixels import clipped
from ddlib.seeds import generator
from ddlib.studies import IPC, Keep, Sets, Study, Tensors, at_once, together
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
FEW = tuple(f"{network}-narrow" for network in PUBLISHED)  # about as large as the ConvNet
SETTINGS = {
    "fast": Settings(
        widths=(), norms=("convnet-none",), others=("vit-narrow",), tuned=("vit-narrow",),
        clipped=("convnet-none",), sources=("random", "dm", "mtt", "bptt"),
        few=("random", "dm"), sets=1, nets=1, test=1000, held_out=50,
    ),
    "laptop": Settings(
        widths=(), norms=("convnet-none", "convnet-batch"), others=("vit-narrow", "vgg11-narrow"),
        tuned=("vit-narrow", "vgg11-narrow"), clipped=("convnet-none",),
        sources=("random", "herding", "dm", "mtt", "bptt"), few=("random", "bptt"), sets=1, nets=2,
        test=2000, held_out=50,
    ),
    "colab": Settings(
        widths=(), norms=("convnet-none", "convnet-layer", "convnet-batch"),
        others=("resnet18-group-narrow", "vgg11-narrow"),
        tuned=("convnet-none", "resnet18-group-narrow", "vgg11-narrow"), clipped=("convnet-none",),
        sources=("random", "herding", "dm", "dc", "mtt", "bptt"), few=("random", "bptt"), sets=2,
        nets=2, test=10_000, held_out=200,
    ),
    "record": Settings(
        widths=(), others=FEW, tuned=("convnet-none", *FEW), clipped=("convnet-none",),
        few=("random", "bptt"), sets=2, nets=3, test=2000, held_out=200,
    ),
    "full": Settings(
        others=PUBLISHED, tuned=("convnet-none", *PUBLISHED), sets=2, nets=5, test=10_000,
        held_out=500,
    ),
}  # fmt: skip
Test = tuple[Tensor, Tensor]
RUNS = ("set", "net")
DIMS = {
    "accuracy": ("network", "source", *RUNS), "fit": ("network", "source", *RUNS),
    "strict": ("network", "few", *RUNS), "strict_fit": ("network", "few", *RUNS),
    "clipped": ("clipped", "distilled", *RUNS), "ceiling": ("network", "net"),
    "held_out": ("network", "candidate"), "rate": ("network",),
}  # fmt: skip


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Train every network on every set, all first sets before all second ones.

    `accuracy` and `fit` (on the set itself) are measured at the rate that suits the network,
    `strict` and `strict_fit` at the protocol's. `ceiling` comes from more real images, `clipped`
    from sets without pixels outside [0, 1].
    """
    rates = {network: _rate(real, settings, network, keep) for network in settings.networks}
    bench = _Bench(real, sets, settings, keep, {n: rate for n, (rate, _) in rates.items()})
    by_set = [bench.of_set(i) for i in range(settings.sets)]
    arrays = together(by_set, -2)  # sets stand before the networks that meet them
    arrays["ceiling"] = torch.stack([bench.ceiling(network) for network in settings.networks])
    arrays["rate"] = torch.tensor([rate for rate, _ in rates.values()], dtype=torch.float64)
    arrays["held_out"] = torch.stack([scores for _, scores in rates.values()])
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
    rates: Mapping[str, float]  # by network

    def of_set(self, which: int) -> Tensors:
        """All that is measured with the sets of number `which`."""
        s = self.settings
        own = [self.cells(network, s.sources, which) for network in s.networks]
        strict = [self.strict(n, cells, which) for n, cells in zip(s.networks, own, strict=True)]
        clipped = [self.cells(n, s.distilled, which, "clipped") for n in s.clipped]
        given = together(strict)
        return together(own) | {
            "strict": given["accuracy"], "strict_fit": given["fit"],
            "clipped": together(clipped)["accuracy"],
        }  # fmt: skip

    def ceiling(self, network: str) -> Float[Tensor, " net"]:
        """What a network reaches with more real images."""
        work = partial(_ceiling, self.real, self.settings, network, self.rates[network])
        return self.keep(f"{network}-ceiling", work)["ceiling"]

    def cells(
        self, network: str, sources: Sequence[str], which: int, how: str = "own"
    ) -> dict[str, Float[Tensor, "source net"]]:
        """Sets of one number in one network: as they are, `clipped`, or at the `strict` rate."""
        real, n = self.real, self.settings.test
        test = real.test_images[:n], real.test_labels[:n]
        rate = self.settings.rates[0] if how == "strict" else self.rates[network]
        seeds, cells = _seeds(self.settings, which), []
        for source in sources:
            made = self.sets[source][which]
            made = clipped(made) if how == "clipped" else made
            work = partial(measure, network, made, rate, seeds, test)
            cells.append(self.keep(f"{network}-{source}-{how}-{which}", work))
        return together(cells)

    def strict(self, network: str, own: Tensors, which: int) -> Tensors:
        """A few sets at the protocol's rate: some of the network's `own` cells if it has that."""
        s = self.settings
        if self.rates[network] != s.rates[0]:
            return self.cells(network, s.few, which, "strict")
        rows = [s.sources.index(source) for source in s.few]
        return {key: values[rows] for key, values in own.items()}


def measure(
    network: str, made: DistilledSet, rate: float, seeds: Sequence[int], test: Test
) -> Tensors:
    """Accuracy on `test`, and on the set itself (`fit`), in percent, of one network for each seed.

    The protocol is `plain` with its rate replaced.
    """
    net = build(network, tuple(made.images.shape[1:]), len(made.classes))
    recipe = replace(PROTOCOLS["plain"], lr=rate)
    trained = train(net, made.images, made.labels, recipe, seeds)
    own = made.labels.argmax(1) if made.labels.is_floating_point() else made.labels
    return {
        "accuracy": accuracy(net, trained, *test),
        "fit": accuracy(net, trained, made.images, own),
    }


def _seeds(settings: Settings, which: int) -> range:
    """Each recorded set has networks of its own, the same for all methods."""
    return range(which * settings.nets, (which + 1) * settings.nets)


def _rate(
    real: ImageData, settings: Settings, network: str, keep: Keep
) -> tuple[float, Float[Tensor, " candidate"]]:
    """The rate that suits a network, and what each candidate scored (NaN: not tried)."""
    rates = settings.rates
    if network not in settings.tuned:
        return rates[0], torch.full((len(rates),), torch.nan)
    scores = keep(f"{network}-rates", partial(_try_rates, real, settings, network))["score"]
    return rates[int(scores.argmax())], scores


def _try_rates(real: ImageData, settings: Settings, network: str) -> Tensors:
    """Accuracy by rate on held-out *training* images, of networks trained on random real images."""
    rows = sample_per_class(real, IPC + settings.held_out, generator("rates", device=real.device))
    few, judges = rows[:, :IPC].flatten(), rows[:, IPC:].flatten()
    made = DistilledSet.of(real, real.train_images[few], real.train_labels[few])
    test, seeds = (real.train_images[judges], real.train_labels[judges]), _seeds(settings, 0)
    scored = [measure(network, made, rate, seeds, test)["accuracy"] for rate in settings.rates]
    return {"score": torch.stack(scored).mean(1)}


def _ceiling(real: ImageData, settings: Settings, network: str, rate: float) -> Tensors:
    """Accuracy after as many steps of as many images, drawn from `more` times as many real ones."""
    drawn = sample_per_class(real, settings.more * IPC, generator("ceiling", device=real.device))
    rows = drawn.flatten()
    protocol, batch = PROTOCOLS["plain"], len(rows) // settings.more
    recipe = replace(protocol, lr=rate, batch=batch, epochs=protocol.epochs // settings.more)
    net, seeds = build(network, real.shape, len(real.classes)), _seeds(settings, 0)
    trained = train(net, real.train_images[rows], real.train_labels[rows], recipe, seeds)
    test = real.test_images[: settings.test], real.test_labels[: settings.test]
    return {"ceiling": accuracy(net, trained, *test)}


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Numbers for the ledger, and what each value of a finding is.

    Of networks as given (`norms`, `others`, `costs`, `clipping`): one for each run, a recorded set
    with a network seed, as the mean over the group, or over methods (`distilled-NETWORK`). Runs of
    one set share its luck, so with two sets an interval is too narrow. Of networks at large
    (`lose-more`, `same-order`): one for each network away from home, from means over runs.
    """
    networks, sources = study.axes["network"], study.axes["source"]
    distilled, gain = study.axes["distilled"], gains(study)

    def of(some: Sequence[str], values: Tensor) -> Tensor:
        return values[:, [sources.index(s) for s in some if s in sources]].mean(1)

    found = {}
    for group in ("norms", "others"):
        mine = gain[[networks.index(n) for n in study.settings[group]]].mean(0, keepdim=True)
        for source in sources:
            if source != "random":
                found[f"{source}-{group}"] = of([source], mine)
        if "herding" in sources:
            found[f"chosen-lead-{group}"] = of(["herding"], mine) - of(distilled, mine)
    away = [networks.index(n) for n in (*study.settings["norms"], *study.settings["others"])]
    found |= {f"distilled-{n}": of(distilled, gain[[i]]) for i, n in enumerate(networks)}
    for what, lost in costs(study).items():
        if len(lost):  # some studies hold no two networks that differ in this alone
            found[f"{what}-costs"] = of(distilled, lost.mean(0, keepdim=True))
    share = kept(study).mean((2, 3))
    lost = share[networks.index(study.settings["home"])] - share[away]
    found["unrolled-lose-more"] = of(UNROLLED, lost) - of(MATCHING, lost)
    if "herding" in sources:
        found["distilled-lose-more"] = of(distilled, lost) - of(["herding"], lost)
    found["same-order"] = agreement(study)[networks.index(study.settings["home"]), away]
    found["clipping-helps"] = clipping_helps(study).mean((0, 1))
    return {name: tuple(values.flatten().tolist()) for name, values in found.items()}
