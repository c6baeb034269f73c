"""The questions there are, found by name; asking one of them, and keeping what it finds.

A question is a folder of `ddlib/questions`: `experiment` with `PLANS` and `run`, `findings`,
`figures`, and `claims.json`. Plans go by profile: `laptop` is what a laptop does in minutes,
`record` what is recorded at the same scale, in hours. `colab`, where it differs from `laptop`, is
for sets of CIFAR-10 as it is.
"""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from ddlib.data import ImageData, load
from ddlib.distilled import DistilledSet
from ddlib.experiment.bench import Bench, Sets
from ddlib.experiment.cells import Cell, collect
from ddlib.experiment.records import Record
from ddlib.presets import METHODS, device_for, studied
from ddlib.provenance import command_line, peak_memory_mib, provenance
from ddlib.recording import set_in
from ddlib.results import RECORDED, load_recorded, recorded, set_name

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(str(files("ddlib"))) / "questions"
IPC = 10  # images per class of the sets that are taken apart
REPEATED = "repeated on this machine"  # what the provenance of repeats says about the data


@cache
def questions() -> tuple[str, ...]:
    """The names of all questions, in the order of the chapters that ask them."""
    chapters = {
        path.parent.name: claims_of(path)["chapter"] for path in FOLDER.glob("*/claims.json")
    }
    return tuple(sorted(chapters, key=lambda name: (chapters[name], name)))


def claims_of(path: Path) -> dict[str, Any]:
    """The claims about one question as they are kept."""
    return json.loads(path.read_text(encoding="utf-8"))


def part(question: str, name: str = "experiment") -> ModuleType:
    """One part of a question: its `experiment`, its `findings` or its `figures`."""
    if question not in questions():
        known = ", ".join(questions())
        raise ValueError(f"unknown question {question!r}; choose one of: {known}")
    return import_module(f"ddlib.questions.{question}.{name}")


def ask(
    question: str,
    bench: Bench,
    plan: Any,
    *,
    profile: str = "fast",
    folder: Path | None = None,
    executor: Executor | None = None,
) -> Record:
    """Run the experiment of a question and return what it found.

    Cells that are finished lie in `folder`, if there is one, and are not made again. An `executor`
    (a pool of processes, a cluster's) makes them side by side.
    """
    return _run(question, bench, plan, profile, folder, executor)[0]


def _run(
    question: str,
    bench: Bench,
    plan: Any,
    profile: str,
    folder: Path | None,
    executor: Executor | None,
) -> tuple[Record, float]:
    """What a question found, and the seconds of all its cells, also of those found in `folder`."""
    spent = []

    def keep(cells: Iterable[Cell]) -> "pd.DataFrame":
        table = collect(cells, folder, executor, question)
        spent.append(float(table["seconds"].sum()))
        return table

    table, arrays = part(question).run(replace(bench, scratch=folder), plan, keep)
    settings = json.loads(json.dumps(asdict(plan)))  # as a file gives them back
    table = table.drop(columns="seconds", errors="ignore")  # a table that was derived has none
    return Record(question, bench.real.name, settings, table, arrays, profile), sum(spent)


def study(
    question: str,
    profile: str,
    *,
    work: Path,
    note: str,
    folder: Path = RECORDED,
    executor: Executor | None = None,
    bench: Bench | None = None,
    plan: Any = None,
) -> Record:
    """Run one experiment on the recorded sets, or finish it, and save what it found.

    `bench` and `plan` are those of the profile, if there are no others.
    """
    plan = plan or part(question).PLANS["record" if profile == "laptop" else profile]
    bench = bench or bench_for(question, profile)
    if not bench.sets and not has_own_data(question):
        make = f"python -m ddlib record --profile {profile} --ipcs {IPC}"
        name = bench.real.name
        raise ValueError(f"no distilled sets of {name} are recorded; make them with: {make}")
    record = _asked(question, bench, plan, profile, work / "cells", note, executor)
    record.save(folder)
    return record


def repeat(
    question: str,
    profile: str = "laptop",
    *,
    work: Path,
    executor: Executor | None = None,
    bench: Bench | None = None,
    plan: Any = None,
) -> Record:
    """The experiment that is recorded at laptop scale, with fewer networks: minutes, not hours.

    Profile `laptop` takes the recorded sets apart. `colab` takes CIFAR-10 as it is, for which it
    first distills sets in short runs. What is found is saved under `work / "repeats"`; what the
    book shows stays as it is. `bench` and `plan` are those of the profile, if there are no others.
    """
    known, folder = part(question).PLANS, work / "repeats"
    own = profile != "laptop" and not has_own_data(question)
    bench = bench or bench_for(question, profile, folder / "sets" if own else None)
    plan = plan or known.get(profile, known["laptop"])
    record = _asked(question, bench, plan, profile, folder / "cells", REPEATED, executor)
    record.save(folder)
    return record


def _asked(
    question: str,
    bench: Bench,
    plan: Any,
    profile: str,
    cells: Path,
    note: str,
    executor: Executor | None,
) -> Record:
    """A record with its provenance."""
    device = bench.real.device
    began = {
        "command": command_line(),
        **provenance(device),
        "date": datetime.now(UTC).date().isoformat(),
        "data": note,
    }
    made = _run(question, bench, plan, profile, cells / question, executor)
    ended = {"seconds": round(made[1], 3), "peak_memory_mib": peak_memory_mib(device)}
    return replace(made[0], provenance=began | ended)


# ---- what is taken apart --------------------------------------------------------------------


def has_own_data(question: str) -> bool:
    """Questions about attributes are asked of data whose attributes are known; they make sets."""
    return hasattr(part(question), "DATA")


def takes_a_record_apart(question: str) -> bool:
    """Such questions are asked of what another one found, and make no sets of their own."""
    return hasattr(part(question), "OF_RECORD")


@dataclass(frozen=True)
class Opener:
    """Opens the bench of a dataset: its recorded sets, or those that `folder` holds."""

    dataset: str
    device: str
    profile: str
    folder: Path | None = None

    def __call__(self) -> Bench:
        real = load(self.dataset, self.device)
        if self.folder is None:
            return Bench(real, recorded_sets(real.name, device=real.device), self)
        return Bench(real, short_sets(real, self.profile, self.folder), self)


def bench_for(question: str, profile: str, folder: Path | None = None) -> Bench:
    """The data that a question is asked of in a profile, and its sets."""
    dataset = getattr(part(question), "DATA", studied(profile))
    return Opener(dataset, device_for(profile), profile, folder)()


def recorded_sets(
    dataset: str,
    methods: Sequence[str] = tuple(METHODS),
    ipc: int = IPC,
    device: torch.device | str = "cpu",
) -> Sets:
    """All recorded sets of a dataset by method, at one number of images per class."""
    shipped = recorded("sets")
    found = {}
    for method in methods:
        first = set_name(dataset, method, ipc)
        names = [n for n in shipped if n == first or n.startswith(f"{first}-seed")]
        if names:
            found[method] = tuple(load_recorded(name).to(device) for name in names)
    return found


def short_sets(
    real: ImageData, profile: str, folder: Path, methods: Sequence[str] = tuple(METHODS)
) -> Sets:
    """Two sets of each method, distilled as `profile` has it or found in `folder`."""

    def made(method: str, seed: int) -> DistilledSet:
        one = set_in(folder, real, method, IPC, profile, seed, work=folder, note=REPEATED)
        return one.to(real.device)

    return {method: (made(method, 0), made(method, 1)) for method in methods}
