"""An effect against how far the images of each set have moved from those they began with."""

import pandas as pd
from matplotlib.figure import Figure

from ddlib.plots.style import LOOKS, SMALL, finish, legend_below, panels

STILL = ("random", "start")  # photographs that nobody moved


def against_distance(
    values: pd.DataFrame,
    check: pd.DataFrame,
    value: str,
    label: str,
    scale: str,
    network: str = "convnet",
) -> Figure:
    """One marker a set: the mean of the column `value` over its rows, against its distance.

    `values` has the columns `method` and `set`; `check` is a manipulation check, as in
    `experiment.check`, with the distance of each method's set of that number (`seed`). Random
    images did not move and stand at zero. A set whose distance nobody measured is left out. The
    number beside a method is what its sets teach, in points of accuracy over random images.
    """
    figure, (axis,) = panels(height=3.4)
    known = check.rename(columns={"seed": "set"})[["method", "set", "distance", "gain"]]
    means = values.groupby(["method", "set"], sort=False)[value].mean().reset_index()
    found = means.merge(known, on=["method", "set"])
    found.loc[found["method"].isin(STILL), "distance"] = 0.0
    found = found.dropna(subset=["distance"])
    for method, sets in found.groupby("method", sort=False):
        look = LOOKS[str(method)]
        axis.plot(
            sets["distance"], sets[value], look.marker, color=look.color, markersize=7,
            markerfacecolor="white" if method == "dsa" else look.color, label=look.label,
        )  # fmt: skip
        if method not in STILL:
            axis.annotate(
                f"{sets['gain'].mean():+.0f}", (sets["distance"].mean(), sets[value].mean()),
                (-22 if method == "dsa" else 6, 5), textcoords="offset points", fontsize=SMALL,
                color="#555555",
            )  # fmt: skip
    axis.axhline(0, color="#555555", linewidth=0.8)
    axis.set_xlabel("distance from the first images (standardized pixels)")
    axis.set_ylabel(label)
    axis.margins(x=0.1, y=0.15)
    legend_below(figure)
    return finish(figure, [axis], scale, network)
