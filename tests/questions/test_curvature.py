"""The curvature experiment: its parts against plain computations, and its findings."""

from dataclasses import replace

import pytest
import torch
from helpers import toy_data
from torch.func import functional_call

from ddlib import DistilledSet
from ddlib.ensemble import flatten, initialize_many
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.networks import build
from ddlib.questions.curvature import experiment as curvature
from ddlib.questions.curvature import figures
from ddlib.questions.curvature.experiment import DRAWS, PLANS, SETS
from ddlib.questions.curvature.findings import findings, gained, gains, ratios
from ddlib.questions.curvature.hessian import at_loss
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, train_epochs

SMALL = replace(
    PLANS["fast"],
    nets=2, batch=16, steps=(0, 2, 4), probes=2, real=9, pool=90, moments=(0, 2, 4), lanczos=3,
    starts=(0, 3), onward=(1, 2), tested=30, level=9.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def bench() -> Bench:
    real = toy_data((40, 30, 35))

    def one(key: str, draw: int) -> DistilledSet:
        images = torch.randn(6, 2, 8, 8, generator=generator(key, draw))
        return DistilledSet.of(real, images, torch.arange(6) // 2)

    return Bench(real, {method: [one(method, d) for d in DRAWS] for method in SETS})


@pytest.fixture(scope="module")
def record(bench: Bench) -> Record:
    return ask("curvature", bench, SMALL)


def test_what_is_measured_is_what_a_plain_computation_finds(record: Record, bench: Bench) -> None:
    """Loss, accuracy and uncertainty before the first step, of one set in one network."""
    net = build("convnet", bench.real.shape, 3)
    own = {k: v[0] for k, v in initialize_many(net, [1]).items()}
    one = bench.sets["dm"][1]
    p = functional_call(net, own, (one.images,)).softmax(1)
    where = {"condition": "curvature", "network": 1, "step": 0, "method": "dm", "set": 1}
    row = record.rows(**where).iloc[0]
    assert row["loss"] == pytest.approx(-p[range(6), one.labels].log().mean().item())
    assert row["uncertainty"] == pytest.approx((1 - p.square().sum(1)).mean().item(), rel=1e-5)
    right = (p.argmax(1) == one.labels).float().mean().item()
    assert row["accuracy"] == pytest.approx(100 * right)


def test_a_turn_is_a_training_that_begins_at_the_real_weights(record: Record, bench: Bench) -> None:
    net, real = build("convnet", bench.real.shape, 3), bench.real
    start = initialize_many(net, [1])
    recipe = Recipe(epochs=2, lr=SMALL.lr, momentum=SMALL.momentum)
    bptt = bench.sets["bptt"][0]
    path = train_epochs(net, bptt.images, bptt.labels, recipe, [0], start=start)
    expected = [accuracy(net, p, real.test_images, real.test_labels).item() for p in path]
    rows = record.rows(condition="turn", network=1, step=0, method="bptt", set=0)
    assert rows["test"].tolist() == pytest.approx(expected[1:])
    gained = gains(record, 2)["bptt"][1, 0, 0]
    assert gained == pytest.approx(expected[2] - expected[0], abs=1e-4)


def test_gain_on_real_data_is_that_of_as_many_steps(record: Record) -> None:
    for turn in SMALL.onward:
        before, there = (
            torch.tensor(record.rows(condition="test", step=step)["test"].tolist()).double()
            for step in (3, 3 + turn)
        )
        assert torch.equal(gains(record, turn)["real"][:, 1, 0], there - before)


def test_each_network_has_real_samples_of_its_own(record: Record, bench: Bench) -> None:
    """So the luck of a sample is part of the spread over networks."""
    groups = [
        curvature.images_of(bench, SMALL, seed, "real", draw) for seed in (0, 1) for draw in DRAWS
    ]
    each = [images for images, _ in groups]
    assert all(len(images) == SMALL.real for images in each)
    pairs = [(a, b) for a in range(4) for b in range(a)]
    assert not any(torch.equal(each[a], each[b]) for a, b in pairs)
    net = build("convnet", bench.real.shape, 3)
    theta = flatten(net, initialize_many(net, [1]))
    own = curvature.measure(net, theta, *groups[2], torch.ones(1, *theta.shape))
    rows = record.rows(condition="curvature", network=1, step=0, method="real", set=0)
    assert rows["loss"].item() == pytest.approx(own["loss"].item())


def test_every_network_has_its_spectra(record: Record) -> None:
    rows = record.rows(condition="spectrum")
    assert all(float(masses.sum()) == pytest.approx(1, abs=1e-4) for masses in rows["masses"])
    first, second = record.rows(condition="spectrum", step=0, method="bptt")["places"]
    assert not torch.allclose(first, second)


def test_at_loss_reads_between_two_steps() -> None:
    loss = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.5, 2.1], [0.5, 0.4, 0.3], [3.0, 1.0, 0.5]])
    values = torch.tensor([[0.0, 10.0, 20.0]]).expand(4, 3)
    found = at_loss(loss, values, 1.5)
    assert found[0] == 15
    assert found[1].isnan(), "never so low"
    assert found[2] == 0, "so low from the start"
    assert found[3] == 7.5


def test_findings_of_a_made_up_record(record: Record) -> None:
    """Traces twice the real ones at half the uncertainty; gains known by construction."""
    table = record.table.copy()
    table[["loss", "uncertainty", "test"]] = table[["loss", "uncertainty", "test"]].where(
        table[["loss", "uncertainty", "test"]].isna(), 1.0
    )
    table["trace"] = [None if known(t) is None else torch.ones(2) for t in table["trace"]]
    bptt, last = table["method"] == "bptt", table["step"] == 4
    curved, turned = (table["condition"] == c for c in ("curvature", "turn"))
    for i in table.index[bptt & curved]:
        table.at[i, "trace"] = torch.full((2,), 0.25 if table["step"][i] == 4 else 2.0)
    table.loc[bptt & curved & last, "uncertainty"] = 0.25
    for step, loss in zip(SMALL.steps, (2.0, 1.5, 0.5), strict=True):
        table.loc[(table["method"] == "real") & curved & (table["step"] == step), "loss"] = loss
    turn = turned & (table["turn"] == 2)
    table.loc[turn & bptt & (table["step"] == 0), "test"] = 6
    table.loc[turn & bptt & (table["step"] == 3), "test"] = -2
    table.loc[turn & (table["method"] == "random"), "test"] = 2
    settings = {**record.settings, "level": 1.0}
    found = findings(replace(record, table=table, settings=settings))
    expected = {
        "peak-bptt": 1, "above-bptt": -0.75, "below-bptt": 0.75, "scaled-bptt": 0,
        "equal-bptt": -1, "early-bptt": 4, "late-bptt": -4, "fades-bptt": 8, "late-random": 0,
        "peak-easy": 0, "costs-bptt": 3,
    }  # fmt: skip
    for key, value in expected.items():
        contrast, method = key.split("-")
        values = values_of(found, contrast=contrast, method=method)
        sets = found[found["method"] == method]["set"].nunique()
        assert values == pytest.approx((value,) * SMALL.nets * sets), key


def known(value: object) -> torch.Tensor | None:
    return value if isinstance(value, torch.Tensor) else None


@pytest.mark.parametrize(
    ("draw", "named"),
    [
        (figures.beside_released, {"real", *figures.MOVED}),
        (figures.control, set(figures.COMPARED)),
        (figures.turns, {"real", *figures.COMPARED[1:]}),
    ],
)
def test_figures_name_every_method_once(record: Record, draw, named: set[str]) -> None:
    """They say their scale, leave no panel empty, and give each method a sign of its own."""
    figure = draw(record)
    assert "data of the package" in figure.get_suptitle()
    assert all(axis.has_data() for axis in figure.axes)
    lines = figure.legends[0].get_lines()
    signs = {(x.get_color(), x.get_marker(), x.get_linestyle()) for x in lines}
    assert len(signs) == len(lines) == len(named)


def test_released_readings_are_drawn_beside_ours(record: Record) -> None:
    left, right = figures.beside_released(record).axes
    drawn = {line.get_label(): line.get_ydata() for line in left.lines}
    assert drawn["BPTT"].tolist() == list(figures.RELEASED["bptt"])
    traces = record.rows(condition="curvature", method="bptt", step=4)["trace"]
    expected = torch.stack(list(traces)).mean()
    ours = next(x for x in right.lines if x.get_label() == "BPTT").get_ydata()
    assert ours[-1] == pytest.approx(expected.item(), rel=1e-4)


def test_ratios_are_those_of_one_network(record: Record) -> None:
    """To its own real samples; scaled, with both traces over the uncertainty there."""
    where = {"condition": "curvature", "network": 1, "step": 4}
    of = [record.rows(**where, method=m) for m in ("bptt", "real")]
    trace, real = (torch.stack(list(rows["trace"])).mean(1) for rows in of)
    unsure, vague = (torch.tensor(rows["uncertainty"].tolist()) for rows in of)
    found = ratios(record).query("method == 'bptt' and network == 1 and step == 4")
    expected = trace / real.mean()
    assert found["ratio"].tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    scaled = expected / unsure * vague.mean()
    assert found["scaled"].tolist() == pytest.approx(scaled.tolist(), rel=1e-4)


def test_turns_show_sets_as_points(record: Record) -> None:
    """A pale point is the mean gain on one set; `more` is beside both random sets."""
    table = gained(record, 2)
    each = gains(record, 2)
    pale = [x for x in figures.turns(record).axes[0].lines if x.get_alpha()]
    drawn = {round(float(v), 4) for line in pale for v in line.get_xdata()}
    assert {round(v, 4) for v in each["bptt"][:, 0].mean(0).tolist()} <= drawn
    mine = table.query("method == 'dm' and start == 0 and network == 1")
    expected = each["dm"][1, 0] - each["random"][1, 0].mean()
    assert mine["more"].tolist() == pytest.approx(expected.tolist(), abs=1e-4)
