"""Recognition: what recognizers are shown, how answers are judged, and that a run resumes."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from matplotlib.axes import Axes

import ddlib
from ddlib.channels import from_pixels, to_pixels
from ddlib.data import sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.experiment.asking import ask, recorded_sets
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.names import SCALES
from ddlib.networks import build
from ddlib.plots import LOOKS
from ddlib.questions.recognition import experiment as recognition
from ddlib.questions.recognition import figures
from ddlib.questions.recognition.experiment import PLANS
from ddlib.questions.recognition.figures import BARS, FILLED
from ddlib.questions.recognition.findings import (
    findings,
    learned,
    level,
    near,
    of_sets,
    recognized,
)
from ddlib.questions.recognition.metrics import (
    class_map,
    distance_percentile,
    metrics,
    neighbor_agreement,
    places,
)
from ddlib.questions.recognition.probes import (
    LEVELS,
    VERSIONS,
    blurred,
    changed,
    halves_of,
    probes_of,
)
from ddlib.questions.recognition.recognizers import LONG, MAIN, Recognizer, answer, recognizer
from ddlib.questions.shared.starts import starting_rows
from ddlib.seeds import generator

OTHER = ("other",)
QUICK = replace(
    PLANS["fast"],
    recognizers={
        "convnet-tiny": Recognizer(network="convnet-tiny", epochs=1, seeds=1),
        "convnet": Recognizer(network="convnet", epochs=2, seeds=2),
        "convnet-long": Recognizer(network="convnet", epochs=3, seeds=2, halves=OTHER),
        "convnet-batch": Recognizer(network="convnet-batch", epochs=1, seeds=1, halves=OTHER),
        "resnet-group": Recognizer(network="convnet-group", epochs=1, seeds=1, halves=OTHER),
        "resnet-batch": Recognizer(network="convnet-batch", epochs=1, seeds=1, halves=OTHER),
    },
    levels=100, company=40, pictured=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def sets() -> dict:
    return dict(recorded_sets("digits"))


@pytest.fixture(scope="module")
def record(digits: ddlib.ImageData, sets: dict) -> Record:
    return ask("recognition", Bench(digits, sets), QUICK)


def test_metrics_of_answers_worked_out_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]).log_softmax(1)
    accuracy, probability, margin = metrics(logits, torch.tensor([0, 2])).tolist()
    assert accuracy == 50
    assert margin == pytest.approx((1 - 2) / 2)  # 2 - 1 and 1 - 3
    p = logits.exp()
    assert probability == pytest.approx(50 * (p[0, 0] + p[1, 2]).item())


def test_neighbors_and_percentiles_on_a_line() -> None:
    real = torch.tensor([[-1.0], [0.0], [1.0], [9.0], [10.0], [11.0]])
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    images, own = torch.tensor([[0.5], [9.4]]), torch.tensor([0, 0])
    assert neighbor_agreement(images, own, real, labels, 3).item() == 50
    assert distance_percentile(images, own, real, labels).tolist() == pytest.approx([100 / 3, 100])
    near, points = class_map(images.expand(2, 3), real.expand(6, 3), labels)
    assert near.shape == (2, 2)
    gap = points[labels == 1, 0].mean() - points[labels == 0, 0].mean()
    assert gap.item() == pytest.approx(10 * 3**0.5, rel=1e-4)  # the whole distance of the means


def test_held_out_images_are_judged_by_the_first_half() -> None:
    x = torch.randn(40, 3, generator=generator("x"))
    y = torch.arange(40) % 2
    found = places(x[20:], y[20:], x, y, 5)
    assert found["agreement"] == found["agreement_real"]
    assert found["percentile"] == found["percentile_real"]


def test_starts_are_found_by_redrawing_or_by_likeness(digits: ddlib.ImageData) -> None:
    rows = sample_per_class(digits, 2, generator(3, "initialize")).flatten()
    noise = 0.3 * torch.randn(20, 1, 8, 8, generator=generator("noise"))
    made = DistilledSet.of(
        digits, digits.train_images[rows] + noise, digits.train_labels[rows], meta={"seed": 3}
    )
    assert starting_rows(digits, made).equal(rows)
    other = replace(made, meta={"seed": 4})  # as if draws had been made differently then
    assert (starting_rows(digits, other) == rows).float().mean() > 0.8


def test_first_frames_of_the_recorded_traces_are_the_starts(
    digits: ddlib.ImageData, sets: dict
) -> None:
    few = torch.arange(100).view(10, 10)[:, :5].flatten()
    for tag, trace in recognition.traces_of(digits, sets).items():
        starts = digits.train_images[starting_rows(digits, sets[tag][0])[few]]
        pixels = to_pixels(starts, digits.mean, digits.std)
        assert torch.allclose(pixels, trace.frames[0] / 255, atol=1 / 255), tag


def test_halves_are_disjoint_and_one_holds_all_starts(digits: ddlib.ImageData) -> None:
    starts = torch.arange(0, 900, 3)
    halves = halves_of(digits, starts, 0)
    both = torch.cat(list(halves.values()))
    assert both.sort().values.equal(torch.arange(len(digits.train_labels)))
    assert abs(len(halves["own"]) - len(halves["other"])) <= 1
    assert torch.isin(starts, halves["own"]).all()
    assert not torch.isin(halves["own"][:100], starts).any()  # the levels show other images


def test_versions_change_what_they_say(digits: ddlib.ImageData, sets: dict) -> None:
    made = sets["bptt"][0]
    start = digits.train_images[:100]
    found = dict(zip(VERSIONS, changed(made, start, 0), strict=True))
    assert found["set"].equal(made.images)
    assert found["start"].equal(start)
    pixels = to_pixels(found["clipped"], made.mean, made.std)
    assert pixels.min() > -1e-5
    assert pixels.max() < 1 + 1e-5
    assert to_pixels(made.images, made.mean, made.std).min() < -0.1  # there was something to clip
    assert (found["noisy"] - made.images).std().item() == pytest.approx(0.5, rel=0.05)
    assert not found["shifted"].equal(made.images)
    point = torch.zeros(1, 2, 5, 5)
    point[0, 1, 2, 2] = 16
    assert blurred(point)[0, 1, 1:4, 1:4].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert torch.allclose(
        from_pixels(made.pixels(), made.mean, made.std), found["clipped"], atol=1e-6
    )


def test_company_matters_for_batch_norm_alone(digits: ddlib.ImageData) -> None:
    rows = torch.arange(200)
    for norm, same in (("instance", True), ("batch", False)):
        name = "convnet" if norm == "instance" else "convnet-batch"
        net = recognizer(digits, rows, Recognizer(network=name, epochs=1), 0)
        images = digits.test_images[:50]
        alone, beside = (answer(net, images, digits.train_images[:n]) for n in (0, 300))
        assert torch.allclose(alone, beside, atol=1e-4) is same


def test_probes_have_the_levels_they_are_called_by(digits: ddlib.ImageData, sets: dict) -> None:
    probes = probes_of(digits, sets, 100, 0)
    assert probes.sets.shape == (len(sets), 2, len(VERSIONS), 100, 1, 8, 8)
    assert len(probes.levels) == len(LEVELS) - 1
    for i, half in ((1, "own"), (2, "other")):
        assert probes.levels[i].equal(digits.train_images[probes.halves[half][:100]])
    as_it_is, start = probes.sets[0, 0, :2]  # a selection begins as it is, but for 16-bit storage
    assert torch.allclose(as_it_is, start, atol=1e-3)


def test_the_record_holds_each_recognizer_and_chance(record: Record) -> None:
    assert recognized(record, "convnet", "bptt").shape == (2,)
    assert recognized(record, "resnet-batch", "dm").shape == (1,)
    assert len(recognized(record, "convnet-batch", "dm", half="own")) == 0
    assert len(recognized(record, "convnet", "dm", version="blurred")) == 2
    assert len(recognized(record, "convnet-batch", "dm", version="blurred")) == 0
    assert recognized(record, "convnet", "bptt").min() > 60
    assert level(record, "convnet", "shuffled").max() < 20
    along = record.rows(condition="along", kind="convnet", half="other", method="bptt")["along"]
    assert all(last[-1].isnan() for last in along)  # this trace has nine frames
    assert min(float(last[8]) for last in along) > 60


def test_findings_are_differences_of_paired_networks_set_by_set(record: Record) -> None:
    found = findings(record)
    get = lambda contrast, method, **kind: values_of(  # noqa: E731
        found, contrast=contrast, method=method, **kind
    )

    def flat(each: torch.Tensor) -> Any:
        return pytest.approx(tuple(each.flatten().tolist()))

    of = partial(of_sets, record, "convnet")
    assert of("bptt").shape == (2, 2), "a column for each set"
    assert get("over dm", "bptt", kind=MAIN) == flat(of("bptt") - of("dm"))
    assert get("nearer than dm", "mtt") == flat(near(record, "mtt") - near(record, "dm"))
    assert len(get("norm", "gm")) == 2, "one network has a partner, on two sets"
    after = of_sets(record, LONG, "dm")
    below = level(record, LONG, "test")[:, None] - after
    assert get("below test", "dm", kind=LONG) == flat(below)
    assert get("falls", "dm") == flat(of("dm") - after)
    own, other = (of("dm", version="start", half=h) for h in ("own", "other"))
    assert get("leak of starts", "dm") == flat(own - other)
    assert recognized(record, "convnet", "bptt").tolist() == of("bptt").mean(1).tolist()


def test_a_kind_that_was_not_trained_has_no_findings(record: Record) -> None:
    short = replace(record, table=record.table[record.table["kind"] != LONG])
    assert set(findings(record)["contrast"]) - set(findings(short)["contrast"]) == {"falls"}
    assert LONG not in set(findings(short)["kind"])
    norm = [values_of(findings(r), contrast="norm", method="gm") for r in (record, short)]
    assert norm[0] == norm[1]
    rows = [text.get_text() for text in figures.by_kind(short).axes[0].get_yticklabels()]
    assert rows == [figures.KINDS[kind] for kind in figures.KINDS if kind != LONG]


def test_every_scale_has_a_plan() -> None:
    assert set(PLANS) == {"fast", "laptop", "colab", "record", "full"}
    for name, plan in PLANS.items():
        assert plan.recognizers[MAIN].seeds >= (2 if name == "laptop" else 5)
        for about in plan.recognizers.values():
            build(about.network, (3, 16, 16), 10)  # an unknown name fails
    short, long = (PLANS["record"].recognizers[k] for k in (MAIN, LONG))
    assert replace(long, epochs=short.epochs, halves=short.halves) == short  # but for its length
    assert long.epochs == PLANS["full"].recognizers[MAIN].epochs
    assert LONG not in PLANS["full"].recognizers  # which trains for 40 epochs anyway


def test_figures_of_the_record_show_each_source_that_was_learned(record: Record) -> None:
    for name in ("beside_test", "starts"):
        figure = getattr(figures, name)(record)
        assert figure.get_suptitle() == SCALES["fast"]
        rows = {text.get_text() for text in figure.axes[0].get_yticklabels()}
        assert {LOOKS[method].label for method in learned(record)} <= rows
    rows = [text.get_text() for text in figures.changes(record).axes[0].get_yticklabels()]
    assert rows == ["as it is", "clipped", "blurred", "noisy", "shifted"]


def full_markers(axis: Axes, size: float = 8) -> list[tuple[float, float]]:
    """Where the means of a strip stand."""
    lines = [line for line in axis.lines if line.get_markersize() == size]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def test_figure_beside_test_images_shows_both_lengths_and_what_was_released(
    record: Record,
) -> None:
    axis = figures.beside_test(record).axes[0]
    means = [x for x, _ in full_markers(axis)]
    shown = ("random", *learned(record))
    for i, kind in enumerate(("convnet", "convnet-long")):
        for j, method in enumerate(shown):
            above = recognized(record, kind, method) - level(record, kind, "test")
            assert means[i * len(shown) + j] == pytest.approx(above.mean().item())
    (released,) = [line for line in axis.lines if line.get_markersize() == 10]
    found = {shown[int(y)]: x for x, y in zip(*released.get_data(), strict=True)}
    for method, bar in {"dm": 71, "dc": 68, "mtt": 100, "bptt": 100}.items():
        assert found[method] == pytest.approx(bar - 80.91), method


def test_the_released_chart_has_the_names_in_the_order_of_its_results(record: Record) -> None:
    left, _ = figures.chart(record).axes
    rows = [text.get_text() for text in left.get_yticklabels()]
    color = figures.NETWORKS["ConvNet-Tiny"].color
    means = {
        rows[round(line.get_ydata()[0])]: line.get_xdata()[0]
        for line in left.lines
        if line.get_markersize() == 8 and line.get_color() == color
    }
    assert FILLED[2] == "ConvNet-Tiny"
    for method, bar in zip(figures.BAR_METHODS, BARS[2], strict=True):
        assert means[LOOKS[method].label] == pytest.approx(100 * bar)
    assert means["real test images"] == pytest.approx(68.37)


def test_points_above_test_images_are_those_of_the_same_network(record: Record) -> None:
    found = figures.above_test(record, half="own", version="start")
    for method in learned(record):
        mine = found[(found["kind"] == MAIN) & (found["method"] == method)]
        start = recognized(record, MAIN, method, half="own", version="start")
        above = start - level(record, MAIN, "test", half="own")
        assert mine.groupby("network")["value"].mean().tolist() == pytest.approx(above.tolist())
