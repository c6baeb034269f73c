"""How early a set is recognized, beside what, and whether recognition falls again."""

from collections.abc import Sequence
from itertools import product

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.experiment.records import Record
from ddlib.questions.shared.arrays import as_array
from ddlib.questions.when_learned.experiment import LONG, METHODS, RELEASED, TEST, steps_of

RECOGNIZED = 95.0  # percent of a set from which on we call it recognized
SETTLED = 0.9  # part of its own final level at which a curve counts as settled


def curves(record: Record, method: str, condition: str = RELEASED) -> Float[Tensor, "net set step"]:
    """Percent of each set of a method that each network recognizes along its training."""
    rows = record.rows(condition=condition, method=method)
    return as_array(rows, "recognized", "network", "set")


def on_test(record: Record, condition: str = RELEASED) -> Float[Tensor, "net step"]:
    """Accuracy on real test images along the training of each network."""
    return as_array(record.rows(condition=condition, method=TEST), "recognized", "network")


def level(curve: Float[Tensor, "t *a"]) -> Float[Tensor, "*a"]:
    """Where a curve ends: its mean over the last fifth of the measurements."""
    return curve[-max(1, len(curve) // 5) :].mean(0)


def settled(curve: Float[Tensor, " t"], steps: Sequence[int]) -> float:
    """The first step at which a curve has 90 percent of its own final level.

    A high curve passes every mark before a low one. This asks instead when it stops rising.

    >>> settled(torch.tensor([10.0, 50.0, 92.0, 100.0, 100.0]), steps=(1, 2, 5, 10, 20))
    5.0
    """
    return float(steps[int((curve >= SETTLED * level(curve)).int().argmax())])


def still_to_come(
    curve: Float[Tensor, " t"], test: Float[Tensor, " t"], least: float = RECOGNIZED
) -> float:
    """Points of test accuracy still to be learned when `curve` first reaches `least` percent.

    Zero if it never does.
    """
    reached = curve >= least
    return float(test[-1] - test[int(reached.int().argmax())]) if reached.any() else 0.0


def falls(record: Record, method: str) -> Float[Tensor, "net set"]:
    """Points lost between the last third of the short training and the end of the long one.

    Levels of the same networks, not peaks: the highest of many jagged values is too high.
    """
    steps = steps_of(record.settings)
    late = [i for i, step in enumerate(steps) if 3 * step >= 2 * steps[-1]]
    long = curves(record, method, LONG)
    plateau = curves(record, method)[: len(long)][..., late].mean(-1)
    return plateau - level(long.movedim(-1, 0))


def findings(record: Record) -> pd.DataFrame:
    """What the ledger judges, by contrast, method and what it is held against (`other`).

    One value for each network and set. `early`: points of test accuracy still to be learned when
    the set is recognized. `settles`: how much sooner than the other it settles. `over`: how far
    above the other it is on the mean. `falls`: points lost again in long training.
    """
    steps = steps_of(record.settings)
    test = on_test(record)
    found: list[tuple[str, str, str, Tensor]] = []
    for method in METHODS:
        mine = curves(record, method)
        same = test[:, None].expand(mine.shape)  # beside each set
        pairs = zip(mine.flatten(0, 1), same.flatten(0, 1), strict=True)
        early = torch.tensor([still_to_come(*pair) for pair in pairs]).view(mine.shape[:2])
        found.append(("early", method, TEST, early))
        for other, theirs in ((TEST, same), ("random", curves(record, "random"))):
            sooner = settles(theirs, steps) - settles(mine, steps)
            found.append(("settles", method, other, sooner))
        found.append(("falls", method, LONG, falls(record, method)))
        for other in ("random", "start", "easy"):
            found.append(("over", method, other, (mine - curves(record, other)).mean(-1)))
    rows = [
        {"contrast": contrast, "method": method, "other": other, "network": n, "set": s}
        | {"value": float(values[n, s])}
        for contrast, method, other, values in found
        for n, s in product(*map(range, values.shape))
    ]
    return pd.DataFrame(rows)


def settles(
    curves: Float[Tensor, "net set step"], steps: Sequence[int]
) -> Float[Tensor, "net set"]:
    """The step at which each curve settles."""
    each = [settled(curve, steps) for curve in curves.flatten(0, 1)]
    return torch.tensor(each).view(curves.shape[:2])
