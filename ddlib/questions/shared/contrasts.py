"""Contrasts as a tidy table: a row for each contrast, its labels, and each network of a set."""

from collections.abc import Mapping

import pandas as pd

NETWORK, SET = "network", "set"


def tidy(contrasts: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> pd.DataFrame:
    """Wide contrasts, a row a network and a column for each combination of labels, as one table.

    What is missing there has no row. `table` says which network trained on which set of a method.
    """
    long = [
        wide.melt(ignore_index=False, value_name="value").reset_index().assign(contrast=name)
        for name, wide in contrasts.items()
    ]
    found = pd.concat(long, ignore_index=True).dropna(subset=["value"])
    known = table.drop_duplicates(["method", NETWORK])[["method", NETWORK, SET]]
    return found.merge(known, on=["method", NETWORK], how="left")
