"""Do distilled data hold anything beyond early training? Loss curvature along real training.

Networks train on real mini-batches. On the way we stop: how curved is the loss on each set here,
and what does a network gain that goes on from here with the set alone?
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ddlib.data import ImageData, sample_per_class
from ddlib.ensemble import Parameters, flatten, forward, unflatten
from ddlib.instruments.hessian import (
    at_loss,
    hessian_vector_product,
    hutchinson_trace,
    rademacher,
    spectrum,
)
from ddlib.networks import build
from ddlib.questions.shared.baselines import easy_images
from ddlib.seeds import generator
from ddlib.studies import Keep, Sets, Study, Tensors, at_once, together
from ddlib.training import Recipe, accuracy, mean_loss, train_epochs, train_steps

SETS = ("random", "bptt", "dm", "dc", "dsa", "mtt")  # sets of one size; "random" is the control
SOURCES = ("real", "easy", *SETS)  # "easy": real images that another network knows best
DRAWS = (0, 1)
Path = Mapping[int, Tensor]  # weights (1, p) by step of real training
Groups = Mapping[str, Sequence[tuple[Tensor, Tensor]]]  # images, labels: by source, each draw


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of the experiment. All steps are SGD at one rate and momentum."""

    nets: int = 5
    network: str = "convnet"
    batch: int = 256
    lr: float = 0.01
    momentum: float = 0.9
    steps: tuple[int, ...]  # where curvature is measured
    probes: int
    real: int  # images in each of two real samples, others for each network
    pool: int = 5000  # real images among which the easy ones are looked for
    moments: tuple[int, ...]  # where the spectrum is measured
    lanczos: int = 15
    starts: tuple[int, ...]  # steps of real training from which each set takes over
    onward: tuple[int, ...]  # steps on the set after which the test accuracy is taken
    tested: int = 2000  # test images
    level: float  # losses are compared where they first come down to it

    @property
    def stops(self) -> tuple[int, ...]:
        """Steps of real training at which something is measured, the ends of turns included."""
        ends = (start + turn for start in self.starts for turn in self.onward)
        return tuple(sorted({*self.steps, *self.moments, *self.starts, *ends}))

    @property
    def recipe(self) -> Recipe:
        """How networks train on real images; how far is counted in steps."""
        return Recipe(epochs=1, batch=self.batch, lr=self.lr, momentum=self.momentum)


SETTINGS = {
    "fast": Settings(
        nets=3, batch=128, steps=(0, 10, 30, 60, 120), probes=3, real=100, moments=(0, 30, 120),
        lanczos=6, starts=(0, 30, 120), onward=(3, 10), tested=500, level=1.0,
    ),
    "laptop": Settings(
        nets=2, steps=(0, 20, 70, 150, 300), probes=6, real=200, moments=(0, 70, 300),
        starts=(0, 100, 300), onward=(10, 60), level=1.6,
    ),
    "record": Settings(
        steps=(0, 10, 20, 40, 70, 100, 150, 200, 300, 600), probes=6, real=200,
        moments=(0, 70, 300), starts=(0, 30, 100, 300, 600), onward=(10, 60), level=1.6,
    ),
    "full": Settings(
        steps=tuple(range(0, 301, 10)), probes=30, real=2000, pool=50_000,
        moments=(0, 60, 300), lanczos=30, starts=(0, 30, 100, 300, 3000),
        onward=(10, 30, 100, 300), tested=10_000, level=1.6,
    ),
}  # fmt: skip


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Train on real data, stop at times, and measure curvature and gain on every source."""
    s, net = settings, build(settings.network, real.shape, len(real.classes))
    paths = [keep(f"path-{i}", partial(_path, net, real, s, i)) for i in range(s.nets)]
    each = []
    for i, path in enumerate(paths):
        theta = dict(zip(s.stops, path["theta"].to(real.device).split(1), strict=True))
        judge = paths[i == 0]["theta"][-1:].to(real.device)  # another network than this
        at = (net, theta, _groups(real, sets, s, i, easy_images(net, judge, real, s.pool)), s)
        seen = [keep(f"curvature-{i}-{t}", partial(_curvature, t, *at)) for t in s.steps]
        gone = [keep(f"onward-{i}-{t}", partial(_onward, t, *at, real)) for t in s.starts]
        spectra = keep(f"spectra-{i}", partial(_spectra, *at))
        each.append({"test": path["test"]} | together(seen) | together(gone) | spectra)
    return _study(real, s, together(each))


def _study(real: ImageData, s: Settings, arrays: Tensors) -> Study:
    each = ("net", "step", "source", "draw")
    dims = {k: each for k in ("loss", "accuracy", "uncertainty")} | {
        "trace": (*each, "probe"),
        "test": ("net", "stop"),
        "continued": ("net", "start", "set", "draw", "onward"),
        "places": ("net", "moment", "source", "place"),
        "masses": ("net", "moment", "source", "place"),
    }
    axes = {
        "net": tuple(range(s.nets)), "step": s.steps, "source": SOURCES, "draw": DRAWS,
        "probe": tuple(range(s.probes)), "stop": s.stops, "start": s.starts, "set": SETS,
        "onward": s.onward, "moment": s.moments, "place": tuple(range(s.lanczos)),
    }  # fmt: skip
    return Study("curvature", real.name, asdict(s), axes, dims, arrays)


def _path(net: nn.Module, real: ImageData, s: Settings, seed: int) -> Tensors:
    """The weights (stops, p) of one network in real training, and its test accuracy there."""
    thetas, tests = [], []
    path = train_steps(net, real, s.recipe, seed)
    for step, parameters in zip(range(s.stops[-1] + 1), path, strict=False):
        if step in s.stops:
            thetas.append(flatten(net, parameters).detach().clone())
            tests.append(_test(net, parameters, real, s))
    return {"theta": torch.cat(thetas), "test": torch.cat(tests)}


def _test(net: nn.Module, parameters: Parameters, real: ImageData, s: Settings) -> Tensor:
    return accuracy(net, parameters, real.test_images[: s.tested], real.test_labels[: s.tested])


def _groups(real: ImageData, sets: Sets, s: Settings, seed: int, easy: Tensor) -> Groups:
    """By source, images and labels of each draw; the real samples are those of one network."""
    each = s.real // len(real.classes)
    rows = sample_per_class(real, 2 * each, generator(seed, "real", device=real.device))
    own = {"real": [half.flatten() for half in rows.chunk(2, 1)], "easy": easy}
    groups = {k: [(real.train_images[r], real.train_labels[r]) for r in v] for k, v in own.items()}
    return groups | {
        tag: [(sets[tag][d].images, sets[tag][d].labels) for d in DRAWS] for tag in SETS
    }


def _curvature(t: int, net: nn.Module, theta: Path, groups: Groups, s: Settings) -> Tensors:
    """Trace by probe, loss, accuracy and uncertainty, each (source, draw, ...), at step t."""
    probes = rademacher(s.probes, *theta[t].shape, generator("probes", device=theta[t].device))
    found = [measure(net, theta[t], *g, probes) for name in SOURCES for g in groups[name]]
    shape = (len(SOURCES), len(DRAWS))
    return {k: v.unflatten(0, shape) for k, v in together(found).items()}


def measure(
    net: nn.Module, theta: Float[Tensor, "1 p"], images: Tensor, labels: Tensor, probes: Tensor
) -> Tensors:
    """What the loss on some images looks like from theta.

    Uncertainty is the mean of sum_c p_c (1 - p_c), the trace of the curvature in the logits.
    """
    product = hessian_vector_product(mean_loss(net, images, labels), theta)
    with torch.no_grad():
        logits = forward(net, unflatten(net, theta), images)[0]
    p = logits.softmax(1)
    return {
        "trace": hutchinson_trace(product, probes)[:, 0],
        "loss": F.cross_entropy(logits, labels),
        "accuracy": 100 * (logits.argmax(1) == labels).float().mean(),
        "uncertainty": (p * (1 - p)).sum(1).mean(),
    }


def _onward(
    t: int, net: nn.Module, theta: Path, groups: Groups, s: Settings, real: ImageData
) -> Tensors:
    """Test accuracy (set, draw, onward) of networks that go on from step t with one set alone."""
    recipe = Recipe(epochs=s.onward[-1], lr=s.lr, momentum=s.momentum)
    found = []
    for images, labels in (group for tag in SETS for group in groups[tag]):
        path = train_epochs(net, images, labels, recipe, [0], start=unflatten(net, theta[t]))
        found += [_test(net, p, real, s) for step, p in enumerate(path) if step in s.onward]
    return {"continued": torch.stack(found).view(len(SETS), len(DRAWS), len(s.onward))}


def _spectra(net: nn.Module, theta: Path, groups: Groups, s: Settings) -> Tensors:
    """Lanczos places and masses (moment, source, place) on the first draw of every source."""
    first = theta[s.moments[0]]
    draws = generator("start", device=first.device)
    start = torch.randn(first.shape, generator=draws, device=first.device)
    losses = [mean_loss(net, *groups[name][0]) for name in SOURCES]
    found = [
        spectrum(hessian_vector_product(loss, theta[t]), start, s.lanczos)
        for t in s.moments
        for loss in losses
    ]
    shape = (len(s.moments), len(SOURCES), s.lanczos)
    places, masses = (torch.cat(f).view(shape) for f in zip(*found, strict=True))
    return {"places": places, "masses": masses}


def gains(study: Study, turn: int) -> dict[str, Float[Tensor, "net start draw"]]:
    """Change of test accuracy in `turn` steps on each set; "real": in as many on real data."""
    test, stops, starts = study.arrays["test"], study.axes["stop"], study.axes["start"]
    before, there = (
        torch.stack([test[:, stops.index(t + later)] for t in starts], 1)[..., None]
        for later in (0, turn)
    )
    after = study.pick("continued", onward=turn)
    return {"real": there - before} | {
        tag: after[:, :, i] - before for i, tag in enumerate(study.axes["set"])
    }


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """One number for each network, the mean over both sets of a source.

    As a share of the trace on real images: peak, above: the trace is higher, at its highest and at
    the last moment. below, scaled, equal: it is lower, at the last moment, there divided by
    uncertainty, and at equal loss.
    In points: early, late: a turn gains more than one on random images, at the first and at the
    last start. fades: the first minus the second. costs: what a turn costs at the last start.
    """
    found: dict[str, Tensor] = {}
    level = study.settings["level"]
    late = study.axes["step"].index(study.axes["moment"][-1])
    curves = {tag: _curves(study, tag) for tag in study.axes["source"]}
    real, *others = (c.mean(-1, keepdim=True) for c in curves["real"])  # of both samples
    theirs = at_loss(others[0].mT, real.mT, level)
    for tag in study.axes["source"][1:]:
        trace, loss, unsure = curves[tag]
        found[f"peak-{tag}"] = trace.amax(1) / real.amax(1) - 1
        found[f"above-{tag}"] = (trace / real)[:, late] - 1
        found[f"below-{tag}"] = 1 - (trace / real)[:, late]
        found[f"scaled-{tag}"] = 1 - (trace / real / unsure * others[1])[:, late]
        found[f"equal-{tag}"] = 1 - at_loss(loss.mT, trace.mT, level) / theirs
    gained = gains(study, study.axes["onward"][-1])
    for tag in study.axes["set"]:
        more = gained[tag] - gained["random"]
        found[f"early-{tag}"], found[f"late-{tag}"] = more[:, 0], more[:, -1]
        found[f"fades-{tag}"] = more[:, 0] - more[:, -1]
        found[f"costs-{tag}"] = -gained[tag][:, -1]
    return {k: tuple(v.mean(1).tolist()) for k, v in found.items()}


def _curves(study: Study, source: str) -> list[Tensor]:
    """Trace, loss and uncertainty (net, step, draw) on one source."""
    trace = study.pick("trace", source=source).mean(-1)
    return [trace, *(study.pick(k, source=source) for k in ("loss", "uncertainty"))]
