"""Bias: colors are read from pixels, test pairs differ in color alone, gaps are differences."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after

from ddlib import augment, show
from ddlib.analysis import bias
from ddlib.channels import to_pixels
from ddlib.data import ImageData, sample_per_class, shapes
from ddlib.distilled import DistilledSet
from ddlib.instruments import colors
from ddlib.instruments.bias_gaps import expected_own, gap, moved, of_random, repainted
from ddlib.methods.coresets import RandomSelection
from ddlib.methods.distribution import DistributionMatching
from ddlib.presets import METHODS
from ddlib.seeds import generator
from ddlib.studies import Keeper, Study

SETTINGS = bias.Settings(
    network="convnet-tiny", levels=(0.0, 0.6), level=0.6, seen=0.6, sources=("random", "dm"),
    variants=("dm-plain", "random-even"), sizes=(10, 20), marks=(2, 4), drawings=40, sets=2, nets=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def biased() -> ImageData:
    return shapes(0.9, seed=3)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {"random": RandomSelection, "dm": partial(DistributionMatching, steps=2)}
    monkeypatch.setattr(bias, "METHODS", methods)
    monkeypatch.setattr(bias, "STEPS", 4)


def test_every_shape_is_seen_in_the_color_it_was_drawn_in(biased: ImageData) -> None:
    pixels = to_pixels(biased.train_images, biased.mean, biased.std)
    nearest, colored = colors.pixel_colors(pixels)
    drawn = biased.attributes["train"]["color"].long()
    right = (nearest == drawn[:, None, None]) & colored
    assert float(right.sum() / colored.sum()) > 0.97


def test_a_set_of_real_images_is_counted_as_its_attributes_say(biased: ImageData) -> None:
    rows = sample_per_class(biased, 40, generator("rows")).flatten()
    made = DistilledSet.of(biased, biased.train_images[rows], biased.train_labels[rows])
    other = biased.attributes["train"]["color"].long()[rows] != made.labels
    assert int(colors.minority(made)) == int(other.sum()) > 5
    whole = DistilledSet.of(biased, biased.train_images, biased.train_labels)
    assert float(colors.own_share(whole)) == pytest.approx(expected_own([0.9], 5)[0], abs=2)


def test_two_colors_of_a_drawing_differ_where_its_shape_is_and_nowhere_else(
    biased: ImageData,
) -> None:
    pair = colors.two_colors(biased, 60, seed=1)
    assert 30 < len(pair.labels) < 60
    assert (pair.colors != pair.labels).all()
    own, other = (to_pixels(x, biased.mean, biased.std) for x in (pair.aligned, pair.conflict))
    for images, worn in ((own, pair.labels), (other, pair.colors)):
        nearest, colored = colors.pixel_colors(images)
        votes = ((nearest == worn[:, None, None]) & colored).flatten(1).sum(1)
        assert (votes > 0.9 * colored.flatten(1).sum(1)).all()
    paper = ~(colors.pixel_colors(own)[1] | colors.pixel_colors(other)[1])
    changed = (own - other).abs().amax(1)
    assert float(changed[paper].mean()) < 0.02
    assert float(changed[~paper].mean()) > 0.3


def test_evened_images_wear_every_color_equally_often(biased: ImageData) -> None:
    rows = colors.evened(biased, seed=0)
    assert len(rows) == len(biased.train_labels)
    worn = biased.attributes["train"]["color"].long()[rows]
    table = torch.bincount(biased.train_labels[rows] * 5 + worn, minlength=25)
    assert (table == 80).all()
    with pytest.raises(ValueError, match="never wears one of the colors"):
        colors.evened(shapes(1.0), seed=0)


def test_colorless_leaves_out_one_kind_of_augmentation(biased: ImageData) -> None:
    kinds = augment.kinds_for(colors.changed(biased, "colorless", 0))
    assert set(augment.kinds_for(biased)) - set(kinds) == {"color"}
    assert colors.changed(biased, "plain", 0) is biased


def test_a_judge_that_goes_by_the_color_has_the_largest_gap(biased: ImageData) -> None:
    """Hand-made predictions through the same code: color, shape, and one class always."""
    pair = colors.two_colors(biased, 80, seed=1)
    n = len(pair.labels)
    by_color = torch.cat([pair.labels, pair.colors])
    by_shape = torch.cat([pair.labels, pair.labels])
    always = torch.zeros(2 * n, dtype=torch.long)
    for answers, expected in ((by_color, (100, 0, 100)), (by_shape, (100, 100, 0))):
        assert colors.scores(answers, pair).tolist() == pytest.approx(expected)
    found = colors.scores(always, pair)
    assert float(found[0]) == float(found[1]), "blind to color: no gap"
    assert gap(torch.tensor([[99.0], [20.0], [70.0]])).tolist() == [79]


def test_every_cell_is_what_its_parts_give(quick: None) -> None:
    study = bias.run(shapes(), {}, SETTINGS)
    real = shapes(0.6, 1)
    made = bias.distill(real, RandomSelection(ipc=10), seed=1)
    data = replace(real, train_images=made.images, train_labels=made.labels)
    test = colors.two_colors(real, 40, 1)
    own = bias.judged(data, test, "convnet-tiny", [2, 3], [4])[:, 0]
    assert torch.equal(study.pick("accuracy", level=0.6, set=1, source="random"), own)
    whole = bias.judged(real, test, "convnet-tiny", [2, 3], [2, 4])
    assert torch.equal(study.pick("path", level=0.6, set=1), whole)
    plain = study.pick("variant_own", set=1, variant="dm-plain")
    assert plain != study.pick("own", level=0.6, set=1, source="dm")


def test_start_is_what_learned_sets_begin_with() -> None:
    settings, real = bias.SETTINGS["record"], shapes(0.6, 0)
    begun = bias.distill(real, bias.method("start", settings), seed=5)
    for tag in ("dm", "dc", "dsa", "mtt", "bptt"):
        first = METHODS[tag](ipc=10).initialize(real, 5)
        assert torch.equal(first["images"], begun.images), tag
        assert bias.method(tag, settings).network == settings.network
    assert bias.method("dsa", settings).augment
    assert bias.varied(bias.method("dm", settings), "harder").lr == 10
    assert bias.varied(bias.method("dc", settings), "softer").lr == 0.1 * settings.image_lr
    assert not bias.varied(bias.method("dm", settings), "plain").augment
    assert bias.method("dc", settings).lr == settings.image_lr


def test_a_killed_run_goes_on_and_finds_the_same(quick: None, tmp_path: Path) -> None:
    whole = bias.run(shapes(), {}, SETTINGS)
    with pytest.raises(Killed):
        bias.run(shapes(), {}, SETTINGS, killed_after(Keeper(tmp_path, {}), 9))
    assert_same_arrays(bias.run(shapes(), {}, SETTINGS, Keeper(tmp_path, {})), whole)


def toy() -> Study:
    """Two sets, one network each; numbers that a head can add up."""
    settings = replace(SETTINGS, sources=("random", "start", "dm"), nets=1, marks=(40, 300))
    per_source = torch.tensor([[90.0, 20, 60], [80, 30, 50], [99, 10, 80]])  # gaps 70, 50, 89
    accuracy = torch.stack([torch.full((3, 3), 40.0), per_source])[:, None, ..., None]
    path = torch.tensor([[100.0, 100], [0, 80], [75, 5]])[None, None, ..., None]
    arrays = {
        "accuracy": accuracy.repeat(1, 2, 1, 1, 1), "path": path.repeat(2, 2, 1, 1, 1),
        "variant": torch.tensor([[90.0, 30, 50], [60, 50, 20]])[None, ..., None].repeat(2, 1, 1, 1),
        "size": torch.tensor([[50.0, 0, 0], [90, 50, 0]])[None, ..., None].repeat(2, 1, 1, 1),
        "own": torch.full((2, 2, 3), 50.0),
        "shown": torch.zeros(3, 20, 3, 16, 16, dtype=torch.uint8),
    }  # fmt: skip
    dims = {name: bias.DIMS[name] for name in arrays}
    axes = bias._axes(settings, shapes())
    return Study("bias", "shapes", bias.asdict(settings), axes, dims, arrays)


def test_findings_of_hand_made_numbers() -> None:
    found = bias.findings(toy())
    assert found["dm-over-full"] == (69, 69)
    assert found["dm-over-random"] == (29, 29), "random is the mean of both draws"
    assert found["dm-conflict"] == (-15, -15)
    assert found["dm-aligned"] == (14, 14)
    assert found["dm-color"] == (25, 25)
    assert found["dm-over-start"] == (39, 39)
    assert found["dm-null"] == (0, 0)
    assert found["dm-plain-lowers"] == (29, 29)
    assert found["random-even-lowers"] == (60, 60)
    assert found["random-even-conflict"] == (30, 30)
    assert found["size-lowers"] == (10, 10)
    assert found["color-first"] == (70, 70)
    assert of_random(toy(), 0.6)[0, :, 0].tolist() == [85, 25, 55]


def test_repainted_goes_from_zero_to_a_hundred() -> None:
    """Flat images: the second disk began green; in `dm` it is half way to red."""
    study = toy()
    flat = colors.COLORS.repeat_interleave(4, 0).repeat(3, 1, 1)
    flat[:2, 1] = colors.COLORS[1]
    flat[2, 1] = (colors.COLORS[0] + colors.COLORS[1]) / 2
    pixels = (255 * flat).round().byte()[..., None, None].expand(-1, -1, -1, 16, 16)
    study = replace(study, arrays={**study.arrays, "shown": pixels.contiguous()})
    hues = colors.COLORS - colors.COLORS.mean(1, keepdim=True)
    own = [float(x @ hues[0] / hues[0].norm()) for x in (hues[1], (hues[0] + hues[1]) / 2)]
    lengths = hues.norm(dim=1)
    aligned = float(3 * lengths[0] + 4 * lengths[1:].sum()) / 19
    assert moved(study).tolist()[:2] == [0, 0]
    one = (pixels[2, 1] - 1.0 * pixels[1, 1]).square().mean() / 20
    assert float(moved(study)[2]) == pytest.approx(float(one.sqrt()))
    found = repainted(study)
    assert found.shape == (3, 1)
    assert found[:2].tolist() == [[0], [0]]
    assert float(found[2]) == pytest.approx(100 * (own[1] - own[0]) / (aligned - own[0]), abs=1)


def test_figures_say_the_scale_and_the_numbers() -> None:
    study = toy()
    for figure in (
        show.bias_gaps(study), show.bias_groups(study), show.bias_paths(study, 0.6),
        show.bias_sizes(study), show.bias_controls(study), show.bias_colors(study),
    ):  # fmt: skip
        assert figure.get_suptitle() == show.SCALES["shapes"]
    lines = {line.get_label(): line for line in show.bias_gaps(study).axes[0].lines}
    assert lines["distribution matching"].get_ydata().tolist() == [0, 89]
    assert lines["all real images"].get_ydata().tolist() == [20, 20]
    assert len(show.bias_images(study, ("a", "b", "c", "d", "e")).axes) == 3


@pytest.mark.parametrize("profile", bias.SETTINGS)
def test_settings_fit_together(profile: str) -> None:
    settings = bias.SETTINGS[profile]
    assert {settings.level, settings.seen} <= {*settings.levels}
    assert settings.levels[0] == 0
    assert {bias.EARLY, bias.STEPS} <= {*settings.marks}
    assert bias.IPC in settings.sizes
    assert {v.split("-")[0] for v in settings.variants} <= {*settings.sources}
