"""All recorded methods side by side: one row for each method and budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ddlib.distilled import DistilledSet
from ddlib.evaluation import PROTOCOLS
from ddlib.files import load_json
from ddlib.presets import METHODS
from ddlib.results import (
    RECORDED,
    Result,
    load_recorded,
    load_result,
    recorded,
    result_name,
    set_name,
)


@dataclass(frozen=True)
class Row:
    """What is recorded about one method at one number of images per class.

    `seconds` are the mean over sets. They are None for chosen images: most were chosen with
    features that another set had paid for. `floats` is None where the set itself is not shipped.
    `memory` is the peak of the method alone in MiB, beyond packages and data, if it was measured.
    """

    tag: str
    ipc: int
    profile: str
    results: Mapping[str, Result]  # by protocol
    steps: int | None  # updates of the images
    seconds: float | None
    memory: int | None
    floats: int | None
    labels: str  # hard or soft


def rows(dataset: str = "cifar10x16", folder: Path = RECORDED) -> list[Row]:
    """Every method and budget that is recorded for `dataset`, in the order of the methods."""
    names, sets = set(recorded("results", folder)), set(recorded("sets", folder))
    path = folder / "benchmarks" / f"memory-{dataset}.json"
    memory = load_json(path)["mib"] if path.exists() else {}
    found = []
    for tag in METHODS:
        for ipc in (1, 10, 50):
            mine = {p: result_name(dataset, tag, ipc, p) for p in PROTOCOLS}
            results = {p: load_result(n, folder) for p, n in mine.items() if n in names}
            if results:
                name = set_name(dataset, tag, ipc)
                made = load_recorded(name, folder) if name in sets else None
                found.append(_row(tag, results, made, memory.get(f"{tag}-ipc{ipc}")))
    return found


def _row(
    tag: str, results: Mapping[str, Result], made: DistilledSet | None, memory: int | None
) -> Row:
    first = next(iter(results.values()))
    steps = first.settings.get("steps")  # real images that were chosen have none
    seconds = fmean(s for r in results.values() for s in r.distill_seconds)
    return Row(
        tag=tag,
        ipc=first.ipc,
        profile=first.profile,
        results=results,
        steps=steps,
        seconds=None if steps is None else seconds,
        memory=memory,
        floats=None if made is None else floats_stored(made),
        labels="soft" if first.settings.get("soft_labels") else "hard",
    )


def floats_stored(made: DistilledSet) -> int:
    """Numbers that a set holds: its pixels, its labels if they are soft, a learned rate."""
    labels = made.labels.numel() if made.labels.is_floating_point() else 0
    return made.images.numel() + labels + (made.lr is not None)
