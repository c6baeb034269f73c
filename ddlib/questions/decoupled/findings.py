"""What a teacher's choice is worth, once real images have its labels: differences in points."""

from typing import Any

import pandas as pd

from ddlib.experiment.records import Record
from ddlib.questions.shared.paired import beside

KINDS = ("hard", "soft", "within")


def accuracies(record: Record) -> pd.DataFrame:
    """A row for each method, set and kind of label."""
    columns = ["method", "set", "network", *KINDS]
    return record.table[columns].melt(columns[:3], KINDS, "kind", "accuracy")


def findings(record: Record) -> pd.DataFrame:
    """One row for each contrast, method and set; oriented as the chapter claims it.

    `gain`: points above random images with the same labels of the same teacher, a `kind` each.
    `below`: random images less the method, both with soft labels. `coreset`: herding in the
    teacher's features less the method, both with soft labels. `labels`: soft less hard. `storage`:
    soft labels of fewer images less hard ones of all, at no more stored numbers. `nearer`: how much
    nearer its statistics are to the real ones than those of random images.
    """
    wide = record.table.set_index(["method", "set", "network"])[[*KINDS, "away"]].astype(float)
    random, herding = (beside(wide, method) for method in ("random", "herding"))
    found: dict[tuple[str, str | None], Any] = {
        ("gain", kind): wide[kind] - random[kind] for kind in KINDS
    }
    found |= {
        ("below", None): random["soft"] - wide["soft"],
        ("coreset", None): herding["soft"] - wide["soft"],
        ("labels", None): wide["soft"] - wide["hard"],
        ("storage", None): wide["within"] - wide["hard"],
        ("nearer", None): random["away"] - wide["away"],
    }
    tables = [
        values.rename("value").reset_index().assign(contrast=contrast, kind=kind)
        for (contrast, kind), values in found.items()
    ]
    whole = pd.concat(tables, ignore_index=True)
    null = {"gain": "random", "below": "random", "nearer": "random", "coreset": "herding"}
    itself = whole["method"] == whole["contrast"].map(null)
    return whole[~itself].reset_index(drop=True)
