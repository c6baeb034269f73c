"""Decoupled methods, asked: one teacher for each number of a set, costs counted, contrasts."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
from helpers import toy_data

import ddlib
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.methods.decoupled import squeezed_net
from ddlib.networks import build
from ddlib.questions.decoupled import experiment as decoupled
from ddlib.questions.decoupled import figures
from ddlib.questions.decoupled.experiment import PLANS
from ddlib.questions.decoupled.findings import findings
from ddlib.training import Recipe, accuracy, train

REAL = toy_data((12, 12, 12), channels=3)
PLAN = replace(
    PLANS["fast"], epochs=1, pool=6, crops=2, recovery=3, ipc=3, sets=2, test=30, steps=5
)


@pytest.fixture(scope="module")
def record() -> Record:
    return ask("decoupled", Bench(REAL, {}), PLAN)


def test_every_set_is_relabeled_by_the_teacher_of_its_number(record: Record) -> None:
    teacher = squeezed_net(REAL, "convnet-batch-half", 1, 1)
    student = build("convnet-half", REAL.shape, 3)
    for method in ("random", "sre2l"):
        one = decoupled.made(REAL, PLAN, method, 1)
        given = {"hard": one.labels, "soft": teacher(one.images).softmax(1)}
        (row,) = record.rows(method=method, set=1).to_dict("records")
        for kind, labels in given.items():
            trained = train(student, one.images, labels, Recipe(epochs=5), [1])
            right = accuracy(student, trained, REAL.test_images, REAL.test_labels)
            assert row[kind] == pytest.approx(float(right[0]))


def test_costs_are_those_of_the_methods(record: Record) -> None:
    passes = record.table.groupby("method")["passes"].first()
    assert passes.to_dict() == {"random": 0, "herding": 36, "rded": 36, "sre2l": 3 * 3 * 9}
    assert decoupled.passes(ddlib.load("photos"), PLANS["record"])["rded"] == 7500
    away = record.table.pivot(index="set", columns="method", values="away")
    assert (away["sre2l"] < away["random"]).all()


def test_contrasts_by_hand() -> None:
    """Set 1 is one point better and one farther away than set 0, whatever the method."""
    level = {
        "random": (30.0, 36.0, 35.0, 9.0),
        "herding": (33, 39, 38, 8),
        "rded": (32, 37, 36, 10),
        "sre2l": (20, 25, 24, 2),
    }
    columns = ("hard", "soft", "within", "away")
    rows = [
        {
            "method": m,
            "set": s,
            "network": s,
            **{c: v + s for c, v in zip(columns, of, strict=True)},
        }
        for m, of in level.items()
        for s in (0, 1)
    ]
    made = Record("decoupled", "toy", asdict(PLAN), pd.DataFrame(rows), profile="laptop")
    found = findings(made)

    def of(contrast: str, method: str, **where: str) -> tuple[float, ...]:
        return values_of(found, contrast=contrast, method=method, **where)

    assert of("gain", "rded", kind="soft") == (1, 1)
    assert of("gain", "sre2l", kind="hard") == (-10, -10)
    assert of("below", "sre2l") == (11, 11)
    assert of("coreset", "rded") == (2, 2)
    assert of("coreset", "random") == (3, 3)
    assert of("labels", "random") == (6, 6)
    assert of("storage", "rded") == (4, 4)
    assert of("nearer", "sre2l") == (7, 7)
    assert of("gain", "random", kind="soft") == of("coreset", "herding") == ()
    clouds = [line.get_xdata() for line in figures.by_label(made).axes[0].lines]
    assert sorted(x for c in clouds if len(c) == 2 for x in c) == sorted(
        v + s for one in level.values() for v in one[:3] for s in (0, 1)
    )
    assert figures.statistics(made).axes[0].get_xlim()[0] == 0
