"""The gradient of a step, by hand, for a linear classifier."""

import torch
from ddlib.seeds import generator

from dd_hidden.judge import Ask, Item

Problem = tuple[torch.Tensor, ...]


def problem(n: int, d: int, k: int, key: str) -> Problem:
    """Synthetic images and labels, real images and labels, weights."""
    rng = generator("ps4", key)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.double)

    return (
        normal(n, d),
        torch.arange(n) % k,
        normal(20, d),
        torch.arange(20) % k,
        normal(k, d),
    )


def reference(
    x: torch.Tensor, y: torch.Tensor, *rest: torch.Tensor, lr: float
) -> torch.Tensor:
    """The derivative by autograd, in float64."""
    real, labels, w = rest
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    inner = torch.nn.functional.cross_entropy(x @ w.T, y)
    (slope,) = torch.autograd.grad(inner, w, create_graph=True)
    outer = torch.nn.functional.cross_entropy(
        real @ (w - lr * slope).T, labels
    )
    return torch.autograd.grad(outer, x)[0]


def asked(ask: Ask, given: Problem, lr: float) -> torch.Tensor:
    return torch.tensor(
        ask("step_gradient", *given, lr), dtype=torch.double
    )


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


def public(ask: Ask) -> bool:
    """One image, weights zero, rate one: half of the terms vanish."""
    x, y, real, labels, w = problem(1, 3, 2, "public")
    given = x, y, real, labels, torch.zeros_like(w)
    return torch.allclose(
        asked(ask, given, 1.0), reference(*given, lr=1.0), atol=1e-10
    )


def rate(ask: Ask) -> bool:
    """Zero at rate zero, and twice as long at twice a small rate."""
    given = problem(4, 5, 3, "rate")
    none, small, double = (
        asked(ask, given, lr) for lr in (0.0, 1e-6, 2e-6)
    )
    return (
        bool(none.abs().max() == 0)
        and abs(float(double.norm() / small.norm()) - 2) < 1e-3
    )


def scale(ask: Ask) -> bool:
    """Every image twice: the same step, so that each copy has half of the derivative."""
    x, y, *rest = problem(4, 5, 3, "scale")
    once = asked(ask, (x, y, *rest), 0.3)
    twice = asked(ask, (x.repeat(2, 1), y.repeat(2), *rest), 0.3)[:4]
    return torch.allclose(twice, once / 2, rtol=1e-8)


def all_terms(ask: Ask) -> bool:
    """The direction by autograd, for three shapes."""
    shapes = ((1, 4, 2), (6, 5, 3), (10, 8, 5))
    pairs = [(problem(*shape, f"terms {shape}"), 0.2) for shape in shapes]
    found = [
        cosine(asked(ask, p, lr), reference(*p, lr=lr)) for p, lr in pairs
    ]
    return min(map(abs, found)) > 1 - 1e-9


ITEMS = {
    "public": Item(5, "the check above", public),
    "rate": Item(2, "the learning rate", rate),
    "scale": Item(2, "the mean over images", scale),
    "all_terms": Item(3, "every term, against autograd", all_terms),
}
