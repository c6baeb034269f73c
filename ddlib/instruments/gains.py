"""What is left of a set's gain in another network: points, room, order, and what chance gives."""

from collections.abc import Sequence
from itertools import permutations

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.studies import Study

# Other architectures, and the ConvNet that has their norm.
SAME_NORM = {
    "vgg11": "convnet", "resnet18-group": "convnet-group", "resnet18-batch": "convnet-batch",
}  # fmt: skip


def gains(study: Study) -> Float[Tensor, "network source set net"]:
    """Points above random real images of the same set number in a network of the same seed."""
    accuracy = study.pick("accuracy")
    random = study.axes["source"].index("random")
    return accuracy - accuracy[:, random : random + 1]


def kept(study: Study) -> Float[Tensor, "network source set net"]:
    """Gain in percent of the room above random: (set - random) / (ceiling - random).

    0: no better than random images, 100: as good as ten times as many real images. The gain is
    that of one run, the room that of the network, between means over all its runs.
    """
    random = study.pick("accuracy", source="random").mean((1, 2))
    room = study.pick("ceiling").mean(1) - random
    return 100 * gains(study) / room[:, None, None, None]


def costs(study: Study) -> dict[str, Float[Tensor, "pair source set net"]]:
    """Percent of the room lost where one thing changes: the `norm` of home, or the `architecture`.

    Each architecture is compared with the ConvNet that has its norm, if that was measured, too.
    """
    share, networks, home = kept(study), study.axes["network"], study.settings["home"]
    twins = {network: SAME_NORM.get(network.removesuffix("-narrow")) for network in networks}
    pairs = {
        "norm": [(home, network) for network in study.settings["norms"]],
        "architecture": [(twin, network) for network, twin in twins.items() if twin in networks],
    }

    def rows(names: Sequence[str]) -> Tensor:
        return share[[networks.index(name) for name in names]]

    return {k: rows([a for a, _ in some]) - rows([b for _, b in some]) for k, some in pairs.items()}


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


def agreement(study: Study) -> Float[Tensor, "network network"]:
    """Tau between the rankings that two networks give the distilled sets, by means over runs."""
    rows = [study.axes["source"].index(source) for source in study.axes["distilled"]]
    scores = study.pick("accuracy").mean((2, 3))[:, rows]
    return torch.tensor([[tau(a, b) for b in scores] for a in scores])


def rate_helps(study: Study) -> Float[Tensor, "tuned few set net"]:
    """Points that gains over random grow at the network's own rate."""
    few, sources = study.axes["few"], study.axes["source"]
    tuned = [study.axes["network"].index(n) for n in study.settings["tuned"]]
    own = gains(study)[tuned][:, [sources.index(s) for s in few]]
    strict = study.pick("strict")[tuned]
    strict = strict - strict[:, few.index("random")][:, None]
    rows = [i for i, source in enumerate(few) if source != "random"]
    return (own - strict)[:, rows]


def clipping_helps(study: Study) -> Float[Tensor, "clipped distilled set net"]:
    """Points that accuracy changes when pixels outside [0, 1] are clipped."""
    networks = [study.axes["network"].index(n) for n in study.axes["clipped"]]
    sources = [study.axes["source"].index(s) for s in study.axes["distilled"]]
    return study.pick("clipped") - study.pick("accuracy")[networks][:, sources]
