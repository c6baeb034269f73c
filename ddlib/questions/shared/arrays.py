"""From tables to arrays and back: where a question works on whole tables of numbers at once."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ddlib.experiment.cells import Label


def as_array(rows: pd.DataFrame, value: str, *labels: str) -> Tensor:
    """Values with an axis for each label, in the order in which labels appear; NaN: no such row.

    Where values are tensors, their own axes come last.

    >>> rows = pd.DataFrame({"method": ["dm", "dm", "mtt"], "set": [0, 1, 1], "gain": [9.0, 8, 7]})
    >>> as_array(rows, "gain", "method", "set").tolist()
    [[9.0, 8.0], [nan, 7.0]]
    """
    codes = [torch.tensor(pd.factorize(rows[label])[0]) for label in labels]
    values = rows[value]
    if isinstance(values.iloc[0], Tensor):
        each = torch.stack(list(values))
    else:
        each = torch.tensor(values.astype("float32").to_numpy())
    sizes = [rows[label].nunique() for label in labels]
    found = (
        torch.full((*sizes, *each.shape[1:]), torch.nan, dtype=each.dtype)
        if (each.is_floating_point())
        else torch.zeros((*sizes, *each.shape[1:]), dtype=each.dtype)
    )
    found[tuple(codes)] = each
    return found


def named(rows: pd.DataFrame, label: str) -> list[Any]:
    """The labels of one kind, in the order in which they appear."""
    return list(dict.fromkeys(rows[label]))


def unfolded(
    table: pd.DataFrame, columns: Sequence[str], label: str, along: Sequence[Label]
) -> pd.DataFrame:
    """A row for each entry of the tensors in some columns, labelled by what they run along."""
    rows = [
        {**row, label: at, **{name: row[name][i].item() for name in columns}}
        for row in table.to_dict("records")
        for i, at in enumerate(along)
    ]
    return pd.DataFrame(rows)
