"""Images or labels: every student meets its own labels, no test image chooses, contrasts add up."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import collect
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.labels import label_robust_score, relabel, teachers
from ddlib.networks import build
from ddlib.questions.labels import experiment as labels
from ddlib.questions.labels import figures
from ddlib.questions.labels.experiment import EARLY, FULL, HARD, LABELS, PLANS, SHUFFLED, WITHIN
from ddlib.questions.labels.findings import accuracies, best_stop, findings, scores
from ddlib.training import Recipe, accuracy, train

REAL = toy_data((12, 12, 12))
PLAN = replace(
    PLANS["fast"], methods=("random", "dm"), controls=("random", "dm"), network="convnet",
    teacher_images=6, held_out=4, stops=(1, 3, 9), ipc=3, sets=2, nets=1, test=30, steps=5,
)  # fmt: skip


def made(seed: int) -> ddlib.DistilledSet:
    one = ddlib.distill(REAL, ddlib.RandomSelection(ipc=3), seed=seed)
    return replace(one, images=4 * one.images)


BENCH = Bench(REAL, {"dm": [made(0), made(1), made(2)]})


@pytest.fixture(scope="module")
def record() -> Record:
    return ask("labels", BENCH, PLAN)


def test_a_student_is_a_network_on_the_relabeled_set(record: Record) -> None:
    learned, _ = labels.split(REAL, PLAN)
    teacher = teachers(learned, PLAN.stops, seed=labels.TEACHER)
    net, best = build("convnet", REAL.shape, 3), best_stop(record)
    one = BENCH.sets["dm"][1]
    given = {
        HARD: one.labels,
        FULL: relabel(one, teacher[9]).labels,
        EARLY: relabel(one, teacher[best]).labels,
    }
    for kind, y in given.items():
        trained = train(net, one.images, y, Recipe(epochs=5), [1])
        right = float(accuracy(net, trained, REAL.test_images, REAL.test_labels)[0])
        rows = record.rows(method="dm", condition=kind, set=1)
        assert rows["accuracy"].tolist() == pytest.approx([right])


def test_no_test_image_trains_or_stops_a_teacher(record: Record) -> None:
    blind = Bench(replace(REAL, test_images=-REAL.test_images), BENCH.sets)
    other = collect(labels.teacher_cells(blind, PLAN, labels.teacher_cell(blind, PLAN)))
    for condition in ("teacher", "tuning"):
        scores = [t.loc[t["condition"] == condition, "score"] for t in (record.table, other)]
        assert scores[0].tolist() == scores[1].tolist()
    learned, held = labels.split(REAL, PLAN)
    both = torch.cat([learned.train_images, held.test_images]).flatten(1)
    assert len(both.unique(dim=0)) == len(both) == 30


def test_shuffled_labels_stay_in_their_class_and_few_images_store_less(record: Record) -> None:
    soft = replace(made(0), labels=torch.eye(9)[:, :3].softmax(1), classes=REAL.classes)
    mixed = labels.exchanged(soft, 1).labels
    assert not mixed.equal(soft.labels)
    for part, whole in zip(mixed.split(3), soft.labels.split(3), strict=True):
        assert sorted(part.tolist()) == sorted(whole.tolist())
    numbers = record.rows(method="random").groupby("condition")["numbers"].first()
    assert numbers[HARD] == 9 * 128
    assert numbers[EARLY] == 9 * 131
    assert numbers[WITHIN] == 6 * 131


def made_up() -> Record:
    """Two sets; the second is one point better, and shuffled labels lose three."""
    level = {
        "random": {HARD: 30.0, EARLY: 38, FULL: 34, SHUFFLED: 35, WITHIN: 37},
        "dm": {HARD: 40.0, EARLY: 43, FULL: 42, SHUFFLED: 40},
        "kmeans": {HARD: 33.0, EARLY: 36},
    }
    rows = [
        {"method": method, "condition": kind, "set": s, "network": s, "accuracy": value + s}
        for method, of in level.items()
        for kind, value in of.items()
        for s in (0, 1)
    ]
    for stop, (own, students) in {1: (40.0, 35.0), 4: (55, 38), 9: (61, 36)}.items():
        rows.append({"condition": "teacher", "stop": stop, "score": own, "accuracy": own + 1})
        rows.append({"condition": "tuning", "stop": stop, "set": 0, "score": students})
    table = pd.DataFrame(rows).astype({c: "Int64" for c in ("set", "network", "stop")})
    return Record("labels", "toy", asdict(PLAN), table, profile="laptop")


def test_contrasts_by_hand() -> None:
    found = findings(made_up())

    def of(contrast: str, method: str, **where: str) -> tuple[float, ...]:
        return values_of(found, contrast=contrast, method=method, **where)

    assert of("labels", "random") == (8, 8)
    assert of("full", "random") == (4, 4)
    assert of("early", "random") == (4, 4)
    assert of("own", "random") == (3, 3)
    assert of("within", "random") == (7, 7)
    assert of("gain", "dm", kind=HARD) == (10, 10)
    assert of("gain", "dm", kind=EARLY) == (5, 5)
    assert of("shrinks", "dm") == (5, 5)
    assert of("real is enough", "dm") == (-2, -2)
    assert of("real is enough", "kmeans") == (5, 5)
    assert of("own", "kmeans") == (), "it had no shuffled labels"
    assert of("gain", "random", kind=HARD) == ()


def test_scores_take_hard_labels_for_what_is_missing_and_equal_labels_for_the_gain() -> None:
    found = scores(made_up()).set_index(["method", "set", "kind"])
    top = 62.0  # of the teacher at its last stop, on test images
    expected = label_robust_score(top, 40.0, 43.0, 38.0)
    assert found.loc[("dm", 0, EARLY), "score"] == pytest.approx(expected)
    assert found.loc[("dm", 0, HARD), "score"] == pytest.approx(
        label_robust_score(top, 40.0, 40.0, 30.0)
    )
    assert found.loc[("dm", 1, EARLY), "accuracy"] == 44


def test_figures_draw_every_value() -> None:
    """A pale point for each network that was trained."""
    record = made_up()
    axis = figures.by_label(record).axes[0]
    drawn = sorted(
        float(x) for line in axis.lines for x in line.get_xdata() if len(line.get_xdata()) > 1
    )
    wide = accuracies(record)[list(LABELS)].to_numpy().ravel()
    assert drawn == sorted(x for x in wide if x == x)
    stops = {line.get_xdata()[0] for a in figures.tuning(record).axes for line in a.lines
             if line.get_linestyle() == ":"}  # fmt: skip
    assert stops == {4}
    gains = figures.gains(record).axes[0]
    assert [t.get_text() for t in gains.get_yticklabels()] == ["distribution matching", "k-means"]
    points = figures.score_and_accuracy(record).axes[0].lines
    assert len(points) == 6
    assert len(figures.leaderboard().axes[0].texts) == 8
