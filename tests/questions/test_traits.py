"""Traits of photographs: what is measured, blinded, clustered, and held against influence."""

from dataclasses import replace

import pytest
import small
import torch
from helpers import toy_data
from torch import Tensor

from ddlib import DistilledSet, ImageData
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.cells import collect
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record, load_record
from ddlib.questions.shared.permutation import association, likeness
from ddlib.questions.traits import experiment as traits
from ddlib.questions.traits.findings import findings
from ddlib.questions.traits.photographs import (
    PROMPTS,
    Traits,
    blinded,
    clusters,
    measure,
    nearest,
)
from ddlib.seeds import generator

SMALL = small.PLANS["traits"]
METHODS = ("random", "bptt")


@pytest.fixture(scope="module")
def real() -> ImageData:
    return toy_data((40, 30, 35), channels=3)


@pytest.fixture(scope="module")
def bench(real: ImageData) -> Bench:
    """Five images of each class; of four a made-up influence on the last 24 test images."""

    def one(method: str) -> DistilledSet:
        images = torch.randn(15, 3, 8, 8, generator=generator(method))
        return DistilledSet.of(real, images, torch.arange(15) // 5, meta={"seed": 0})

    sets = {method: [one(method)] for method in METHODS}
    return Bench(real, sets, records=small.some_influence(real, METHODS))


@pytest.fixture(scope="module")
def record(bench: Bench) -> Record:
    return ask("traits", bench, SMALL)


def test_influence_must_be_that_of_the_network_that_is_asked_about(bench: Bench) -> None:
    with pytest.raises(ValueError, match="toy-influence asked 'convnet-tiny', not 'vgg11'"):
        ask("traits", bench, replace(SMALL, network="vgg11"))


def test_association_is_that_of_plain_pixels(record: Record, bench: Bench, real: ImageData) -> None:
    """Brightness, class 1: four images of the set against its test images."""
    columns = real.test_labels[6:] == 1
    mean, std = 0.5, 0.25

    def brightness(images: Tensor) -> Tensor:
        return (images * std + mean).clamp(0, 1).mean((1, 2, 3))

    mine, target = bench.sets["bptt"][0].images[5:9], real.test_images[6:][columns]
    known = load_record("toy-influence", bench.records).rows(method="bptt")["influence"].iloc[0]
    effect = known[4:8][:, columns].float()
    expected = association(effect, likeness(brightness(mine), brightness(target)))
    where = {"method": "bptt", "meaning": "measured", "trait": "brightness", "class": "b"}
    found = record.rows(condition="association", **where)["association"].item()
    assert found == pytest.approx(expected.item(), abs=1e-4)


def test_measure_knows_a_bright_square_on_blue() -> None:
    pixels = torch.zeros(2, 3, 8, 8)
    pixels[:, 2] = 0.5
    pixels[1, :, 2:6, 2:6] = 1
    found = measure(pixels)
    assert found["background"][1].tolist() == pytest.approx([0, 0, 0.5])
    assert found["scale"].tolist() == pytest.approx([0, 16 / 64])
    assert found["brightness"].tolist() == pytest.approx([1 / 6, (1 / 6 * 48 + 16) / 64])
    assert found["contrast"][0] == pytest.approx(0, abs=1e-6)
    assert found["contrast"][1] > 0.3


def test_encoder_sees_one_shuffled_pile_and_answers_come_back_in_order() -> None:
    piles = [torch.full((n, 3, 2, 2), float(n)) for n in (3, 5)]
    piles[0] += torch.arange(3)[:, None, None, None] / 10
    seen = []

    def encode(pixels: Tensor) -> Traits:
        seen.append(pixels[:, 0, 0, 0])
        return {"first": pixels[:, 0, 0, 0]}

    a, b = blinded(encode, piles, generator("blind"))
    assert a["first"].tolist() == pytest.approx([3, 3.1, 3.2])
    assert b["first"].tolist() == [5] * 5
    assert len(seen) == 1
    assert not torch.equal(seen[0], torch.cat([p[:, 0, 0, 0] for p in piles])), "not shuffled"


def test_encoder_must_answer_for_every_image() -> None:
    with pytest.raises(ValueError, match="'short' has 1 values for 4"):
        blinded(lambda x: {"short": x[:1]}, [torch.ones(4, 3, 2, 2)], generator("blind"))


def test_a_model_may_bring_traits_of_its_own(bench: Bench, record: Record) -> None:
    """A stand-in for a vision-language model: answers as kinds, one for each prompt."""

    def encode(pixels: Tensor) -> Traits:
        level = (pixels.mean((1, 2, 3)) * 10).long()
        return {q.trait: level % len(q.answers) for q in PROMPTS}

    table, _ = traits.run(bench, SMALL, collect, encode)
    mine = {q.trait for q in PROMPTS}
    assert set(table["trait"].dropna()) == set(record.table["trait"].dropna()) | mine
    assert not (table["association"].abs() > 1 + 1e-6).any()


def test_prompts_are_blind_to_class_and_method() -> None:
    classes = "airplane automobile bird cat deer dog frog horse ship truck"
    words = f"{classes} distill synthetic".split()
    for question in PROMPTS:
        assert not any(w in question.text.lower() for w in words)
        assert "unclear" in question.answers


def test_clusters_find_clouds_that_lie_apart() -> None:
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    truth = torch.arange(60) % 3
    points = middles[truth] + torch.randn(60, 2, generator=generator("clouds"))
    mine = nearest(points, clusters(points, 3, generator("centers", 1)))
    assert all(len(mine[truth == c].unique()) == 1 for c in range(3))
    assert len(mine.unique()) == 3


def test_findings_of_a_made_up_record(record: Record) -> None:
    table = record.table.copy()
    table["association"] = table["association"].where(table["association"].isna(), 0.0)
    lit = (table["trait"] == "brightness") & (table["meaning"] == "measured")
    lit &= table["condition"] == "association"
    bptt = lit & (table["method"] == "bptt")
    table.loc[lit, "association"] = 0.1
    table.loc[bptt, "association"] = [0.2, 0.3, 0.4]

    def found(contrast: str, method: str = "bptt", trait: str = "brightness") -> tuple[float, ...]:
        rows = findings(replace(record, table=table))
        return values_of(rows, contrast=contrast, method=method, trait=trait)

    assert found("meaning") == pytest.approx((0.2, 0.3, 0.4))
    assert found("beyond") == pytest.approx((0.1, 0.2, 0.3))
    assert found("meaning", "random", "scale") == (0, 0, 0)
    assert found("beyond", "random") == ()
    table.loc[table.index[bptt][0], "association"] = float("nan")  # all images in one cluster
    assert found("meaning") == pytest.approx((0.3, 0.4))
    assert found("beyond") == pytest.approx((0.2, 0.3))
