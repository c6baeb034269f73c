"""When recognition is learned: training as elsewhere, and measures that mean what they say."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays

import ddlib
from ddlib.analysis import when_learned
from ddlib.analysis.when_learned import (
    SOURCES,
    Settings,
    falls,
    first_recognized,
    follow,
    order_agreement,
    probes,
    settled,
    still_to_come,
)
from ddlib.networks import build
from ddlib.questions.shared.baselines import JUDGE, blends, easy_rows
from ddlib.questions.shared.starts import started_from
from ddlib.studies import Keeper, Study, findings, recorded_sets
from ddlib.training import Recipe, logits, train_steps

INF = float("inf")
SHORT = Settings(
    nets=2, steps=8, every=4, batch=64, recipe_nets=1, recipe_every=8, long_nets=1, long_steps=10,
    long_every=2, test_images=50, judge_steps=2, pool=20, blend=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def study(digits: ddlib.ImageData) -> Study:
    return when_learned.run(digits, recorded_sets("digits"), SHORT)


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


def test_order_agreement_is_spearmans_correlation() -> None:
    first = torch.tensor([[5.0, 10, 20, INF], [0, 1, 2, 3], [INF, 20, 10, 5]])
    assert order_agreement(first).tolist() == pytest.approx([1, -1, -1])
    tied = torch.tensor([[5.0, 5, 10], [1, 2, 3]])  # ranks 1.5 1.5 3 and 1 2 3
    assert order_agreement(tied).item() == pytest.approx(0.75**0.5)


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
    assert not set(range(Settings().nets)) & {JUDGE, JUDGE + 1}


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


def test_every_source_is_asked_in_pairs(digits: ddlib.ImageData) -> None:
    asked = probes(digits, recorded_sets("digits"), SHORT)
    assert asked["images"].shape == (len(SOURCES), 2, 100, 1, 8, 8)
    assert (asked["labels"] == torch.arange(10).repeat_interleave(10)).all()
    assert len({float(pair.sum()) for pair in asked["images"].flatten(0, 1)}) == 2 * len(SOURCES)


def test_networks_of_the_long_training_are_those_of_the_short_one(study: Study) -> None:
    short, long = study.arrays["recognition"], study.arrays["long_recognition"]
    for step in (0, 4, 8):
        i, j = study.axes["step"].index(step), study.axes["long_step"].index(step)
        assert torch.equal(short[0, i], long[0, j])
    assert not torch.equal(short[0, 2], short[1, 2])
    assert torch.equal(study.arrays["recipe_recognition"][:2, 0, 0], short[[0, 0], 0])


def test_findings_are_signed_as_claimed(study: Study) -> None:
    arrays = {name: array.clone() for name, array in study.arrays.items()}
    arrays["recognition"][:, :, SOURCES.index("bptt")] = 96
    arrays["recognition"][:, :, SOURCES.index("random")] = 20
    arrays["test"] = torch.tensor([[10.0, 30, 60]]).expand(2, 3)
    arrays["long_recognition"][:, :, SOURCES.index("dc")] = 30
    arrays["recognition"][:, :, SOURCES.index("dc")] = 50
    found = findings(replace(study, arrays=arrays))
    assert found["bptt_early"] == (50, 50, 50, 50)
    assert found["bptt_over_random"] == (76, 76, 76, 76)
    assert found["bptt_settles"] == (8, 8, 8, 8)
    assert found["bptt_settles_random"] == (0, 0, 0, 0)  # flat curves are settled at once
    assert found["random_early"] == (0, 0, 0, 0)
    assert found["dc_falls"] == (20, 20)
    assert falls(replace(study, arrays=arrays), "dc").shape == (1, 2)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    digits: ddlib.ImageData, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def killed(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return follow(*arguments)

    monkeypatch.setattr(when_learned, "follow", killed)
    again = lambda: when_learned.run(  # noqa: E731
        digits, recorded_sets("digits"), SHORT, Keeper(tmp_path, {})
    )
    with pytest.raises(Killed):
        again()
    resumed = again()
    assert len(calls) == 1 + 2 + 3 + 1, "what was finished is not done again"
    assert_same_arrays(resumed, study)
