"""Who recognizes what beyond what: differences between kinds of networks, methods and versions."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.questions.recognition.experiment import LEARNED
from ddlib.questions.recognition.recognizers import LONG, MAIN
from ddlib.questions.shared.arrays import as_array

GM = ("dc", "dsa")
WEAK = ("dm", *GM)  # what the published ResNets recognize least
GROUPS = {"gm": GM, "weak": WEAK, "learned": LEARNED}


def recognized(
    record: Record, kind: str, method: str, metric: str = "accuracy", **where: str
) -> Float[Tensor, " networks"]:
    """Accuracy in percent of each network of a kind, averaged over the sets of one method."""
    each = of_sets(record, kind, method, metric, **where)
    return each.mean(1) if len(each) else torch.zeros(0)


def of_sets(
    record: Record, kind: str, method: str, metric: str = "accuracy", **where: str
) -> Float[Tensor, "networks set"]:
    """Accuracy in percent of each network of a kind on each set of one method."""
    labels = {"kind": kind, "method": method, "half": "other", "version": "set"} | where
    return _measured(record, "set", metric, labels, "network", "set")


def over_methods(
    record: Record, kind: str, methods: Sequence[str], **where: str
) -> Float[Tensor, "networks set"]:
    """`of_sets`, averaged over those of `methods` that the record has: sets of the same number."""
    known = set(record.table["method"].dropna())
    return torch.stack([of_sets(record, kind, m, **where) for m in methods if m in known]).mean(0)


def level(
    record: Record, kind: str, which: str, half: str = "other", metric: str = "accuracy"
) -> Float[Tensor, " networks"]:
    """Accuracy in percent of each network of a kind at one of the reference levels."""
    labels = {"kind": kind, "half": half, "level": which}
    return _measured(record, "level", metric, labels, "network")


def _measured(
    record: Record, condition: str, value: str, labels: dict[str, str], *axes: str
) -> Float[Tensor, "..."]:
    """A value with these axes; empty where nothing was measured."""
    rows = record.table[record.table["condition"] == condition]
    for name, label in labels.items():
        rows = rows[rows[name] == label]
    if not len(rows):
        return torch.zeros((0,) * len(axes))
    return as_array(rows, value, *axes)


def near(record: Record, method: str, value: str = "agreement") -> Float[Tensor, "networks set"]:
    """Where the sets of a method lie in the features of each main recognizer."""
    return as_array(record.rows(condition="place", method=method), value, "network", "set")


def kinds(record: Record) -> list[str]:
    """All kinds of recognizers."""
    return list(dict.fromkeys(record.table["kind"].dropna()))


def methods(record: Record) -> list[str]:
    """All methods whose sets were shown."""
    return list(dict.fromkeys(record.rows(condition="set")["method"]))


def learned(record: Record) -> list[str]:
    """The methods whose distillation was shown on its way."""
    return [m for m in methods(record) if m in LEARNED]


def findings(record: Record) -> pd.DataFrame:
    """Differences in percentage points for each set and network, by contrast, method and kind.

    Positive as the claims say it. Networks of two kinds are paired by their seed; a kind with
    fewer networks decides how many.
    """

    def get(group: str, kind: str = MAIN, **where: str) -> Tensor:
        return over_methods(record, kind, GROUPS.get(group, (group,)), **where)

    def gain(kind: str) -> Tensor:
        return get("weak", kind) - level(record, kind, "test")[:, None]

    found = _order(record, MAIN) | {
        ("convnet over resnet", "weak", MAIN): (get("weak"), get("weak", "resnet-batch")),
        ("norm", "dm", MAIN): (get("dm"), get("dm", "convnet-batch")),
        ("norm", "gm", MAIN): (get("gm"), get("gm", "convnet-batch")),
        ("architecture", "weak", MAIN): (gain("convnet-batch"), gain("resnet-batch")),
        ("below convnet", "weak", "convnet-tiny"): (get("weak"), get("weak", "convnet-tiny")),
        ("relative to test", "weak", MAIN): (gain(MAIN), gain("resnet-batch")),
        ("leak of starts", "dm", MAIN): (
            get("dm", version="start", half="own"), get("dm", version="start"),
        ),
        ("leak of sets", "learned", MAIN): (get("learned", half="own"), get("learned")),
        ("beyond starts", "learned", MAIN): (get("learned"), get("learned", version="start")),
        ("beyond starts", "dm", MAIN): (get("dm"), get("dm", version="start")),
        ("nearer than dm", "mtt", MAIN): tuple(near(record, m) for m in ("mtt", "dm")),
    }  # fmt: skip
    if LONG in kinds(record):
        found |= _order(record, LONG)
        found |= {("falls", m, LONG): (get(m), get(m, LONG)) for m in ("dm", "gm")}
    rows = [
        {"contrast": contrast, "method": method, "kind": kind, "network": i, "set": s}
        | {"value": float(value)}
        for (contrast, method, kind), pair in found.items()
        for i, (a, b) in enumerate(zip(*pair, strict=False))  # as many as both have
        for s, value in enumerate(a - b)
    ]
    return pd.DataFrame(rows)


def _order(record: Record, kind: str) -> dict[tuple[str, str, str], tuple[Tensor, Tensor]]:
    """What the released chart puts above what, as one kind of network recognizes it."""
    get = partial(over_methods, record, kind)
    test = level(record, kind, "test")[:, None]
    rivals = {"dm": get(["dm"]), "gm": get(GM), "test": test}
    found = {(f"over {b}", a, kind): (get([a]), rivals[b]) for a in ("bptt", "mtt") for b in rivals}
    return found | {("below test", b, kind): (rivals["test"], rivals[b]) for b in ("dm", "gm")}
