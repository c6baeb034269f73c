"""Agreement: matching by accuracy, late sets, and what the record holds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import some_predictions, toy_data
from matplotlib.axes import Axes

from ddlib.distillation import distill
from ddlib.distilled import DistilledSet
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import collect
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record, load_record
from ddlib.plots import LOOKS
from ddlib.presets import preset
from ddlib.questions.agreement import experiment as agreement
from ddlib.questions.agreement import figures
from ddlib.questions.agreement.experiment import LATE, PLANS, few_images
from ddlib.questions.agreement.findings import findings, gaps, likeness
from ddlib.questions.agreement.matching import EXCHANGED, OFFSETS, compared, matched, nearest_stop
from ddlib.questions.agreement.predictions import alike, correct
from ddlib.seeds import generator

TINY = replace(
    PLANS["fast"],
    methods=agreement.METHODS, images=30, nets=2, early_nets=2, early_steps=4, early_batch=8,
    every=1, subsets=(2, 3), subset_epochs=3, subset_batch=4, stops=(1, 2), full_batch=(2,),
    within=40.0, steps=5,
)  # fmt: skip


def value(record: Record, contrast: str, method: str, **where: str) -> tuple[float, ...]:
    labels = {"measure": "agreement", **where}
    return values_of(findings(record), contrast=contrast, method=method, **labels)


def toy_sets(real, tags=("random", "dm")):
    rows = [real.class_rows[0][:, 2 * i : 2 * i + 2].flatten() for i in range(2 * len(tags))]
    made = [
        DistilledSet(
            real.train_images[r], real.train_labels[r], 2, real.classes, real.mean, real.std
        )
        for r in rows
    ]
    return {tag: made[2 * i : 2 * i + 2] for i, tag in enumerate(tags)}


@pytest.fixture(scope="module")
def toys():
    real = toy_data((9, 8, 9))
    return real, toy_sets(real)


@pytest.fixture(scope="module")
def record(toys) -> Record:
    return ask("agreement", Bench(*toys), TINY)


def test_the_nearest_stop_is_taken_and_must_be_near() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    right = lambda n: [0] * n + [1] * (10 - n)  # noqa: E731
    pool = torch.tensor([[right(1), right(4), right(7)], [right(0), right(1), right(2)]]).byte()
    predicted, near = nearest_stop(pool, labels, 42.0, 5.0)
    assert correct(predicted, labels).tolist() == pytest.approx([40, 20])
    assert near.tolist() == [True, False]


def test_stopped_networks_end_above_the_target() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    right = lambda n: [0] * n + [1] * (10 - n)  # noqa: E731
    subset = torch.tensor([[right(4), right(4)], [right(4), right(8)]]).byte()
    pools = {"early": subset, "subset": subset, "full-batch": subset[:, -1:]}
    found = matched(pools, labels, 40.0, 5.0)
    assert found["subset"][1].tolist() == [True, False]
    assert found["stopped"][1].tolist() == [False, True]


def test_a_gap_that_was_planted_is_found() -> None:
    """Networks copy early ones on most images: the gap and its interval lie above zero."""
    labels = torch.zeros(2000, dtype=torch.int64)
    early = some_predictions(1, 2000).expand(6, 1, -1).clone()
    mask = torch.rand(6, 1, 2000, generator=generator(1)) < 0.2
    early = torch.where(mask, some_predictions(6, 2000, seed=3)[:, None], early)
    subset = some_predictions(8, 2000, seed=4)[:, None].expand(-1, 2, -1)
    pools = {
        "early": early,
        "subset": subset,
        "full-batch": some_predictions(2, 2000, seed=5)[:, None],
    }
    runs = {"dm": early[:4, 0].unflatten(0, (2, 2)), "dc": early[2:, 0].unflatten(0, (2, 2))}
    found = compared("dm", runs, pools, labels, 5.0, draws=50)
    mean, low, high = found["interval"][0, 0].tolist()
    assert 0.3 < low <= mean <= high < 0.8
    assert found["interval"][3, 0, 0].abs() < 0.05  # subsets are no more like early ones
    assert found["released"].isfinite().all()
    assert found["kin"][:, :, 1:].isfinite().all()


def test_other_methods_are_other_networks_on_sets_that_began_otherwise() -> None:
    """Random images, another kind of the same method and the same place do not count."""
    labels = torch.zeros(300, dtype=torch.int64)
    tags = ("random", "dc", "dsa", "mtt", LATE)
    runs = {
        tag: some_predictions(4, 300, seed=i).unflatten(0, (2, 2)) for i, tag in enumerate(tags)
    }
    pools = {
        name: some_predictions(3, 300, seed=9)[:, None]
        for name in ("early", "subset", "full-batch")
    }
    pools["subset"] = pools["subset"].expand(-1, 2, -1)
    for mine, others in (("mtt", ("dc", "dsa")), ("dsa", ("mtt", LATE)), ("dc", ("mtt", LATE))):
        found = compared(mine, runs, pools, labels, 100.0)["kin"][0, 1, 2, 0]
        theirs = torch.cat([runs[tag][1] for tag in others])
        want = alike(runs[mine][0, 1][None], theirs, labels)[0, :, 0].mean()
        assert float(found) == pytest.approx(float(want))
    assert compared("random", runs, pools, labels, 100.0)["kin"][..., 2, :].isnan().all()


def test_late_sets_differ_from_usual_ones_in_their_segments_alone(toys, tmp_path) -> None:
    real, _ = toys
    method = replace(preset("mtt", 2, "fast"), steps=2, inner_steps=2, max_start=1)
    sets = {"mtt": [distill(real, method, seed=seed) for seed in range(2)]}
    bench = Bench(real, sets, scratch=tmp_path)
    cells = agreement.late_cells(bench, replace(TINY, late_sets=2, late=(2, 3)))
    late = collect(cells, tmp_path / "cells")["images"]
    for images, usual in zip(late, sets["mtt"], strict=True):
        want = distill(real, replace(method, min_start=2, max_start=3), seed=usual.meta["seed"])
        assert torch.equal(images, want.images)
        assert not torch.equal(images, usual.images)
    assert len(list(tmp_path.glob("expert-*"))) == method.experts  # trained once for both
    unkept = agreement.late_cells(Bench(real, sets), replace(TINY, late_sets=1, late=(2, 3)))
    assert torch.equal(collect(unkept)["images"][0], late[0])
    assert agreement.late_cells(bench, TINY) == []
    assert agreement.late_cells(Bench(*toys), replace(TINY, late_sets=2)) == []


def test_late_networks_are_paired_with_those_on_usual_sets(toys) -> None:
    real, _ = toys
    method = replace(preset("mtt", 2, "fast"), steps=1, inner_steps=2, max_start=1)
    sets = {"mtt": [distill(real, method, seed=seed) for seed in range(2)]}
    plan = replace(TINY, late_sets=1, late=(1, 2), within=100.0, steps=2)
    made = ask("agreement", Bench(real, sets), plan)
    assert figures.methods(made) == ["start", "mtt", LATE]
    gap = gaps(made).groupby(["method", "set"])["agreement"].mean()
    assert list(gap[LATE].index) == [0], "there is no second late set"
    assert value(made, "less late", "mtt") == pytest.approx([gap["mtt", 0] - gap[LATE, 0]])
    assert len(value(made, "gap", "mtt", pool="subset")) == 4


def test_networks_are_paired_with_those_on_what_their_set_began_with(toys) -> None:
    """The same first weights, so that a set that was never changed is not beyond its start."""
    real, _ = toys
    methods = {
        "random": preset("random", 2, "fast"),
        "dc": replace(preset("dc", 2, "fast"), steps=0, init="noise"),
        "mtt": replace(preset("mtt", 2, "fast"), steps=1, inner_steps=2, max_start=1, lr=30.0),
        "bptt": replace(preset("bptt", 2, "fast"), steps=0),
    }
    sets = {t: [distill(real, how, seed=seed) for seed in (4, 7)] for t, how in methods.items()}
    made = ask("agreement", Bench(real, sets), replace(TINY, within=100.0, steps=2))
    assert figures.methods(made) == ["random", "start", "dc", "mtt", "bptt"]
    assert [m for m in methods if figures.began(made, m)] == ["mtt", "bptt"]
    assert value(made, "beyond start", "bptt") == (0.0,) * 4
    gap = gaps(made).set_index(["method", "set", "network"])["agreement"]
    moved = value(made, "beyond start", "mtt")
    assert sorted(moved) == pytest.approx(sorted(gap["mtt"] - gap["bptt"]))
    assert any(moved)


def test_without_a_match_there_is_no_number_and_no_crash(toys) -> None:
    made = ask("agreement", Bench(*toys), replace(TINY, within=0.0, nets=1, steps=1))
    assert made.rows(condition="network")["missed"].iloc[0].shape == (len(OFFSETS),)
    assert np.isfinite(findings(made)["value"]).all()


def test_the_record_holds_every_comparison(record: Record) -> None:
    networks = record.rows(condition="network")
    assert len(networks) == 8
    assert networks.groupby("set")["network"].unique().map(list).tolist() == [[0, 1], [2, 3]]
    pairs = record.rows(condition="alike").merge(networks[["method", "network", "accuracy"]])
    assert (pairs["at"] - pairs["accuracy"]).abs().max() <= TINY.within
    assert set(pairs["pool"]) <= {"early", "subset", "stopped", "full-batch"}
    early = likeness(record).xs("early", level="pool")
    subset = likeness(record).xs("subset", level="pool")
    gap = value(record, "gap", "dm", pool="subset")
    assert gap == pytest.approx(tuple((early - subset).loc["dm", "agreement"]))
    where = {"method": "dm", "quantity": "gap", "measure": "agreement"}
    drawn = record.rows(condition="interval", **where)["mean"].item()
    assert float(drawn) == pytest.approx(np.mean(gap), abs=1e-6)
    assert set(EXCHANGED) == {"dm", "dc"}


def test_networks_of_a_set_have_their_own_seeds(toys) -> None:
    bench = Bench(*toys)
    same = bench.sets["dm"][0]
    one, other = (few_images(bench, same, TINY, number)["predicted"] for number in (0, 1))
    assert len(torch.cat([one, other]).unique(dim=0)) == 4


def means(axis: Axes) -> dict[tuple[str, str], float]:
    """Where the full markers of a strip stand, by the name of their row and their color."""
    first = axis.get_figure().axes[0]  # panels that share their rows are named once
    rows = [text.get_text() for text in first.get_yticklabels()]
    return {
        (rows[round(float(line.get_ydata()[0]))], line.get_color()): float(line.get_xdata()[0])
        for line in axis.lines
        if line.get_markersize() == 8
    }


def test_means_are_drawn_beside_the_released_ones_and_differ_by_the_gap() -> None:
    recorded = load_record("cifar10x16-agreement")
    left, right = figures.agreements(recorded).axes
    early, subset = (figures.POOL_LOOKS[pool].color for pool in ("early", "subset"))
    bptt, random = LOOKS["bptt"].label, LOOKS["random"].label
    assert means(left)[bptt, early] - means(left)[bptt, subset] == pytest.approx(0.037)
    assert not np.isfinite(means(left).get((random, subset), np.nan)), "nothing was released"
    sets = gaps(recorded).groupby(["method", "set"])["agreement"].mean()
    ours = means(right)
    assert ours[bptt, early] - ours[bptt, subset] == pytest.approx(sets["bptt"].mean())
    shown = means(figures.agreement_gaps(recorded).axes[0])
    gap, beyond = (figures.GAP_LOOKS[name].color for name in ("gap", "beyond"))
    assert shown[bptt, gap] == pytest.approx(sets["bptt"].mean())
    assert shown[bptt, beyond] == pytest.approx(np.mean(value(recorded, "beyond", "bptt")))


def test_likeness_within_and_between_sets_is_drawn_set_by_set() -> None:
    recorded = load_record("cifar10x16-agreement")
    shown = means(figures.relations(recorded).axes[0])
    kin = recorded.rows(condition="network", method="random")
    each = torch.stack(list(kin["kin"]))[:, :, 0]
    for i, name in enumerate(("same set", "other set")):
        sets = pd.Series(each[:, i].numpy()).groupby(kin["set"].to_numpy()).mean()
        mean = shown[LOOKS["random"].label, figures.KIN_LOOKS[name].color]
        assert mean == pytest.approx(sets.mean(), abs=1e-6)


def test_each_set_is_joined_to_what_it_began_with() -> None:
    recorded = load_record("cifar10x16-agreement")
    lines = figures.gaps_by_set(recorded).axes[0].lines
    joined = [line.get_xdata() for line in lines if line.get_linestyle() == "-"][:-1]  # zero
    began = [m for m in figures.methods(recorded) if figures.began(recorded, m)]
    assert began == ["dc", "dsa", "mtt", LATE, "bptt"]  # sets of dm are older
    found = findings(recorded)
    moved = found[(found["contrast"] == "beyond start") & (found["measure"] == "agreement")]
    means = moved.groupby(["method", "set"])["value"].mean()
    apart = [float(end - start) for start, end in joined]
    assert apart == pytest.approx([means[m, s] for m in began for s in (0, 1)], abs=1e-6)
