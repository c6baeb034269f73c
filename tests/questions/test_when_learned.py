"""When recognition is learned: training as elsewhere, and measures that mean what they say."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

import ddlib
from ddlib.experiment.asking import ask, recorded_sets
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.networks import build
from ddlib.questions.shared.baselines import JUDGE, blends, easy_rows
from ddlib.questions.shared.starts import started_from
from ddlib.questions.when_learned import experiment as when_learned
from ddlib.questions.when_learned.experiment import (
    METHODS,
    PLANS,
    RECIPES,
    first_recognized,
    follow,
    probes,
)
from ddlib.questions.when_learned.findings import (
    curves,
    falls,
    findings,
    settled,
    still_to_come,
)
from ddlib.training import Recipe, logits, train_steps

INF = float("inf")
SHORT = replace(
    PLANS["fast"],
    nets=2, steps=8, every=4, recipe_every=8, long_steps=10, long_every=2, test_images=50,
    judge_steps=2, pool=20, blend=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def bench(digits: ddlib.ImageData) -> Bench:
    return Bench(digits, recorded_sets("digits"))


@pytest.fixture(scope="module")
def record(bench: Bench) -> Record:
    return ask("when_learned", bench, SHORT)


def test_a_network_is_measured_before_and_after_the_steps_that_are_named(
    digits: ddlib.ImageData,
) -> None:
    net, recipe = build("convnet", digits.shape, 10), Recipe(epochs=1, batch=64)
    asked = {"images": digits.test_images[:6].view(1, 2, 3, 1, 8, 8)}
    asked["labels"] = digits.test_labels[:6].view(1, 2, 3)
    seen = follow(digits, asked, "convnet", recipe, 0, range(0, 7, 3), 100)
    for i, step in enumerate((0, 3, 6)):
        *_, now = islice(train_steps(net, digits, recipe, 0), step + 1)
        right = logits(net, now, digits.test_images)[0].argmax(1) == digits.test_labels
        assert torch.equal(seen["right"][i].flatten(), right[:6])
        assert seen["test"][i] == pytest.approx(100 * right[:100].float().mean())


def test_an_image_is_recognized_from_where_most_answers_are_right() -> None:
    rows = {
        (0, 0, 1, 1, 1): 20,
        (1, 0, 0, 0, 0): INF,  # right by accident
        (1, 0, 1, 1, 1): 0,
        (0, 1, 0, 0, 1): 40,
        (0, 1, 0, 1, 0): INF,  # half is not most
        (0, 1, 0, 1, 1): 10,
        (0, 0, 0, 0, 0): INF,
    }
    right = torch.tensor(list(rows)).bool().T
    assert first_recognized(right, range(0, 50, 10)).tolist() == list(rows.values())


def test_settled_asks_how_soon_and_not_how_high() -> None:
    curve = torch.tensor([0.0, 50, 80, 95, 100, 100, 100, 100, 100, 100])
    assert settled(curve, range(0, 100, 10)) == settled(curve / 2, range(0, 100, 10)) == 30


def test_what_is_still_to_come_is_zero_for_a_set_that_is_never_recognized() -> None:
    test = torch.tensor([10.0, 40, 55, 65])
    assert still_to_come(torch.tensor([0.0, 96, 90, 99]), test) == 25
    assert still_to_come(torch.tensor([0.0, 10, 20, 94]), test) == 0
    assert still_to_come(torch.tensor([0.0, 10, 20, 95]), test) == 0


def test_easy_images_have_a_low_loss_in_a_network_that_answers_nothing(
    digits: ddlib.ImageData,
) -> None:
    recipe = Recipe(epochs=1, batch=64)
    rows = easy_rows(digits, 3, 0, recipe, steps=40, pool=40)
    assert (digits.train_labels[rows] == torch.arange(10)[:, None]).all()
    net = build("convnet", digits.shape, 10)
    *_, judge = islice(train_steps(net, digits, recipe, JUDGE), 41)
    loss = lambda rows: torch.nn.functional.cross_entropy(  # noqa: E731
        logits(net, judge, digits.train_images[rows])[0], digits.train_labels[rows]
    )
    assert loss(rows.flatten()) < 0.7 * loss(torch.arange(500))
    assert not set(range(PLANS["full"].nets)) & {JUDGE, JUDGE + 1}


def test_all_methods_of_a_seed_start_from_the_same_images(digits: ddlib.ImageData) -> None:
    sets = recorded_sets("digits")
    for seed in (0, 1):
        starts = [started_from(sets[tag][seed], digits)[0] for tag in when_learned.DISTILLED]
        assert all(torch.equal(starts[0], other) for other in starts)
    assert not torch.equal(starts[0], sets["random"][1].images)


def test_blends_are_means_of_one_class(digits: ddlib.ImageData) -> None:
    images, labels = blends(digits, 2, 200, seed=0)  # 200: more than any class has
    for image, label in zip(images, labels, strict=True):
        mean = digits.train_images[digits.train_labels == label].mean(0)
        assert torch.corrcoef(torch.stack([image.flatten(), mean.flatten()]))[0, 1] > 0.95
    alone = blends(digits, 2, 1, seed=0)[0][0]
    assert (digits.train_images == alone).flatten(1).all(1).any()


def test_every_method_is_asked_in_pairs(bench: Bench) -> None:
    easy = [when_learned.easy_images(bench, SHORT, i) for i in (0, 1)]
    asked = probes(bench, SHORT, easy)
    assert asked["images"].shape == (len(METHODS), 2, 100, 1, 8, 8)
    assert (asked["labels"] == torch.arange(10).repeat_interleave(10)).all()
    assert len({float(pair.sum()) for pair in asked["images"].flatten(0, 1)}) == 2 * len(METHODS)


def test_networks_of_the_long_training_are_those_of_the_short_one(record: Record) -> None:
    for method in ("bptt", "easy"):
        short, long = (curves(record, method, c) for c in ("released", "long"))
        for step in (0, 4, 8):
            assert torch.equal(short[0, :, step // 4], long[0, :, step // 2])
    assert not torch.equal(short[0, :, 2], short[1, :, 2])
    slow, fast = (curves(record, "bptt", recipe) for recipe in list(RECIPES)[:2])
    first = curves(record, "bptt")[0, :, 0]
    assert torch.equal(slow[0, :, 0], first)
    assert torch.equal(fast[0, :, 0], first)


def test_findings_are_signed_as_claimed(record: Record) -> None:
    table = record.table.copy()
    released, long = (table["condition"] == c for c in ("released", "long"))

    def flat(rows, level: float) -> None:
        for i in table.index[rows]:
            table.at[i, "recognized"] = torch.full_like(table["recognized"][i], level)

    flat(released & (table["method"] == "bptt"), 96)
    flat(released & (table["method"] == "random"), 20)
    flat(released & (table["method"] == "dc"), 50)
    flat(long & (table["method"] == "dc"), 30)
    for i in table.index[released & (table["method"] == "test")]:
        table.at[i, "recognized"] = torch.tensor([10.0, 30, 60])
    made = replace(record, table=table)
    found = findings(made)
    of = lambda contrast, method, **other: values_of(  # noqa: E731
        found, contrast=contrast, method=method, **other
    )
    assert of("early", "bptt") == (50, 50, 50, 50)
    assert of("over", "bptt", other="random") == (76, 76, 76, 76)
    assert of("settles", "bptt", other="test") == (8, 8, 8, 8)
    assert of("settles", "bptt", other="random") == (0, 0, 0, 0)  # flat curves settle at once
    assert of("early", "random") == (0, 0, 0, 0)
    assert of("falls", "dc") == (20, 20)
    assert falls(made, "dc").shape == (1, 2)
