"""Traits of photographs: what is measured, blinded, clustered, and held against influence."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after, toy_data
from torch import Tensor

from ddlib import DistilledSet, ImageData, show
from ddlib.analysis import traits
from ddlib.analysis.traits import Settings
from ddlib.instruments.permutation import association, likeness
from ddlib.instruments.traits import PROMPTS, Traits, blinded, clusters, measure, nearest
from ddlib.seeds import generator
from ddlib.studies import Keeper, Study, load_study

SMALL = Settings(features="convnet-tiny", pool=80, epochs=1, fitted=20, clusters=3, shuffles=40)


@pytest.fixture(scope="module")
def real() -> ImageData:
    return toy_data((40, 30, 35), channels=3)


@pytest.fixture(scope="module")
def sets(real: ImageData) -> dict[str, list[DistilledSet]]:
    def one(tag: str) -> DistilledSet:
        images = torch.randn(15, 3, 8, 8, generator=generator(tag))
        return DistilledSet.of(real, images, torch.arange(15) // 5, meta={"seed": 0})

    return {tag: [one(tag)] for tag in ("random", "bptt")}


@pytest.fixture(scope="module")
def influence(real: ImageData) -> Study:
    """Made up: four images of each class, the last 24 test images."""
    rows = tuple(range(6, 30))
    effect = torch.randn(2, 12, 24, generator=generator("effect"))
    axes = {"source": ("random", "bptt"), "image": tuple(range(12)), "test": rows}
    dims = {"influence": ("source", "image", "test")}
    return Study(
        "influence",
        real.name,
        {"nets": {"random": 2, "bptt": 3}, "network": "convnet-half"},
        axes,
        dims,
        {"influence": effect.half()},
    )


@pytest.fixture(scope="module")
def study(real, sets, influence) -> Study:
    return traits.run(real, sets, SMALL, influence=influence)


def test_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    real, sets, influence, study, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        traits.run(real, sets, SMALL, killed_after(Keeper(tmp_path, {}), 0), influence=influence)
    for _ in range(2):
        again = traits.run(real, sets, SMALL, Keeper(tmp_path, {}), influence=influence)
        assert_same_arrays(again, study)


def test_recorded_influence_is_what_a_run_takes_by_default(
    real, sets, influence, study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traits, "load_study", {"toy-influence": influence}.__getitem__)
    assert_same_arrays(traits.run(real, sets, SMALL), study)


def test_study_survives_its_file(study: Study, tmp_path: Path) -> None:
    study.save(tmp_path)
    assert traits.findings(load_study(study.name, tmp_path)) == traits.findings(study)


def test_association_is_that_of_plain_pixels(study: Study, real, sets, influence) -> None:
    """Brightness, class 1: four images of the set against its test images."""
    columns = real.test_labels[6:] == 1
    mean, std = 0.5, 0.25

    def brightness(images: Tensor) -> Tensor:
        return (images * std + mean).clamp(0, 1).mean((1, 2, 3))

    mine, target = sets["bptt"][0].images[5:9], real.test_images[6:][columns]
    effect = influence.arrays["influence"][1, 4:8][:, columns]
    expected = association(effect, likeness(brightness(mine), brightness(target)))
    found = study.pick("association", source="bptt", meaning="measured", trait="brightness")[1]
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


def test_a_model_may_bring_traits_of_its_own(real, sets, influence, study) -> None:
    """A stand-in for a vision-language model: answers as kinds, one for each prompt."""

    def encode(pixels: Tensor) -> Traits:
        level = (pixels.mean((1, 2, 3)) * 10).long()
        return {q.trait: level % len(q.answers) for q in PROMPTS}

    found = traits.run(real, sets, SMALL, influence=influence, encode=encode)
    assert set(found.axes["trait"]) == {*study.axes["trait"], *(q.trait for q in PROMPTS)}
    assert not found.arrays["association"].isinf().any()


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


def test_findings_of_a_made_up_study(study: Study) -> None:
    arrays = {k: torch.zeros_like(v) for k, v in study.arrays.items()}
    bptt, measured = study.axes["source"].index("bptt"), traits.MEANINGS.index("measured")
    arrays["association"][:, measured, 1] = 0.1
    arrays["association"][bptt, measured, 1] = torch.tensor([0.2, 0.3, 0.4])
    found = traits.findings(replace(study, arrays=arrays))
    assert found["brightness-bptt"] == pytest.approx((0.2, 0.3, 0.4))
    assert found["brightness-beyond-bptt"] == pytest.approx((0.1, 0.2, 0.3))
    assert found["scale-random"] == (0, 0, 0)
    assert "scale-beyond-random" not in found
    arrays["association"][bptt, measured, 1, 0] = torch.nan  # all images of a class in one cluster
    found = traits.findings(replace(study, arrays=arrays))
    assert found["brightness-bptt"] == pytest.approx((0.3, 0.4))
    assert found["brightness-beyond-bptt"] == pytest.approx((0.2, 0.3))


def test_figure_says_its_scale_and_shows_every_trait(study: Study) -> None:
    assert study.settings["averaged"] == 2
    figure = show.traits_meaning(study)
    assert "fast scale: data of the package" in figure.get_suptitle()
    assert "convnet-half" in figure.get_suptitle()
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == list(study.axes["trait"])
