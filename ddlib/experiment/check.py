"""The manipulation check: is what we call distilled distilled, and how far did it move?

Before a set is taken apart it must be shown that something was done to it. Each row is one recorded
set; numbers of accuracy are under the protocol `plain`.
"""

from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from ddlib.channels import from_pixels
from ddlib.files import load_json
from ddlib.queue import LONG, apart, check_row, outside
from ddlib.results import RECORDED, Result, Trace, load_recorded, load_result, load_trace, recorded

# Gains over random images in the table of "What is Dataset Distillation Learning?" (ICML 2024),
# protocol `plain`, ten images per class, random 27.3. Both kinds of gradient matching have one row.
PUBLISHED = {"dm": 15.4, "dc": 18.7, "dsa": 18.7, "mtt": 26.3, "bptt": 31.6}


def manipulation_check(folder: Path = LONG) -> pd.DataFrame:
    """One row for each set of `python -m ddlib record --queue`, sorted by dataset, method and seed.

    - `accuracy`: percent, the mean of its networks; `gain`: that less the mean of all sets of
      random images at the same scale; `share`: of the published gain, in percent;
    - `start`: accuracy of the first images; `last_quarter`: points gained after three quarters of
      the steps (a run has converged where this is below half a point);
    - `correlation` and `distance` (root mean square, in standardized pixels) between first and last
      images; `outside`: percent of pixels beyond black or white;
    - `hours`: of distilling, on the clock of a machine that may have been busy.

    A column that a row does not have (chosen images do not move) is NaN.
    """
    records = [load_json(path) for path in sorted((folder / "results").glob("*.json"))]
    return _compared([check_row(record) for record in records])


def short_check(dataset: str, ipc: int = 10, folder: Path = RECORDED) -> pd.DataFrame:
    """The same table of the first sets, made on short schedules; one row for each set.

    What they did on the way was watched on the first set of a method alone, on the images of its
    slider, so the columns from `start` on are NaN for the second one; and between two moments
    `last_quarter` is interpolated.
    """
    rows, known = [], recorded("traces", folder)
    for name in recorded("results", folder):
        if name.startswith(f"{dataset}-") and name.endswith(f"-ipc{ipc}-plain"):
            result = load_result(name, folder)
            watched = name.removesuffix("-plain")
            trace = load_trace(watched, folder) if watched in known else None
            rows += _short_rows(result, trace, folder)
    return _compared(rows)


def _compared(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with what sets are held against: random images, and the published gains."""
    rows = pd.DataFrame(found)
    if rows.empty:
        return rows
    random = rows[rows.method == "random"].groupby("dataset").accuracy.mean()
    rows["gain"] = rows.accuracy - rows.dataset.map(random)
    rows["share"] = 100 * rows.gain / rows.method.map(PUBLISHED)
    return rows.sort_values(["dataset", "method", "seed"], ignore_index=True)


def _short_rows(result: Result, trace: Trace | None, folder: Path) -> list[dict[str, Any]]:
    about = {"dataset": result.dataset, "method": result.tag, "networks": len(result.accuracies[0])}
    rows = [
        {**about, "seed": seed, "accuracy": fmean(runs), "hours": seconds / 3600}
        for seed, (runs, seconds) in enumerate(
            zip(result.accuracies, result.distill_seconds, strict=True)
        )
    ]
    if trace is not None:
        rows[0] |= _watched(trace, folder)
    return rows


def _watched(trace: Trace, folder: Path) -> dict[str, float]:
    """What a slider tells of its set: the frames are images, five of each class."""
    levels = [fmean(runs) for runs in trace.accuracies]
    before = float(np.interp(0.75 * trace.steps[-1], trace.steps, levels))
    one = load_recorded(trace.name, folder)
    start, end = (from_pixels(trace.frames[i].float() / 255, one.mean, one.std) for i in (0, -1))
    return {
        "start": levels[0], "last_quarter": levels[-1] - before, **apart(start, end),
        "outside": 100 * outside(one),
    }  # fmt: skip
