"""Mixing: what is trained on what, that controls change one thing, and that a run resumes."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after, relative_error, toy_data
from torch import Tensor

import ddlib
from ddlib.analysis import mixing
from ddlib.analysis.mixing import CHANGES, CONTROLS, ORDERS, SETTINGS, Settings
from ddlib.ensemble import flatten
from ddlib.instruments.mixtures import Task, draw, mixture
from ddlib.instruments.pixels import EDGES, clipped, histogram, outside
from ddlib.networks import build
from ddlib.studies import Keeper, Sets, Study, findings
from ddlib.training import Recipe, train

SMALL = Settings(
    sources=("random", "dm", "bptt"), doses=(0, 3), runs=2, wide=(5,),
    wide_sources=("random", "bptt"), wide_runs=1, probed=("bptt",), control_runs=1, dose=3,
    many=6, changed=("dm",), change_runs=1, steps=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def real() -> ddlib.ImageData:
    return toy_data((9, 9, 9), channels=3)


@pytest.fixture(scope="module")
def sets(real: ddlib.ImageData) -> Sets:
    """Chosen images that play the part of distilled ones: 3 a class, pixels out of range."""
    made = lambda seed: ddlib.distill(real, ddlib.RandomSelection(ipc=3), seed=seed)  # noqa: E731
    return {tag: [made(10 * i + s) for s in (0, 1)] for i, tag in enumerate(SMALL.sources)}


def way(real: ddlib.ImageData, task: Task) -> Tensor:
    """How far the weights move when a task is trained for one plain step."""
    net = build("convnet", real.shape, len(real.classes))
    once = replace(task.recipe, epochs=1, momentum=0.0)
    weights = None if task.weights is None else task.weights[None]
    before, after = (
        flatten(net, train(net, task.images, task.labels, recipe, [task.seed], weights=weights))
        for recipe in (replace(once, epochs=0), once)
    )
    return after - before


def controlled(name: str, real: ddlib.ImageData, sets: Sets) -> Task:
    return mixing.control(name, real, sets, "bptt", SMALL, 0)


def test_draws_are_nested_and_shared(real: ddlib.ImageData) -> None:
    few, many = (draw(real, k, 7)[0].unflatten(0, (3, k)) for k in (2, 6))
    assert torch.equal(few, many[:, :2])
    assert draw(real, 2, 7)[1].tolist() == [0, 0, 1, 1, 2, 2]
    assert not torch.equal(few.flatten(0, 1), draw(real, 2, 8)[0])
    assert draw(real, 0, 7)[0].shape == (0, 3, 8, 8)


def test_copies_change_nothing(real: ddlib.ImageData, sets: Sets) -> None:
    alone = mixing.mixed(real, sets["bptt"][0], 0, SMALL, 0)
    assert relative_error(way(real, controlled("copies", real, sets)), way(real, alone)) < 1e-4


def test_dilution_is_a_lower_rate(real: ddlib.ImageData, sets: Sets) -> None:
    """Of as many guests, half of the mean gradient is the set's: that half is `diluted`."""
    own, joined = sets["bptt"][0], mixing.mixed(real, sets["bptt"][0], 3, SMALL, 0)
    guests = replace(joined, images=joined.images[9:], labels=joined.labels[9:])
    alone = way(real, mixing.mixed(real, own, 0, SMALL, 0))
    diluted = way(real, controlled("diluted", real, sets))
    assert relative_error(diluted, alone / 2) < 1e-4
    assert relative_error(way(real, joined), diluted + way(real, guests) / 2) < 1e-4
    kept = way(real, controlled("kept", real, sets))
    assert relative_error(kept, alone + way(real, guests)) < 1e-4


def test_worthy_guests_weigh_as_much_as_few(real: ddlib.ImageData, sets: Sets) -> None:
    """Six guests a class at half of the weight pull as the mean of three and three others does."""
    own, six = sets["bptt"][0], [part.unflatten(0, (3, 6)) for part in draw(real, 6, 0)]
    halves = [
        Task(*mixture(own, *(part[:, rows].flatten(0, 1) for part in six)), Recipe(epochs=4), 0)
        for rows in (slice(3), slice(3, 6))
    ]
    worthy = way(real, controlled("worthy", real, sets))
    assert relative_error(worthy, sum(way(real, half) for half in halves) / 2) < 1e-4


def test_each_control_has_the_guests_it_names(real: ddlib.ImageData, sets: Sets) -> None:
    guests = {name: controlled(name, real, sets).images[9:] for name in CONTROLS}
    assert torch.equal(guests["other"], sets["dm"][0].images)
    assert torch.equal(guests["twin"], sets["bptt"][1].images)
    assert torch.equal(guests["kept"], draw(real, 3, 0)[0])
    assert guests["noise"].std() == pytest.approx(1, abs=0.1)
    assert len(guests["diluted"]) == 0
    assert torch.equal(guests["worthy"], draw(real, SMALL.many, 0)[0])
    assert controlled("longer", real, sets).recipe.epochs == 2 * SMALL.steps
    with pytest.raises(ValueError, match="unknown control 'salt'; choose one of: diluted"):
        controlled("salt", real, sets)


def test_changes_change_one_thing(real: ddlib.ImageData, sets: Sets) -> None:
    own = sets["dm"][0]
    plain = Task(own.images, own.labels, Recipe(epochs=4), 0)
    fields = {}
    for name in CHANGES:
        task = mixing.change(name, real, own, SMALL, 0)
        pairs = {
            k: (v, {**vars(plain), **asdict(plain.recipe)}[k])
            for k, v in {**vars(task), **asdict(task.recipe)}.items()
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
    with pytest.raises(ValueError, match="unknown change 'salt'; choose one of: rate / 3"):
        mixing.change("salt", real, own, SMALL, 0)


def test_small_batches_take_as_many_steps(digits: ddlib.ImageData) -> None:
    one = ddlib.load_recorded("digits-dm-ipc10")
    recipe = mixing.change("batches of 10", digits, one, SETTINGS["record"], 0).recipe
    assert recipe.epochs * len(one.images) / recipe.batch == SETTINGS["record"].steps


def test_order_does_not_matter_for_the_same_images(
    real: ddlib.ImageData, sets: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = lambda order: mixing.in_order(order, real, sets["dm"][0], settings, 0)["accuracy"]  # noqa: E731
    settings = replace(SMALL, steps=60)
    assert score(ORDERS[0]) != score(ORDERS[1])
    own = sets["dm"][0]
    monkeypatch.setattr(mixing, "draw", lambda *_: (own.images, own.labels))
    assert score(ORDERS[0]) == score(ORDERS[1])


def test_pixels_outside_are_counted_and_clipped(real: ddlib.ImageData) -> None:
    pixels = torch.full((3, 3, 8, 8), 0.4)
    pixels[0, 0, 0] = torch.tensor([-0.5, 1.7, 0.0, 1.0, 0.3, 1.2, -0.1, 0.2])
    one = ddlib.DistilledSet.of(real, (pixels - 0.5) / 0.25, torch.arange(3))
    assert outside(one) == pytest.approx(4 / pixels.numel())
    back = clipped(one)
    assert outside(back) == 0
    inside = (pixels >= 0) & (pixels <= 1)
    assert torch.allclose(back.images[inside], one.images[inside], atol=1e-6)
    bins = histogram(one.images, real)
    assert bins.sum() == pytest.approx(1)
    assert bins[EDGES.index(-0.525)] == pytest.approx(1 / pixels.numel())


def test_an_interrupted_run_resumes(real: ddlib.ImageData, sets: Sets, tmp_path: Path) -> None:
    whole = mixing.run(real, sets, SMALL)
    keep, asked = Keeper(tmp_path, {}), []
    with pytest.raises(Killed):
        mixing.run(real, sets, SMALL, killed_after(keep, 17, asked))
    assert_same_arrays(mixing.run(real, sets, SMALL, keep), whole)
    assert len(set(asked)) == 18, "two parts share a key"


def test_each_number_stands_under_its_labels(real: ddlib.ImageData, sets: Sets) -> None:
    asked = {}
    keep = lambda key, make: {"accuracy": torch.tensor(asked.setdefault(key, 1.0 + len(asked)))}  # noqa: E731
    study = mixing.run(real, sets, SMALL, keep)
    assert list(asked)[:7] == [
        *(f"{tag}-{k}-0" for tag in SMALL.sources for k in SMALL.doses), "random-0-1",
    ]  # fmt: skip
    assert study.pick("accuracy", source="dm", dose=3, run=1) == asked["dm-3-1"]
    assert study.pick("wide", wide_source="bptt", wide_dose=5, wide_run=0) == asked["bptt-5-0"]
    assert (
        study.pick("control", probed="bptt", control="twin", control_run=0) == asked["bptt-twin-0"]
    )


def test_runs_differ_in_set_draw_and_network(real: ddlib.ImageData, sets: Sets) -> None:
    first, second = (mixing.mixed(real, sets["dm"][r], 3, SMALL, r) for r in (0, 1))
    assert first.seed != second.seed
    assert torch.equal(second.images, mixture(sets["dm"][1], *draw(real, 3, 1))[0])


def test_findings_are_differences_within_a_run(real: ddlib.ImageData, sets: Sets) -> None:
    study = mixing.run(real, sets, SMALL)
    accuracy = torch.tensor(
        [[[30.0, 31.0], [33.0, 34.0]], [[40.0, 42.0], [39.0, 41.5]], [[60.0, 62.0], [50.0, 54.0]]]
    )
    control = torch.zeros_like(study.arrays["control"]) + 57
    order = torch.tensor([[[55.0], [61.0]]])
    wide = torch.tensor([[[46.0]], [[48.0]]])
    changed = {"accuracy": accuracy, "control": control, "order": order, "wide": wide}
    made = replace(study, arrays={**study.arrays, **changed})
    found = findings(made)
    assert found["dip bptt"] == (10.0, 8.0)
    assert found["gain random"] == (3.0, 3.0)
    assert found["lead bptt"] == (17.0, 20.0)
    assert found["closing bptt"] == (13.0, 11.0)
    assert found["lead at 5 bptt"] == (2.0,)
    assert found["gone at 5 bptt"] == (28.0,)  # of 30 points above random images
    assert "lead diluted bptt" not in found  # nothing like it was made of random images
    assert found["deeper dip"] == (9.0, 7.5)
    assert found["diluted bptt"] == (3.0,)
    assert found["beyond diluted bptt"] == (7.0,)
    assert found["gain noise bptt"] == (-3.0,)
    assert found["set, then real bptt"] == (5.0,)
    assert found["real, then set bptt"] == (-1.0,)


def test_what_changes_cost_is_held_against_random_images(real: ddlib.ImageData, sets: Sets) -> None:
    settings = replace(
        SMALL, doses=(0, 3, 5), wide=(), probed=("bptt", "random"),
        controls=("kept", "worthy"), many=5, changed=("random", "bptt"), changes=("Adam",), runs=1,
        change_runs=1,
    )  # fmt: skip
    made = {"random-0-0": 30.0, "bptt-0-0": 50.0, "random-5-0": 40.0, "bptt-5-0": 47.0}
    made |= {"random-kept-0": 33.0, "bptt-kept-0": 48.0, "random-Adam-0": 31.0, "bptt-Adam-0": 45.0}
    made |= {"random-worthy-0": 41.0, "bptt-worthy-0": 50.0}
    keep = lambda key, make: {"accuracy": torch.tensor(made.get(key, 0.0))}  # noqa: E731
    found = findings(mixing.run(real, sets, settings, keep))
    assert found["lead kept bptt"] == (15.0,)
    assert found["Adam costs bptt"] == (6.0,)  # 20 points ahead before, 14 after
    assert found["Adam costs random"] == (0.0,)
    assert found["lead at 5 bptt"] == (7.0,)
    assert found["gone at 5 bptt"] == (13.0,)
    assert found["share bptt"] == (2.0,)  # 9 points ahead if five weigh as much as three, else 7


@pytest.mark.parametrize("profile", SETTINGS)
def test_settings_name_what_exists(profile: str) -> None:
    s = SETTINGS[profile]
    assert set(s.controls) <= set(CONTROLS)
    assert set(s.changes) <= set(CHANGES)
    assert {0, s.dose} <= set(s.doses)
    assert {*s.probed, *s.changed, *s.wide_sources} <= {*s.sources} | set(SETTINGS["full"].sources)
    assert s.control_runs <= s.runs
    assert "random" in s.changed, "no null for changed training"


def test_a_study_is_read_back(real: ddlib.ImageData, sets: Sets, tmp_path: Path) -> None:
    study: Study = mixing.run(real, sets, SMALL)
    study.save(tmp_path)
    assert findings(ddlib.studies.load_study("toy-mixing", tmp_path)) == findings(study)
