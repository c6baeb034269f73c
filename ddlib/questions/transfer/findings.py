"""What is left of a set's gain in another architecture: points, room, order, what chance gives."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.questions.transfer.experiment import CHOSEN, MATCHING, UNROLLED

RUN = ["set", "network"]
GROUPS = ("norms", "others")
# Other architectures, and the ConvNet that has their norm.
SAME_NORM = {
    "vgg11": "convnet", "resnet18-group": "convnet-group", "resnet18-batch": "convnet-batch",
}  # fmt: skip


def architectures(record: Record) -> list[str]:
    """All architectures, home first."""
    return list(dict.fromkeys(record.rows(condition="own")["architecture"]))


def distilled(record: Record) -> list[str]:
    """The methods whose images are not chosen real ones."""
    methods = dict.fromkeys(record.rows(condition="own")["method"])
    return [method for method in methods if method not in CHOSEN]


def accuracies(record: Record, condition: str = "own", value: str = "accuracy") -> pd.DataFrame:
    """A row for each architecture, set and network, a column for each method."""
    rows = record.rows(condition=condition)
    index = ["architecture", *RUN]
    wide = rows.pivot(index=index, columns="method", values=value)
    known = [a for a in architectures(record) if a in wide.index.get_level_values(0)]
    return wide[list(dict.fromkeys(rows["method"]))].reindex(known, level=0)


def gains(record: Record, condition: str = "own") -> pd.DataFrame:
    """Points above random real images of the same set number in a network of the same seed."""
    wide = accuracies(record, condition)
    return wide.sub(wide["random"], axis=0)


def kept(record: Record) -> pd.DataFrame:
    """Gain in percent of the room above random: (set - random) / (ceiling - random).

    0: no better than random images, 100: as good as ten times as many real images. The gain is
    that of one run, the room that of the architecture, between means over all its runs.
    """
    random = accuracies(record)["random"].groupby("architecture").mean()
    top = record.rows(condition="ceiling").groupby("architecture")["accuracy"].mean()
    return 100 * gains(record).div(top - random, axis=0, level="architecture")


def part_of_home(record: Record) -> pd.DataFrame:
    """By method and set: the mean gain in ConvNets with another norm, in percent of that at home.

    Chosen images have small gains at home, whose percentages say little; they are left out.
    """
    gain = gains(record)[distilled(record)].groupby(["architecture", "set"]).mean()
    away = gain.loc[list(record.settings["norms"])].groupby("set").mean()
    part = 100 * away / gain.loc[record.settings["home"]]
    return part.melt(var_name="method", value_name="value", ignore_index=False).reset_index()


def costs(record: Record) -> dict[str, pd.DataFrame]:
    """Percent of the room lost where one thing changes: the `norm` of home, or the `architecture`.

    Each architecture is compared with the ConvNet that has its norm, if that was measured, too.
    """
    share, names, home = kept(record), architectures(record), record.settings["home"]
    twins = {name: SAME_NORM.get(name.removesuffix("-narrow")) for name in names}
    pairs = {
        "norm": [(home, name) for name in record.settings["norms"]],
        "architecture": [(twin, name) for name, twin in twins.items() if twin in names],
    }
    lost = {
        what: [share.loc[one] - share.loc[other] for one, other in some]
        for what, some in pairs.items()
    }
    return {w: pd.concat(some).groupby(level=RUN).mean() for w, some in lost.items() if some}


def tau(one: Float[Tensor, " n"], other: Float[Tensor, " n"]) -> float:
    """Kendall's tau: pairs in the same order minus pairs turned around, over all pairs.

    >>> tau(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 2.0]))  # (2 - 1) / 3
    0.3333333432674408
    """
    pairs = torch.combinations(torch.arange(len(one)))
    signs = [torch.sign(v[pairs[:, 0]] - v[pairs[:, 1]]) for v in (one, other)]
    return float((signs[0] * signs[1]).mean())


def orders(n: int) -> Float[Tensor, " k"]:
    """Tau between an order of `n` things and each of all n! orders: what chance gives."""
    first = torch.arange(float(n))
    return torch.tensor([tau(first, torch.tensor(p).float()) for p in permutations(range(n))])


def agreement(record: Record) -> pd.Series:
    """Tau between the rankings that home and each other architecture give the distilled sets."""
    means = accuracies(record).groupby("architecture", sort=False).mean()[distilled(record)]
    home, *others = (torch.tensor(row.to_numpy()) for _, row in means.iterrows())
    return pd.Series({a: tau(home, o) for a, o in zip(means.index[1:], others, strict=True)})


def rate_helps(record: Record) -> pd.DataFrame:
    """Points that gains over random grow at the architecture's own rate, in tuned ones."""
    few = [method for method in record.settings["few"] if method != "random"]
    own = gains(record)[few].loc[list(record.settings["tuned"])]
    if "strict" not in set(record.table["condition"]):
        return own - own
    return own - gains(record, "strict")[few].reindex(own.index).fillna(own)


def clipping_helps(record: Record) -> pd.DataFrame:
    """Points that accuracy changes when pixels outside [0, 1] are clipped."""
    clipped = accuracies(record, "clipped")
    return clipped - accuracies(record).loc[clipped.index, list(clipped)]


def findings(record: Record) -> pd.DataFrame:
    """Numbers for the ledger, by contrast, method and architecture, or a group of these.

    Of architectures as given (`gain`, `costs`, `clipping`, `chosen gain`): one for each run, a set
    with a network seed, as the mean over the group, or over `distilled` methods. Of architectures
    at large (`lose more`, `same order`): one for each that is not home, and each set, from means
    over the networks of the set.
    """
    gain, made = gains(record), distilled(record)
    found = []

    def add(values: pd.Series, **labels: str) -> None:
        found.append(values.rename("value").reset_index().assign(**labels))

    for group in GROUPS:
        mine = gain.loc[list(record.settings[group])].groupby(level=RUN).mean()
        for method in (str(m) for m in mine if m != "random"):
            add(mine[method], contrast="gain", method=method, architecture=group)
        if "herding" in mine:
            chosen = mine["herding"] - mine[made].mean(axis=1)
            add(chosen, contrast="chosen gain", method="herding", architecture=group)
    for name in architectures(record):
        values = gain[made].mean(axis=1).xs(name)
        add(values, contrast="gain", method="distilled", architecture=name)
    for what, lost in costs(record).items():
        add(lost[made].mean(axis=1), contrast="costs", method="distilled", architecture=what)
    clipped = clipping_helps(record).mean(axis=1).groupby(level=RUN).mean()
    add(clipped, contrast="clipping", method="distilled")
    of_networks = _of_architectures(record, made)
    return pd.concat([*found, *of_networks], ignore_index=True)


def _of_architectures(record: Record, made: Sequence[str]) -> list[pd.DataFrame]:
    """One value for each architecture that is not home and has no other width, and each set."""
    away = [*record.settings["norms"], *record.settings["others"]]
    share = kept(record).groupby(["architecture", "set"]).mean()
    lost = share.loc[away].rsub(share.loc[record.settings["home"]], level="set")

    def of(some: Sequence[str]) -> pd.Series:
        return lost[[method for method in some if method in lost]].mean(axis=1)

    each = {("lose more", "unrolled"): of(UNROLLED) - of(MATCHING)}
    if "herding" in lost:
        each["lose more", "distilled"] = of(made) - of(["herding"])
    ranked = {
        number: agreement(replace(record, table=rows)).loc[away]
        for number, rows in record.table.groupby("set")
    }
    each["same order", "distilled"] = pd.concat(ranked, names=["set", "architecture"])
    return [
        values.rename("value").reset_index()
        .assign(contrast=contrast, method=method)
        for (contrast, method), values in each.items()
    ]  # fmt: skip
