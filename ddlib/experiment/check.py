"""The manipulation check: is what we call distilled distilled, and how far did it move?

Before a set is taken apart it must be shown that something was done to it. Each row is one recorded
set of `python -m ddlib record --queue`; numbers of accuracy are under the protocol `plain`.
"""

from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from ddlib.files import load_json
from ddlib.queue import LONG

# Gains over random images in the table of "What is Dataset Distillation Learning?" (ICML 2024),
# protocol `plain`, ten images per class, random 27.3. Both kinds of gradient matching have one row.
PUBLISHED = {"dm": 15.4, "dc": 18.7, "dsa": 18.7, "mtt": 26.3, "bptt": 31.6}


def manipulation_check(folder: Path = LONG) -> pd.DataFrame:
    """One row for each recorded set, sorted by dataset, method and seed.

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
    rows = pd.DataFrame([_row(record) for record in records])
    if rows.empty:
        return rows
    random = rows[rows.method == "random"].groupby("dataset").accuracy.mean()
    rows["gain"] = rows.accuracy - rows.dataset.map(random)
    rows["share"] = 100 * rows.gain / rows.method.map(PUBLISHED)
    return rows.sort_values(["dataset", "method", "seed"], ignore_index=True)


def _row(record: dict[str, Any]) -> dict[str, Any]:
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
