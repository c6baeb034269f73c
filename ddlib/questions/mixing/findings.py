"""What joining and changing did, run by run: differences of test accuracies, in points."""

from typing import Any

import pandas as pd

from ddlib.experiment.records import Record
from ddlib.questions.mixing.experiment import ALONE
from ddlib.questions.shared.contrasts import tidy

JOINED = "10 real"
# Test accuracy in the released figure of Yang et al. (2024), one network each, by real images per
# class. Read off the picture: within 0.3 points, the last column within 0.7.
RELEASED = {
    "bptt": {0: 58.7, 2: 54.4, 10: 49.8, 50: 50.4, 250: 59.7},
    "mtt": {0: 53.2, 2: 49.3, 10: 45.3, 50: 49.6, 250: 59.2},
    "dc": {0: 44.7, 2: 44.0, 10: 42.4, 50: 47.1, 250: 59.0},
    "dm": {0: 42.9, 2: 40.4, 10: 41.7, 50: 47.9, 250: 59.0},
    "random": {0: 27.3, 2: 28.7, 10: 32.6, 50: 45.1, 250: 58.4},
}


def findings(record: Record) -> pd.DataFrame:
    """One row for each contrast, method, condition and run; oriented as the chapter claims it.

    `cost` is what a method loses under a condition, `adds` what it gains; `beyond` is how much
    deeper its dip with ten real images per class is than that cost. `gain` is the gain over random
    images under the same condition, `lost` what is lost of it against the set alone. `share` is how
    much larger the gain over random images is if fifty real images weigh as much as ten, `deeper`
    how much deeper a dip is than that of distribution matching, `outside` the percent of pixels
    outside of black to white (a value for each set).
    """
    trained = record.table[record.table["accuracy"].notna()]
    wide = trained.pivot(
        index="network", columns=["method", "condition"], values="accuracy"
    ).astype(float)
    gain = wide.sub(wide["random"], level="condition")
    cost, lost = _below_alone(wide), _below_alone(gain)
    dip = cost.xs(JOINED, axis=1, level="condition")
    found: dict[str, Any] = {
        "cost": cost, "adds": -cost, "beyond": -cost.sub(dip, level="method"),
        "gain": gain, "lost": lost,
    }  # fmt: skip
    if {"worthy", "50 real"} <= set(trained["condition"]):
        even, all_of_them = (gain.xs(k, axis=1, level="condition") for k in ("worthy", "50 real"))
        found["share"] = even - all_of_them
    if {"bptt", "dm"} <= set(dip):
        found["deeper"] = dip.sub(dip["dm"], axis=0)
    outside = record.rows(condition="outside").rename(columns={"outside": "value"})
    outside = outside.assign(contrast="outside", value=100 * outside["value"])
    return pd.concat([tidy(found, trained), outside[["contrast", "method", "set", "value"]]])


def _below_alone(wide: pd.DataFrame) -> pd.DataFrame:
    """How far each condition lies below the set alone, method by method."""
    return -wide.sub(wide.xs(ALONE, axis=1, level="condition"), level="method")
