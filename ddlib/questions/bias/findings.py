"""How biased networks are: gaps, what they are compared with, and what the sets look like."""

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ddlib.experiment.cells import Label
from ddlib.experiment.records import Record
from ddlib.questions.bias.experiment import EARLY, IPC, METRICS
from ddlib.questions.shared.arrays import as_array

RANDOM = ("random", "start")  # two draws of random images of the same size; `start` began the sets


def gap(percent: Float[Tensor, "*s metric net"]) -> Float[Tensor, "*s net"]:
    """Points by which a network is better on aligned drawings than on conflicting ones.

    The drawings are the same but for their color: without bias the gap is zero.

    >>> gap(torch.tensor([[90.0], [60.0], [20.0]]))  # aligned less conflicting
    tensor([30.])
    """
    return percent[..., 0, :] - percent[..., 1, :]


def of_all(record: Record, step: int, level: float) -> Float[Tensor, "set metric net"]:
    """What networks on all real images do after `step` steps."""
    return percent(record, condition="path", level=level, step=step)


def of_method(record: Record, method: str, level: float) -> Float[Tensor, "set metric net"]:
    """What networks on the sets of a method do."""
    return percent(record, condition="set", level=level, method=method)


def percent(record: Record, **where: Label) -> Float[Tensor, "set metric net"]:
    """By `METRICS`, how networks judge under a condition."""
    rows = record.rows(**where)
    rows = rows.assign(place=rows.groupby("set").cumcount())
    return torch.stack([as_array(rows, metric, "set", "place") for metric in METRICS], 1)


def of_random(record: Record, level: float) -> Float[Tensor, "set metric net"]:
    """What networks on random images of the same size do, the mean over the draws there are."""
    draws = [method for method in RANDOM if method in record.settings["methods"]]
    return torch.stack([of_method(record, method, level) for method in draws]).mean(0)


def pictures(record: Record) -> dict[str, UInt8[Tensor, "image c h w"]]:
    """The images that are kept, by method."""
    rows = record.table.dropna(subset=["shown"])
    return dict(zip(rows["method"], rows["shown"], strict=True))


def expected_own(levels: Sequence[float], classes: int) -> list[float]:
    """Share of real images in the color of their class, in percent: s + (1 - s) / classes.

    >>> expected_own([0.0, 0.5, 1.0], classes=5)
    [20.0, 60.0, 100.0]
    """
    return [100 * (s + (1 - s) / classes) for s in levels]


def moved(record: Record) -> Float[Tensor, " method"]:
    """How far each method's kept images are from those of `start`: RMS over pixels, of 255."""
    kept = pictures(record)
    shown = torch.stack(list(kept.values())).float()
    return (shown - kept["start"].float()).square().mean((1, 2, 3, 4)).sqrt()


def findings(record: Record) -> pd.DataFrame:
    """Points for the ledger at the level of the controls, by contrast, method and `beside`.

    One for each pair of networks. `over`: the gap beyond that of `full` data, of `random` images or
    of the `start`; `over full high`: the same at the level that is seen. `aligned`, `conflict`,
    `color`: metrics beyond random images. `null`: the gap where color says nothing. `raises`,
    `lowers`: what a variant does to the gap, `variant conflict` to conflicting drawings.
    `size lowers`: what more random images do. `color first`: taken for the color early on.
    """
    settings, found = record.settings, {}
    level, high, steps = settings["level"], settings["seen"], settings["steps"]
    full, small = of_all(record, steps, level), of_random(record, level)
    beside = {"full": full, "random": small}
    if "start" in settings["methods"]:
        beside["start"] = of_method(record, "start", level)
    for method in settings["methods"]:
        mine = of_method(record, method, level)
        for name, other in beside.items():
            found["over", method, name] = gap(mine) - gap(other)
        for row, metric in enumerate(METRICS):
            found[metric, method, "random"] = mine[:, row] - small[:, row]
        null = of_method(record, method, settings["levels"][0])
        found["null", method, ""] = gap(null)
        strong = of_method(record, method, high), of_all(record, steps, high)
        found["over full high", method, "full"] = gap(strong[0]) - gap(strong[1])
    for variant in settings["variants"]:
        base = of_method(record, variant.split("-")[0], level)
        other = percent(record, condition="variant", variant=variant)
        found["raises", variant, ""] = gap(other) - gap(base)
        found["lowers", variant, ""] = gap(base) - gap(other)
        found["variant conflict", variant, ""] = other[:, 1] - base[:, 1]
    sizes = [gap(percent(record, condition="size", size=size)) for size in settings["sizes"]]
    found["size lowers", "random", ""] = sizes[list(settings["sizes"]).index(IPC)] - sizes[-1]
    found["color first", "full", ""] = of_all(record, EARLY, level)[:, 2] - full[:, 2]
    rows = [
        {"contrast": contrast, "method": method, "beside": name, "set": s}
        | {"network": s * values.shape[1] + n, "value": float(values[s, n])}
        for (contrast, method, name), values in found.items()
        for s in range(values.shape[0])
        for n in range(values.shape[1])
    ]
    return pd.DataFrame(rows)
