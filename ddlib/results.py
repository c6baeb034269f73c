"""Recorded results: numbers with their provenance, shipped with the package, never typed in."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from torch import Tensor

from ddlib.distilled import DistilledSet
from ddlib.evaluation import Evaluation
from ddlib.files import damaged, load_json, load_tensors, save_json, save_tensors

RECORDED = Path(str(files("ddlib"))) / "recorded"


@dataclass(frozen=True, repr=False)
class Result:
    """Test accuracies (percent) of one method at one ipc under one protocol.

    `accuracies[s][i]` belongs to network i trained on distilled set s. `provenance` says how the
    numbers were made: command, seeds, commit, device, versions, wall seconds, peak memory, data.
    `distill_seconds` are wall seconds of each set, on a machine that may have been busy; near zero
    for a coreset whose features an earlier set of the same process had computed.
    """

    dataset: str
    tag: str
    ipc: int
    protocol: str
    profile: str
    settings: Mapping[str, Any]
    accuracies: tuple[tuple[float, ...], ...]
    distill_seconds: tuple[float, ...]
    provenance: Mapping[str, Any]

    @property
    def name(self) -> str:
        return result_name(self.dataset, self.tag, self.ipc, self.protocol)

    @property
    def flat(self) -> list[float]:
        return [a for one_set in self.accuracies for a in one_set]

    @property
    def mean(self) -> float:
        return fmean(self.flat)

    @property
    def std(self) -> float:
        """Sample standard deviation over all networks of all sets."""
        return stdev(self.flat)

    @property
    def n(self) -> int:
        return len(self.flat)

    def __repr__(self) -> str:
        return f"Result({self.name!r}, {self.mean:.1f} ± {self.std:.1f} %, n = {self.n})"

    def save(self, folder: Path = RECORDED) -> Path:
        return save_json(folder / "results" / f"{self.name}.json", asdict(self))


@dataclass(frozen=True, repr=False)
class Trace:
    """One distillation watched: what the slider shows.

    `frames` are pixels (steps, n, c, h, w) as uint8, class after class; `accuracies[t]` are the
    test accuracies of networks trained on the images of `steps[t]`.
    """

    name: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    accuracies: tuple[tuple[float, ...], ...]
    protocol: str
    profile: str
    classes: tuple[str, ...]
    frames: Tensor
    provenance: Mapping[str, Any] | None = None  # None: made live, not recorded

    @classmethod
    def of(
        cls,
        made: DistilledSet,
        measured: Sequence[Evaluation],
        *,
        name: str,
        profile: str,
        per_class: int = 5,
        provenance: Mapping[str, Any] | None = None,
    ) -> "Trace":
        """The history of `made`, with an evaluation of each snapshot and its first images."""
        few = torch.arange(len(made.images)).view(-1, made.ipc)[:, :per_class].flatten()
        steps, losses, images = zip(*made.history, strict=True)
        frames = torch.stack([(made.pixels(i[few]) * 255).round().to(torch.uint8) for i in images])
        accuracies = tuple(e.accuracies for e in measured)
        return cls(
            name, steps, losses, accuracies, measured[0].protocol, profile, made.classes, frames,
            provenance,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Trace({self.name!r}, {len(self.steps)} snapshots up to step {self.steps[-1]})"

    def save(self, folder: Path = RECORDED) -> Path:
        about = {k: v for k, v in vars(self).items() if k != "frames"}
        return save_tensors(
            folder / "traces" / f"{self.name}.safetensors", {"frames": self.frames}, about
        )


def result_name(dataset: str, tag: str, ipc: int, protocol: str) -> str:
    return f"{dataset}-{tag}-ipc{ipc}-{protocol}"


def set_name(dataset: str, tag: str, ipc: int, seed: int = 0) -> str:
    """DATASET-TAG-ipcN, and -seedS for every set but the first."""
    return f"{dataset}-{tag}-ipc{ipc}" + (f"-seed{seed}" if seed else "")


def load_result(name: str, folder: Path = RECORDED) -> Result:
    """The recorded result called `name`, e.g. `cifar10x16-dm-ipc10-plain`."""
    path = find(name, folder / "results", ".json")
    content = load_json(path)
    try:
        content["accuracies"] = tuple(tuple(a) for a in content["accuracies"])
        content["distill_seconds"] = tuple(content["distill_seconds"])
        return Result(**content)
    except (KeyError, TypeError) as error:
        raise damaged(path, error) from None


def load_trace(name: str, folder: Path = RECORDED) -> Trace:
    """The recorded trace of the run called `name`, e.g. `cifar10x16-dm-ipc10`."""
    path = find(name, folder / "traces", ".safetensors")
    tensors, about = load_tensors(path)
    try:
        about |= {k: tuple(about[k]) for k in ("steps", "losses", "classes")}
        about["accuracies"] = tuple(tuple(a) for a in about["accuracies"])
        return Trace(frames=tensors["frames"], **about)
    except (KeyError, TypeError) as error:
        raise damaged(path, error) from None


def load_recorded(name: str, folder: Path = RECORDED) -> DistilledSet:
    """A shipped distilled set by name: DATASET-TAG-ipcN[-seedS], e.g. `cifar10x16-dm-ipc10`."""
    return DistilledSet.load(find(name, folder / "sets", ".safetensors"))


def recorded(kind: str = "results", folder: Path = RECORDED) -> list[str]:
    """Names of what is shipped: `results`, `sets`, `traces` or `records`."""
    return sorted(p.stem for p in (folder / kind).glob("*.*"))


def find(name: str, folder: Path, ending: str) -> Path:
    """The file of a record, or an error that lists what there is."""
    path = folder / f"{name}{ending}"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in folder.glob(f"*{ending}"))) or "none yet"
        raise ValueError(f"nothing recorded under the name {name!r}; there are: {known}")
    return path


def live_runs(folder: Path = RECORDED) -> dict[str, Any]:
    """What `book/photos.py` measured on the live set: `runs` of every method and rival."""
    path = folder / "live.json"
    return load_json(path) if path.exists() else {"runs": []}
