"""Long runs, one after the other: sets that are really distilled, and what was measured on them.

A job is one set: distilled over its whole schedule, looked at in ten moments, judged under both
protocols. Jobs stand in order of value. A job that is not finished is taken up where it stopped, by
whoever calls first: several processes share the list, each works on a job that no other holds.
"""

import fcntl
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.channels import to_pixels
from ddlib.compiled import plain_seconds
from ddlib.data import ImageData, load
from ddlib.distillation import CompilableMethod, Method, StoppedError, distill
from ddlib.distilled import DistilledSet
from ddlib.evaluation import Evaluation
from ddlib.files import save_json
from ddlib.methods.bptt import BPTT
from ddlib.methods.coresets import Herding, KCenter, RandomSelection
from ddlib.methods.distribution import DistributionMatching
from ddlib.methods.gradient import GradientMatching
from ddlib.methods.trajectory import TrajectoryMatching
from ddlib.networks import build
from ddlib.presets import preset
from ddlib.provenance import command_line, peak_memory_mib, provenance
from ddlib.recording import measure
from ddlib.results import RECORDED, Trace, set_name

LONG = RECORDED / "long"
MOMENTS = (0.01, 0.03, 0.08, 0.15, 0.25, 0.4, 0.55, 0.75, 1.0)  # shares of the steps, beside 0
LOOKS = {"start": 0.0, "quarter": 0.25, "three quarters": 0.75}  # judged as the last images are
NETS = {"plain": 5, "augmented": 5}
FASTER = 2.0  # a compiled run in bfloat16 against a plain one, on a CPU (run-times page)


@dataclass(frozen=True)
class Job:
    """One set to make: of a dataset, by a method, from a seed."""

    dataset: str
    method: Method
    seed: int

    @property
    def name(self) -> str:
        return set_name(self.dataset, self.method.tag, self.method.ipc, self.seed)

    def finished(self, folder: Path = LONG) -> bool:
        return (folder / "results" / f"{self.name}.json").exists()


def laptop(tag: str) -> Method:
    """Schedules at laptop scale: the published number of steps of DM, shorter ones of the others.

    Windows, rates and experts are the best that `tests/benchmarks/settings.py` has tried, on
    training images that were held out.
    """
    if tag == "dm":
        return DistributionMatching(ipc=10, steps=20_000, batch_real=64, precision="bfloat16")
    if tag == "bptt":
        return BPTT(
            ipc=10, steps=600, inner_steps=120, window=60, lr=0.05, batch=100, precision="bfloat16"
        )
    if tag == "mtt":
        return TrajectoryMatching(
            ipc=10, steps=2000, experts=5, expert_epochs=2, expert_batch=256, max_start=8,
            inner_steps=30, inner_lr=0.02, lr=100.0, lr_rate=0.1, augment=True,
            precision="bfloat16",
        )  # fmt: skip
    if tag in ("dc", "dsa"):
        return GradientMatching(
            ipc=10, steps=1000, outer=10, inner_epochs=10, batch_real=128, lr=0.3,
            augment=tag == "dsa", precision="bfloat16",
        )  # fmt: skip
    return {"random": RandomSelection, "herding": Herding, "kcenter": KCenter}[tag](ipc=10)


def full(tag: str) -> Method:
    """Schedules at the published size: as published, but for DM's number of steps.

    At laptop scale 5000 of the 20,000 published steps made 97 percent of what all made of the first
    images (one network).
    """
    method = preset(tag, 10, "full")
    return replace(method, steps=5000) if tag == "dm" else method


SEEDS = range(5)
CORESETS = ("random", "herding", "kcenter")
JOBS = (
    Job("cifar10x16", laptop("dm"), 0),
    *(Job("cifar10x16", laptop("random"), seed) for seed in SEEDS[:2]),
    Job("cifar10x16", laptop("dm"), 1),
    Job("cifar10x16", laptop("bptt"), 0),
    Job("cifar10", full("dm"), 0),
    *(Job("cifar10", full("random"), seed) for seed in SEEDS[:2]),
    *(Job("cifar10x16", laptop(tag), 0) for tag in ("mtt", "dc")),
    *(Job("cifar10x16", laptop(tag), seed) for seed in SEEDS[2:] for tag in ("dm", "random")),
    *(Job("cifar10x16", laptop(tag), seed) for seed in SEEDS[1:] for tag in ("bptt", "mtt", "dc")),
    *(Job("cifar10x16", laptop("dsa"), seed) for seed in SEEDS[:2]),
    *(Job("cifar10x16", laptop(tag), seed) for tag in CORESETS[1:] for seed in SEEDS),
    *(Job("cifar10", full("random"), seed) for seed in SEEDS[2:]),
    *(Job("cifar10", full(tag), seed) for tag in CORESETS[1:] for seed in SEEDS),
)


def hours(real: ImageData, method: Method) -> float:
    """Expected core-hours of one set, distilled and judged: rough, from operations alone."""
    net = build("convnet", real.shape, len(real.classes))
    n, made = method.ipc * len(real.classes), 0.0
    looks = 0
    if isinstance(method, CompilableMethod):
        made, looks = method.passes(real) / FASTER, 5 * len(LOOKS) + len(MOMENTS) + 1
    steps = 300 * (NETS["plain"] + looks) + 1000 * NETS["augmented"]
    return plain_seconds(net, real.shape, made + 3 * n * steps, torch.device("cpu")) / 3600


def run_queue(
    work: Path,
    note: str,
    minutes: float | None = None,
    folder: Path = LONG,
    jobs: Sequence[Job] = JOBS,
) -> None:
    """Work on unfinished jobs, in order, until none is left or time is up, all of it saved."""
    stop = _stopper(minutes)
    for job in jobs:
        with _held(work / f"{job.name}.lock") as free:
            if not free or job.finished(folder):
                continue
            try:
                _work_on(job, load(job.dataset), work, note, folder, stop)
            except StoppedError as stopped:
                print(f"{job.name}: {stopped}", flush=True)
                return
        if stop():
            return


def overview(folder: Path = LONG, jobs: Sequence[Job] = JOBS) -> str:
    """The queue, a line each: what is finished, and how many core-hours the rest will take."""
    lines, data = [], {}
    for job in jobs:
        if job.dataset not in data:
            data[job.dataset] = load(job.dataset)
        state = (
            "finished" if job.finished(folder) else f"{hours(data[job.dataset], job.method):.1f} h"
        )
        lines.append(f"{job.name:32s} {state}")
    return "\n".join(lines)


def _stopper(minutes: float | None) -> Callable[[], bool]:
    """Asked after each step: is it time to stop, by the clock or by a SIGTERM?"""
    end = None if minutes is None else time.monotonic() + 60 * minutes
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    return lambda: bool(asked) or (end is not None and time.monotonic() > end)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Whether this process holds the lock; the system frees it when the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            try:
                yield True
            finally:  # also where a child process still has the file open
                fcntl.flock(file, fcntl.LOCK_UN)


def _work_on(
    job: Job, real: ImageData, work: Path, note: str, folder: Path, stop: Callable[[], bool]
) -> None:
    print(f"{job.name}: about {hours(real, job.method):.1f} core-hours in all", flush=True)
    made = _distilled(job, real, work, note, stop)
    frames = [made.at(i) for i in range(len(made.history))] or [made]
    parts = {"seconds": 0.0}

    def judge(name: str, one: DistilledSet, protocol: str, nets: int) -> list[float]:
        if stop():
            raise StoppedError("stopped while it was judged")
        part = work / f"{job.name}-{name}-{protocol}.json"
        found, seconds = measure(one, part, real, protocol, nets)
        parts["seconds"] += seconds
        return list(found)

    final = {p: judge("final", made, p, n) for p, n in NETS.items()}
    found: dict[str, Any] = {"final": final}
    how = {
        **made.meta, "command": command_line(), **provenance(real.device),
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    if made.history:
        steps = [shot.step for shot in made.history]
        of = {name: steps.index(round(share * job.method.steps)) for name, share in LOOKS.items()}
        found |= {name: {"plain": judge(name, frames[i], "plain", 5)} for name, i in of.items()}
        frames[of["quarter"]].save(folder / "sets" / f"{job.name}-quarter.safetensors", half=True)
        if job.seed == 0:  # whose slider the book shows
            known = {
                i: found[name]["plain"] for name, i in (of | {"final": len(steps) - 1}).items()
            }
            _trace(job, made, _shown(frames, steps, known, judge), how).save(folder)
    about = {
        "dataset": job.dataset, "method": {"tag": job.method.tag, **asdict(job.method)},
        "seed": job.seed, "accuracies": found, "moved": moved(frames[0], made),
        "distill_seconds": made.meta["seconds"], "judge_seconds": round(parts["seconds"], 1),
        "provenance": how,
    }  # fmt: skip
    shipped = replace(made, meta={**made.meta, "check": check_row(about)})
    shipped.save(folder / "sets" / f"{job.name}.safetensors", half=True)
    save_json(folder / "results" / f"{job.name}.json", about)
    print(f"{job.name}: {final}", flush=True)


def _shown(
    frames: Sequence[DistilledSet],
    steps: Sequence[int],
    known: Mapping[int, list[float]],
    judge: Callable[[str, DistilledSet, str, int], list[float]],
) -> list[list[float]]:
    """One network for each moment of the slider, where none is `known`."""
    return [
        known[i][:1] if i in known else judge(f"step{step}", frames[i], "plain", 1)
        for i, step in enumerate(steps)
    ]


def _distilled(
    job: Job, real: ImageData, work: Path, note: str, stop: Callable[[], bool]
) -> DistilledSet:
    """The set with its history; from here on at the 16-bit precision in which it ships."""
    checkpoint = work / f"{job.name}.checkpoint.safetensors"
    made = distill(
        real, job.method, seed=job.seed, checkpoint=checkpoint, snapshots=MOMENTS, stop=stop
    )
    history = tuple(s._replace(images=s.images.half().float()) for s in made.history)
    meta = {**made.meta, "peak_memory_mib": peak_memory_mib(real.device), "data": note}
    return replace(made, images=made.images.half().float(), history=history, meta=meta)


def _trace(job: Job, made: DistilledSet, shown: list[list[float]], how: dict[str, Any]) -> Trace:
    """What the slider shows."""
    small = job.dataset.endswith("x16")
    measured = [Evaluation(tuple(a), "plain") for a in shown]
    return Trace.of(
        made, measured, name=job.name, profile="laptop" if small else "full",
        per_class=5 if small else 3, provenance=how,
    )  # fmt: skip


def moved(start: DistilledSet, end: DistilledSet) -> dict[str, float]:
    """How far a set went from its first images, in standardized pixels.

    `correlation` of all pixels; `distance`, the root mean square of the differences; `outside`, the
    share of pixels that lie beyond black or white, which no photograph has.
    """
    return {**apart(start.images, end.images), "outside": outside(end)}


def outside(one: DistilledSet) -> float:
    """The share of pixels that lie beyond black or white."""
    pixels = to_pixels(one.images, one.mean, one.std)
    return float(((pixels < 0) | (pixels > 1)).float().mean())


def apart(start: Float[Tensor, "*shape"], end: Float[Tensor, "*shape"]) -> dict[str, float]:
    """The correlation of the pixels of two groups of images, and their root mean square distance.

    >>> apart(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 3.0]))["correlation"]
    1.0
    """
    pair = torch.stack([start.flatten(), end.flatten()])
    distance = float((pair[0] - pair[1]).square().mean().sqrt())
    return {"correlation": float(torch.corrcoef(pair)[0, 1]), "distance": distance}


def check_row(record: dict[str, Any]) -> dict[str, Any]:
    """The set's own row of the manipulation check (see `ddlib.experiment.check` for columns)."""
    found = {name: fmean(of["plain"]) for name, of in record["accuracies"].items()}
    learned = "start" in found
    later = {
        "start": found.get("start"),
        "last_quarter": found["final"] - found["three quarters"],
        **{k: v for k, v in record["moved"].items() if k != "outside"},
        "outside": 100 * record["moved"]["outside"],
        "hours": record["distill_seconds"] / 3600,
    } if learned else {}  # fmt: skip
    about = {"dataset": record["dataset"], "method": record["method"]["tag"]}
    counts = {"networks": len(record["accuracies"]["final"]["plain"])}
    return {**about, "seed": record["seed"], "accuracy": found["final"], **counts, **later}
