"""Bias: colors are read from pixels, test pairs differ in color alone, gaps are differences."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
import torch

from ddlib import augment
from ddlib.channels import to_pixels
from ddlib.data import ImageData, sample_per_class, shapes
from ddlib.distilled import DistilledSet
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.methods.coresets import RandomSelection
from ddlib.names import SCALES
from ddlib.plots import LOOKS
from ddlib.presets import METHODS
from ddlib.questions.bias import colors, figures
from ddlib.questions.bias import experiment as bias
from ddlib.questions.bias.experiment import METRICS, PLANS
from ddlib.questions.bias.findings import (
    expected_own,
    findings,
    gap,
    moved,
    of_all,
    of_method,
    of_random,
)
from ddlib.seeds import generator

PLAN = replace(
    PLANS["fast"],
    variants=("dm-plain", "random-even"), sizes=(10, 20), marks=(2, 4), drawings=40, sets=2, nets=2,
    steps=4, dm_steps=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def biased() -> ImageData:
    return shapes(0.9, seed=3)


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


def test_every_row_is_what_its_parts_give() -> None:
    record = ask("bias", Bench(shapes(), {}), PLAN)
    real = shapes(0.6, 1)
    made = bias.distill(real, RandomSelection(ipc=10), seed=1)
    data = replace(real, train_images=made.images, train_labels=made.labels)
    test = colors.two_colors(real, 40, 1)
    own = bias.judged(data, test, "convnet-tiny", [2, 3], [4])[:, 0]
    assert torch.equal(of_method(record, "random", 0.6)[1], own)
    whole = bias.judged(real, test, "convnet-tiny", [2, 3], [2, 4])
    assert torch.equal(of_all(record, 2, 0.6)[1], whole[:, 0])
    looks = record.rows(condition="look", level=0.6, set=1)
    plain, usual = (
        looks[looks[k] == v]["own"] for k, v in (("variant", "dm-plain"), ("method", "dm"))
    )
    assert plain.item() != usual.item()


def test_start_is_what_learned_sets_begin_with() -> None:
    plan, real = PLANS["record"], shapes(0.6, 0)
    begun = bias.distill(real, bias.method_of("start", plan), seed=5)
    for tag in ("dm", "dc", "dsa", "mtt", "bptt"):
        first = METHODS[tag](ipc=10).initialize(real, 5)
        assert torch.equal(first["images"], begun.images), tag
        assert bias.method_of(tag, plan).network == plan.network
    assert bias.method_of("dsa", plan).augment
    assert bias.varied(bias.method_of("dm", plan), "harder").lr == 10
    assert bias.varied(bias.method_of("dc", plan), "softer").lr == 0.1 * plan.image_lr
    assert not bias.varied(bias.method_of("dm", plan), "plain").augment
    assert bias.method_of("dc", plan).lr == plan.image_lr


def toy(pictures: torch.Tensor | None = None) -> Record:
    """Two sets, one network each; numbers that a head can add up."""
    methods = ("random", "start", "dm")
    plan = replace(PLAN, methods=methods, nets=1, marks=(40, 300), steps=300)
    per_method = {"random": (90, 20, 60), "start": (80, 30, 50), "dm": (99, 10, 80)}
    path = {40: (100, 0, 75), 300: (100, 80, 5)}
    variants = {"dm-plain": (90, 30, 50), "random-even": (60, 50, 20)}
    sizes = {10: (50, 0, 0), 20: (90, 50, 0)}
    rows = []

    def add(at: dict, values: tuple, step: int = 300) -> None:
        metrics = dict(zip(METRICS, map(float, values), strict=True))
        rows.append({**at, "step": step, "network": at["set"], **metrics})

    for level in plan.levels:
        for s in (0, 1):
            at = {"level": level, "set": s}
            for i, method in enumerate(methods):
                values = per_method[method] if level else (40, 40, 40)
                add({"condition": "set", **at, "method": method}, values)
                look = {"condition": "look", **at, "method": method, "own": 50.0}
                if level and not s:
                    blank = torch.zeros(20, 3, 16, 16, dtype=torch.uint8)
                    look["shown"] = blank if pictures is None else pictures[i]
                rows.append(look)
            for step, values in path.items():
                add({"condition": "path", **at}, values, step)
            if level:
                for variant, values in variants.items():
                    add({"condition": "variant", **at, "variant": variant}, values)
                for size, values in sizes.items():
                    add({"condition": "size", **at, "size": size}, values)
    return Record("bias", "shapes", asdict(plan), pd.DataFrame(rows))


def test_findings_of_hand_made_numbers() -> None:
    found = findings(toy())
    get = lambda contrast, method, **beside: values_of(  # noqa: E731
        found, contrast=contrast, method=method, **beside
    )
    assert get("over", "dm", beside="full") == (69, 69)
    assert get("over", "dm", beside="random") == (29, 29), "random is the mean of both draws"
    assert get("over", "dm", beside="start") == (39, 39)
    assert get("conflict", "dm") == (-15, -15)
    assert get("aligned", "dm") == (14, 14)
    assert get("color", "dm") == (25, 25)
    assert get("null", "dm") == (0, 0)
    assert get("lowers", "dm-plain") == (29, 29)
    assert get("lowers", "random-even") == (60, 60)
    assert get("variant conflict", "random-even") == (30, 30)
    assert get("size lowers", "random") == (10, 10)
    assert get("color first", "full") == (70, 70)
    assert of_random(toy(), 0.6)[0, :, 0].tolist() == [85, 25, 55]


def test_moved_is_the_distance_from_the_first_images() -> None:
    """Flat images; the second disk of `dm` is another gray."""
    pixels = torch.full((3, 20, 3, 16, 16), 100, dtype=torch.uint8)
    pixels[2, 1] = 140
    found = moved(toy(pixels)).tolist()
    assert found == pytest.approx([0, 0, 40 * (1 / 20) ** 0.5])


def test_figures_say_the_scale_and_the_numbers() -> None:
    record = toy()
    drawn = [
        figures.gaps(record), figures.baselines(record), figures.paths(record, 0.6),
        figures.sizes(record), figures.remedies(record), figures.colors(with_herding(record)),
    ]  # fmt: skip
    for figure in drawn:
        assert figure.get_suptitle() == SCALES["shapes"]
        assert all(axis.has_data() for axis in figure.axes)
    lines = {line.get_label(): line for line in drawn[0].axes[0].lines}
    assert lines["distribution matching"].get_ydata().tolist() == [0, 89]
    assert lines["all real images"].get_ydata().tolist() == [20, 20]


def with_herding(record: Record) -> Record:
    return replace(record, table=record.table.replace({"method": {"start": "herding"}}))


def test_a_source_stands_beside_three_baselines() -> None:
    axis = figures.baselines(toy()).axes[0]
    pale = {tuple(line.get_xdata()) for line in axis.lines if line.get_alpha()}
    assert pale == {(69, 69), (29, 29), (39, 39)}, "the gap of dm, a value a set"


def test_what_was_added_stands_at_the_distance_of_the_images() -> None:
    """And beside it a method at another rate."""
    pixels = torch.full((3, 20, 3, 16, 16), 100, dtype=torch.uint8)
    pixels[2] = 110
    record = toy(pixels)
    variants = ("dm-harder", "random-even")
    table = record.table.replace({"variant": {"dm-plain": "dm-harder"}})
    settings = {**record.settings, "variants": variants}
    left, right = figures.distance(replace(record, table=table, settings=settings)).axes
    points = next(x for x in left.lines if x.get_label() == LOOKS["dm"].label)
    assert list(points.get_xdata()) == [10, 10]
    assert list(points.get_ydata()) == [39, 39]
    labels = [text.get_text() for text in right.get_yticklabels()]
    assert labels == ["distribution matching", "rate × 10"]
    means = [x.get_xdata()[0] for x in right.lines if x.get_markeredgecolor() == "white"]
    assert means == [89, 60]


@pytest.mark.parametrize("profile", PLANS)
def test_plans_fit_together(profile: str) -> None:
    plan = PLANS[profile]
    assert {plan.level, plan.seen} <= {*plan.levels}
    assert plan.levels[0] == 0
    assert {bias.EARLY, plan.steps} <= {*plan.marks}
    assert bias.IPC in plan.sizes
    assert {v.split("-")[0] for v in plan.variants} <= {*plan.methods}
