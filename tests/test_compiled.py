"""The compiled core: the values of plain code, its derivatives, its randomness, and a way back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import relative_error, toy_data
from torch import Tensor, nn
from torch.func import functional_call

import ddlib
from ddlib import compiled as core
from ddlib.compiled import Norm, for_compiler, function_of, in_precision, pays, plain_seconds
from ddlib.ensemble import flatten, forward, initialize_many
from ddlib.methods.distribution import distance_of, embedding_of
from ddlib.methods.gradient import match_of
from ddlib.networks import NORMS, ConvNet, build
from ddlib.seeds import generator
from ddlib.training import Recipe, gradient_of, logits_of, mean_loss, train, unflatten
from ddlib.unroll import adam, pull_of, sgd, step_of

NAMES = [n for n in NORMS if n != "batch"]


@pytest.fixture(autouse=True)
def fresh_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what another one compiled, or failed to.

    All is traced and taken apart as ever, but only tests that ask for it (`with_compiler`) spend
    the seconds of a C++ compiler: elsewhere PyTorch runs the traced operations one by one.
    """
    monkeypatch.setattr(core, "_failed", [])
    monkeypatch.setattr(core, "_made", {})
    monkeypatch.setattr(core, "BACKEND", "aot_eager")


@pytest.fixture
def with_compiler(monkeypatch: pytest.MonkeyPatch, fresh_core: None) -> None:
    """The real one."""
    monkeypatch.setattr(core, "BACKEND", "inductor")


def small(norm: str = "instance", precision: str = "float32") -> nn.Module:
    with torch.device("meta"):
        net = ConvNet(2, 9, 3, width=8, depth=2, norm=norm)
    return in_precision(net, precision)


def some(nets: int = 1, soft: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """theta, images of an odd size, and labels."""
    draws = generator("some")
    theta = flatten(small(), initialize_many(small(), range(nets)))
    images = torch.randn(6, 2, 9, 9, generator=draws)
    labels = torch.randn(6, 3, generator=draws).softmax(1) if soft else torch.arange(6) % 3
    return theta, images, labels


def leaves(found: Any) -> list[Tensor]:
    return [t for t in torch.utils._pytree.tree_leaves(found) if t is not None]


def closest(found: Any, expected: Any) -> float:
    """The worst relative error of several tensors; those that are zero count absolutely."""
    pairs = list(zip(leaves(found), leaves(expected), strict=True))
    return max(float(((a - b).norm() / b.norm().clamp_min(1e-3)).detach()) for a, b in pairs)


# ---- the parts that a compiler gets in place of the network's own ----------------------------


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_the_composite_norm_is_group_norm_to_second_order(groups: int) -> None:
    layer = nn.GroupNorm(groups, 6)
    draws = generator("norm")
    x = torch.randn(3, 6, 4, 4, generator=draws).requires_grad_()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(6, generator=draws))
    goal, direction = (torch.randn(x.shape, generator=draws) for _ in range(2))
    found = []
    for norm in (layer, Norm(layer)):
        y = norm(x)
        value = (y * goal).sum() + (y**3).sum()
        first = torch.autograd.grad(value, (x, layer.weight, layer.bias), create_graph=True)
        along = (first[0] * direction).sum() + first[1].sum()
        second = torch.autograd.grad(along, (x, layer.weight))
        found.append([y, *first, *second])
    assert closest(found[1], found[0]) <= 1e-10


@pytest.mark.parametrize("norm", NORMS)
def test_parts_for_the_compiler_keep_names_and_values(norm: str) -> None:
    net, (theta, images, _) = small(norm), some()
    theta = flatten(net, initialize_many(net, [0]))
    fast = for_compiler(net)
    assert [n for n, _ in fast.named_parameters()] == [n for n, _ in net.named_parameters()]
    one, other = (forward(n, unflatten(n, theta), images) for n in (net, fast))
    assert relative_error(other, one) <= 1e-5
    assert not any(isinstance(layer, nn.GroupNorm) for layer in fast.modules())


def test_precision_changes_convolutions_alone() -> None:
    net = small(precision="bfloat16")
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert [n for n, _ in net.named_parameters()] == [n for n, _ in small().named_parameters()]
    kinds = [type(m).__name__ for m in net.modules()]
    assert kinds.count("HalfConv2d") == 2
    assert "Conv2d" not in kinds
    assert in_precision(small(), "float32").embed[0].__class__ is nn.Conv2d


# ---- compiled against plain ------------------------------------------------------------------


def functions(soft: bool = False) -> dict[str, tuple[Callable, tuple, tuple]]:
    """By name: builder, its settings, and what it is called with."""
    theta, x, y = some(soft=soft)
    state, lr, i = (
        (theta, torch.randn(theta.shape, generator=generator("v"))),
        torch.tensor(0.1),
        2.0,
    )
    i, a = torch.tensor(i), tuple(torch.randn(theta.shape, generator=generator(k)) for k in "ab")
    net = small()
    weights = dict(unflatten(net, theta))
    embed = {k.removeprefix("embed."): p[0] for k, p in weights.items() if "embed" in k}
    target = torch.randn(3, 32, generator=generator("t"))
    goal = unflatten(net, torch.randn(theta.shape, generator=generator("g")))
    synthetic = x.unflatten(0, (3, 2))
    adams = (theta, state[1], state[1].square()), (a[0], a[1], a[0])
    found = {
        "gradient": (gradient_of, (), (theta, x, y, None)),
        "weighted": (gradient_of, (), (theta, x, y, torch.arange(6.0)[None])),
        "logits": (logits_of, (), (weights, x)),
        "features": (embedding_of, (), (embed, x)),
        "distance": (distance_of, (), (embed, target, synthetic)),
        "step": (step_of, (sgd(0.9),), (state, x, y, lr, i)),
        "pull": (pull_of, (sgd(0.9),), (state, x, y, lr, i, a)),
        "pull, adam": (pull_of, (adam(eps=1e-3),), (adams[0], x, y, lr, i, adams[1])),
    }
    if not soft:
        found["match"] = (match_of, (), (theta, synthetic[:1], torch.tensor([1]), goal))
    return found


@pytest.mark.parametrize("name", functions())
def test_traced_functions_have_the_values_of_plain_ones(name: str) -> None:
    build_it, settings, given = functions()[name]
    net = small()
    fast = function_of(net, build_it, *settings, compiled=True)
    assert closest(fast(*given), build_it(net, *settings)(*given)) <= 1e-5
    assert not core._failed


@pytest.mark.usefixtures("with_compiler")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_compiled_step_and_its_adjoint_have_the_values_of_plain_ones(precision: str) -> None:
    """The function with all derivatives in it, through the C++ compiler."""
    build_it, settings, given = functions()["pull"]
    net = small(precision=precision)
    fast = function_of(net, build_it, *settings, compiled=True)
    error = closest(fast(*given), build_it(net, *settings)(*given))
    assert error <= (1e-5 if precision == "float32" else 2e-2)  # two roundings may differ
    assert not core._failed


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("norm", NAMES)
def test_a_step_and_its_adjoint_in_double_precision(norm: str) -> None:
    """Every norm, soft labels, two networks side by side."""
    net = small(norm)
    theta = flatten(net, initialize_many(net, range(2)))
    _, x, y = some(soft=True)
    state, a = (theta, 0.1 * theta), (theta.flip(1), theta.flip(0))
    given = (state, x.double(), y.double(), torch.tensor(0.1), torch.tensor(0.0), a)
    fast = function_of(net, pull_of, sgd(0.9), compiled=True)
    assert closest(fast(*given), pull_of(net, sgd(0.9))(*given)) <= 1e-10
    assert not core._failed


def test_bfloat16_points_where_float32_points() -> None:
    """Cosines of the gradient and of a pixel gradient through one step, at laptop scale."""
    shape = (3, 16, 16)
    nets = [in_precision(build("convnet", shape, 10), p) for p in ("float32", "bfloat16")]
    theta = flatten(nets[0], initialize_many(nets[0], [0]))
    draws = generator("images")
    x, y = torch.randn(50, *shape, generator=draws), torch.arange(50) % 10
    a = torch.randn(theta.shape, generator=draws)
    found = []
    for net in nets:
        gradient, _ = gradient_of(net)(theta, x, y)
        pulled = pull_of(net, sgd())((theta,), x, y, torch.tensor(0.01), torch.tensor(0.0), (a,))
        found.append((gradient, pulled[1]))
    cosines = [
        float(torch.cosine_similarity(p.flatten(), q.flatten(), 0))
        for p, q in zip(*found, strict=True)
    ]
    assert 0.995 <= cosines[0] < 1
    assert 0.99 <= cosines[1] < 1


# ---- where it is used ------------------------------------------------------------------------

METHODS = {
    "dm": ddlib.DistributionMatching(ipc=1, steps=4, batch_real=4),
    "dsa": ddlib.GradientMatching(ipc=1, steps=4, outer=2, inner_epochs=2, augment=True),
    "mtt": ddlib.TrajectoryMatching(ipc=1, steps=4, inner_steps=3, soft_labels=True, augment=True),
    # Adam's first step is a sign, which rounding can turn: plain descent on the images instead.
    "bptt": ddlib.BPTT(ipc=1, steps=2, inner_steps=6, window=3, batch=2, lr=1e-3),
}  # fmt: skip


@pytest.mark.parametrize("tag", METHODS)
def test_every_method_makes_the_same_images_compiled(tag: str) -> None:
    real, method = toy_data(), METHODS[tag]
    plain, fast = (ddlib.distill(real, method, compiled=c) for c in (False, True))
    moved = plain.images - plain.history[0].images
    assert float((fast.images - plain.images).norm() / moved.norm()) <= 1e-3
    assert fast.meta["compiled"] is True
    assert "compiled" not in plain.meta
    assert not core._failed


def test_training_and_evaluation_are_the_same_compiled() -> None:
    real = toy_data()
    made = ddlib.distill(real, ddlib.RandomSelection(ipc=2))
    plain, fast = (ddlib.evaluate(made, real, nets=2, compiled=c) for c in (False, True))
    assert plain.accuracies == pytest.approx(fast.accuracies, abs=4)  # one of 30 test images is 3.3
    net, recipe = build("convnet", real.shape, 3), Recipe(epochs=3, batch=4, lr=0.05)
    data = real.train_images, real.train_labels, recipe, [0, 1]
    one, other = (train(net, *data, compiled=c) for c in (False, True))
    assert closest(other, one) <= 1e-4


def test_a_mean_loss_in_parts_has_the_gradient_of_the_whole() -> None:
    net, (theta, x, y) = small(), some()
    x, y = x.repeat(50, 1, 1, 1), y.repeat(50)  # 300 images, in parts of 100
    theta = theta.requires_grad_()
    (one,), (other,) = (
        torch.autograd.grad(mean_loss(net, x, y, compiled=c)(theta).sum(), theta)
        for c in (False, True)
    )
    assert relative_error(other, one) <= 1e-5


@pytest.mark.parametrize("tag", METHODS)
def test_a_compiled_run_resumes_bit_for_bit(tag: str, tmp_path: Path) -> None:
    real, method = toy_data(), replace(METHODS[tag], precision="bfloat16")
    whole = ddlib.distill(real, method, compiled=True)
    path = tmp_path / "run"
    with pytest.raises(ddlib.distillation.StoppedError, match="stopped after step 1 of"):
        ddlib.distill(real, method, compiled=True, checkpoint=path, stop=lambda: True)
    again = ddlib.distill(real, method, compiled=True, checkpoint=path)
    assert torch.equal(again.images, whole.images)


# ---- when it is used, and what happens without a compiler --------------------------------------


def test_only_long_work_is_compiled() -> None:
    net, cpu = build("convnet", (3, 32, 32), 10), torch.device("cpu")
    assert not pays(net, (3, 32, 32), 1e3, cpu)
    assert pays(net, (3, 32, 32), 1e6, cpu)
    assert not pays(build("vgg11", (3, 32, 32), 10), (3, 32, 32), 1e9, cpu)
    # 2 * 9 * (3 * 128 * 32^2 + 128^2 * (16^2 + 8^2)) + 2 * 2048 * 10, at 7e10 a second
    assert plain_seconds(net, (3, 32, 32), 1e6, cpu) == pytest.approx(1450, rel=0.01)


def test_presets_say_how_long_they_work() -> None:
    real = toy_data(channels=3)
    for tag in ("dm", "dc", "dsa", "mtt", "bptt"):
        short, long = (ddlib.preset(tag, 1, p).passes(real) for p in ("fast", "full"))
        assert long > 10 * short


def test_without_a_compiler_it_says_so_once_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("no compiler here\nand a long trace")

    monkeypatch.setattr(core, "_compile", broken)
    real, method = toy_data(), METHODS["dm"]
    plain = ddlib.distill(real, method, compiled=False)
    capsys.readouterr()
    fast = ddlib.distill(real, method, compiled=True)
    said = capsys.readouterr()
    text = said.out + said.err
    assert text.count("not compiled") == 1
    assert "no compiler here" in text
    assert "long trace" not in text
    assert relative_error(fast.images, plain.images) <= 1e-6


def test_other_networks_run_as_they_are() -> None:
    net = build("vgg11", (3, 16, 16), 3)
    found = function_of(net, logits_of, compiled=True)
    assert not isinstance(found, core._Compiled)


def test_the_bar_says_that_something_is_compiled() -> None:
    class Bar(list):
        said: list[str] = []  # noqa: RUF012

        def set_postfix_str(self, text: str) -> None:
            self.said.append(text)

    net, (theta, x, _) = small(), some()
    bar = Bar([0])
    for _ in core.telling(bar):
        function_of(net, logits_of, compiled=True)(unflatten(net, theta), x[:1])
    assert bar.said == ["compiling", ""]


def test_what_is_compiled_for_one_network_serves_its_like() -> None:
    one, other = small(), small()
    assert function_of(one, logits_of, compiled=True) is function_of(
        other, logits_of, compiled=True
    )
    assert function_of(small("layer"), logits_of, compiled=True) is not function_of(
        one, logits_of, compiled=True
    )


def test_functional_calls_do_not_touch_the_shared_network() -> None:
    """Weights come with each call; the network that a compiled function keeps has none."""
    net, (theta, x, _) = small(), some(2)
    fast = function_of(net, logits_of, compiled=True)
    for row in theta:
        own = unflatten(net, row[None])
        expected = functional_call(net, {k: p[0] for k, p in own.items()}, (x,))
        assert relative_error(fast(own, x)[0], expected) <= 1e-5
