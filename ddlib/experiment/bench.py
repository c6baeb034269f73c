"""What an experiment works on: the real data, and the sets that it takes apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.files import digest
from ddlib.results import RECORDED

Sets = Mapping[str, Sequence[DistilledSet]]  # by method, one for each seed


@dataclass(frozen=True, eq=False)
class Bench:
    """Real data, and sets by method.

    `opener` makes the same bench again. With it a bench travels to a worker as a few words, and the
    worker reads the data for itself, once and on its own device.
    """

    real: ImageData
    sets: Sets
    opener: Callable[[], "Bench"] | None = None
    scratch: Path | None = None  # where long work may keep its checkpoints
    records: Path = RECORDED  # where the records lie that a question may take apart

    def turn(self, method: str, number: int) -> DistilledSet:
        """The set of a method for run `number`: its sets take turns."""
        some = self.sets[method]
        return some[number % len(some)]

    @cached_property
    def mark(self) -> str:
        """What tells these real images from all others."""
        real = self.real
        fields = ("train_images", "train_labels", "test_images", "test_labels")
        return digest({name: getattr(real, name) for name in fields}, {"name": real.name})[:16]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self.opener is None:
            return Bench, (self.real, self.sets, None, self.scratch, self.records)
        return _opened, (self.opener, self.scratch)


def mark_of(one: DistilledSet) -> str:
    """What tells a set from all others: its images, labels and rate."""
    return digest({"images": one.images, "labels": one.labels}, {"lr": one.lr})[:16]


@cache
def _opened(opener: Callable[[], Bench], scratch: Path | None) -> Bench:
    return replace(opener(), scratch=scratch)
