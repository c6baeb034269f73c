"""How curved the loss is beside that on real images, and what a turn on a set still gains."""

from collections.abc import Iterator

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.questions.curvature.hessian import at_loss
from ddlib.questions.shared.arrays import as_array, named


def gains(record: Record, turn: int) -> dict[str, Float[Tensor, "net start draw"]]:
    """Change of test accuracy in `turn` steps on each set; "real": in as many on real data."""
    turns = record.rows(condition="turn", turn=turn)
    along = record.rows(condition="test")
    test, stops = as_array(along, "test", "network", "step"), named(along, "step")
    before, there = (
        torch.stack([test[:, stops.index(t + later)] for t in named(turns, "step")], 1)[..., None]
        for later in (0, turn)
    )
    each = dict(list(turns.groupby("method", sort=False)))
    after = {m: as_array(rows, "test", "network", "step", "set") for m, rows in each.items()}
    gained = {str(method): values - before for method, values in after.items()}
    return {"real": there - before} | gained


def curves(record: Record, method: str) -> list[Float[Tensor, "net step draw"]]:
    """Trace, loss and uncertainty on the images of one method."""
    rows = record.rows(condition="curvature", method=method)
    values = [as_array(rows, k, "network", "step", "set") for k in ("trace", "loss", "uncertainty")]
    return [values[0].mean(-1), *values[1:]]


def ratios(record: Record) -> pd.DataFrame:
    """The trace of each network on each set by step: trace; ratio to that on its real samples;
    scaled, the same ratio with both traces divided by the uncertainty there.
    """
    rows = record.rows(condition="curvature")
    methods, steps = named(rows, "method"), named(rows, "step")
    real, _, vague = (c.mean(-1, keepdim=True) for c in curves(record, "real"))  # of both samples
    tidy = []
    for method in methods:
        trace, _, unsure = curves(record, method)
        ratio = trace / real
        for (i, j, k), value in _entries(trace):
            one = {"network": i, "method": method, "set": k, "step": steps[j], "trace": value}
            of = {"ratio": ratio[i, j, k].item()}
            of["scaled"] = of["ratio"] * (vague[i, j, 0] / unsure[i, j, k]).item()
            tidy.append(one | of)
    return pd.DataFrame(tidy)


def gained(record: Record, turn: int) -> pd.DataFrame:
    """What `gains` says, a row a network, set and start; `more`: than on the random sets there."""
    starts = named(record.rows(condition="turn", turn=turn), "step")
    each = gains(record, turn)
    usual = each["random"].mean(-1, keepdim=True)
    return pd.DataFrame(
        {"network": i, "method": method, "set": k, "start": starts[j], "gain": value,
         "more": value - usual[i, j, 0].item()}
        for method, values in each.items()
        for (i, j, k), value in _entries(values)
    )  # fmt: skip


def _entries(values: Float[Tensor, "net step draw"]) -> Iterator[tuple[list[int], float]]:
    """Each entry of an array with its place."""
    for place in (~values.isnan()).nonzero().tolist():
        yield place, values[tuple(place)].item()


def findings(record: Record) -> pd.DataFrame:
    """One number for each network and set, by contrast and method.

    As a share of the trace on real images: peak, above: the trace is higher, at its highest and at
    the last moment. below, scaled, equal: it is lower, at the last moment, there divided by
    uncertainty, and at equal loss.
    In points: early, late: a turn gains more than one on random images, at the first and at the
    last start. fades: the first minus the second. costs: what a turn costs at the last start.
    """
    found: dict[tuple[str, str], Tensor] = {}
    level = record.settings["level"]
    rows = record.rows(condition="curvature")
    late = named(rows, "step").index(record.settings["moments"][-1])
    each = {method: curves(record, method) for method in named(rows, "method")}
    real, *others = (c.mean(-1, keepdim=True) for c in each.pop("real"))  # of both samples
    theirs = at_loss(others[0].mT, real.mT, level)
    for method, (trace, loss, unsure) in each.items():
        found["peak", method] = trace.amax(1) / real.amax(1) - 1
        found["above", method] = (trace / real)[:, late] - 1
        found["below", method] = 1 - (trace / real)[:, late]
        found["scaled", method] = 1 - (trace / real / unsure * others[1])[:, late]
        found["equal", method] = 1 - at_loss(loss.mT, trace.mT, level) / theirs
    gained = gains(record, record.settings["onward"][-1])
    for method in (m for m in gained if m != "real"):
        more = gained[method] - gained["random"]
        found["early", method], found["late", method] = more[:, 0], more[:, -1]
        found["fades", method] = more[:, 0] - more[:, -1]
        found["costs", method] = -gained[method][:, -1]
    tidy = [
        {"contrast": contrast, "method": method, "network": i, "set": s, "value": value}
        for (contrast, method), values in found.items()
        for i, each in enumerate(values.tolist())
        for s, value in enumerate(each)
    ]
    return pd.DataFrame(tidy)
