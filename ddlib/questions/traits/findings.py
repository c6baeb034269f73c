"""What single photographs mean: correlations between influence and likeness of traits."""

import pandas as pd

from ddlib.experiment.records import Record


def findings(record: Record) -> pd.DataFrame:
    """Correlations between influence and likeness, one value for each class that tells one.

    Influence was measured on the first set of each method, so that all of them are of set 0.

    `meaning`: by trait of the image itself; `beyond`: more than that of random images. A class
    whose images all lie in one cluster tells nothing about clusters.
    """
    own = record.rows(condition="association", meaning="measured")
    random = own[own["method"] == "random"].set_index(["trait", "class"])["association"]
    others = own[own["method"] != "random"]
    beside = pd.MultiIndex.from_frame(others[["trait", "class"]])
    beyond = others.assign(association=others["association"] - random.reindex(beside).to_numpy())
    found = pd.concat([own.assign(contrast="meaning"), beyond.assign(contrast="beyond")])
    long = found.rename(columns={"association": "value"}).dropna(subset=["value"])
    columns = ["contrast", "method", "trait", "set", "class", "value"]
    return long.assign(set=0)[columns].reset_index(drop=True)
