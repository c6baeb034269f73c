"""Do networks trained on real data recognize distilled images?

Recognizers of several kinds are trained on one half of the real data and classify every distilled
set, the real images that it began with, and changed copies of it. Half `own` holds the real images
that the sets began with, half `other` holds none of them.

Time: ten hours for what is recorded, 8 minutes for its repeat (`laptop`), one core. Device: any.
n: five recognizers of each kind and half; two sets of each method.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ddlib.channels import from_pixels
from ddlib.data import ImageData
from ddlib.experiment.bench import Bench, Sets, mark_of
from ddlib.experiment.cells import Cell
from ddlib.networks import features
from ddlib.questions.recognition.metrics import METRICS, accuracy_along, class_map, metrics, places
from ddlib.questions.recognition.probes import LEVELS, VERSIONS, Probes, probes_of
from ddlib.questions.recognition.recognizers import (
    MAIN,
    Recognizer,
    answer,
    kinds,
    needs_company,
    recognizer,
)
from ddlib.results import Trace, load_trace, recorded, set_name
from ddlib.seeds import generator

NEIGHBORS = 10
LEARNED = ("dm", "dc", "dsa", "mtt", "bptt")  # methods that begin somewhere and move
Collect = Callable[[Iterable[Cell]], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Plan:
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
RECORD = Plan(recognizers=_RECORD)
PLANS = {
    "fast": replace(RECORD, recognizers=_FAST, levels=180, company=100, changes_for_all=False),
    "laptop": replace(RECORD, recognizers=_LAPTOP),
    "colab": RECORD,
    "record": RECORD,
    "full": replace(RECORD, recognizers=kinds(40, tiny=20, deep=40)),
}


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Train all recognizers, and judge what they say of everything they are shown.

    Conditions: `set`, one version of a set; `level`, real images or noise for reference; `along`,
    the images of a distillation on its way, whose steps are the row `steps`; `place`, where a set
    lies in the features of a main recognizer. Arrays: a map of the first one's features.
    """
    probes, traces = shown(bench, plan)
    labels = {name: getattr(probes, name).cpu() for name in ("labels", "level_labels")}
    probes = replace(probes, **labels)  # the answers are on the CPU as well
    longest = max((len(t.steps) for t in traces.values()), default=0)
    rows, main = [], []
    for cell in collect(cells(bench, plan)).to_dict("records"):
        at = {name: cell[name] for name in ("kind", "half", "network")}
        logits = {str(k): v for k, v in cell.items() if isinstance(v, Tensor)}
        rows += [at | row for row in judged(logits, probes, bench.sets, traces, longest)]
        if (at["kind"], at["half"]) == (MAIN, "other"):
            main.append(logits)
    rows += [
        {
            "condition": "steps",
            "method": m,
            "along": _padded(torch.tensor(t.steps).float(), longest),
        }
        for m, t in traces.items()
    ]
    placed, arrays = located(bench, probes, main, plan.pictured)
    return pd.DataFrame(rows + placed).astype({"network": "Int64", "set": "Int64"}), arrays


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """A recognizer a cell: its logits on everything it is shown."""
    sets = {method: [mark_of(one) for one in some] for method, some in bench.sets.items()}
    sizes = {k: v for k, v in asdict(plan).items() if k not in ("recognizers", "pictured")}
    for kind, about in plan.recognizers.items():
        for half, seed in product(about.halves, range(about.seeds)):
            on = {"data": bench.mark, "sets": sets, "about": _trained(about), **sizes}
            labels = {"kind": kind, "half": half, "network": seed}
            yield Cell(labels, partial(answers, bench, plan, about, half, seed), on)


def _trained(about: Recognizer) -> dict[str, object]:
    """How a recognizer is trained; how many there are does not matter to any of them."""
    return {k: v for k, v in asdict(about).items() if k not in ("seeds", "halves")}


def shown(bench: Bench, plan: Plan) -> tuple[Probes, dict[str, Trace]]:
    """All images that recognizers classify, and the distillations that they see on their way."""
    probes = probes_of(bench.real, bench.sets, plan.levels, plan.seed)
    return probes, traces_of(bench.real, bench.sets)


def traces_of(real: ImageData, sets: Sets) -> dict[str, Trace]:
    """The recorded distillations of the first sets: 5 images of each class, as 8-bit pixels."""
    names = {tag: set_name(real.name, tag, sets[tag][0].ipc) for tag in LEARNED if tag in sets}
    return {tag: load_trace(name) for tag, name in names.items() if name in recorded("traces")}


def answers(bench: Bench, plan: Plan, about: Recognizer, half: str, seed: int) -> dict[str, Tensor]:
    """Train one recognizer on one half; its logits on all probes, and features of the main kind."""
    real = bench.real
    probes, traces = shown(bench, plan)
    net = recognizer(real, probes.halves[half], about, seed)
    company = real.test_images[: plan.company if needs_company(net) else 0]
    versions = len(VERSIONS) if plan.changes_for_all or about.network == MAIN else 1
    asked = {"sets": probes.sets[:, :, :versions], "levels": probes.levels}
    for method, trace in traces.items():
        frames = from_pixels(trace.frames / 255, real.mean, real.std)
        asked[f"along-{method}"] = frames.to(real.device)
    found = {name: answer(net, images, company) for name, images in asked.items()}
    if about.network == MAIN:
        few = real.test_images[: 2 * plan.levels]
        found["features-real"] = answer(features(net), few, company)
        found["features-sets"] = answer(features(net), probes.sets[:, :, 0], company)
    return found


def judged(
    logits: Mapping[str, Tensor], probes: Probes, sets: Sets, traces: Mapping[str, Trace],
    longest: int,
) -> Iterator[dict[str, object]]:  # fmt: skip
    """What one recognizer says of all sets, of the reference levels, and along the traces."""
    found = metrics(logits["sets"], probes.labels[:, :, None])  # (metric, method, set, version)
    for (i, method), j in product(enumerate(sets), range(found.shape[2])):
        for k, version in enumerate(VERSIONS[: found.shape[3]]):
            row = {"condition": "set", "method": method, "set": j, "version": version}
            yield row | _measured(found[:, i, j, k])
    test, own, other, noise = metrics(logits["levels"], probes.level_labels).unbind(1)
    n = probes.labels.shape[2]
    mixed = torch.randperm(n, generator=generator("shuffled labels"))
    shuffled = metrics(logits["sets"][:, :, 0], probes.labels[..., mixed]).mean((1, 2))
    for level, values in zip(LEVELS, (test, own, other, shuffled, noise), strict=True):
        yield _measured(values) | {"condition": "level", "level": level}
    along = accuracy_along([logits[f"along-{method}"] for method in traces], longest)
    for method, values in zip(traces, along, strict=True):
        yield {"condition": "along", "method": method, "along": values}


def _measured(values: Tensor) -> dict[str, Any]:
    return dict(zip(METRICS, values.tolist(), strict=True))


def _padded(values: Tensor, length: int) -> Tensor:
    return torch.cat([values, torch.full((length - len(values),), torch.nan)])


def located(
    bench: Bench, probes: Probes, main: Sequence[Mapping[str, Tensor]], most: int
) -> tuple[list[dict[str, object]], dict[str, Tensor]]:
    """Where the sets lie in the features of each main recognizer, and a map of the first's."""
    labels = bench.real.test_labels[: len(main[0]["features-real"])].cpu()
    rows = []
    for seed, part in enumerate(main):
        found = places(
            part["features-sets"], probes.labels, part["features-real"], labels, NEIGHBORS
        )
        at = {"condition": "place", "network": seed}
        rows.append(
            {**at, "method": "real", "agreement": float(found["agreement_real"])}
            | {"percentile": float(found["percentile_real"])}
        )
        for i, method in enumerate(bench.sets):
            rows += [
                {**at, "method": method, "set": j}
                | {name: float(found[name][i, j]) for name in ("agreement", "percentile")}
                for j in range(found["agreement"].shape[1])
            ]
    near, real_points = class_map(main[0]["features-sets"][:, 0], main[0]["features-real"], labels)
    return rows, {
        "map": near, "map_label": probes.labels[:, 0],
        "map_real": real_points[:most], "map_real_label": labels[:most],
    }  # fmt: skip
