"""The experiments behind the study's questions: what they found, and how they are run and kept.

Each question has a module in `ddlib.analysis` with `SETTINGS`, `run`, which returns a `Study`, and
`findings`, which draws single numbers from it. Settings go by profile: `laptop` is what a laptop
does in minutes, `record` what is recorded at the same scale, in hours. `colab`, where it differs
from `laptop`, is for sets of CIFAR-10 as it is.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ddlib.data import ImageData, load
from ddlib.distilled import DistilledSet
from ddlib.experiment import asking
from ddlib.experiment.asking import IPC, recorded_sets
from ddlib.experiment.bench import Sets
from ddlib.experiment.records import Record
from ddlib.files import damaged, load_tensors, save_tensors
from ddlib.presets import DATASETS, METHODS, device_for
from ddlib.provenance import command_line, peak_memory_mib, provenance
from ddlib.recording import set_in
from ddlib.results import RECORDED, find

QUESTIONS = (
    "ceiling", "recognition", "mixing", "agreement", "when_learned", "curvature", "influence",
    "semantics", "traits", "bias", "transfer",
)  # fmt: skip
# Questions about attributes are asked of the data whose attributes are known. They make their sets.
OWN_DATA: dict[str, str] = {"semantics": "shapes", "bias": "shapes"}
OF_A_RECORD = ("traits",)  # reads the recorded study of influence
REPEATED = "repeated on this machine"  # what passports of repeats say about the data
Tensors = dict[str, Tensor]
Keep = Callable[[str, Callable[[], Tensors]], Tensors]


@dataclass(frozen=True)
class Study:
    """What one experiment found: arrays, the labels along their axes, and the passport.

    `dims[a]` names the axes of array `a`, in order; `axes[d]` holds the labels along axis `d`.
    """

    question: str
    dataset: str
    settings: Mapping[str, Any]
    axes: Mapping[str, tuple[str | int | float, ...]]
    dims: Mapping[str, tuple[str, ...]]
    arrays: Mapping[str, Tensor]
    profile: str = "fast"
    passport: Any = None  # a mapping; None: made live, not recorded

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            expected = tuple(len(self.axes[d]) for d in self.dims[name])
            if tuple(array.shape) != expected:
                raise ValueError(f"array {name!r} has shape {tuple(array.shape)}, not {expected}")

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.question}"

    @property
    def scale(self) -> str:
        """What figures and tables name as the scale: the profile, or the data of the question."""
        return OWN_DATA.get(self.question, self.profile)

    @property
    def provenance(self) -> Mapping[str, Any]:
        return self.passport or {}

    def pick(self, array: str, **where: str | int | float) -> Tensor:
        """An array at some labels, its other axes in order: `pick("accuracy", source="dm")`."""
        values = self.arrays[array]
        for axis in reversed(range(values.ndim)):
            dim = self.dims[array][axis]
            if dim in where:
                labels = self.axes[dim]
                if where[dim] not in labels:
                    known = ", ".join(str(label) for label in labels)
                    raise ValueError(f"no {dim} {where[dim]!r} in {self.name}; there are: {known}")
                values = values.select(axis, labels.index(where[dim]))
        return values

    def save(self, folder: Path = RECORDED) -> Path:
        about = {k: v for k, v in vars(self).items() if k != "arrays"}
        return save_tensors(folder / "studies" / f"{self.name}.safetensors", self.arrays, about)


def load_study(name: str, folder: Path = RECORDED) -> Study:
    """The recorded study called `name`, e.g. `cifar10x16-recognition`."""
    path = find(name, folder / "studies", ".safetensors")
    arrays, about = load_tensors(path)
    try:
        for key in ("axes", "dims"):
            about[key] = {k: tuple(v) for k, v in about[key].items()}
        return Study(arrays=arrays, **about)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from None


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """The single numbers that claims are judged by: independent values of each, by name."""
    return question_module(study.question).findings(study)


def question_module(question: str) -> ModuleType:
    """The module of `ddlib.analysis` that answers a question."""
    if question not in QUESTIONS:
        raise ValueError(f"unknown question {question!r}; choose one of: {', '.join(QUESTIONS)}")
    return import_module(f"ddlib.analysis.{question}")


# ---- running and keeping --------------------------------------------------------------------


def at_once(key: str, make: Callable[[], Tensors]) -> Tensors:
    """Keep nothing: for experiments that take seconds. Parts come on the CPU, as from files."""
    return {name: part.cpu() for name, part in make().items()}


def together(parts: Sequence[Tensors], axis: int = 0) -> Tensors:
    """The arrays of several parts, each stacked along a new axis, by default the first."""
    return {k: torch.stack([part[k] for part in parts], axis) for k in parts[0]}


class Keeper:
    """Keeps the parts of an experiment in files, so that a run that was killed loses one part.

    `about` is all that the parts depend on. `seconds` counts the time of all parts, also of those
    that an earlier run made.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        text = json.dumps(about, sort_keys=True)
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:12]
        self.seconds = 0.0

    def __call__(self, key: str, make: Callable[[], Tensors]) -> Tensors:
        path = self.folder / f"{key}.safetensors"
        if not path.exists():
            started = time.monotonic()
            made = make()
            save_tensors(path, made, {"seconds": time.monotonic() - started})
        tensors, about = load_tensors(path)
        self.seconds += about["seconds"]
        return tensors


def record_study(
    question: str, profile: str, *, work: Path, note: str, folder: Path = RECORDED
) -> Study | Record:
    """Run one experiment on the recorded sets, or finish it, and save what it found."""
    if question in asking.questions():
        return asking.study(question, profile, work=work, note=note, folder=folder)
    settings = question_module(question).SETTINGS["record" if profile == "laptop" else profile]
    real = _data(question, profile)
    sets = recorded_sets(real.name, device=real.device)
    if not sets and question not in OWN_DATA:
        make = f"python -m ddlib record --profile {profile} --ipcs {IPC}"
        raise ValueError(f"no distilled sets of {real.name} are recorded; make them with: {make}")
    study = _ran(question, profile, real, sets, settings, work / "studies", note)
    study.save(folder)
    return study


def repeat_study(question: str, profile: str = "laptop", *, work: Path) -> Study | Record:
    """The experiment that is recorded at laptop scale, with fewer networks: minutes, not hours.

    Profile `laptop` takes the recorded sets apart. `colab` takes CIFAR-10 as it is, for which it
    first distills sets in short runs. What is found is saved under `work / "repeats"`; what the
    book shows stays as it is.
    """
    if question in asking.questions():
        return asking.repeat(question, profile, work=work)
    folder, known = work / "repeats", question_module(question).SETTINGS
    real = _data(question, profile)
    if profile == "laptop" or question in OWN_DATA:
        sets = recorded_sets(real.name, device=real.device)
    else:
        sets = _short_sets(real, profile, folder / "sets")
    settings = known.get(profile, known["laptop"])
    study = _ran(question, profile, real, sets, settings, folder, REPEATED)
    study.save(folder)
    return study


def _short_sets(real: ImageData, profile: str, folder: Path) -> Sets:
    """Two sets of each method, distilled as `profile` has it or found in `folder`."""

    def made(tag: str, seed: int) -> DistilledSet:
        one = set_in(folder, real, tag, IPC, profile, seed, work=folder, note=REPEATED)
        return one.to(real.device)

    return {tag: (made(tag, 0), made(tag, 1)) for tag in METHODS}


def _data(question: str, profile: str) -> ImageData:
    return load(OWN_DATA.get(question, DATASETS[profile]), device_for(profile))


def _ran(
    question: str, profile: str, real: ImageData, sets: Sets, settings: Any, kept: Path, note: str
) -> Study:
    made = {tag: [one.meta for one in some] for tag, some in sets.items()}
    about = {"question": question, "settings": asdict(settings), "data": real.name, "sets": made}
    keep = Keeper(kept, about)
    passport = {
        "command": command_line(),
        **provenance(real.device),
        "date": datetime.now(UTC).date().isoformat(),
        "data": note,
    }
    study = question_module(question).run(real, sets, settings, keep)
    passport |= {"seconds": round(keep.seconds, 1), "peak_memory_mib": peak_memory_mib(real.device)}
    return replace(study, profile=profile, passport=passport)
