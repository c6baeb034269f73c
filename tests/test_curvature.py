"""The curvature experiment: its parts against plain computations, its resume, its findings."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after, toy_data
from torch.func import functional_call

from ddlib import DistilledSet, ImageData, show
from ddlib.analysis import curvature
from ddlib.analysis.curvature import DRAWS, SETS, SOURCES, Settings
from ddlib.ensemble import flatten, initialize_many
from ddlib.instruments.hessian import at_loss, rademacher
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.studies import Keeper, Study, load_study
from ddlib.training import Recipe, accuracy, train_epochs

SMALL = Settings(
    nets=2, batch=16, steps=(0, 2, 4), probes=2, real=9, pool=90, moments=(0, 2, 4), lanczos=3,
    starts=(0, 3), onward=(1, 2), tested=30, level=9.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def real() -> ImageData:
    return toy_data((40, 30, 35))


@pytest.fixture(scope="module")
def sets(real: ImageData) -> dict[str, list[DistilledSet]]:
    def one(key: str, draw: int) -> DistilledSet:
        images = torch.randn(6, 2, 8, 8, generator=generator(key, draw))
        return DistilledSet.of(real, images, torch.arange(6) // 2)

    return {tag: [one(tag, d) for d in DRAWS] for tag in SETS}


@pytest.fixture(scope="module")
def study(real: ImageData, sets: dict[str, list[DistilledSet]]) -> Study:
    return curvature.run(real, sets, SMALL)


def test_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    real: ImageData, sets: dict[str, list[DistilledSet]], study: Study, tmp_path: Path
) -> None:
    for after in (1, 4, 9):
        with pytest.raises(Killed):
            curvature.run(real, sets, SMALL, killed_after(Keeper(tmp_path, {}), after))
    assert_same_arrays(curvature.run(real, sets, SMALL, Keeper(tmp_path, {})), study)


def test_study_survives_its_file(study: Study, tmp_path: Path) -> None:
    study.save(tmp_path)
    again = load_study(study.name, tmp_path)
    assert curvature.findings(again) == curvature.findings(study)


def test_what_is_measured_is_what_a_plain_computation_finds(study: Study, real, sets) -> None:
    """Loss, accuracy and uncertainty before the first step, of one set in one network."""
    net = build("convnet", real.shape, 3)
    own = {k: v[0] for k, v in initialize_many(net, [1]).items()}
    images, labels = sets["dm"][1].images, sets["dm"][1].labels
    logits = functional_call(net, own, (images,))
    p = logits.softmax(1)
    where = dict(net=1, step=0, source="dm", draw=1)
    assert study.pick("loss", **where) == pytest.approx(-p[range(6), labels].log().mean().item())
    assert study.pick("uncertainty", **where) == pytest.approx(
        (1 - p.square().sum(1)).mean().item(), rel=1e-5
    )
    assert study.pick("accuracy", **where) == pytest.approx(
        100 * (p.argmax(1) == labels).float().mean().item()
    )


def test_a_turn_is_a_training_that_begins_at_the_real_weights(study: Study, real, sets) -> None:
    net = build("convnet", real.shape, 3)
    start = initialize_many(net, [1])
    recipe = Recipe(epochs=2, lr=SMALL.lr, momentum=SMALL.momentum)
    bptt = sets["bptt"][0]
    path = train_epochs(net, bptt.images, bptt.labels, recipe, [0], start=start)
    expected = [accuracy(net, p, real.test_images, real.test_labels).item() for p in path]
    found = study.pick("continued", net=1, start=0, set="bptt", draw=0)
    assert found.tolist() == pytest.approx(expected[1:])
    gained = curvature.gains(study, 2)["bptt"][1, 0, 0]
    assert gained == pytest.approx(expected[2] - expected[0], abs=1e-4)


def test_gain_on_real_data_is_that_of_as_many_steps(study: Study) -> None:
    for turn in SMALL.onward:
        before, there = (study.pick("test", stop=stop) for stop in (3, 3 + turn))
        assert torch.equal(curvature.gains(study, turn)["real"][:, 1, 0], there - before)


def test_each_network_has_real_samples_of_its_own(study: Study, real, sets) -> None:
    """So the luck of a sample is part of the spread over networks."""
    easy = torch.arange(18).view(2, 9)
    groups = [curvature._groups(real, sets, SMALL, i, easy) for i in range(2)]
    each = [images for group in groups for images, _ in group["real"]]
    assert all(len(images) == SMALL.real for images in each)
    pairs = [(a, b) for a in range(4) for b in range(a)]
    assert not any(torch.equal(each[a], each[b]) for a, b in pairs)
    net = build("convnet", real.shape, 3)
    theta = flatten(net, initialize_many(net, [1]))
    own = curvature.measure(net, theta, *groups[1]["real"][0], torch.ones(1, *theta.shape))
    assert study.pick("loss", net=1, step=0, source="real", draw=0) == pytest.approx(
        own["loss"].item()
    )


def test_every_network_has_its_spectra(study: Study) -> None:
    masses = study.arrays["masses"].sum(-1)
    assert torch.allclose(masses, torch.ones_like(masses), atol=1e-4)
    first, second = study.pick("places", moment=0, source="bptt")
    assert not torch.allclose(first, second)


def test_probes_are_common_to_all_sets(study: Study, real: ImageData) -> None:
    net = build("convnet", real.shape, 3)
    theta = flatten(net, initialize_many(net, [0]))
    probes = rademacher(SMALL.probes, *theta.shape, generator("probes"))
    again = curvature.measure(net, theta, real.train_images, real.train_labels, probes)
    twice = curvature.measure(net, theta, real.train_images, real.train_labels, probes)
    assert torch.equal(again["trace"], twice["trace"])
    assert study.arrays["trace"].isfinite().all()


def test_at_loss_reads_between_two_steps() -> None:
    loss = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.5, 2.1], [0.5, 0.4, 0.3], [3.0, 1.0, 0.5]])
    values = torch.tensor([[0.0, 10.0, 20.0]]).expand(4, 3)
    found = at_loss(loss, values, 1.5)
    assert found[0] == 15
    assert found[1].isnan(), "never so low"
    assert found[2] == 0, "so low from the start"
    assert found[3] == 7.5


def test_findings_of_a_made_up_study(study: Study) -> None:
    """Traces twice the real ones at half the uncertainty; gains known by construction."""
    arrays = {k: torch.ones_like(v) for k, v in study.arrays.items()}
    bptt, real_row = SOURCES.index("bptt"), SOURCES.index("real")
    arrays["trace"][:, :, bptt] = 2
    arrays["trace"][:, -1, bptt] = 0.25
    arrays["uncertainty"][:, -1, bptt] = 0.25
    arrays["loss"][:, :, real_row] = torch.tensor([2.0, 1.5, 0.5])[None, :, None]
    arrays["continued"][:, 0, SETS.index("bptt"), :, -1] = 6
    arrays["continued"][:, -1, SETS.index("bptt"), :, 0] = torch.tensor([1.0, 3.0])
    arrays["continued"][:, -1, SETS.index("bptt"), :, -1] = -2
    arrays["continued"][:, :, SETS.index("random"), :, -1] = 2
    settings = {**study.settings, "level": 1.0}
    found = curvature.findings(replace(study, arrays=arrays, settings=settings))
    expected = {
        "peak-bptt": 1, "above-bptt": -0.75, "below-bptt": 0.75, "scaled-bptt": 0,
        "equal-bptt": -1, "early-bptt": 4, "late-bptt": -4, "fades-bptt": 8, "late-random": 0,
        "peak-easy": 0, "costs-bptt": 3,
    }  # fmt: skip
    for key, value in expected.items():
        assert found[key] == pytest.approx((value,) * SMALL.nets), key


@pytest.mark.parametrize(
    "draw",
    [
        show.curvature_along,
        show.curvature_beside_real,
        show.confidence_along,
        show.turns,
        show.eigenvalues,
    ],
)
def test_figures_say_their_scale_and_leave_no_panel_empty(study: Study, draw) -> None:
    figure = draw(study)
    assert "8×8 digits" in figure.get_suptitle()
    assert all(axis.has_data() for axis in figure.axes)


def test_turns_are_drawn_where_they_were_measured(study: Study) -> None:
    """The bold point of a set stands at the mean gain over networks and draws."""
    line = next(x for x in show.turns(study).axes[0].lines if x.get_label() == "BPTT")
    expected = curvature.gains(study, 2)["bptt"][:, 0].mean()
    assert line.get_ydata()[0] == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("draw", "named"),
    [
        (show.curvature_along, len(SOURCES)),
        (show.curvature_beside_real, len(SOURCES)),
        (show.confidence_along, len(SOURCES)),
        (show.turns, len(SETS) + 1),
    ],
)
def test_every_source_has_a_sign_of_its_own(study: Study, draw, named: int) -> None:
    """No source is left out, and no two look the same: DC and DSA share their color."""
    lines = draw(study).legends[0].get_lines()
    signs = {(x.get_color(), x.get_markerfacecolor(), x.get_linestyle()) for x in lines}
    assert len(signs) == len(lines) == named
