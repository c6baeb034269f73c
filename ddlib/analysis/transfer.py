"""Distilled with one network and setting, used with another: what is left of the gain?

A number from another network says little alone: the network may be easier or harder to train. So
every set is compared with random real images in the same network, and with how far ten times as
many real images take it in as many steps.
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
from ddlib.gains import agreement, clipping_helps, gains, kept, rate_helps
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
NARROW = ("vit-narrow", "resnet18-group-narrow", "resnet18-batch-narrow", "vgg11-narrow")
SETTINGS = {
    "fast": Settings(
        widths=(), norms=("convnet-none",), others=("vit-narrow",), tuned=("vit-narrow",),
        clipped=("convnet-none",), sources=("random", "dm", "mtt", "bptt"),
        few=("random", "dm"), sets=1, nets=1, test=1000, held_out=50,
    ),
    "laptop": Settings(
        widths=("convnet-half",), norms=("convnet-none", "convnet-layer"), others=NARROW,
        tuned=("convnet-none", *NARROW), clipped=("convnet-none",),
        sources=("random", "dm", "dc", "mtt", "bptt"), few=("random", "bptt"),
        sets=2, nets=1, test=2000, held_out=200,
    ),
    "full": Settings(
        others=PUBLISHED, tuned=("convnet-none", *PUBLISHED), sets=2, nets=5, test=10_000,
        held_out=500,
    ),
}  # fmt: skip
Test = tuple[Tensor, Tensor]
RUNS = ("network", "source", "set", "net")
DIMS = {
    "accuracy": RUNS,
    "fit": RUNS,
    "strict": ("network", "few", "net"),
    "strict_fit": ("network", "few", "net"),
    "ceiling": ("network", "net"),
    "held_out": ("network", "candidate"),
    "rate": ("network",),
    "clipped": ("clipped", "distilled", "net"),
}


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Train every network on every set.

    `accuracy` and `fit` (on the set itself) are measured at the rate that suits the network,
    `strict` and `strict_fit` at the protocol's, on the first set. `ceiling` comes from more real
    images, `clipped` from sets without pixels outside [0, 1].
    """
    test = real.test_images[: settings.test], real.test_labels[: settings.test]
    found = [_one_network(real, sets, settings, name, test, keep) for name in settings.networks]
    arrays = {key: torch.stack([part[key] for part in found]) for key in found[0]}
    rates = dict(zip(settings.networks, arrays["rate"].tolist(), strict=True))
    arrays["clipped"] = torch.stack([
        _clipped(sets, settings, network, rates[network], test, keep)
        for network in settings.clipped
    ])  # fmt: skip
    axes = {
        "network": settings.networks, "source": settings.sources, "few": settings.few,
        "set": tuple(range(settings.sets)), "net": tuple(range(settings.nets)),
        "candidate": settings.rates, "clipped": settings.clipped, "distilled": settings.distilled,
    }  # fmt: skip
    return Study("transfer", real.name, asdict(settings), axes, DIMS, arrays)


def _one_network(
    real: ImageData, sets: Sets, settings: Settings, network: str, test: Test, keep: Keep
) -> Tensors:
    """Everything that one network is asked, each part kept by itself."""
    rates = settings.rates if network in settings.tuned else settings.rates[:1]
    scores = keep(f"{network}-rates", partial(_try_rates, real, settings, network, rates))["score"]
    rate, protocol = rates[int(scores.argmax())], settings.rates[0]
    cells = {
        s: keep(
            f"{network}-{s}", partial(_on, sets[s][: settings.sets], network, rate, settings, test)
        )
        for s in settings.sources
    }
    strict = []
    for source in settings.few:
        cell = cells[source]
        if rate != protocol:
            work = partial(_on, sets[source][:1], network, protocol, settings, test)
            cell = keep(f"{network}-{source}-strict", work)
        strict.append({key: value[0] for key, value in cell.items()})
    more = partial(_ceiling, real, settings, network, rate, test)
    held_out = torch.full((len(settings.rates),), torch.nan)
    held_out[: len(rates)] = scores
    return {
        "accuracy": torch.stack([cell["accuracy"] for cell in cells.values()]),
        "fit": torch.stack([cell["fit"] for cell in cells.values()]),
        "strict": torch.stack([cell["accuracy"] for cell in strict]),
        "strict_fit": torch.stack([cell["fit"] for cell in strict]),
        "ceiling": keep(f"{network}-ceiling", more)["ceiling"],
        "held_out": held_out,
        "rate": torch.tensor(rate, dtype=torch.float64),
    }


def measure(
    network: str, made: DistilledSet, rate: float, seeds: Sequence[int], test: Test
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Accuracy on `test` and on the set itself, in percent, of one network for each seed.

    The protocol is `study` with its rate replaced.
    """
    net = build(network, tuple(made.images.shape[1:]), len(made.classes))
    recipe = replace(PROTOCOLS["study"], lr=rate)
    trained = train(net, made.images, made.labels, recipe, seeds)
    own = made.labels.argmax(1) if made.labels.is_floating_point() else made.labels
    return accuracy(net, trained, *test).cpu(), accuracy(net, trained, made.images, own).cpu()


def _on(
    sets: Sequence[DistilledSet], network: str, rate: float, settings: Settings, test: Test
) -> Tensors:
    """One network on all sets of a method: (set, net). Each set has other seeds of the network."""
    each = [measure(network, s, rate, _seeds(settings, i), test) for i, s in enumerate(sets)]
    return dict(zip(("accuracy", "fit"), map(torch.stack, zip(*each, strict=True)), strict=True))


def _clipped(
    sets: Sets, settings: Settings, network: str, rate: float, test: Test, keep: Keep
) -> Float[Tensor, "distilled net"]:
    """Accuracy of the first set of each method, with every pixel brought into [0, 1]."""
    found = []
    for source in settings.distilled:
        work = partial(_on, [clip(sets[source][0])], network, rate, settings, test)
        found.append(keep(f"{network}-{source}-clipped", work)["accuracy"][0])
    return torch.stack(found)


def _seeds(settings: Settings, which: int) -> range:
    return range(which * settings.nets, (which + 1) * settings.nets)


def _try_rates(
    real: ImageData, settings: Settings, network: str, rates: Sequence[float]
) -> Tensors:
    """Accuracy by rate on held-out *training* images, of networks trained on random real images."""
    rows = sample_per_class(real, IPC + settings.held_out, generator("rates", device=real.device))
    few, judges = rows[:, :IPC].flatten(), rows[:, IPC:].flatten()
    made = DistilledSet.of(real, real.train_images[few], real.train_labels[few])
    test = real.train_images[judges], real.train_labels[judges]
    scores = [measure(network, made, rate, _seeds(settings, 0), test)[0].mean() for rate in rates]
    return {"score": torch.stack(scores)}


def _ceiling(real: ImageData, settings: Settings, network: str, rate: float, test: Test) -> Tensors:
    """Accuracy after as many steps of as many images, drawn from `more` times as many real ones."""
    rows = sample_per_class(
        real, settings.more * IPC, generator("ceiling", device=real.device)
    ).flatten()
    protocol, batch = PROTOCOLS["study"], len(rows) // settings.more
    recipe = replace(protocol, lr=rate, batch=batch, epochs=protocol.epochs // settings.more)
    net = build(network, real.shape, len(real.classes))
    trained = train(
        net, real.train_images[rows], real.train_labels[rows], recipe, _seeds(settings, 0)
    )
    return {"ceiling": accuracy(net, trained, *test).cpu()}


def clip(made: DistilledSet) -> DistilledSet:
    """The same set with every pixel brought into [0, 1]."""
    mean, std = (
        torch.tensor(v, device=made.images.device)[:, None, None] for v in (made.mean, made.std)
    )
    return replace(made, images=(made.pixels() - mean) / std)


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
