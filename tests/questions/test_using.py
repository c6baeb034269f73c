"""Using distilled data: learning in turn, ranking and membership against plain loops, by hand."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers import toy_data

import ddlib
from ddlib.ensemble import loaded
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.networks import build, features, initialize
from ddlib.questions.using import choosing, experiment, figures, membership, replay
from ddlib.questions.using.experiment import CHOOSE, HELD, MEMBER, PLANS, REPLAY, SHOWN
from ddlib.questions.using.findings import by_stage, findings, rankings, shared_cost
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, train

REAL = toy_data((12, 12, 12, 12), channels=3)
PLAN = replace(
    PLANS["fast"], candidates=("convnet-tiny", "convnet-half", "convnet-half-d1"), ipc=2, sets=3,
    ranked=3, distilling=3, test=30, steps=5, epochs=2, stops=(6, 12), real_stops=(1, 2, 3),
)  # fmt: skip


@pytest.fixture(scope="module")
def record() -> Record:
    return ask("using", Bench(REAL, {}), PLAN)


# ---- replay ---------------------------------------------------------------------------------


def test_learning_in_turn_is_a_plain_loop(double) -> None:
    """Two stages, written out: real images of the new class, kept ones of the old, equal weight."""
    real = toy_data((12, 12, 12, 12), channels=3)
    one = ddlib.distill(real, ddlib.RandomSelection(ipc=2), seed=5)
    recipe = Recipe(epochs=2, batch=8)
    memory = replay.from_set(one.images, one.labels)
    *_, (theta, kept) = replay.learn_in_turn(real, [[2, 0], [1]], memory, "convnet-half", recipe, 7)

    net = build("convnet-half", real.shape, 4)
    start = initialize(net, generator(7, "network"))
    net = loaded(net, {k: v[None] for k, v in start.items()}).requires_grad_()
    old = {c: one.images[one.labels == c] for c in (2, 0)}
    for new, before in (([2, 0], {}), ([1], old)):
        parts = {**before, **{c: real.train_images[real.train_labels == c] for c in new}}
        x = torch.cat([*parts.values()])
        y = torch.tensor([c for c, part in parts.items() for _ in part])
        share = torch.tensor([1 / len(parts[int(c)]) for c in y])
        optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9)
        for epoch in range(2):
            order = torch.randperm(len(x), generator=generator(7, "epoch", epoch))
            for rows in order.split(8):
                losses = F.cross_entropy(net(x[rows]), y[rows], reduction="none")
                optimizer.zero_grad()
                ((share[rows] * losses).sum() / share[rows].sum()).backward()
                optimizer.step()
    for name, value in net.named_parameters():
        assert torch.allclose(theta[name][0], value), name
    assert {c: len(x) for c, x in kept.items()} == {2: 2, 0: 2, 1: 2}


def test_no_stage_sees_a_class_before_its_time() -> None:
    """Noise in the place of the last class changes nothing before it comes, whatever the memory."""
    images = REAL.train_images.clone()
    images[REAL.train_labels == 3] = torch.randn(12, 3, 8, 8, generator=generator("noise"))
    blind = replace(REAL, train_images=images)
    order = [[0, 1], [2], [3]]
    for memory in ("herding", "dm", "kmeans", "random"):
        found = []
        for real in (REAL, blind):
            bench = Bench(real, {})
            made = {"images": experiment.images(bench, experiment.method_of(PLAN, memory), 1, False)
                    ["images"]} if memory != "herding" else None  # fmt: skip
            keep = experiment.memory_of(bench, PLAN, memory, made)
            path = list(
                replay.learn_in_turn(real, order, keep, "convnet-half", Recipe(epochs=1), 0)
            )
            found.append(path[1][1])
        assert [*found[0]] == [*found[1]] == [0, 1, 2]
        for c in (0, 1, 2):
            assert found[0][c].equal(found[1][c]), (memory, c)


def test_herding_keeps_images_whose_mean_is_that_of_the_class() -> None:
    net = build("convnet-half", REAL.shape, 4)
    net = loaded(net, {k: v[None] for k, v in initialize(net, generator(3)).items()})
    kept = replay.herded(REAL, 3)(net, 2)
    images = REAL.train_images[REAL.train_labels == 2]
    embedded, chosen = features(net)(images), []
    for t in range(1, 4):
        away = [
            (embedded.mean(0) - embedded[[*chosen, i]].sum(0) / t).norm()
            if i not in chosen else torch.tensor(torch.inf)
            for i in range(12)
        ]  # fmt: skip
        chosen.append(int(torch.stack(away).argmin()))
    assert kept.equal(images[chosen])


def test_buffers_are_judged_on_all_classes_and_alone(record: Record) -> None:
    rows = record.rows(part=REPLAY).set_index(["method", "set"])
    assert rows.loc[("all", 0), "accuracy"] >= rows.loc[("none", 0), "accuracy"]
    assert rows["alone"].isna().groupby("method").all().to_dict() == {
        "none": True, "random": False, "herding": False, "kmeans": False, "dm": False, "all": True,
    }  # fmt: skip
    one = ddlib.distill(REAL, ddlib.RandomSelection(ipc=2), seed=1)
    order = torch.randperm(4, generator=generator(1, "order")).tolist()
    images = torch.cat([one.images[one.labels == c] for c in order])
    labels = torch.tensor(order).repeat_interleave(2)
    net = build("convnet-half", REAL.shape, 4)
    theta = train(net, images, labels, Recipe(epochs=5), [1])
    right = float(accuracy(net, theta, REAL.test_images, REAL.test_labels)[0])
    assert rows.loc[("random", 1), "alone"] == pytest.approx(right)
    long = by_stage(record)
    assert sorted(long["classes"].unique()) == [2, 3, 4]
    last = long[long["classes"] == 4].set_index(["method", "set"])["accuracy"]
    assert (last - rows["accuracy"]).abs().max() < 1e-4


# ---- choosing a network ---------------------------------------------------------------------


def test_scores_on_the_way_are_those_of_shorter_trainings() -> None:
    net = build("convnet-tiny", REAL.shape, 4)
    given = REAL.train_images, REAL.train_labels
    found = choosing.accuracies(*given, REAL, "convnet-tiny", Recipe(epochs=3, batch=8), (1, 3), 4,
                                20)  # fmt: skip
    for epochs, score in zip((1, 3), found, strict=True):
        theta = train(net, *given, Recipe(epochs=epochs, batch=8), [4])
        right = accuracy(net, theta, REAL.test_images[:20], REAL.test_labels[:20])[0]
        assert float(score) == pytest.approx(float(right))


def test_rank_correlation_of_a_planted_order() -> None:
    truth = np.array([10.0, 20, 30, 40, 50])
    same = choosing.agreement(truth**3, truth)
    assert same == pytest.approx({"kendall": 1, "spearman": 1, "regret": 0})
    assert choosing.agreement(-truth, truth)["regret"] == 40
    swapped = np.array([10.0, 20, 40, 30, 50])  # one of ten pairs
    found = choosing.agreement(swapped, truth)
    assert found["kendall"] == pytest.approx(0.8)
    assert found["spearman"] == pytest.approx(0.9)
    draws = np.random.default_rng(0)
    blind = [choosing.agreement(draws.permutation(truth), truth)["kendall"] for _ in range(400)]
    assert abs(np.mean(blind)) < 0.08


def test_real_images_get_no_more_visits_than_they_are_owed() -> None:
    """At the record's settings: equal visits, and with distilling counted no more than its cost."""
    plan, images = PLANS["record"], 1500
    on_set = [5 * plan.ipc * s for s in plan.stops]
    on_real = [images * s for s in plan.real_stops]
    assert on_set == on_real[:3]
    cost = experiment.distilling_visits(plan, 5)
    assert cost == pytest.approx(400 * 5 * (64 + 3 * 5) / 3)
    assert on_set[-1] < on_real[3] <= on_set[-1] + cost / len(plan.candidates) < on_real[4]
    dm = experiment.matching(plan)
    assert cost == pytest.approx(dm.passes(ddlib.load("photos")) / 3)


# ---- what a set gives away ------------------------------------------------------------------


def test_halves_are_balanced_and_differ() -> None:
    one, other = (membership.half_of(REAL, number) for number in (0, 1))
    for half in (one, other):
        assert torch.bincount(REAL.train_labels[half]).tolist() == [6] * 4
    assert not one.equal(other)
    assert one.equal(membership.half_of(REAL, 0))
    assert len(membership.part_of(REAL, one).train_images) == 24


def test_a_share_of_pairs_is_counted_pair_by_pair() -> None:
    draws = generator("pairs")
    score = torch.randint(0, 6, (40,), generator=draws).double()  # ties
    members = torch.arange(40) < 8
    others = torch.arange(40) >= 15  # seven are neither
    found = membership.told_apart(score, members, others)
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0 for a in score[members] for b in score[others]
    ]
    assert found["auc"] == pytest.approx(sum(pairs) / len(pairs))
    assert found["base"] == pytest.approx(8 / 33)
    planted = membership.told_apart(members.double() + 0.1 * score, members, others)
    assert planted["hits"] == planted["auc"] == 1
    turned = membership.told_apart(-members.double() - 0.01 * score, members, others)
    assert turned["hits"] == turned["auc"] == 0


def test_calibration_takes_out_what_looks_like_a_member_of_anything() -> None:
    """Loud images drown ten members whose score is a little higher, until their loudness goes."""
    draws = generator("loud")
    loud = 10 * torch.randn(100, generator=draws)
    members = torch.arange(100) < 10
    others = [loud + 0.1 * torch.randn(100, generator=draws) for _ in range(4)]
    mine = loud + members + 0.1 * torch.randn(100, generator=draws)
    plain = membership.told_apart(mine, members, ~members)
    better = membership.told_apart(membership.calibrated(mine, others), members, ~members)
    assert better["auc"] > 0.99 > 0.8 > plain["auc"]


def test_likeness_is_the_best_correlation_within_the_class() -> None:
    made = ddlib.distill(REAL, ddlib.RandomSelection(ipc=2), seed=1)
    found = membership.nearest(REAL.train_images, REAL.train_labels, made.images, made.labels)
    for image, label, score in zip(REAL.train_images, REAL.train_labels, found, strict=True):
        mine = made.images[made.labels == label]
        each = [np.corrcoef(image.flatten(), one.flatten())[0, 1] for one in mine]
        assert float(score) == pytest.approx(max(each), abs=1e-5)
    assert membership.found_in(REAL.train_images, made.images).equal(found > 1 - 1e-5)


def test_members_are_those_of_the_half(record: Record) -> None:
    by = ["method", "members", "attack", "against"]
    rows = record.rows(part=MEMBER).set_index(by).sort_index()
    shown = rows.xs(("random", SHOWN, "nearest", "plain"))
    assert (shown["auc"] == 1).all()
    assert (shown["base"] == 8 / 32).all()
    assert rows.loc[("random", HELD), "base"].to_numpy() == pytest.approx(16 / 40)
    assert rows.loc[("dm-noise", HELD), "base"].to_numpy() == pytest.approx(24 / 48)
    half = membership.part_of(REAL, membership.half_of(REAL, 2))
    net = build("convnet-half", REAL.shape, 4)
    theta = train(net, half.train_images, half.train_labels, Recipe(epochs=3, batch=64), [2])
    logits = loaded(net, theta)(REAL.train_images)
    score = -F.cross_entropy(logits, REAL.train_labels, reduction="none")
    inside = membership.half_of(REAL, 2)
    own = rows.xs(("real", HELD, "loss", "plain")).set_index("set").loc[2]
    assert own["auc"] == pytest.approx(membership.told_apart(score, inside, ~inside)["auc"])


# ---- contrasts and figures ------------------------------------------------------------------


def made_up() -> Record:
    """Two numbers, the second a point better in everything; ranks and pairs planted."""
    level = {"none": (20.0, None), "random": (30, 25), "herding": (33, 27), "dm": (38, 36)}
    rows: list[dict] = [
        {
            "part": REPLAY, "method": m, "set": s, "network": s, "accuracy": went + s,
            "known": torch.tensor([80.0, went + s]), **({} if alone is None else
            {"alone": alone + s}),
        }
        for m, (went, alone) in level.items() for s in (0, 1)
    ]  # fmt: skip
    scores = {
        "real": {"a": [1.0, 1, 1, 1], "b": [2, 2, 2, 2], "c": [3, 1.5, 3, 3]},
        "random": {"a": [1.0, 3], "b": [2, 2], "c": [3, 1]},
        "dm": {"a": [1.0, 1], "b": [2, 3], "c": [3, 2]},
    }
    visits = {"real": [60, 120, 180, 240], "random": [60, 120], "dm": [60, 120]}
    rows += [
        {
            "part": CHOOSE, "method": m, "set": s, "network": s, "candidate": c,
            "scores": torch.tensor(of), "visits": torch.tensor(visits[m]),
        }
        for m, each in scores.items() for c, of in each.items() for s in (0, 1)
    ]  # fmt: skip
    aucs = {("random", SHOWN): 1.0, ("random", HELD): 0.5, ("dm", HELD): 0.52, ("real", HELD): 0.6}
    rows += [
        {
            "part": MEMBER, "method": m, "set": s, "network": s, "attack": "loss",
            "against": against, "members": who, "auc": auc + 0.01 * s, "hits": 0.5, "base": 0.5,
        }
        for (m, who), auc in aucs.items() for s in (0, 1) for against in ("plain", "calibrated")
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    settings = asdict(PLAN) | {"candidates": ["a", "b", "c"]}
    arrays = {"distilling": torch.tensor(200.0)}
    return Record("using", "photos", settings, table, arrays, profile="laptop")


def test_contrasts_by_hand() -> None:
    record = made_up()
    found = findings(record)

    def of(contrast: str, method: str, **where: str) -> list[float]:
        return [round(v, 6) for v in values_of(found, contrast=contrast, method=method, **where)]

    assert of("replay", "dm") == [8, 8]
    assert of("alone", "dm") == [11, 11]
    assert of("shrinks", "dm") == [3, 3]
    assert of("herding", "dm") == [5, 5]
    assert of("replay", "none") == [-10, -10]
    assert of("replay", "random") == of("alone", "none") == of("herding", "herding") == []
    assert of("rank", "random") == [-1, -1]
    third = round(1 / 3, 6)
    assert of("rank", "dm") == of("rank", "real") == [third, third]
    assert of("again", "real") == [1, 1]
    assert of("brief", "dm") == [0, 0]
    assert shared_cost(record) == pytest.approx(200 / 3)
    assert of("counted", "dm") == [round(2 / 3, 6)] * 2, "180 of 186.7 visits: the third stop"
    assert of("over random", "dm") == [round(4 / 3, 6)] * 2
    assert of("told", "dm", members=HELD, against="plain") == [0.02, 0.03]
    assert of("told", "random", members=SHOWN, against="calibrated") == [0.5, 0.51]
    assert of("more", "dm", against="calibrated") == [0.08, 0.08]
    assert of("more", "real") == []


def test_the_truth_of_a_ranking_is_that_of_other_numbers() -> None:
    record = made_up()
    table = record.table
    row = table[(table["method"] == "real") & (table["candidate"] == "a") & (table["set"] == 1)]
    row.iloc[0]["scores"][-1] = 9.0  # the last candidate becomes the best, in number 1 only
    found = rankings(record).set_index(["method", "set", "visits"])["kendall"]
    assert found[("real", 1, 240)] == pytest.approx(-1 / 3), "held against number 0"
    assert found[("real", 0, 240)] == pytest.approx(-1 / 3), "held against number 1"
    assert found[("dm", 1, 60)] == pytest.approx(1), "the truth is number 0"


def test_figures_draw_every_value() -> None:
    record = made_up()
    drawn = figures.stages(record).axes[0].lines
    assert {line.get_label() for line in drawn} >= {"no buffer", "random", "herding"}
    names = [t.get_text() for t in figures.buffers(record).axes[0].get_yticklabels()]
    assert names == ["no buffer", "random", "herding", "distribution matching"]
    curves = {line.get_label(): line.get_xdata() for line in figures.ranked(record).axes[0].lines}
    shifted = curves["the same, with what distilling cost"]
    assert list(shifted) == pytest.approx([60 + 200 / 3, 120 + 200 / 3])
    rows = [t.get_text() for t in figures.told(record).axes[0].get_yticklabels()]
    assert rows == ["random: in the set", "random: others", "DM: others used", "a network on all"]
