"""Rows of a table beside those that they are compared with."""

import pandas as pd


def beside(wide: pd.DataFrame, method: str) -> pd.DataFrame:
    """For each row the one of `method` with the same number of set and network.

    `wide` is indexed by method, set and network, and so is the result, row by row.

    >>> rows = pd.MultiIndex.from_product([["a", "b"], [0], [0, 1]],
    ...                                   names=["method", "set", "network"])
    >>> beside(pd.DataFrame({"x": [1, 2, 3, 4]}, rows), "a")["x"].tolist()
    [1, 2, 1, 2]
    """
    other = pd.DataFrame(wide.xs(method))
    return wide[[]].join(other, on=["set", "network"])
