"""What is left of a set's gain in another network: points, room, order, and what chance gives."""

from itertools import permutations

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.studies import Study


def gains(study: Study) -> Float[Tensor, "network source set"]:
    """Points above random real images of the same seed in the same network, mean over networks."""
    means = study.pick("accuracy").mean(3)
    random = study.axes["source"].index("random")
    return means - means[:, random : random + 1]


def kept(study: Study) -> Float[Tensor, "network source"]:
    """Gain in percent of the room above random: (set - random) / (ceiling - random).

    0: no better than random images, 100: as good as ten times as many real images.
    """
    random = study.pick("accuracy", source="random").mean((1, 2))
    room = study.pick("ceiling").mean(1) - random
    return 100 * gains(study).mean(2) / room[:, None]


def tau(one: Float[Tensor, " n"], other: Float[Tensor, " n"]) -> float:
    """Kendall's tau: pairs in the same order minus pairs turned around, over all pairs."""
    pairs = torch.combinations(torch.arange(len(one)))
    signs = [torch.sign(v[pairs[:, 0]] - v[pairs[:, 1]]) for v in (one, other)]
    return float((signs[0] * signs[1]).mean())


def orders(n: int) -> Float[Tensor, " k"]:
    """Tau between an order of `n` things and each of all n! orders: what chance gives."""
    first = torch.arange(float(n))
    return torch.tensor([tau(first, torch.tensor(p).float()) for p in permutations(range(n))])


def agreement(study: Study) -> Float[Tensor, "network network"]:
    """Tau between the rankings that two networks give the sets, random images left out."""
    keep = [i for i, source in enumerate(study.axes["source"]) if source != "random"]
    scores = gains(study).mean(2)[:, keep]
    return torch.tensor([[tau(a, b) for b in scores] for a in scores])


def rate_helps(study: Study) -> Float[Tensor, "tuned few"]:
    """Points that gains over random grow at the network's own rate, on the first set."""
    few, sources = study.axes["few"], study.axes["source"]
    tuned = [study.axes["network"].index(n) for n in study.settings["tuned"]]
    own = gains(study)[tuned][:, [sources.index(s) for s in few], 0]
    strict = study.pick("strict")[tuned].mean(2)
    strict = strict - strict[:, few.index("random")][:, None]
    distilled = [i for i, source in enumerate(few) if source != "random"]
    return (own - strict)[:, distilled]


def clipping_helps(study: Study) -> Float[Tensor, "clipped distilled"]:
    """Points that accuracy changes when pixels outside [0, 1] are clipped."""
    networks = [study.axes["network"].index(n) for n in study.axes["clipped"]]
    sources = [study.axes["source"].index(s) for s in study.axes["distilled"]]
    whole = study.pick("accuracy", set=0)[networks][:, sources]
    return (study.pick("clipped") - whole).mean(2)
