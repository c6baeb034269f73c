"""Trajectory matching: its loss against a transcription, experts that are read to the end."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import relative_error, toy_data
from torch.func import functional_call

import ddlib
from ddlib.methods.trajectory import trajectory_distance
from ddlib.networks import build
from ddlib.seeds import generator, new_key, pick

SMALL = ddlib.TrajectoryMatching(ipc=2, steps=4, inner_steps=3, expert_batch=5, expert_epochs=2)


def test_standing_still_is_one_and_arriving_is_zero() -> None:
    start, goal = torch.randn(2, 3, 50, generator=generator(0))
    ones = trajectory_distance(start, start, goal)
    assert torch.allclose(ones, torch.ones(3))
    assert not trajectory_distance(goal, start, goal).any()
    halfway = trajectory_distance((start + goal) / 2, start, goal)
    assert torch.allclose(halfway, torch.full((3,), 0.25))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("soft", [False, True])
def test_objective_is_the_distance_after_the_inner_steps(soft: bool) -> None:
    """One student, plain SGD and both norms written out."""
    real = toy_data()
    method = replace(SMALL, soft_labels=soft)
    learned = {k: v.detach() for k, v in method.initialize(real, 0).items()}
    inputs = [v.requires_grad_() for v in learned.values() if v.is_floating_point()]
    found = method.objective(real, 0)(learned, generator("step"))

    draws = generator("step")
    new_key(draws)
    expert = int(torch.randint(2, (1,), generator=draws))
    begin = pick(draws, 2)
    net = build("convnet", real.shape, 3)
    path = method.expert_paths(real)[expert]
    start, goal = path[begin], path[begin + 2]
    theta = start.clone().requires_grad_()
    labels = learned["label_logits"].softmax(1) if soft else learned["labels"]
    for _ in range(3):
        named, used = {}, 0
        for name, p in net.named_parameters():
            named[name] = theta[used : used + p.numel()].view(p.shape)
            used += p.numel()
        loss = F.cross_entropy(functional_call(net, named, (learned["images"],)), labels)
        (slope,) = torch.autograd.grad(loss, theta, create_graph=True)
        theta = theta - learned["log_lr"].exp() * slope
    expected = ((theta - goal) ** 2).sum() / ((start - goal) ** 2).sum()
    assert relative_error(found, expected) <= 1e-10
    slopes = [torch.autograd.grad(value, inputs) for value in (found, expected)]
    assert len(inputs) == (3 if soft else 2)
    for one, other in zip(*slopes, strict=True):
        assert relative_error(one, other) <= 1e-6  # ReLU: rounding moves a kink now and then


def test_starts_stay_between_the_two_ends_and_experts_end_where_they_are_last_read() -> None:
    method = replace(SMALL, min_start=1, max_start=3)
    assert method.expert_paths(toy_data()).shape[:2] == (2, 5)  # epochs 0 to 2 + 2
    with pytest.raises(ValueError, match="min_start must be from 0 to max_start - 1; got 3"):
        replace(SMALL, min_start=3, max_start=3)


def test_soft_labels_start_sure_of_their_class_and_are_learned() -> None:
    method = replace(SMALL, soft_labels=True)
    start = method.render(method.initialize(toy_data(), 0))["labels"]
    assert torch.allclose(start.max(1).values, torch.full((6,), 0.9))
    assert start.argmax(1).tolist() == [0, 0, 1, 1, 2, 2]
    made = ddlib.distill(toy_data(), method)
    assert made.labels.shape == (6, 3)
    assert torch.allclose(made.labels.sum(1), torch.ones(6))
    assert not torch.allclose(made.labels, start, atol=1e-4)


def test_the_set_carries_its_learned_rate() -> None:
    made = ddlib.distill(toy_data(), SMALL)
    assert made.lr > 0
    assert not math.isclose(made.lr, SMALL.inner_lr, rel_tol=1e-4)
    again = ddlib.distill(toy_data(), SMALL)
    assert (again.lr, again.images.tolist()) == (made.lr, made.images.tolist())


def test_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Stopped after a checkpoint in the middle, experts read from their files."""
    here, real = tmp_path / "run" / "here", toy_data()
    alone = ddlib.distill(real, replace(SMALL, steps=20, soft_labels=True), seed=4)

    def stop(shot: object) -> None:
        if shot.step >= 10:
            raise KeyboardInterrupt

    call = {"method": replace(SMALL, steps=20, soft_labels=True), "seed": 4, "checkpoint": here}
    with pytest.raises(KeyboardInterrupt):
        ddlib.distill(real, **call, checkpoint_seconds=0.0, callback=stop)
    assert len(list(here.parent.glob("expert-*.safetensors"))) == 2
    again = ddlib.distill(real, **call)
    for one, other in [(alone.images, again.images), (alone.labels, again.labels)]:
        assert torch.equal(one, other)
    assert alone.lr == again.lr
