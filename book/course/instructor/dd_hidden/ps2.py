"""Choose for coverage: greedy facility location in each class."""

import torch
from ddlib.seeds import generator

from dd_hidden.judge import Ask, Item


def points(n: int, key: str, d: int = 3) -> torch.Tensor:
    return torch.randn(
        n, d, generator=generator("ps2", key), dtype=torch.double
    )


def reference(features: torch.Tensor, ipc: int) -> list[float]:
    """The greedy choice in one class."""
    apart = torch.cdist(features, features)
    similar, chosen = apart.max() - apart, []
    best = torch.zeros(len(features), dtype=torch.double)
    for _ in range(ipc):
        gains = (similar - best[:, None]).clamp(min=0).sum(0)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        best = torch.maximum(best, similar[:, chosen[-1]])
    return [float(i) for i in chosen]


def one_class(n: int) -> torch.Tensor:
    return torch.zeros(n, dtype=torch.long)


def public(ask: Ask) -> bool:
    line = torch.tensor([0.0, 1.0, 2.0, 3.0, 10.0])[:, None]
    return ask("cover", line, one_class(5), 2) == [[2.0, 4.0]]


def coverage(ask: Ask) -> bool:
    """With one image the medoid, found by trying all; then the greedy choice."""
    for seed in range(3):
        few, many = points(8, f"few {seed}"), points(40, f"many {seed}")
        medoid = float(torch.cdist(few, few).sum(0).argmin())
        if ask("cover", few, one_class(8), 1) != [[medoid]]:
            return False
        if ask("cover", many, one_class(40), 6) != [reference(many, 6)]:
            return False
    return True


def nested(ask: Ask) -> bool:
    x = points(30, "nested")
    long, short = (ask("cover", x, one_class(30), ipc)[0] for ipc in (7, 3))
    return len(long) == 7 and long[:3] == short


def own_class(ask: Ask) -> bool:
    """What other classes hold changes no choice."""
    x, far = points(20, "own"), 5 + points(30, "far")
    labels = torch.cat([one_class(20), one_class(30) + 1])
    mixed = torch.randperm(50, generator=generator("ps2 mix"))
    found = ask("cover", torch.cat([x, far])[mixed], labels[mixed], 1)
    alone = [
        ask("cover", one, one_class(len(one)), 1)[0] for one in (x, far)
    ]
    back = [[float(mixed[int(i)]) for i in row] for row in found]
    return back == [alone[0], [20 + i for i in alone[1]]]


def distinct(ask: Ask) -> bool:
    """Images that occur twice add nothing, and still no image is chosen twice."""
    x = points(3, "twice").repeat(4, 1)
    (chosen,) = ask("cover", x, one_class(12), 6)
    return len(chosen) == len(set(chosen)) == 6


ITEMS = {
    "public": Item(5, "the check above", public),
    "coverage": Item(3, "the greedy choice by coverage", coverage),
    "nested": Item(
        1, "a longer choice begins with the shorter one", nested
    ),
    "own_class": Item(
        2, "each class is covered by its own images", own_class
    ),
    "distinct": Item(1, "no image is chosen twice", distinct),
}
