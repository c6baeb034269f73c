"""What single images of shapes mean: correlations between influence and likeness."""

import pandas as pd

from ddlib.experiment.records import Record

CLASS = ["set", "class"]


def findings(record: Record) -> pd.DataFrame:
    """Correlations between influence and likeness, one value for each set and class.

    `meaning`: by attribute, where colors are random; `beyond`: more than those of random images;
    `past pixels`: what is left beside the likeness of all pixels. Where colors are tied to the
    class, of colors: `spurious own`, and `spurious other`, on test images of other classes, with
    the sign turned; `shortcut`: points by which networks are better on images in that color, a
    value for each network. Classes of a set whose images all wear one color are left out of what is
    said of colors.
    """
    levels = record.settings["levels"]
    held = record.rows(condition="association", meaning="measured")
    measured = held[(held["level"] == levels[0]) & (held["place"] == "own")]
    past = record.rows(condition="past pixels", level=levels[0])
    found = {"meaning": measured, "past pixels": past}
    keys = ["attribute", *CLASS]
    random = measured[measured["method"] == "random"].set_index(keys)["association"]
    others = measured[measured["method"] != "random"]
    beside = pd.MultiIndex.from_frame(others[keys])
    less = others["association"] - random.reindex(beside).to_numpy()
    found["beyond"] = others.assign(association=less)
    color = held[(held["level"] == levels[-1]) & (held["attribute"] == "color")]
    found["spurious own"] = color[color["place"] == "own"]
    other = color[color["place"] == "other"]
    found["spurious other"] = other.assign(association=-other["association"])
    long = pd.concat([rows.assign(contrast=name) for name, rows in found.items()])
    long = long.rename(columns={"association": "value"}).dropna(subset=["value"])
    accuracy = record.rows(condition="accuracy", level=levels[-1])
    wide = accuracy.pivot(index=["method", "set", "network"], columns="worn", values="accuracy")
    worn = (wide["tied"] - wide["free"]).rename("value").reset_index()
    columns = ["contrast", "method", "attribute", *CLASS, "value"]
    return pd.concat([long[columns], worn.assign(contrast="shortcut")], ignore_index=True)
