"""Curvature of a loss in the weights: products with the Hessian, its trace, its spectrum.

A network with p weights has a Hessian of p x p numbers, far too many to write down. But the
product H v with one vector costs about as much as two gradients, and everything here is made of
such products. Networks are stacked as everywhere: row i of theta (m, p) is network i.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Loss = Callable[[Float[Tensor, "m p"]], Float[Tensor, " m"]]
Product = Callable[[Float[Tensor, "m p"]], Float[Tensor, "m p"]]  # v -> H v


def hessian_vector_product(loss: Loss, theta: Float[Tensor, "m p"]) -> Product:
    """v -> H v at theta: the derivative of <gradient, v>. The gradient's graph is kept for reuse.

    Both derivatives are plain backward passes, outside any `vmap`, which are exact for every norm
    layer. Network i's product depends on rows i of theta and v alone.
    """
    theta = theta.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(theta).sum(), theta, create_graph=True)
    return lambda v: torch.autograd.grad(gradient, theta, v, retain_graph=True)[0]


def rademacher(
    probes: int, networks: int, weights: int, generator: torch.Generator
) -> Float[Tensor, "s m p"]:
    """Probe vectors whose entries are +1 or -1; all networks get the same ones."""
    bits = torch.randint(2, (probes, 1, weights), generator=generator, device=generator.device)
    return (2 * bits - 1).to(torch.get_default_dtype()).expand(-1, networks, -1)


def hutchinson_trace(product: Product, probes: Float[Tensor, "s m p"]) -> Float[Tensor, "s m"]:
    """<v, H v> for each probe v: independent, unbiased estimates of the trace of H.

    E <v, H v> = sum_ij H_ij E[v_i v_j] = sum_i H_ii, as the entries of v are independent signs.
    The mean over probes is the estimate, their spread over sqrt(s) its standard error.
    """
    return torch.stack([(v * product(v)).sum(1) for v in probes])


def lanczos(
    product: Product, start: Float[Tensor, "m p"], steps: int
) -> Float[Tensor, "m steps steps"]:
    """The tridiagonal matrix T = Q' H Q, where Q spans start, H start, H^2 start, ...

    Each new vector is made orthogonal to all earlier ones, twice: without that, rounding brings
    back directions that were found before, and eigenvalues appear again and again.
    """
    q = start / start.norm(dim=1, keepdim=True)
    basis, diagonal, beside = [q], [], []
    for _ in range(steps):
        w = product(q)
        diagonal.append((w * q).sum(1))
        known = torch.stack(basis, 1)  # (m, j, p)
        for _ in range(2):
            w = w - torch.einsum("mj,mjp->mp", torch.einsum("mjp,mp->mj", known, w), known)
        beside.append(w.norm(dim=1))
        q = w / beside[-1].clamp_min(torch.finfo(w.dtype).tiny)[:, None]
        basis.append(q)
    off = torch.stack(beside[:-1], 1) if steps > 1 else diagonal[0].new_zeros(len(q), 0)
    return (
        torch.diag_embed(torch.stack(diagonal, 1))
        + torch.diag_embed(off, 1)
        + torch.diag_embed(off, -1)
    )


def spectrum(
    product: Product, start: Float[Tensor, "m p"], steps: int
) -> tuple[Float[Tensor, "m steps"], Float[Tensor, "m steps"]]:
    """Places and masses, summing to 1, that stand for the eigenvalues of H (Lanczos quadrature).

    For a random start, sum_j mass_j f(place_j) estimates the mean of f over all eigenvalues,
    exactly so in expectation for polynomials f up to degree 2 steps - 1. The outermost places
    converge first, to the largest and smallest eigenvalue.
    """
    places, vectors = torch.linalg.eigh(lanczos(product, start, steps))
    return places, vectors[:, 0].square()


def at_loss(
    loss: Float[Tensor, "*b t"], values: Float[Tensor, "*b t"], level: float
) -> Float[Tensor, "*b"]:
    """`values` where the loss first comes down to `level`, between two steps; NaN if never."""
    below = loss <= level
    i = below.int().argmax(-1, keepdim=True).clamp_min(1)
    (l0, l1), (v0, v1) = ((x.gather(-1, i - 1), x.gather(-1, i)) for x in (loss, values))
    found = v0 + (v1 - v0) * ((l0 - level) / (l0 - l1).clamp_min(1e-12)).clamp(0, 1)
    return torch.where(below.any(-1), found[..., 0], torch.nan)


# ---- the estimate of the released code ------------------------------------------------------


def released_stop(
    values: Float[Tensor, "r s"], tolerance: float = 1e-3
) -> tuple[Float[Tensor, " r"], Int[Tensor, " r"]]:
    """Estimate and number of probes used by the rule of the released code; one run in each row.

    It stops as soon as (new mean - old mean, without sign) / (old mean + 1e-6) < tolerance. The
    old mean keeps its sign: after a negative first probe, whatever comes second is close enough.

    >>> released_stop(torch.tensor([[-2.0, 50.0, 9.0]]))  # a negative first probe
    (tensor([24.]), tensor([2]))
    """
    means = values.cumsum(1) / torch.arange(1, values.shape[1] + 1)
    old, new = means[:, :-1], means[:, 1:]
    enough = (new - old).abs() / (old + 1e-6) < tolerance
    used = torch.where(enough.any(1), enough.int().argmax(1) + 2, values.shape[1])
    return means.gather(1, used[:, None] - 1)[:, 0], used


def smoothed(values: Float[Tensor, " t"], weight: float = 0.9) -> Float[Tensor, " t"]:
    """The moving average of the released figure; it is late by weight / (1 - weight) steps.

    >>> smoothed(torch.tensor([0.0, 10.0, 10.0]))
    tensor([0.0000, 1.0000, 1.9000])
    """
    found = [values[0]]
    for value in values[1:]:
        found.append(weight * found[-1] + (1 - weight) * value)
    return torch.stack(found)
