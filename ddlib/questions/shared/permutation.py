"""Do images help those that are like them? A correlation over pairs, and its permutation test.

A group is a table of pairs: n sources (say the distilled images of one class) by t targets (its
test images). One table holds what each source does to each target, another how alike they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ddlib.seeds import generator

# Effect and likeness of the same pairs; each group has its own numbers of sources and targets.
Group = tuple[Float[Tensor, "_ _"], Float[Tensor, "_ _"]]
QUANTILES = (0.025, 0.5, 0.975)  # of the shuffled values, for a record to keep
TINY = 1e-12  # a table without any variation is associated with nothing


@dataclass(frozen=True)
class Permuted:
    """A correlation averaged over groups, and the values it takes when likeness is shuffled."""

    each: Float[Tensor, " g"]  # of every group; NaN where nothing can be told
    null: Float[Tensor, " draws"]

    @property
    def value(self) -> float:
        return float(self.each.nanmean())

    @property
    def p_value(self) -> float:
        """The share of shuffled values at least as large, the observed one counted with them."""
        # Equal shuffles may differ by rounding; they count as ties.
        beaten = (~(self.null < self.value - 1e-9)).sum()
        return float((1 + beaten) / (1 + len(self.null)))

    @property
    def by_chance(self) -> dict[str, float]:
        """What a record keeps of chance: the p-value `p`, and the middle 95 % of the null."""
        quantiles = self.null.quantile(torch.tensor(QUANTILES, dtype=self.null.dtype))
        return {
            "p": self.p_value,
            **dict(zip(("low", "middle", "high"), quantiles.tolist(), strict=True)),
        }


def likeness(
    source: Shaped[Tensor, "n *d"], target: Shaped[Tensor, "t *d"]
) -> Float[Tensor, "n t"]:
    """How alike: for kinds (integers) 1 if equal, else 0; for numbers minus squared distance."""
    if not source.is_floating_point():
        return (source[:, None] == target).double()
    a, b = (x.double().reshape(len(x), -1) for x in (source, target))
    return -(a[:, None] - b).square().sum(2)


def centered(table: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
    """Without the mean of each row and of each column, and then of length 1.

    What a source does to all targets, and what all sources do to one target, is gone.
    """
    table = table.double()
    table = table - table.mean(0)
    table = table - table.mean(1, keepdim=True)
    return table / table.norm().clamp_min(TINY)


def standardized(effect: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
    """Each target with mean 0 and spread 1 over the sources, so that no target outweighs others."""
    effect = effect.double()
    return (effect - effect.mean(0)) / effect.std(0, correction=0).clamp_min(TINY)


def association(effect: Float[Tensor, "n t"], alike: Float[Tensor, "n t"]) -> Float[Tensor, ""]:
    """The correlation over all pairs between centered effect and centered likeness.

    >>> association(torch.eye(3), torch.eye(3)).round(decimals=6)  # each helps its like alone
    tensor(1., dtype=torch.float64)
    """
    return (centered(standardized(effect)) * centered(alike)).sum()


def association_beyond(
    effect: Float[Tensor, "n t"], alike: Float[Tensor, "n t"], other: Float[Tensor, "n t"]
) -> Float[Tensor, ""]:
    """The correlation that is left when another likeness is taken off both by least squares."""
    e, a, o = centered(standardized(effect)), centered(alike), centered(other)
    e, a = (x - (x * o).sum() * o for x in (e, a))
    return (e * a).sum() / (e.norm() * a.norm()).clamp_min(TINY)


def shared_gap(effect: Float[Tensor, "n t"], alike: Float[Tensor, "n t"]) -> Float[Tensor, ""]:
    """Mean effect on targets that share the source's kind, minus that on those that do not.

    In the units of the effect, beyond what the sources do to the same target on average, and
    averaged over the sources that have targets of both sorts.

    >>> shared_gap(torch.tensor([[3.0, 1.0], [1.0, 3.0]]), torch.eye(2))
    tensor(2., dtype=torch.float64)
    """
    effect, shared = effect.double() - effect.double().mean(0), alike > 0.5
    both = shared.any(1) & ~shared.all(1)
    effect, shared = effect[both], shared[both].double()
    near = (effect * shared).sum(1) / shared.sum(1)
    rest = (effect * (1 - shared)).sum(1) / (1 - shared).sum(1)
    return (near - rest).mean()


def by_class(
    effect: Float[Tensor, "n t"],
    labels: Int[Tensor, " n"],
    test_labels: Int[Tensor, " t"],
    source: Shaped[Tensor, "n *d"],
    target: Shaped[Tensor, "t *d"],
    *,
    same: bool = True,
) -> list[Group]:
    """The tables (effect, likeness) of each class: its sources, and the targets of the same class.

    With `same=False` the targets are those of all other classes.
    """
    groups = []
    for c in labels.unique():
        rows, columns = labels == c, (test_labels == c) == same
        alike = likeness(source[rows], target[columns])
        groups.append((effect[rows][:, columns], alike))
    return groups


def permutation_test(
    groups: Sequence[Group],
    draws: int,
    shuffles: torch.Generator,
) -> Permuted:
    """The mean `association` of some groups (effect, likeness), and its values by chance.

    By chance: within each group the sources exchange their attributes at random. Everything else,
    the group included, stays as it is, so an effect of the group cannot make the value large.
    A group whose sources all have the same attribute says nothing and does not count.
    """
    each, null = [], torch.zeros(draws, dtype=torch.float64)
    for effect, alike in groups:
        # G[i, j]: the effect of source i, held against the attribute of source j.
        kernel = centered(alike)
        g = centered(standardized(effect)) @ kernel.T
        keys = torch.rand(draws, len(g), generator=shuffles, device=shuffles.device)
        shuffled = keys.argsort(1).to(g.device)
        null += g.expand(draws, -1, -1).gather(2, shuffled[..., None]).sum((1, 2)).cpu()
        each.append(g.trace().cpu() if kernel.any() else torch.tensor(torch.nan))
    found = torch.stack(each).double()
    return Permuted(found, null / (~found.isnan()).sum().clamp_min(1))


def null_p_values(
    effect: Float[Tensor, "n t"],
    labels: Int[Tensor, " n"],
    tested: Int[Tensor, " t"],
    trials: int,
    *,
    within: bool,
    draws: int = 199,
) -> list[float]:
    """p-values of made-up attributes, which depend on the class and on nothing that is seen.

    Each is a number of the class plus noise. Attributes are shuffled `within` classes, or across.
    """
    p_values = []
    for trial in range(trials):
        noise = generator("made up", trial)
        of_class = torch.randn(int(labels.max()) + 1, generator=noise)
        a, b = (of_class[x] + torch.randn(len(x), generator=noise) for x in (labels, tested))
        whole = [(effect, likeness(a, b))]
        groups = by_class(effect, labels, tested, a, b) if within else whole
        p_values.append(permutation_test(groups, draws, noise).p_value)
    return p_values
