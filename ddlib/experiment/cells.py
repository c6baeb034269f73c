"""An experiment is cells, labels with the work behind them; `collect` makes one tidy table of them.

A cell is kept in a file of its own, named by its labels and by all that it depends on. Therefore a
run that was killed loses one cell, and another condition costs its own cells and no others.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm  # in a notebook, too: it can be switched off from outside

from ddlib.files import load_tensors, save_tensors

if TYPE_CHECKING:
    import pandas as pd

Label = str | int | float
Values = dict[str, Tensor]
Work = Callable[..., Mapping[str, Tensor | int | float]]


@dataclass(frozen=True, eq=False)
class Cell:
    """One row of a table to be: its labels, and the work that finds its values.

    `work` gets the values of each cell in `needs`, in that order. `on` is whatever else decides the
    values, as JSON: a cell is made anew when its labels, `on` or a cell it needs are others. For a
    pool of processes or a cluster `work` must be picklable, for instance a `partial` of a function.
    """

    labels: Mapping[str, Any]
    work: Work
    on: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple["Cell", ...] = ()

    @cached_property
    def key(self) -> str:
        """The same for cells with the same labels that depend on the same."""
        about = [dict(self.labels), dict(self.on), [cell.key for cell in self.needs]]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What its file is called: readable labels, and the key that tells it from all others."""
        labels = "-".join(str(value) for value in self.labels.values())
        return f"{re.sub(r'[^A-Za-z0-9.-]+', '_', labels)}-{self.key}"


def collect(
    cells: Iterable[Cell],
    folder: Path | None = None,
    executor: Executor | None = None,
    title: str | None = None,
) -> "pd.DataFrame":
    """One row for each cell, in order: labels, values, and the `seconds` that its work took.

    Numbers become columns of numbers; an array stays a tensor beside them, in a column of tensors.
    Cells that `folder` holds are read, all others are made, with what they need, and kept there.
    `executor` is any `concurrent.futures.Executor` (processes, Dask's `client.get_executor()`).
    It makes cells side by side; what they find does not depend on it.
    """
    cells = list(cells)
    _check_distinct(cells)
    kept = _Kept(folder)
    levels = _missing(cells, kept)
    if levels:
        _make(levels, kept, executor, title)
    return _table(cells, [kept[cell] for cell in cells])


class _Kept:
    """The values and seconds of cells: those of this run, and those that its folder holds."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.found: dict[str, tuple[Values, float]] = {}

    def path(self, cell: Cell) -> Path | None:
        return self.folder and self.folder / f"{cell.name}.safetensors"

    def __contains__(self, cell: Cell) -> bool:
        path = self.path(cell)
        return path is not None and path.exists()

    def __getitem__(self, cell: Cell) -> tuple[Values, float]:
        path = self.path(cell)
        if cell.key not in self.found and path is not None:
            values, about = load_tensors(path)
            self.found[cell.key] = values, about["seconds"]
        return self.found[cell.key]


def _check_distinct(cells: Sequence[Cell]) -> None:
    seen: set[str] = set()
    for labels in (json.dumps(dict(cell.labels), sort_keys=True) for cell in cells):
        if labels in seen:
            raise ValueError(f"two cells have the same labels: {labels}")
        seen.add(labels)


def _missing(cells: Sequence[Cell], kept: _Kept) -> list[list[Cell]]:
    """The cells that must be made, each after all that it needs: level after level."""
    depth: dict[str, int] = {}
    known: dict[str, Cell] = {}

    def visit(cell: Cell) -> int:
        if cell.key not in depth:
            known[cell.key] = cell
            missing = cell not in kept
            depth[cell.key] = 1 + max(map(visit, cell.needs), default=0) if missing else 0
        return depth[cell.key]

    deepest = max(map(visit, cells), default=0)
    return [[known[k] for k, d in depth.items() if d == level] for level in range(1, deepest + 1)]


def _make(
    levels: Sequence[Sequence[Cell]], kept: _Kept, executor: Executor | None, title: str | None
) -> None:
    """Make level after level, the cells of each side by side."""
    threads = torch.get_num_threads() if executor else None
    run = executor.map if executor else map
    with tqdm(total=sum(map(len, levels)), desc=title) as bar:
        for level in levels:
            jobs = [(c.work, [kept[n][0] for n in c.needs], kept.path(c), threads) for c in level]
            for cell, found in zip(level, run(_made, *zip(*jobs, strict=True)), strict=True):
                kept.found[cell.key] = found
                bar.update()


def _made(
    work: Work, needed: Sequence[Values], path: Path | None, threads: int | None
) -> tuple[Values, float]:
    """Do the work of one cell and keep what it finds.

    `threads` makes a worker add up in the same order as the process that asked.
    """
    if threads:
        torch.set_num_threads(threads)
    started = time.monotonic()
    values = {name: _tensor(value) for name, value in work(*needed).items()}
    seconds = time.monotonic() - started
    if path is not None:
        save_tensors(path, values, {"seconds": seconds})
    return values, seconds


def _tensor(value: Tensor | int | float) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)


def _table(cells: Sequence[Cell], found: Sequence[tuple[Values, float]]) -> "pd.DataFrame":
    import pandas as pd  # not before a table is made: `import ddlib` does without it

    rows = [
        {
            **cell.labels,
            **{name: value if value.ndim else value.item() for name, value in values.items()},
            "seconds": seconds,
        }
        for cell, (values, seconds) in zip(cells, found, strict=True)
    ]
    table = pd.DataFrame(rows)
    whole = [c for cell in cells for c, v in cell.labels.items() if isinstance(v, int)]
    return table.astype({name: "Int64" for name in dict.fromkeys(whole) if table[name].hasnans})
