"""A record: what an experiment found, as one tidy table, with where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddlib.experiment.cells import Label
from ddlib.files import damaged, load_tensors, save_tensors
from ddlib.results import RECORDED, find

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "records"


@dataclass(frozen=True, eq=False)
class Record:
    """What one experiment found.

    `table` has one row a cell: labels, numbers, and arrays as tensors. `arrays` belong to no row.
    `provenance` says how the record was made; None: live, and not recorded.
    """

    question: str
    dataset: str
    settings: Mapping[str, Any]
    table: "pd.DataFrame"
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    profile: str = "fast"
    provenance: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.question}"

    @property
    def scale(self) -> str:
        """What figures and tables name as the scale: the profile, or the data of the question."""
        return {"shapes": "shapes", "photos": "fast"}.get(self.dataset, self.profile)

    def rows(self, **where: Label) -> "pd.DataFrame":
        """The rows with these labels, without the columns that say nothing of them.

        >>> import pandas as pd
        >>> table = pd.DataFrame({"method": ["dm", "mtt"], "accuracy": [41.0, 42.0]})
        >>> Record("mixing", "digits", {}, table).rows(method="mtt")["accuracy"].tolist()
        [42.0]
        """
        found = self.table
        for column, label in where.items():
            rows = found[column] == label
            if not rows.any():
                known = ", ".join(map(str, self.table[column].dropna().unique()))
                raise ValueError(f"no {column} {label!r} in {self.name}; there are: {known}")
            found = found[rows.fillna(False).astype(bool)]
        found = found.dropna(axis=1, how="all")
        whole = [c for c in found if found[c].dtype == "Int64" and not found[c].hasnans]
        return found.astype({column: "int64" for column in whole})

    def save(self, folder: Path = RECORDED) -> Path:
        """Write the record whole to `folder`."""
        about = {k: v for k, v in vars(self).items() if k not in ("table", "arrays")}
        tensors, columns = _packed(self.table)
        tensors |= {f"arrays/{name}": array for name, array in self.arrays.items()}
        path = folder / FOLDER / f"{self.name}.safetensors"
        return save_tensors(path, tensors, {**about, "columns": columns})


def load_record(name: str, folder: Path = RECORDED) -> Record:
    """The record called `name`, e.g. `cifar10x16-mixing`."""
    path = find(name, folder / FOLDER, ".safetensors")
    tensors, about = load_tensors(path)
    try:
        table = _unpacked(tensors, about.pop("columns"))
        arrays = {k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith("arrays/")}
        return Record(table=table, arrays=arrays, **about)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from None


# ---- a table as tensors: names as numbers, missing arrays as rows that are not there --------


def _packed(table: "pd.DataFrame") -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Each column as tensors, and what they mean."""
    tensors: dict[str, Tensor] = {}
    columns: list[dict[str, Any]] = []
    for name in map(str, table.columns):
        column = table[name]
        known = column.dropna()
        first = known.iloc[0] if len(known) else 0.0
        if isinstance(first, Tensor):
            rows = torch.tensor(column.notna().to_numpy()).nonzero()[:, 0]
            parts = _stacked(list(known))
            tensors |= {f"{name}/rows": rows} | {f"{name}/{i}": t for i, t in enumerate(parts)}
            columns.append({"name": name, "kind": "tensors", "parts": len(parts)})
        elif isinstance(first, str):
            levels = list(dict.fromkeys(known))
            codes = [levels.index(v) if isinstance(v, str) else -1 for v in column]
            tensors[name] = torch.tensor(codes)
            columns.append({"name": name, "kind": "names", "levels": levels})
        elif column.dtype == "Int64":
            tensors[name] = torch.tensor(column.astype("float64").to_numpy(na_value=float("nan")))
            columns.append({"name": name, "kind": "Int64"})
        else:
            numbers = column.astype("float64") if column.dtype == object else column
            tensors[name] = torch.tensor(numbers.to_numpy())
            columns.append({"name": name, "kind": "numbers"})
    return tensors, columns


def _stacked(parts: list[Tensor]) -> list[Tensor]:
    """One tensor where all are alike in shape and type."""
    alike = len({(part.shape, part.dtype) for part in parts}) == 1
    return [torch.stack(parts)] if alike else parts


def _unpacked(tensors: Mapping[str, Tensor], columns: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    made: dict[str, tuple[Any, str]] = {}
    for about in columns:
        name, kind = about["name"], about["kind"]
        if kind == "tensors":
            rows = tensors[f"{name}/rows"].tolist()
            parts = [tensors[f"{name}/{i}"] for i in range(about["parts"])]
            each = dict(zip(rows, parts[0] if len(parts) == 1 else parts, strict=True))
            made[name] = (each, kind)
        elif kind == "names":
            levels = about["levels"]
            made[name] = ([levels[i] if i >= 0 else None for i in tensors[name].tolist()], kind)
        else:
            made[name] = (tensors[name].numpy(), kind)
    height = next(len(v) for v, kind in made.values() if kind != "tensors")
    table = pd.DataFrame(index=range(height))
    for name, (values, kind) in made.items():
        if kind == "tensors":
            table[name] = pd.Series([values.get(i) for i in range(height)], dtype=object)
        elif kind == "Int64":
            table[name] = pd.array(values).astype("Int64")
        else:
            table[name] = values
    return table
