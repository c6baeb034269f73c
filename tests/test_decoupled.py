"""Decoupled methods against plain loops: what is squeezed, what is chosen, what is recovered."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers import toy_data
from torch import nn

import ddlib
from ddlib.data import sample_per_class
from ddlib.ensemble import loaded
from ddlib.methods import decoupled
from ddlib.methods.decoupled import RDED, Recovery, random_crops, squeezed_net, surest, tiled
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.training import Recipe, train

REAL = toy_data((20, 20, 20), channels=3)
SMALL = {"epochs": 2, "network": "convnet-batch-half"}


def test_batch_norms_hold_the_statistics_of_the_real_images(double) -> None:
    """Against PyTorch's own running averages, and by hand at the first of them."""
    real = toy_data((20, 20, 20), channels=3)
    held = squeezed_net(real, "convnet-batch-half", 2, 5)
    net = build("convnet-batch-half", real.shape, 3)
    own = loaded(net, train(net, real.train_images, real.train_labels, Recipe(epochs=2, batch=128),
                            [7005]))  # fmt: skip
    with torch.no_grad():
        x = own.embed[0](real.train_images)
    first = decoupled.norms(held)[0]
    assert torch.allclose(first.running_mean, x.mean((0, 2, 3)))
    assert torch.allclose(first.running_var, x.var((0, 2, 3)))
    one = real.test_images[:1]
    both = torch.cat([held(one), held(torch.cat([one, 9 * real.test_images]))[:1]])
    assert torch.allclose(both[0], both[1]), "an answer depends on no other image"
    assert len(decoupled.norms(held)) == 2


def test_recovery_descends_its_loss_as_a_plain_loop_does(double) -> None:
    real = toy_data((20, 20, 20), channels=3)
    method = Recovery(ipc=2, steps=4, weight=0.3, **SMALL)
    made = ddlib.distill(real, method, seed=1)
    net = squeezed_net(real, "convnet-batch-half", 2, 1)
    images = method.initialize(real, 1)["images"].clone().requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    optimizer = torch.optim.Adam([images], 0.1, (0.5, 0.9))
    for _ in range(4):
        x, away = images, 0.0
        for layer in net.embed:
            if isinstance(layer, nn.BatchNorm2d):
                flat = x.transpose(0, 1).flatten(1)
                away = away + (flat.mean(1) - layer.running_mean).square().sum().sqrt()
                away = away + (flat.var(1, correction=0) - layer.running_var).square().sum().sqrt()
            x = layer(x)
        loss = F.cross_entropy(net.head(x), labels) + 0.3 * away
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.allclose(made.images, images.detach())
    assert made.labels.equal(labels)


def test_recovery_brings_the_statistics_near() -> None:
    """The set's statistics end nearer to the real ones than those of noise, and than without."""

    def distance(made: ddlib.DistilledSet) -> float:
        with decoupled.watched(squeezed_net(REAL, "convnet-batch-half", 2, 0)) as away:
            squeezed_net(REAL, "convnet-batch-half", 2, 0)(made.images)
        return float(sum(away))

    method = Recovery(ipc=4, steps=30, weight=1.0, **SMALL)
    with_them, without = (
        distance(ddlib.distill(REAL, replace(method, weight=w))) for w in (1.0, 0.0)
    )
    noise = distance(ddlib.distill(REAL, replace(method, steps=0)))
    assert with_them < 0.5 * noise
    assert with_them < without


def test_rded_keeps_what_a_plain_loop_keeps() -> None:
    method = RDED(ipc=2, pool=8, crops=3, factor=2, **SMALL)
    made = ddlib.distill(REAL, method, seed=3)
    teacher, draws = method.teacher(REAL, 3), generator(3, "crops")
    rows = sample_per_class(REAL, 8, draws)
    for label in range(3):
        patches = random_crops(REAL.train_images[rows[label]], 3, 4, draws)
        found = []
        for image in patches:
            shown = [F.interpolate(p[None], size=(8, 8), mode="bilinear") for p in image]
            losses = [-teacher.answer(x).log_softmax(1)[0, label].item() for x in shown]
            best = losses.index(min(losses))
            found.append((losses[best], image[best]))
        found = [patch for _, patch in sorted(found, key=lambda pair: pair[0])]
        for i in range(2):
            four = found[4 * i : 4 * i + 4]
            top, bottom = torch.cat(four[:2], 2), torch.cat(four[2:], 2)
            assert torch.allclose(made.images[2 * label + i], torch.cat([top, bottom], 1))


def test_crops_are_squares_inside_the_image() -> None:
    """Of a ramp every crop is a ramp, whose slope tells its side."""
    ramp = torch.linspace(-1, 1, 33).expand(1, 1, 33, 33)
    both = torch.cat([ramp, ramp.transpose(2, 3)], 1)
    wide, tall = random_crops(both, 400, 16, generator(0))[0].unbind(1)
    side = (wide[:, 8, 8] - wide[:, 8, 7]) * 16 / (2 * 33 / 32)
    assert torch.allclose(side, (tall[:, 8, 8] - tall[:, 7, 8]) * 16 / (2 * 33 / 32), atol=1e-4)
    assert 0.08 - 1e-4 < float(side.square().min()) < 0.1
    assert 0.98 < float(side.square().max()) < 1 + 1e-4
    assert float(wide[:, 8].diff().min()) >= -1e-6, "no dark margin"
    assert wide.abs().max() <= 1


def test_the_surest_image_comes_first_with_its_surest_crop() -> None:
    """A teacher that is surer the brighter a crop is."""
    bright = torch.tensor([[0.0, 3.0], [5.0, 1.0], [2.0, 2.5]])
    patches = bright[:, :, None, None, None].expand(3, 2, 3, 4, 4)
    teacher = ddlib.Teacher.of(REAL, lambda x: x[:, :, 0, 0] * torch.tensor([1.0, 0, 0]))
    assert surest(teacher, patches, 0, 8)[:, 0, 0, 0].tolist() == [5, 3, 2.5]
    whole = tiled(torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 2, 2), 2)
    assert whole.shape == (2, 1, 4, 4)
    assert whole[1, 0, ::2, ::2].tolist() == [[4, 5], [6, 7]]


def test_a_set_is_relabeled_by_the_teacher_that_made_it() -> None:
    for method in (RDED(ipc=2, pool=6, **SMALL), Recovery(ipc=2, steps=2, **SMALL)):
        made = ddlib.distill(REAL, method, seed=2)
        soft = ddlib.relabel(made, method.teacher(REAL, 2))
        own = squeezed_net(REAL, "convnet-batch-half", 2, 2)(made.images).softmax(1)
        assert torch.allclose(soft.labels, own)
        assert made.meta["method"]["tag"] == method.tag


def test_what_cannot_be_done_is_said(unchecked) -> None:
    with pytest.raises(ValueError, match="need a pool of at least 18 images"):
        ddlib.distill(REAL, RDED(ipc=2, factor=3, pool=17, **SMALL))
    with pytest.raises(ValueError, match="size that the factor divides"):
        ddlib.distill(REAL, RDED(ipc=1, factor=3, pool=20, **SMALL))
    with pytest.raises(ValueError, match="this network has none"):
        ddlib.distill(REAL, Recovery(ipc=1, steps=1, epochs=1, network="convnet-half"))
