"""Mixing: what is trained on what, controls that change one thing, findings as differences."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
import torch
from helpers import relative_error, toy_data
from matplotlib.axes import Axes
from torch import Tensor

import ddlib
from ddlib.ensemble import flatten
from ddlib.experiment.bench import Bench, Sets
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record
from ddlib.networks import build
from ddlib.plots import LOOKS
from ddlib.questions.mixing import experiment as mixing
from ddlib.questions.mixing import figures
from ddlib.questions.mixing.experiment import CHANGES, CONTROLS, PLANS, K, Run, Task, draw, mixture
from ddlib.questions.mixing.findings import RELEASED, findings
from ddlib.questions.shared.pixels import EDGES, clipped, histogram, outside
from ddlib.training import Recipe, train

STEPS = 4


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Chosen images that play the part of distilled ones: 10 a class, two sets of each method."""
    real = toy_data((60, 60, 60), channels=3)
    made = lambda seed: ddlib.distill(real, ddlib.RandomSelection(ipc=10), seed=seed)  # noqa: E731
    methods = ("random", "dm", "bptt")
    return Bench(real, {m: [made(10 * i + s) for s in (0, 1)] for i, m in enumerate(methods)})


def task(bench: Bench, condition: str, method: str = "bptt", number: int = 0) -> Task:
    (made,) = mixing.tasks(Run(bench, method, number, STEPS), condition)
    return made


def way(bench: Bench, made: Task) -> Tensor:
    """How far the weights move when a task is trained for one plain step."""
    net = build("convnet", bench.real.shape, len(bench.real.classes))
    once = replace(made.recipe, epochs=1, momentum=0.0)
    weights = None if made.weights is None else made.weights[None]
    before, after = (
        flatten(net, train(net, made.images, made.labels, recipe, [made.seed], weights=weights))
        for recipe in (replace(once, epochs=0), once)
    )
    return after - before


def test_draws_are_nested_and_shared(bench: Bench) -> None:
    few, many = (draw(bench.real, k, 7)[0].unflatten(0, (3, k)) for k in (2, 6))
    assert torch.equal(few, many[:, :2])
    assert draw(bench.real, 2, 7)[1].tolist() == [0, 0, 1, 1, 2, 2]
    assert not torch.equal(few.flatten(0, 1), draw(bench.real, 2, 8)[0])
    assert draw(bench.real, 0, 7)[0].shape == (0, 3, 8, 8)


def test_copies_change_nothing(bench: Bench) -> None:
    alone = way(bench, task(bench, "alone"))
    assert relative_error(way(bench, task(bench, "copies")), alone) < 1e-4


def test_dilution_is_a_lower_rate(bench: Bench) -> None:
    """Of as many guests, half of the mean gradient is the set's: that half is `diluted`."""
    joined = task(bench, "10 real")
    guests = replace(joined, images=joined.images[30:], labels=joined.labels[30:])
    alone, diluted = (way(bench, task(bench, name)) for name in ("alone", "diluted"))
    assert relative_error(diluted, alone / 2) < 1e-4
    assert relative_error(way(bench, joined), diluted + way(bench, guests) / 2) < 1e-4
    assert relative_error(way(bench, task(bench, "kept")), alone + way(bench, guests)) < 1e-4


def test_worthy_guests_weigh_as_much_as_few(bench: Bench) -> None:
    """Fifty guests a class at a fifth of the weight pull as the mean of five tens does."""
    fifty = [part.unflatten(0, (3, 50)) for part in draw(bench.real, 50, 0)]
    own = bench.sets["bptt"][0]
    tens = [
        Task(
            *mixture(own, *(part[:, i : i + K].flatten(0, 1) for part in fifty)),
            Recipe(epochs=4),
            0,
        )
        for i in range(0, 50, K)
    ]
    mean = sum(way(bench, ten) for ten in tens) / 5
    assert relative_error(way(bench, task(bench, "worthy")), mean) < 1e-4


def test_each_control_has_the_guests_it_names(bench: Bench) -> None:
    guests = {n: task(bench, n).images[30:] for n in CONTROLS if "then" not in n}
    assert torch.equal(guests["other"], bench.sets["dm"][0].images)
    assert torch.equal(guests["twin"], bench.sets["bptt"][1].images)
    assert torch.equal(guests["kept"], draw(bench.real, K, 0)[0])
    assert guests["noise"].std() == pytest.approx(1, abs=0.1)
    assert len(guests["diluted"]) == 0
    assert torch.equal(guests["worthy"], draw(bench.real, 50, 0)[0])
    assert task(bench, "longer").recipe.epochs == 2 * STEPS
    with pytest.raises(ValueError, match="unknown condition 'salt'; choose one of: alone, 2 real"):
        task(bench, "salt")


def test_changes_change_one_thing(bench: Bench) -> None:
    plain, fields = task(bench, "alone"), {}
    for name in CHANGES:
        made = task(bench, name)
        pairs = {
            k: (v, {**vars(plain), **asdict(plain.recipe)}[k])
            for k, v in {**vars(made), **asdict(made.recipe)}.items()
        }
        same = lambda a, b: torch.equal(a, b) if torch.is_tensor(a) else a == b  # noqa: E731
        fields[name] = {k for k, (a, b) in pairs.items() if k != "recipe" and not same(a, b)}
    assert fields == {
        "rate / 3": {"lr"}, "rate x 3": {"lr"}, "a third of the steps": {"epochs"},
        "three times the steps": {"epochs"}, "batches of 10": {"batch", "epochs"},
        "Adam": {"optimizer", "lr"},
        "augmentation": {"augment"}, "layer norm": {"network"}, "group norm": {"network"},
        "clipped": {"images"},
    }  # fmt: skip


def test_small_batches_take_as_many_steps(bench: Bench) -> None:
    made = mixing.tasks(Run(bench, "dm", 0, 300), "batches of 10")[0]
    assert made.recipe.epochs * len(made.images) / made.recipe.batch == 300


def test_in_turn_a_set_and_real_images_get_half_of_the_steps_each(bench: Bench) -> None:
    run = Run(bench, "dm", 0, 60)
    one, two = mixing.tasks(run, "set, then real")
    assert [part.recipe.epochs for part in (one, two)] == [30, 30]
    assert torch.equal(one.images, bench.sets["dm"][0].images)
    assert torch.equal(two.images, draw(bench.real, K, 0)[0])
    first, second = mixing.tasks(run, "real, then set")
    assert torch.equal(first.images, two.images)
    assert torch.equal(second.images, one.images)


def test_runs_differ_in_set_draw_and_network(bench: Bench) -> None:
    first, second = (task(bench, "10 real", "dm", r) for r in (0, 1))
    assert first.seed != second.seed
    assert torch.equal(second.images, mixture(bench.sets["dm"][1], *draw(bench.real, K, 1))[0])


def test_a_cell_depends_on_what_it_trains_on(bench: Bench) -> None:
    def keys(sets: Sets) -> dict[tuple, str]:
        cells = mixing.cells(Bench(bench.real, sets), PLANS["fast"])
        return {tuple(cell.labels.values())[:2]: cell.key for cell in cells}

    mine, other = keys(bench.sets), keys({**bench.sets, "dm": bench.sets["dm"][::-1]})
    changed = {labels for labels, key in mine.items() if other[labels] != key}
    assert {method for method, _ in changed} == {"dm", "bptt"}
    assert {name for method, name in changed if method == "bptt"} == {"other"}, "guests are of dm"


def test_pixels_outside_are_counted_and_clipped(bench: Bench) -> None:
    pixels = torch.full((3, 3, 8, 8), 0.4)
    pixels[0, 0, 0] = torch.tensor([-0.5, 1.7, 0.0, 1.0, 0.3, 1.2, -0.1, 0.2])
    one = ddlib.DistilledSet.of(bench.real, (pixels - 0.5) / 0.25, torch.arange(3))
    assert outside(one) == pytest.approx(4 / pixels.numel())
    back = clipped(one)
    assert outside(back) == 0
    inside = (pixels >= 0) & (pixels <= 1)
    assert torch.allclose(back.images[inside], one.images[inside], atol=1e-6)
    bins = histogram(one.images, bench.real)
    assert bins.sum() == pytest.approx(1)
    assert bins[EDGES.index(-0.525)] == pytest.approx(1 / pixels.numel())


def made_up(accuracies: dict[tuple[str, str], list[float]]) -> Record:
    """A record that trained nothing."""
    rows = [
        {"method": m, "condition": c, "set": r % 2, "network": r, "accuracy": value}
        for (m, c), values in accuracies.items()
        for r, value in enumerate(values)
    ]
    rows.append({"method": "dm", "condition": "outside", "set": 0, "outside": 0.02})
    table = pd.DataFrame(rows).astype({"set": "Int64", "network": "Int64"})
    return Record("mixing", "toy", {}, table, profile="laptop")


ACCURACIES = {
    ("random", "alone"): [30.0, 31.0], ("random", "10 real"): [33.0, 34.0],
    ("random", "50 real"): [40.0, 40.0], ("random", "worthy"): [41.0], ("random", "Adam"): [31.0],
    ("dm", "alone"): [40.0, 42.0], ("dm", "10 real"): [39.0, 41.5],
    ("bptt", "alone"): [60.0, 62.0], ("bptt", "10 real"): [50.0, 54.0],
    ("bptt", "50 real"): [47.0, 48.0], ("bptt", "worthy"): [50.0], ("bptt", "Adam"): [45.0],
    ("bptt", "diluted"): [57.0],
}  # fmt: skip


def test_findings_are_differences_within_a_run() -> None:
    found = findings(made_up(ACCURACIES))
    get = lambda contrast, method, condition="10 real": values_of(  # noqa: E731
        found, contrast=contrast, method=method, condition=condition
    )
    assert get("cost", "bptt") == (10.0, 8.0)
    assert get("adds", "random") == (3.0, 3.0)
    assert get("gain", "bptt") == (17.0, 20.0)
    assert get("lost", "bptt") == (13.0, 11.0)
    assert get("gain", "bptt", "50 real") == (7.0, 8.0)
    assert get("cost", "bptt", "diluted") == (3.0,)
    assert get("beyond", "bptt", "diluted") == (7.0,)
    assert get("gain", "bptt", "diluted") == (), "nothing like it was made of random images"
    assert get("lost", "bptt", "Adam") == (16.0,)  # 30 points ahead before, 14 after
    assert get("lost", "random", "Adam") == (0.0,)
    assert values_of(found, contrast="deeper", method="bptt") == (9.0, 7.5)
    assert values_of(found, contrast="share", method="bptt") == (2.0,)  # 9 ahead, else 7
    assert values_of(found, contrast="outside", method="dm") == (2.0,)
    assert found[found["contrast"] == "gain"]["set"].notna().all()


def test_plans_name_what_exists() -> None:
    for plan in PLANS.values():
        names = {name for part in plan.parts for name in part.conditions}
        assert names <= set(mixing.CONDITIONS)
        assert {"alone", "10 real"} <= set(plan.doses.conditions)
        assert "random" in plan.changes.methods, "no null for changed training"


# ---- figures: each point is the difference, in the row, that its labels name ----------------


def drawn(axis: Axes, color: str) -> list[tuple[tuple[float, ...], int]]:
    """What each set of points shows, and the row in which it lies."""
    lines = [line for line in axis.lines if line.get_color() == color and len(line.get_xdata())]
    return [
        (tuple(round(float(x), 3) for x in line.get_xdata()), round(float(line.get_ydata()[0])))
        for line in lines
    ]


@pytest.fixture(scope="module")
def record() -> Record:
    """No two accuracies are alike."""
    names = ("alone", "10 real", "kept", "noise", "Adam", "clipped")
    pairs = [(m, c) for m in ("random", "dm", "bptt") for c in names]
    return made_up({p: [i**1.5, i**1.5 + 0.1 * i] for i, p in enumerate(pairs, start=1)})


def rounded(values) -> tuple[float, ...]:
    return tuple(round(float(x), 3) for x in values)


def each_set(record: Record, contrast: str, method: str, condition: str) -> tuple[float, ...]:
    """A value of each set: in this record each has one network."""
    return rounded(
        values_of(findings(record), contrast=contrast, method=method, condition=condition)
    )


def test_doses_stand_beside_the_released_ones_on_the_same_axes(record: Record) -> None:
    left, right = figures.doses(record).axes
    assert left.get_ylim() == right.get_ylim()
    (released,) = [line for line in left.lines if line.get_color() == LOOKS["mtt"].color]
    assert rounded(released.get_ydata()) == tuple(RELEASED["mtt"].values())
    color, mean = LOOKS["dm"].color, record.rows(method="dm", condition="10 real")["accuracy"]
    (joined,) = [
        line for line in right.lines if line.get_color() == color and line.get_label()[0] != "_"
    ]
    ticks = [text.get_text() for text in right.get_xticklabels()]
    assert [ticks[int(x)] for x in joined.get_xdata()] == ["0", "10"]
    assert joined.get_ydata()[1] == pytest.approx(mean.mean())


def test_a_dip_is_drawn_set_by_set_beside_the_released_one(record: Record) -> None:
    axis = figures.dips(record).axes[0]
    rows = [text.get_text() for text in axis.get_yticklabels()]
    assert rows == [LOOKS[method].label for method in ("random", "dm", "bptt")]
    assert (each_set(record, "adds", "dm", "10 real"), 1) in drawn(axis, LOOKS["dm"].color)
    (released,) = [line for line in axis.lines if line.get_color() == "black"]
    assert rounded(released.get_xdata())[2] == pytest.approx(49.8 - 58.7)


def test_changes_are_drawn_as_what_the_gain_over_random_images_loses(record: Record) -> None:
    axis = figures.changes(record).axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["Adam", "clipped"]
    lost = each_set(record, "lost", "dm", "clipped")
    points = drawn(axis, LOOKS["dm"].color)
    assert (lost, 1) in points
    assert (rounded([sum(lost) / 2]), 1) in points, "no mean"
    assert drawn(axis, LOOKS["random"].color) == [], "random images are what a gain is over"


def test_controls_of_two_methods_share_their_rows(record: Record) -> None:
    axis = figures.controls(record, "bptt", "random").axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == [
        "10 real (as released)", "10 real, set at full weight", "noise images",
    ]  # fmt: skip
    for method in ("bptt", "random"):
        rows = drawn(axis, LOOKS[method].color)
        for row, condition in enumerate(("10 real", "kept", "noise")):
            assert (each_set(record, "adds", method, condition), row) in rows
