"""Make the recorded results: distill, ship, evaluate what was shipped, keep the provenance.

Everything is resumable: a distillation from its checkpoint, an evaluation network by network.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ddlib.data import ImageData
from ddlib.distillation import distill
from ddlib.distilled import DistilledSet
from ddlib.evaluation import Evaluation, evaluate
from ddlib.files import digest, load_json, save_json
from ddlib.presets import preset
from ddlib.provenance import command_line, peak_memory_mib, provenance
from ddlib.results import (
    RECORDED,
    Result,
    Trace,
    load_result,
    recorded,
    result_name,
    set_name,
)

SHIPPED_IPC = 10  # larger sets stay in the work folder: the package must stay light
TRACE_IPC, TRACE_NETS = 10, 3  # the run the slider shows


def record_cell(
    real: ImageData,
    tag: str,
    ipc: int,
    profile: str,
    *,
    protocols: Sequence[str],
    sets: int,
    nets: int,
    work: Path,
    note: str,
    folder: Path = RECORDED,
) -> None:
    """Record one method at one ipc: its sets, its trace, one result per protocol.

    A result that has as many sets and networks as asked for is left alone.
    """
    made = [_make_set(real, tag, ipc, profile, seed, work, folder, note) for seed in range(sets)]
    for protocol in protocols:
        name = result_name(real.name, tag, ipc, protocol)
        if name in recorded("results", folder) and _holds(load_result(name, folder), sets, nets):
            continue
        parts = [work / f"{name}-set{i}.json" for i in range(sets)]
        measured = [measure(*job, real, protocol, nets) for job in zip(made, parts, strict=True)]
        accuracies, seconds = zip(*measured, strict=True)
        result = Result(
            real.name,
            tag,
            ipc,
            protocol,
            profile,
            settings=asdict(preset(tag, ipc, profile)),
            accuracies=accuracies,
            distill_seconds=tuple(one.meta["seconds"] for one in made),
            provenance=_provenance(real, note, sets, nets, sum(seconds)),
        )
        print(result.save(folder), f"{result.mean:.1f} ± {result.std:.1f}", flush=True)


def _holds(result: Result, sets: int, nets: int) -> bool:
    each = [len(networks) for networks in result.accuracies]
    return len(each) >= sets and min(each) >= nets


def _make_set(
    real: ImageData,
    tag: str,
    ipc: int,
    profile: str,
    seed: int,
    work: Path,
    folder: Path,
    note: str,
) -> DistilledSet:
    """Distill or load one set; of the run that the slider shows, keep the trace as well."""
    name = set_name(real.name, tag, ipc, seed)

    def watch(made: DistilledSet) -> None:
        if made.history and ipc == TRACE_IPC and seed == 0:
            _trace(made, real, name, profile, work, note).save(folder)

    kept = folder / "sets" if ipc <= SHIPPED_IPC else work
    return set_in(kept, real, tag, ipc, profile, seed, work=work, note=note, watch=watch)


def set_in(
    folder: Path,
    real: ImageData,
    tag: str,
    ipc: int,
    profile: str,
    seed: int,
    *,
    work: Path,
    note: str,
    watch: Callable[[DistilledSet], None] = lambda made: None,
) -> DistilledSet:
    """The set of a preset that `folder` holds; distilled first, or finished, if it is not there.

    It comes at the 16-bit precision in which sets ship. `watch` sees a new one with its history,
    which the file leaves out. The checkpoint lies in `work`.
    """
    name = set_name(real.name, tag, ipc, seed)
    path = folder / f"{name}.safetensors"
    if not path.exists():
        checkpoint = work / f"{name}.checkpoint.safetensors"
        made = distill(real, preset(tag, ipc, profile), seed=seed, checkpoint=checkpoint)
        made = replace(
            made, meta={**made.meta, "peak_memory_mib": peak_memory_mib(real.device), "data": note}
        )
        watch(made)
        made.save(path, half=True)
        checkpoint.unlink(missing_ok=True)
    return DistilledSet.load(path)


def _trace(
    made: DistilledSet, real: ImageData, name: str, profile: str, work: Path, note: str
) -> Trace:
    measured, seconds = [], made.meta["seconds"]
    for i, shot in enumerate(made.history):
        part = work / f"{name}-step{shot.step}.json"
        accuracies, spent = measure(made.at(i), part, real, "plain", TRACE_NETS)
        measured.append(Evaluation(accuracies, "plain"))
        seconds += spent
    provenance = _provenance(real, note, 1, TRACE_NETS, seconds)
    return Trace.of(made, measured, name=name, profile=profile, provenance=provenance)


def measure(
    one: DistilledSet, part: Path, real: ImageData, protocol: str, nets: int
) -> tuple[tuple[float, ...], float]:
    """Accuracies and seconds; each finished network is kept in `part`, so a kill loses one."""
    of = digest({"images": one.images, "labels": one.labels}, {"lr": one.lr})
    kept = load_json(part) if part.exists() else {}
    if kept.get("of") != of:  # never measured, or an earlier set of this name was
        kept = {"accuracies": [], "seconds": 0.0}
    done, seconds = kept["accuracies"], kept["seconds"]
    together = nets if real.device.type == "cuda" else 1
    while len(done) < nets:
        started = time.monotonic()
        more = min(together, nets - len(done))
        done += evaluate(one, real, protocol, more, seed=len(done)).accuracies
        seconds += time.monotonic() - started
        save_json(part, {"of": of, "accuracies": done, "seconds": seconds})
    return tuple(done), seconds


def _provenance(real: ImageData, note: str, sets: int, nets: int, seconds: float) -> dict[str, Any]:
    return {
        "command": command_line(),
        "seeds": {"sets": list(range(sets)), "networks": list(range(nets))},
        **provenance(real.device),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
        "peak_memory_mib": peak_memory_mib(real.device),
        "data": note,
    }
