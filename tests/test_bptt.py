"""Meta-model matching: its loss against a transcription, its window, its bases, its results."""

import pytest
import torch
import torch.nn.functional as F
from helpers import relative_error, toy_data
from torch.func import functional_call

import ddlib
from ddlib.data import sample_per_class
from ddlib.networks import build, initialize
from ddlib.seeds import generator, new_key, pick


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("nets", [1, 2])
def test_objective_is_the_test_loss_after_training_on_the_images(
    nets: int, window: int | None
) -> None:
    """Momentum SGD written out with one network at a time; the window begins where it says."""
    real = toy_data()
    method = ddlib.BPTT(ipc=2, inner_steps=5, window=window, batch_real=3, nets=nets)
    learned = method.initialize(real, 0)
    images = learned["images"].requires_grad_()
    found = method.objective(real, 0)(learned, generator("step"))

    draws = generator("step")
    key = new_key(draws)
    rows = sample_per_class(real, 3, draws).flatten()
    size = window or 5
    first = pick(draws, 5 - size + 1)
    total = 0
    for j in range(nets):
        net = build("convnet", real.shape, 3)
        theta = initialize(net, generator(key + j, "network"))
        velocity = {k: torch.zeros_like(p) for k, p in theta.items()}
        for i in range(first + size):
            theta = {k: p if i > first else p.detach().requires_grad_() for k, p in theta.items()}
            velocity = {k: v if i > first else v.detach() for k, v in velocity.items()}
            loss = F.cross_entropy(functional_call(net, theta, (images,)), learned["labels"])
            slopes = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
            velocity = {k: 0.9 * v + g for (k, v), g in zip(velocity.items(), slopes, strict=True)}
            theta = {k: p - 0.01 * velocity[k] for k, p in theta.items()}
        logits = functional_call(net, theta, (real.train_images[rows],))
        total = total + F.cross_entropy(logits, real.train_labels[rows]) / nets
    assert relative_error(found, total) <= 1e-10
    slopes = [torch.autograd.grad(loss, images)[0] for loss in (found, total)]
    assert relative_error(*slopes) <= 1e-6  # ReLU: rounding moves a kink now and then


def test_the_window_lies_anywhere_within_the_inner_steps() -> None:
    method = ddlib.BPTT(ipc=1, inner_steps=6, window=4)
    found = {tuple(method._window(generator(i))) for i in range(40)}
    assert found == {(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)}
    assert ddlib.BPTT(ipc=1, inner_steps=6)._window(generator(0)) == range(6)


@pytest.mark.parametrize("window", [0, 7])
def test_a_window_must_fit(window: int) -> None:
    with pytest.raises(ValueError, match=f"window must be from 1 to inner_steps; got {window}"):
        ddlib.BPTT(ipc=1, inner_steps=6, window=window)


def test_images_are_mixtures_of_learned_bases() -> None:
    real = toy_data()
    method = ddlib.BPTT(ipc=2, steps=2, inner_steps=2, batch_real=3, bases=4)
    learned = method.initialize(real, 0)
    assert learned["bases"].shape == (4, *real.shape)
    assert learned["coefficients"].shape == (6, 4)
    expected = [sum(a * b for a, b in zip(row, learned["bases"], strict=True))
                for row in learned["coefficients"]]  # fmt: skip
    assert torch.allclose(method.render(learned)["images"], torch.stack(expected), atol=1e-5)
    made = ddlib.distill(real, method)
    assert made.images.shape == (6, *real.shape)
    flat = made.images.flatten(1).double()
    assert torch.linalg.matrix_rank(flat, rtol=1e-5) == 4
    assert not torch.equal(made.history[0].images, made.images)


def test_same_seed_same_images(tmp_path: object) -> None:
    method = ddlib.BPTT(ipc=1, steps=3, inner_steps=3, batch_real=3, inner="adam", batch=2)
    first, again, other = (ddlib.distill(toy_data(), method, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_an_explosion_names_the_step_and_the_rates() -> None:
    method = ddlib.BPTT(ipc=1, steps=20, inner_steps=4, inner_lr=1e6, batch_real=3)
    with pytest.raises(ddlib.DivergenceError, match=r"learning rates: images 0\.05") as error:
        ddlib.distill(toy_data(), method)
    assert bool(error.value.last_good.images.isfinite().all())
