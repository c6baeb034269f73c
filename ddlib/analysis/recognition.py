"""Do networks trained on real data recognize distilled images?

Recognizers of several kinds are trained on one half of the real data and classify every distilled
set, the real images that it began with, and changed copies of it. Half `own` holds the real images
that the sets began with, half `other` holds none of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.channels import from_pixels
from ddlib.data import ImageData
from ddlib.instruments.judging import MEASURES, accuracy_along, class_map, measure, padded, places
from ddlib.instruments.probes import LEVELS, VERSIONS, Probes, probes_of
from ddlib.instruments.recognizers import (
    HALVES,
    LONG,
    MAIN,
    Recognizer,
    answer,
    kinds,
    needs_company,
    recognizer,
)
from ddlib.results import Trace, load_trace, recorded, set_name
from ddlib.seeds import generator
from ddlib.studies import Keep, Sets, Study, Tensors, at_once, together

NEIGHBORS = 10
LEARNED = ("dm", "dc", "dsa", "mtt", "bptt")  # sources that begin somewhere and move
GM = ("dc", "dsa")
WEAK = ("dm", *GM)  # what the published ResNets recognize least
_NETWORKS = ("network", "half", "seed")
DIMS = {
    "sets": (*_NETWORKS, "measure", "source", "set", "version"),
    "levels": (*_NETWORKS, "measure", "level"),
    "along": (*_NETWORKS, "learned", "frame"),
    "steps": ("learned", "frame"),
    "agreement": ("seed", "source", "set"),
    "percentile": ("seed", "source", "set"),
    "agreement_real": ("seed",),
    "percentile_real": ("seed",),
    "map": ("source", "image", "xy"),
    "map_label": ("source", "image"),
    "map_real": ("point", "xy"),
    "map_real_label": ("point",),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Recognizers by the name that they carry in all figures, and the sizes of the probes.

    A network with batch norm sees each set together with `company` real test images, so that its
    statistics are those of real images, as stored ones would be.
    """

    recognizers: Mapping[str, Recognizer]
    levels: int = 1000  # real images of each kind that are classified for reference
    company: int = 400
    pictured: int = 400  # real images in the picture of the features
    seed: int = 0
    changes_for_all: bool = True  # else only the main kind sees the changed copies


# Published: 20 epochs for the ConvNet-Tiny and 40 for the ConvNet, at rate 0.01, on all real
# images; how the loaded ResNets were trained is not said. At laptop scale a CPU does it: few
# epochs, the ConvNet also as many as published, and ResNets with a quarter of the width.
_FAST = kinds(6, tiny=12, deep=4, resnets=1, batch=2)
_LAPTOP = kinds(3, tiny=3, deep=4, width="-narrow", resnets=2, batch=2, plain=2)
_RECORD = kinds(3, tiny=3, deep=4, lasting=40, width="-narrow")
SETTINGS = {
    "fast": Settings(recognizers=_FAST, levels=180, company=100, changes_for_all=False),
    "laptop": Settings(recognizers=_LAPTOP),
    "colab": Settings(recognizers=_RECORD),
    "record": Settings(recognizers=_RECORD),
    "full": Settings(recognizers=kinds(40, tiny=20, deep=40)),
}


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Train all recognizers, one part for each, and put their answers in one study."""
    probes = probes_of(real, sets, settings.levels, settings.seed)
    traces = traces_of(real, sets)
    frames = {tag: from_pixels(t.frames / 255, real.mean, real.std) for tag, t in traces.items()}
    found = {}
    for kind, about in settings.recognizers.items():
        for half in about.halves:
            for seed in range(about.seeds):
                found[kind, half, seed] = keep(
                    f"{kind}-{half}-{seed}",
                    partial(answers, real, probes, frames, about, half, seed, settings),
                )
    return _study(real, sets, settings, probes, traces, found)


def traces_of(real: ImageData, sets: Sets) -> dict[str, Trace]:
    """The recorded distillations of the first sets: 5 images of each class, as 8-bit pixels."""
    names = {tag: set_name(real.name, tag, sets[tag][0].ipc) for tag in LEARNED if tag in sets}
    return {tag: load_trace(name) for tag, name in names.items() if name in recorded("traces")}


def answers(
    real: ImageData,
    probes: Probes,
    frames: Mapping[str, Tensor],
    about: Recognizer,
    half: str,
    seed: int,
    settings: Settings,
) -> Tensors:
    """Train one recognizer on one half; its logits on all probes, and features of the main kind."""
    net = recognizer(real, probes.halves[half], about, seed)
    company = real.test_images[: settings.company if needs_company(net) else 0]
    versions = len(VERSIONS) if settings.changes_for_all or about.network == MAIN else 1
    shown = {"sets": probes.sets[:, :, :versions], "levels": probes.levels}
    shown |= {f"along-{tag}": images.to(real.device) for tag, images in frames.items()}
    found = {name: answer(net, images, company) for name, images in shown.items()}
    if about.network == MAIN:
        few = real.test_images[: 2 * settings.levels]
        found["features-real"] = answer(net.embed, few, company)
        found["features-sets"] = answer(net.embed, probes.sets[:, :, 0], company)
    return found


def _study(
    real: ImageData,
    sets: Sets,
    settings: Settings,
    probes: Probes,
    traces: Mapping[str, Trace],
    found: Mapping[tuple[str, str, int], Tensors],
) -> Study:
    """All answers as arrays, NaN where a kind has fewer networks than the others."""
    main = [part for key, part in found.items() if key[:2] == (MAIN, "other")]
    labels = {name: getattr(probes, name).cpu() for name in ("labels", "level_labels")}
    probes = replace(probes, **labels)  # the answers are on the CPU as well
    arrays = _places(real, probes, main, settings.pictured)
    longest = max((len(t.steps) for t in traces.values()), default=0)
    steps = [padded(torch.tensor(t.steps).float(), longest) for t in traces.values()]
    axes = {
        "network": tuple(settings.recognizers), "half": HALVES,
        "seed": tuple(range(max(r.seeds for r in settings.recognizers.values()))),
        "measure": MEASURES, "source": tuple(sets), "set": tuple(range(probes.labels.shape[1])),
        "version": VERSIONS, "level": LEVELS, "learned": tuple(traces),
        "frame": tuple(range(longest)), "image": tuple(range(probes.labels.shape[2])),
        "point": tuple(range(len(arrays["map_real"]))), "xy": ("x", "y"),
    }  # fmt: skip
    for name in ("sets", "levels", "along"):
        shape = [len(axes[d]) for d in DIMS[name]]
        arrays[name] = torch.full(shape, torch.nan)
    for (kind, half, seed), logits in found.items():
        where = axes["network"].index(kind), HALVES.index(half), seed
        for name, values in _judged(logits, probes, tuple(traces), longest).items():
            arrays[name][where] = values
    arrays["steps"] = torch.stack(steps) if steps else torch.zeros(0, 0)
    return Study("recognition", real.name, asdict(settings), axes, DIMS, arrays)


def _judged(logits: Tensors, probes: Probes, traced: Sequence[str], longest: int) -> Tensors:
    """One recognizer's measures: of all sets, of the reference levels, and along the traces."""
    sets = padded(measure(logits["sets"], probes.labels[:, :, None]), len(VERSIONS))
    test, own, other, noise = measure(logits["levels"], probes.level_labels).unbind(1)
    n = probes.labels.shape[2]
    mixed = torch.randperm(n, generator=generator("shuffled labels"))
    shuffled = measure(logits["sets"][:, :, 0], probes.labels[..., mixed]).mean((1, 2))
    found = {"sets": sets, "levels": torch.stack([test, own, other, shuffled, noise], 1)}
    return found | {"along": accuracy_along([logits[f"along-{t}"] for t in traced], longest)}


def _places(real: ImageData, probes: Probes, main: Sequence[Tensors], most: int) -> Tensors:
    """Where the sets lie in the features of each main recognizer, and a map of the first's."""
    labels = real.test_labels[: len(main[0]["features-real"])].cpu()
    known = [(p["features-sets"], probes.labels, p["features-real"], labels) for p in main]
    found = together([places(*k, NEIGHBORS) for k in known])
    near, real_points = class_map(known[0][0][:, 0], known[0][2], labels)
    return found | {
        "map": near, "map_label": probes.labels[:, 0],
        "map_real": real_points[:most], "map_real_label": labels[:most],
    }  # fmt: skip


# ---- what the claims are judged by ----------------------------------------------------------


def recognized(study: Study, network: str, source: str, **where: str) -> Float[Tensor, " seeds"]:
    """Accuracy in percent of each network of a kind, averaged over the sets of one source."""
    where = {"half": "other", "version": "set", "measure": "accuracy"} | where
    found = study.pick("sets", network=network, source=source, **where).mean(1)
    return found[~found.isnan()]


def over_sources(
    study: Study, network: str, sources: Sequence[str], **where: str
) -> Float[Tensor, " seeds"]:
    """`recognized`, averaged over those of `sources` that the study has."""
    known = [s for s in sources if s in study.axes["source"]]
    return torch.stack([recognized(study, network, s, **where) for s in known]).mean(0)


def level(study: Study, network: str, which: str, half: str = "other") -> Float[Tensor, " seeds"]:
    """Accuracy in percent of each network of a kind at one of the reference levels."""
    found = study.pick("levels", network=network, level=which, half=half, measure="accuracy")
    return found[~found.isnan()]


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Differences in percentage points, one for each network; positive as the claims say it.

    Networks of two kinds are paired by their seed; a kind with fewer networks decides how many.
    """
    get = lambda sources, network=MAIN, **where: over_sources(study, network, sources, **where)  # noqa: E731
    gain = lambda network: get(WEAK, network) - level(study, network, "test")  # noqa: E731
    found = _order(study, MAIN) | {
        "convnet_over_resnet": (get(WEAK), get(WEAK, "resnet-batch")),
        "norm_dm": (get(["dm"]), get(["dm"], "convnet-batch")),
        "norm_gm": (get(GM), get(GM, "convnet-batch")),
        "architecture": (gain("convnet-batch"), gain("resnet-batch")),
        "tiny_below_convnet": (get(WEAK), get(WEAK, "convnet-tiny")),
        "relative_to_test": (gain(MAIN), gain("resnet-batch")),
        "leak_starts": (get(["dm"], version="start", half="own"), get(["dm"], version="start")),
        "leak_sets": (get(LEARNED, half="own"), get(LEARNED)),
        "beyond_starts": (get(LEARNED), get(LEARNED, version="start")),
        "dm_beyond_starts": (get(["dm"]), get(["dm"], version="start")),
        "mtt_nearer_dm": tuple(study.pick("agreement", source=s).mean(1) for s in ("mtt", "dm")),
    }
    if LONG in study.axes["network"]:
        found |= {f"long_{name}": pair for name, pair in _order(study, LONG).items()}
        found |= {
            "dm_falls": (get(["dm"]), get(["dm"], LONG)),
            "gm_falls": (get(GM), get(GM, LONG)),
        }
    return {name: _difference(*pair) for name, pair in found.items()}


def _order(study: Study, network: str) -> dict[str, tuple[Tensor, Tensor]]:
    """What the published chart puts above what, as one kind of network recognizes it."""
    get = partial(over_sources, study, network)
    rivals = {"dm": get(["dm"]), "gm": get(GM), "test": level(study, network, "test")}
    found = {f"{a}_over_{b}": (get([a]), rivals[b]) for a in ("bptt", "mtt") for b in rivals}
    return found | {f"{b}_below_test": (rivals["test"], rivals[b]) for b in ("dm", "gm")}


def _difference(a: Float[Tensor, " m"], b: Float[Tensor, " n"]) -> tuple[float, ...]:
    n = min(len(a), len(b))
    return tuple((a[:n] - b[:n]).tolist())
