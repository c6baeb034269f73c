"""Transfer: every set meets every architecture, gains are taken within one, parts add up."""

from dataclasses import asdict, replace
from itertools import combinations
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import toy_data
from matplotlib.axes import Axes

import ddlib
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.networks import NETWORKS, build
from ddlib.plots.style import GRAY
from ddlib.questions.shared.pixels import clipped as clip
from ddlib.questions.transfer import experiment as transfer
from ddlib.questions.transfer import figures
from ddlib.questions.transfer.experiment import PLANS
from ddlib.questions.transfer.findings import (
    accuracies,
    agreement,
    clipping_helps,
    costs,
    distilled,
    findings,
    gains,
    kept,
    orders,
    part_of_home,
    rate_helps,
    tau,
)

PLAN = replace(
    PLANS["fast"], widths=("convnet-half",), methods=("random", "dm", "mtt"), sets=2, nets=2,
    test=20, held_out=5, more=2, ipc=2, steps=4,
)  # fmt: skip


REAL = toy_data((12, 10, 11))


def made(seed: int) -> ddlib.DistilledSet:
    rows = REAL.class_rows[0][:, 2 * seed : 2 * seed + 2].flatten()
    return ddlib.DistilledSet.of(REAL, 4 * REAL.train_images[rows], REAL.train_labels[rows])


SETS = {tag: [made(i), made(i + 1)] for i, tag in enumerate(("random", "dm", "mtt"))}


BENCH = Bench(REAL, SETS)


@pytest.fixture(scope="module")
def record() -> Record:
    return ask("transfer", BENCH, PLAN)


def each(record: Record, value: str, **where: str | int) -> list[float]:
    return record.rows(**where)[value].tolist()


def test_every_row_is_a_fresh_network_on_its_own_set(record: Record) -> None:
    test = REAL.test_images[:20], REAL.test_labels[:20]
    for name in ("convnet-half", "convnet-none"):
        own = transfer.measure(name, SETS["mtt"][1], 0.01, [2, 3], test, 4)
        where = {"condition": "own", "architecture": name, "method": "mtt", "set": 1}
        assert each(record, "network", **where) == [2, 3]
        for value in ("accuracy", "fit"):
            assert each(record, value, **where) == own[value].tolist()
    for i in (0, 1):
        clipped = clip(SETS["mtt"][i])
        own = transfer.measure("convnet-none", clipped, 0.01, [2 * i, 2 * i + 1], test, 4)
        where = {"condition": "clipped", "method": "mtt", "set": i}
        assert each(record, "accuracy", **where) == own["accuracy"].tolist()
        assert float(clipped.pixels().min()) >= 0
        assert torch.allclose(clipped.images, clipped.images.clamp(-2, 2)), "0.5 / 0.25 from mean"


def test_a_rate_is_chosen_on_training_images_and_only_where_asked(record: Record) -> None:
    blind = replace(REAL, test_labels=(REAL.test_labels + 1) % 3)
    other = ask("transfer", Bench(blind, SETS), PLAN)
    scores = [r.rows(condition="rate").set_index("rate")["score"] for r in (record, other)]
    assert scores[0].equals(scores[1])
    assert accuracies(record).to_numpy().tolist() != accuracies(other).to_numpy().tolist()
    used = record.rows(condition="own").groupby("architecture")["rate"].first()
    assert used["vit-narrow"] == scores[0].idxmax()
    assert set(record.rows(condition="rate")["architecture"]) == {"vit-narrow"}
    assert used["convnet"] == 0.01


@pytest.mark.parametrize("profile", PLANS)
def test_plans_name_architectures_that_exist(profile: str) -> None:
    plan = PLANS[profile]
    assert {*plan.tuned, *plan.clipped} <= {*plan.architectures}
    assert {*plan.architectures} <= {*NETWORKS}


def test_strict_is_the_protocol_itself() -> None:
    rates = dict.fromkeys(PLAN.architectures, 0.01) | {"vit-narrow": 0.05}
    rows = {tuple(c.labels.values())[:4]: c for c in transfer.cells(BENCH, PLAN, rates)}
    strict = {key for key in rows if key[2] == "strict"}
    assert strict == {("vit-narrow", m, "strict", i) for m in PLAN.few for i in (0, 1)}
    test = REAL.test_images[:20], REAL.test_labels[:20]
    own = transfer.measure("vit-narrow", SETS["dm"][1], 0.01, [2, 3], test, 4)
    found = rows["vit-narrow", "dm", "strict", 1].work()
    assert torch.equal(found["accuracy"], own["accuracy"])
    other = rows["vit-narrow", "dm", "own", 1].work()
    assert not torch.equal(other["accuracy"], own["accuracy"])


def made_up(accuracy: torch.Tensor, ceiling: torch.Tensor) -> Record:
    """Accuracies by architecture, method and set; the second network seed is two points better."""
    methods, few = ("random", "herding", "dm", "bptt"), ("random", "dm")
    plan = replace(PLAN, widths=(), methods=methods, few=few, norms=("convnet-none",))
    strict = torch.tensor([[10, 5], [11, 9.0]])
    clipped = torch.tensor([[25.0, 24], [12, 10]])
    rows = []

    def add(name: str, condition: str, methods: tuple, values: torch.Tensor, step: float) -> None:
        for i, method in enumerate(methods):
            for s in (0, 1):
                rows.extend(
                    {"architecture": name, "condition": condition, "method": method, "set": s,
                     "network": 2 * s + n, "accuracy": float(values[i, s]) + n * step}
                    for n in (0, 1)
                )  # fmt: skip

    for i, name in enumerate(plan.architectures):
        add(name, "own", methods, accuracy[i], 2)
        rows += [
            {"architecture": name, "condition": "ceiling", "network": n,
             "accuracy": float(ceiling[i]) + 2 * n - 1}
            for n in (0, 1)
        ]  # fmt: skip
    add("vit-narrow", "strict", few, strict, 2)
    add("convnet-none", "clipped", ("dm", "bptt"), clipped, 3)
    table = pd.DataFrame(rows).astype({"set": "Int64"})
    return Record("transfer", "toy", asdict(plan), table, profile="laptop")


ACCURACY = torch.tensor(
    [  # network, source, set
        [[20.0, 30], [23, 33], [30, 40], [40, 50]],
        [[20, 20], [21, 23], [22, 24], [15, 15]],
        [[10, 20], [14, 20], [20, 25], [12, 21]],
    ]
)
CEILING = torch.tensor([46.0, 31, 36])  # a room of 20, 10 and 20


def test_readings_by_hand() -> None:
    found = made_up(ACCURACY, CEILING)
    gain = gains(found)
    assert gain.loc["convnet", "dm"].tolist() == [10] * 4
    assert gain.loc["convnet", "bptt"].tolist() == [20] * 4
    assert gain.loc["vit-narrow", "herding"].tolist() == [4, 4, 0, 0]
    assert kept(found).loc["convnet-none", "herding"].tolist() == [10, 10, 30, 30]
    assert kept(found).loc["convnet", "dm"].tolist() == [50] * 4
    assert agreement(found).to_dict() == {"convnet-none": -1, "vit-narrow": -1}
    assert rate_helps(found)["dm"].tolist() == [10 - 1] * 2 + [5 - 4] * 2
    assert clipping_helps(found)["dm"].tolist() == [3, 4, 0, 1]
    assert clipping_helps(found)["bptt"].tolist() == [-3, -2, -5, -4]


def test_findings_by_hand() -> None:
    found = findings(made_up(ACCURACY, CEILING))

    def of(contrast: str, method: str = "distilled", **where: str) -> tuple[float, ...]:
        return values_of(found, contrast=contrast, method=method, **where)

    assert of("gain", "dm", architecture="norms") == (2, 2, 4, 4), "for each set and network"
    assert of("gain", "bptt", architecture="others") == (2, 2, 1, 1)
    assert of("gain", "herding", architecture="others") == (4, 4, 0, 0)
    assert of("gain", architecture="vit-narrow") == (6, 6, 3, 3), "the mean of both methods"
    assert of("gain", architecture="convnet") == (15, 15, 15, 15)
    assert of("chosen gain", "herding", architecture="others") == (4 - 6, 4 - 6, -3, -3)
    assert of("same order") == (-1,) * 4, "one value for each architecture and set"
    by_set = found[(found["contrast"] == "lose more") & (found["method"] == "unrolled")]
    means = by_set.groupby("architecture", sort=False)["value"].mean().tolist()
    dm, bptt, herding = (50 - 30, 50 - 37.5), (100 + 50, 100 - 7.5), (15 - 20, 15 - 10)
    assert means == [bptt[0] - dm[0], bptt[1] - dm[1]]
    assert by_set["set"].tolist() == [0, 1, 0, 1]
    distilled = fmean((dm[i] + bptt[i]) / 2 - herding[i] for i in (0, 1))
    assert fmean(of("lose more")) == pytest.approx(distilled)
    assert of("costs", architecture="norm") == pytest.approx((75 + 15, 75 + 15, 75 + 5, 75 + 5))
    assert of("costs", architecture="architecture") == (), "no kind with the norm of a ConvNet"
    assert of("clipping") == (0, 1, -2.5, -1.5)
    assert of("gain", "random", architecture="norms") == ()


def test_costs_compare_architectures_that_differ_in_one_thing() -> None:
    made = made_up(ACCURACY, CEILING)

    def named(*names: str, home: str = "convnet", norms: tuple = ("convnet-none",)) -> Record:
        new = dict(zip(("convnet", "convnet-none", "vit-narrow"), names, strict=True))
        table = made.table.replace({"architecture": new})
        return replace(made, table=table, settings=made.settings | {"home": home, "norms": norms})

    share = {name: some.droplevel(0) for name, some in kept(made).groupby("architecture")}
    home, other, third = (share[n] for n in ("convnet", "convnet-none", "vit-narrow"))
    vgg = costs(named("convnet", "convnet-none", "vgg11-narrow"))
    pd.testing.assert_frame_equal(vgg["norm"], home - other)
    pd.testing.assert_frame_equal(vgg["architecture"], home - third)  # the VGG: home's norm
    group = named("resnet18-batch", "convnet-none", "convnet-batch", home="convnet-batch")
    pd.testing.assert_frame_equal(costs(group)["architecture"], third - home)


def test_tau_counts_pairs_and_chance_is_centered() -> None:
    draws = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 7, generator=draws)
    agree = [1 if (a[i] - a[j]) * (b[i] - b[j]) > 0 else -1 for i, j in combinations(range(7), 2)]
    assert tau(a, b) == pytest.approx(sum(agree) / len(agree))
    assert tau(a, a.exp()) == 1
    assert tau(a, -a) == -1
    chance = orders(4)
    assert len(chance) == 24
    assert float(chance.mean()) == pytest.approx(0, abs=1e-6)
    assert int((chance == 1).sum()) == 1


def test_narrow_networks_are_about_as_large_as_the_convnet() -> None:
    size = {n: sum(p.numel() for p in build(n, (3, 16, 16), 10).parameters()) for n in NETWORKS}
    for name in (n for n in NETWORKS if n.endswith("-narrow")):
        assert size["convnet"] < size[name] < 2.5 * size["convnet"]
    assert size["convnet-half"] < size["convnet"] < size["convnet-double"]


def test_the_table_prints_mean_and_spread_of_each_gain() -> None:
    axis = figures.gain_table(made_up(ACCURACY, CEILING)).axes[0]
    found = {t.get_position(): t.get_text() for t in axis.texts}
    assert len(found) == 9
    assert found[1, 0] == "+10.0\n± 0.0"
    assert found[0, 1] == "+2.0\n± 1.2", "gains of 1, 1, 3 and 3 points"
    names = ["convnet", "convnet-none", "vit-narrow"]
    assert [t.get_text() for t in axis.get_yticklabels()] == names
    assert "n = 4 (sets: 2, networks for each: 2)" in axis.get_xlabel()


def test_groups_of_architectures_are_parted() -> None:
    """Home, another norm, another kind: one row of each here."""
    made = made_up(ACCURACY, CEILING)
    table, rows = (f(made).axes[0].lines for f in (figures.gain_table, figures.three_numbers))
    assert [line.get_ydata()[0] for line in table] == [0.5, 1.5]
    gray = [line.get_ydata()[0] for line in rows if line.get_color() == GRAY]
    assert gray == [0.5, 1.5]


def pale(axis: Axes) -> set[tuple[float, int]]:
    """Single values, with the row in which they stand."""
    return {
        (round(float(x), 3), round(float(y)))
        for line in axis.lines
        if line.get_alpha()
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }


def test_every_set_is_a_point_at_its_architecture() -> None:
    made = made_up(ACCURACY, CEILING)
    share = kept(made).drop(columns="random").groupby(["architecture", "set"], sort=False).mean()
    rows = enumerate(some for _, some in share.groupby("architecture", sort=False))
    expected = {(round(x, 3), row) for row, some in rows for x in np.ravel(some)}
    assert pale(figures.kept_by_set(made).axes[0]) == expected
    drawn = pale(figures.three_numbers(made).axes[0])
    random = accuracies(made)["random"].groupby(["architecture", "set"], sort=False).mean()
    assert {(round(x, 3), i // 2) for i, x in enumerate(random)} <= drawn
    ceilings = made.rows(condition="ceiling")["accuracy"]
    assert {round(float(x), 3) for x in ceilings} <= {x for x, _ in drawn}


def test_what_is_lost_by_architecture_is_a_point_a_set() -> None:
    made = made_up(ACCURACY, CEILING)
    lost = costs(made)["norm"][distilled(made)].mean(axis=1).groupby("set").mean()
    drawn = [x for x, row in pale(figures.what_costs(made).axes[0]) if row == 0]
    assert sorted(drawn) == pytest.approx(sorted(lost), abs=1e-3)


def test_the_order_stands_on_what_chance_gives() -> None:
    made = made_up(ACCURACY, CEILING)
    axis = figures.order(made).axes[0]
    points = next(line for line in axis.lines if line.get_marker() == "o")
    assert list(points.get_xdata()) == pytest.approx(list(agreement(made)))


def test_part_of_home_is_by_set() -> None:
    made = made_up(ACCURACY, CEILING)
    found = part_of_home(made)
    gain = gains(made)
    method, number = found["method"][0], found["set"][0]
    away = gain.loc[list(made.settings["norms"])].xs(number, level="set")[method].mean()
    home = gain.loc[made.settings["home"]].xs(number, level="set")[method].mean()
    assert found["value"][0] == pytest.approx(100 * away / home)
    assert set(found["method"]) == set(distilled(made))
