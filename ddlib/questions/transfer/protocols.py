"""How much of a number is the method, and how much the protocol that measured it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.results import RECORDED, load_result, recorded, result_name


@dataclass(frozen=True)
class TwoWay:
    """Parts of y[m, p] = mean + method[m] + protocol[p] + interaction[m, p], in points."""

    mean: float
    method: Float[Tensor, " m"]
    protocol: Float[Tensor, " p"]
    interaction: Float[Tensor, "m p"]
    noise: float  # root mean square that luck of the sets alone leaves in the interaction
    sets: int

    @property
    def sizes(self) -> Mapping[str, float]:
        """Root mean square of each part over all cells."""
        parts = {
            "method": self.method, "protocol": self.protocol, "interaction": self.interaction,
        }  # fmt: skip
        return {name: float(part.square().mean().sqrt()) for name, part in parts.items()}


def two_way(y: Float[Tensor, "m p s"]) -> TwoWay:
    """Take accuracies of m methods under p protocols apart; s independent sets stand in each cell.

    The same set under two protocols shares its luck, so noise is the spread of what a set adds
    beyond its method and its protocol: residuals of the sets within each method.
    """
    cells, (m, p, s) = y.mean(2), y.shape
    method, protocol = cells.mean(1) - cells.mean(), cells.mean(0) - cells.mean()
    interaction = cells - cells.mean() - method[:, None] - protocol
    own = y - cells[:, :, None] - (y.mean(1) - y.mean((1, 2))[:, None])[:, None]
    freedom = m * (p - 1) * (s - 1)
    variance = own.square().sum() / freedom if freedom else torch.tensor(torch.nan)
    share = (m - 1) * (p - 1) / (m * p) / s  # of one run's variance, in a mean square of cells
    noise = float((variance * share).sqrt())
    return TwoWay(float(cells.mean()), method, protocol, interaction, noise, s)


def by_protocol(
    dataset: str,
    ipc: int,
    protocols: tuple[str, ...] = ("plain", "augmented"),
    folder: Path = RECORDED,
) -> tuple[tuple[str, ...], Float[Tensor, "m p s"]]:
    """Methods recorded at `ipc` under all protocols, and the mean accuracy of each set.

    Every cell must hold as many sets as its neighbors: a method with fewer than the others is left
    out until the rest of its sets are recorded.
    """
    names = recorded("results", folder)
    tags = sorted({n.split("-")[1] for n in names if n.startswith(f"{dataset}-")})
    whole = [t for t in tags if all(result_name(dataset, t, ipc, p) in names for p in protocols)]
    results = [
        [load_result(result_name(dataset, t, ipc, p), folder) for p in protocols] for t in whole
    ]
    most = max(len(r.accuracies) for row in results for r in row)
    full = {
        t: torch.stack([torch.tensor(r.accuracies).mean(1) for r in row])
        for t, row in zip(whole, results, strict=True)
        if all(len(r.accuracies) == most for r in row)
    }
    return tuple(full), torch.stack([*full.values()])
