"""Products, traces and eigenvalues of Hessians against dense matrices, in float64."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from helpers import relative_error, toy_data
from torch import Tensor, nn

from ddlib.ensemble import flatten, initialize_many
from ddlib.networks import ConvNet
from ddlib.questions.curvature.hessian import (
    Loss,
    hessian_vector_product,
    hutchinson_trace,
    lanczos,
    rademacher,
    released_stop,
    smoothed,
    spectrum,
)
from ddlib.seeds import generator
from ddlib.training import mean_loss

pytestmark = pytest.mark.usefixtures("double")
NORMS = ("instance", "group", "layer", "none")


def small(norm: str) -> nn.Module:
    """A network of some hundred weights; GELU, as a kink has no second derivative."""
    width, depth = (16, 1) if norm == "group" else (4, 2)  # two channels in each of eight groups
    with torch.device("meta"):
        return ConvNet(2, 4, 3, width=width, depth=depth, norm=norm, activation=nn.GELU)


def case(norm: str) -> tuple[Loss, Tensor]:
    """The loss of two networks on toy data, and weights that are not those of the start."""
    net, data = small(norm), toy_data()
    theta = flatten(net, initialize_many(net, range(2)))
    theta = theta + 0.1 * torch.randn(theta.shape, generator=generator("move"))
    return mean_loss(net, data.train_images[:, :, :4, :4], data.train_labels), theta


@cache
def dense(norm: str) -> Tensor:
    """The Hessian of each network, (m, p, p): each alone, without stacking, by plain autograd."""
    loss, theta = case(norm)
    hessian = torch.autograd.functional.hessian
    return torch.stack([hessian(lambda one: loss(one[None])[0], row) for row in theta])


def times(matrices: Tensor) -> Callable[[Tensor], Tensor]:
    """Products with known matrices (m, p, p)."""
    return lambda v: torch.einsum("mij,mj->mi", matrices, v)


def symmetric(p: int, seed: int = 0) -> Tensor:
    a = torch.randn(1, p, p, generator=generator("symmetric", seed))
    return (a + a.mT) / 2


@pytest.mark.parametrize("norm", NORMS)
def test_product_is_that_of_the_dense_hessian(norm: str) -> None:
    loss, theta = case(norm)
    v = torch.randn(theta.shape, generator=generator("v"))
    product = hessian_vector_product(loss, theta)
    for _ in range(2):  # a product can be asked for again
        assert relative_error(product(v), times(dense(norm))(v)) <= 1e-10


@pytest.mark.parametrize("norm", NORMS)
def test_products_of_many_networks_and_probes_equal_single_ones(norm: str) -> None:
    loss, theta = case(norm)
    probes = torch.randn(4, *theta.shape, generator=generator("v"))
    together = hutchinson_trace(hessian_vector_product(loss, theta), probes)
    for i in range(2):
        alone = hessian_vector_product(loss, theta[i : i + 1])
        for s in range(4):
            expected = (probes[s, i] * alone(probes[s, i : i + 1])[0]).sum()
            assert relative_error(together[s, i], expected) <= 1e-10


@pytest.mark.parametrize("norm", NORMS)
def test_trace_is_within_its_own_error_of_the_dense_one(norm: str) -> None:
    (loss, theta), h = case(norm), dense(norm)
    probes = rademacher(200, *theta.shape, generator("probes"))
    found = hutchinson_trace(hessian_vector_product(loss, theta), probes)
    off = h - torch.diag_embed(h.diagonal(dim1=1, dim2=2))
    error = (2 * off.square().sum((1, 2)) / 200).sqrt()  # the estimator's true standard error
    trace = h.diagonal(dim1=1, dim2=2).sum(1)
    assert ((found.mean(0) - trace).abs() <= 3.5 * error).all()
    assert ((found.std(0) / 200**0.5 / error - 1).abs() <= 0.25).all(), (
        "and the error is what it says"
    )


def test_trace_of_a_diagonal_matrix_needs_one_probe() -> None:
    h = torch.diag(torch.tensor([3.0, -1.0, 5.0]))[None]
    probe = rademacher(1, 1, 3, generator("probes"))
    assert hutchinson_trace(times(h), probe).item() == 7.0


def test_probes_are_signs_and_the_same_for_all_networks() -> None:
    probes = rademacher(50, 3, 200, generator("probes"))
    assert set(probes.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(probes[:, 0], probes[:, 2])
    assert abs(probes[:, 0].mean()) <= 4 / 100


def test_intervals_cover_the_trace_as_often_as_they_should() -> None:
    """Of 600 intervals of two standard errors from 20 probes about 94 in 100 hold the truth."""
    h = symmetric(30)
    trace, hits = h[0].trace(), 0
    for run in range(600):
        found = hutchinson_trace(times(h), rademacher(20, 1, 30, generator("run", run)))
        error = found.std() / 20**0.5
        hits += bool((found.mean() - trace).abs() <= 2 * error)
    assert 0.91 <= hits / 600 <= 0.97  # Student's t with 19 degrees of freedom: 0.94


def test_estimates_are_unbiased() -> None:
    h = symmetric(30)
    found = hutchinson_trace(times(h), rademacher(20000, 1, 30, generator("many")))
    assert (found.mean() - h[0].trace()).abs() <= 4 * found.std() / 20000**0.5


def test_all_lanczos_steps_give_all_eigenvalues() -> None:
    h = torch.cat([symmetric(12, 0), symmetric(12, 1)])
    start = torch.randn(2, 12, generator=generator("start"))
    places, mass = spectrum(times(h), start, 12)
    values, vectors = torch.linalg.eigh(h)
    assert relative_error(places, values) <= 1e-9
    unit = start / start.norm(dim=1, keepdim=True)
    assert relative_error(mass, torch.einsum("mij,mi->mj", vectors, unit).square()) <= 1e-9


@pytest.mark.parametrize("norm", NORMS)
def test_outermost_place_is_the_top_eigenvalue_of_a_network(norm: str) -> None:
    loss, theta = case(norm)
    start = torch.randn(theta.shape, generator=generator("start"))
    found = spectrum(hessian_vector_product(loss, theta), start, 40)[0].amax(1)
    expected = torch.linalg.eigvalsh(dense(norm)).amax(1)
    assert relative_error(found, expected) <= 1e-8


def test_few_places_stand_for_many_eigenvalues() -> None:
    """The quadrature is exact for the moments v' H^k v up to k = 2 steps - 1."""
    h, start = symmetric(40), torch.randn(1, 40, generator=generator("start"))
    places, mass = spectrum(times(h), start, 4)
    w = start / start.norm()
    for power in range(8):
        expected = (start @ w.T)[0, 0] / start.norm()
        assert relative_error((mass * places**power).sum(), expected) <= 1e-9
        w = times(h)(w)
    assert mass.sum().item() == pytest.approx(1)


def test_rounding_brings_no_eigenvalue_back() -> None:
    """One large eigenvalue among small ones: without orthogonalizing it would come twice."""
    h = torch.diag(torch.cat([torch.linspace(0, 1, 200), torch.tensor([1000.0])]))[None]
    start = torch.randn(1, 201, generator=generator("start"))
    places, _ = spectrum(times(h), start, 60)
    assert (places > 500).sum() == 1


def test_lanczos_goes_on_when_the_space_is_exhausted() -> None:
    h = torch.diag(torch.tensor([2.0, 2.0, 2.0]))[None]
    found = lanczos(times(h), torch.ones(1, 3), 2)
    assert found.isfinite().all()
    assert found[0, 0, 0] == pytest.approx(2)


def test_released_rule_stops_at_two_after_a_negative_first_probe() -> None:
    values = torch.tensor([[-1.0, 7, 1, 1], [1.0, 1.0005, 9, 9], [4.0, 2, 3, 3.0], [4.0, 2, 9, 1]])
    estimate, used = released_stop(values)
    assert used.tolist() == [2, 2, 3, 4]  # an accident of sign; agreement; agreement; the end
    assert estimate.tolist() == pytest.approx([3.0, 1.00025, 3.0, 4.0])


def test_released_rule_is_biased_low_when_probes_vary_as_much_as_the_trace() -> None:
    values = 1 + torch.randn(20000, 100, generator=generator("probes"))
    estimate, used = released_stop(values)
    assert (used <= 2).double().mean() == pytest.approx(0.16, abs=0.015)  # P(first < 0), and luck
    assert estimate.mean() == pytest.approx(0.87, abs=0.03)
    assert abs(values.mean() - 1) < 0.01


def test_smoothing_is_late_by_nine_steps() -> None:
    line = torch.arange(300.0)
    assert (line - smoothed(line))[-1] == pytest.approx(9, abs=1e-6)
    assert torch.equal(smoothed(torch.full((5,), 3.0)), torch.full((5,), 3.0))
