"""Is it luck? Resample sets, then networks within sets; choose on one split, report another."""

import torch
from ddlib.seeds import generator

from dd_hidden.judge import Ask, Item, close

DRAWS = 4000
NEAR = 0.035  # four standard errors of a rate from that many draws


def reference(
    a: torch.Tensor, b: torch.Tensor, draws: int = 20_000
) -> float:
    """The rate of flips by many draws."""
    rng = generator("ps1 reference")

    def means(x: torch.Tensor) -> torch.Tensor:
        sets, nets = x.shape
        i = torch.randint(sets, (draws, sets, 1), generator=rng)
        j = torch.randint(nets, (draws, sets, nets), generator=rng)
        return x[i, j].mean((1, 2))

    return float(
        ((means(a) - means(b)) * (a.mean() - b.mean()) <= 0).double().mean()
    )


def table(
    sets: int, nets: int, spread: tuple[float, float], key: str
) -> torch.Tensor:
    rng = generator("ps1", key)
    means = (
        torch.randn(sets, 1, generator=rng, dtype=torch.double) * spread[0]
    )
    inner = (
        torch.randn(sets, nets, generator=rng, dtype=torch.double)
        * spread[1]
    )
    return (
        50 + (means - means.mean()) + (inner - inner.mean(1, keepdim=True))
    )


def public(ask: Ask) -> bool:
    far = torch.full((3, 4), 60.0), torch.full((3, 4), 40.0)
    return (
        ask("flip_rate", *far, 100, 0) == 0
        and ask("flip_rate", far[0], far[0], 100, 0) == 1
        and ask("choose_fairly", [10.0, 30.0, 20.0], [11.0, 29.0, 19.0])
        == [1.0, 29.0]
    )


def sets_resampled(ask: Ask) -> bool:
    """Sets differ much, networks hardly: only drawing sets shows how often the order flips."""
    a, b = table(5, 6, (2.0, 0.1), "a") + 0.9, table(5, 6, (2.0, 0.1), "b")
    return close(ask("flip_rate", a, b, DRAWS, 1), reference(a, b), NEAR)


def networks_within_sets(ask: Ask) -> bool:
    """Sets have equal means, networks differ: only drawing networks shows it."""
    a, b = table(3, 4, (0.0, 3.0), "c") + 1.0, table(3, 4, (0.0, 3.0), "d")
    return close(ask("flip_rate", a, b, DRAWS, 2), reference(a, b), NEAR)


def symmetric(ask: Ask) -> bool:
    a, b = table(4, 5, (1.0, 1.0), "e") + 0.5, table(4, 5, (1.0, 1.0), "f")
    rates = [ask("flip_rate", *pair, DRAWS, 3) for pair in ((a, b), (b, a))]
    return close(rates[0], rates[1], 1.5 * NEAR) and all(
        0 < rate < 1 for rate in rates
    )


def chosen_on_validation(ask: Ask) -> bool:
    rng = generator("ps1 choose")
    for _ in range(5):
        val, test = torch.rand(2, 24, generator=rng).double().tolist()
        best = max(range(24), key=val.__getitem__)
        if ask("choose_fairly", val, test) != [float(best), test[best]]:
            return False
    return True


ITEMS = {
    "public": Item(5, "the checks above", public),
    "sets_resampled": Item(2, "sets are drawn again", sets_resampled),
    "networks_within_sets": Item(
        2, "networks are drawn within sets", networks_within_sets
    ),
    "symmetric": Item(1, "a against b flips as b against a", symmetric),
    "chosen_on_validation": Item(
        2, "the choice never sees the test", chosen_on_validation
    ),
}
