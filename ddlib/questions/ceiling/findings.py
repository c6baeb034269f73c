"""The ceiling: test accuracy after the last epoch."""

import pandas as pd

from ddlib.experiment.records import Record


def findings(record: Record) -> pd.DataFrame:
    """One value for each network."""
    last = record.table[record.table["epoch"] == record.settings["epochs"]]
    found = last[["network", "accuracy"]].rename(columns={"accuracy": "value"})
    return found.assign(contrast="ceiling")
