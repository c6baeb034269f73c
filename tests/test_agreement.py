"""Agreement: matching by accuracy, late sets, and the study."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import Killed, assert_same_arrays, some_predictions, toy_data

from ddlib import show
from ddlib.analysis import agreement
from ddlib.analysis.agreement import (
    LATE,
    Settings,
    few_images,
    findings,
    run,
    with_late,
)
from ddlib.distillation import distill
from ddlib.distilled import DistilledSet
from ddlib.instruments.agreement_gaps import gaps, to_pool
from ddlib.instruments.matching import EXCHANGED, OFFSETS, matched, nearest_stop, one_source
from ddlib.instruments.predictions import (
    MEASURES,
    alike,
    correct,
)
from ddlib.presets import preset
from ddlib.seeds import generator
from ddlib.studies import Keeper, at_once, load_study
from ddlib.training import Recipe

TINY = Settings(
    images=30, nets=2, early_nets=2, early_steps=4, early_batch=8, every=1, subsets=(2, 3),
    subset_epochs=3, subset_batch=4, stops=(1, 2), full_batch=(2,), within=40.0,
)  # fmt: skip


def toy_sets(real, tags=("random", "dm")):
    rows = [real.class_rows[0][:, 2 * i : 2 * i + 2].flatten() for i in range(2 * len(tags))]
    made = [
        DistilledSet(
            real.train_images[r], real.train_labels[r], 2, real.classes, real.mean, real.std
        )
        for r in rows
    ]
    return {tag: made[2 * i : 2 * i + 2] for i, tag in enumerate(tags)}


@pytest.fixture(scope="module")
def toys():
    real = toy_data((9, 8, 9))
    return real, toy_sets(real)


@pytest.fixture(scope="module")
def study(toys):
    short = pytest.MonkeyPatch()
    short.setitem(agreement.PROTOCOLS, "plain", Recipe(epochs=5))
    yield run(*toys, TINY)
    short.undo()


def test_the_nearest_stop_is_taken_and_must_be_near() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    right = lambda n: [0] * n + [1] * (10 - n)  # noqa: E731
    pool = torch.tensor([[right(1), right(4), right(7)], [right(0), right(1), right(2)]]).byte()
    predicted, near = nearest_stop(pool, labels, 42.0, 5.0)
    assert correct(predicted, labels).tolist() == pytest.approx([40, 20])
    assert near.tolist() == [True, False]


def test_stopped_networks_end_above_the_target() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    right = lambda n: [0] * n + [1] * (10 - n)  # noqa: E731
    subset = torch.tensor([[right(4), right(4)], [right(4), right(8)]]).byte()
    pools = {"early": subset, "subset": subset, "full-batch": subset[:, -1:]}
    found = matched(pools, labels, 40.0, 5.0)
    assert found["subset"][1].tolist() == [True, False]
    assert found["stopped"][1].tolist() == [False, True]


def test_a_gap_that_was_planted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks copy early ones on most images: the gap and its interval lie above zero."""
    monkeypatch.setattr("ddlib.instruments.matching.DRAWS", 50)
    labels = torch.zeros(2000, dtype=torch.int64)
    early = some_predictions(1, 2000).expand(6, 1, -1).clone()
    mask = torch.rand(6, 1, 2000, generator=generator(1)) < 0.2
    early = torch.where(mask, some_predictions(6, 2000, seed=3)[:, None], early)
    subset = some_predictions(8, 2000, seed=4)[:, None].expand(-1, 2, -1)
    pools = {
        "early": early,
        "subset": subset,
        "full-batch": some_predictions(2, 2000, seed=5)[:, None],
    }
    runs = {"dm": early[:4, 0].unflatten(0, (2, 2)), "dc": early[2:, 0].unflatten(0, (2, 2))}
    found = one_source("dm", runs, pools, labels, 5.0)
    mean, low, high = found["interval"][0, 0].tolist()
    assert 0.3 < low <= mean <= high < 0.8
    assert found["interval"][3, 0, 0].abs() < 0.05  # subsets are no more like early ones
    assert found["released"].isfinite().all()
    assert found["kin"][:, :, 1:].isfinite().all()


def test_other_methods_are_other_networks_on_sets_that_began_otherwise() -> None:
    """Random images, another kind of the same method and the same place do not count."""
    labels = torch.zeros(300, dtype=torch.int64)
    tags = ("random", "dc", "dsa", "mtt", LATE)
    runs = {
        tag: some_predictions(4, 300, seed=i).unflatten(0, (2, 2)) for i, tag in enumerate(tags)
    }
    pools = {
        name: some_predictions(3, 300, seed=9)[:, None]
        for name in ("early", "subset", "full-batch")
    }
    pools["subset"] = pools["subset"].expand(-1, 2, -1)
    for mine, others in (("mtt", ("dc", "dsa")), ("dsa", ("mtt", LATE)), ("dc", ("mtt", LATE))):
        found = one_source(mine, runs, pools, labels, 100.0)["kin"][0, 1, 2, 0]
        theirs = torch.cat([runs[tag][1] for tag in others])
        want = alike(runs[mine][0, 1][None], theirs, labels)[0, :, 0].mean()
        assert float(found) == pytest.approx(float(want))
    assert one_source("random", runs, pools, labels, 100.0)["kin"][..., 2, :].isnan().all()


def test_late_sets_differ_from_usual_ones_in_their_segments_alone(toys, tmp_path) -> None:
    real, _ = toys
    method = replace(preset("mtt", 2, "fast"), steps=2, inner_steps=2, max_start=1)
    sets = {"mtt": [distill(real, method, seed=seed) for seed in range(2)]}
    settings = replace(TINY, late_sets=2, late=(2, 3))
    keep = Keeper(tmp_path, {})
    late = with_late(real, sets, settings, keep)[LATE]
    for one, usual in zip(late, sets["mtt"], strict=True):
        want = distill(real, replace(method, min_start=2, max_start=3), seed=usual.meta["seed"])
        assert torch.equal(one.images, want.images)
        assert torch.equal(one.labels, usual.labels)
        assert not torch.equal(one.images, usual.images)
    assert len(list(keep.folder.glob("expert-*"))) == method.experts  # trained once for both
    unkept = with_late(real, sets, replace(settings, late_sets=1), at_once)[LATE]
    assert torch.equal(unkept[0].images, late[0].images)
    assert LATE not in with_late(real, sets, TINY, at_once)
    assert LATE not in with_late(real, toys[1], settings, at_once)


def test_late_networks_are_paired_with_those_on_usual_sets(toys) -> None:
    real, _ = toys
    method = replace(preset("mtt", 2, "fast"), steps=1, inner_steps=2, max_start=1)
    sets = {"mtt": [distill(real, method, seed=seed) for seed in range(2)]}
    with pytest.MonkeyPatch.context() as short:
        short.setitem(agreement.PROTOCOLS, "plain", Recipe(epochs=2))
        made = run(real, sets, replace(TINY, late_sets=1, late=(1, 2), within=100.0))
    assert made.axes["source"] == ("start", "mtt", LATE)
    apart = (gaps(made, "mtt", "subset") - gaps(made, LATE, "subset"))[..., 0]
    assert apart[0].isfinite().all()
    assert apart[1].isnan().all()  # there is no second late set
    assert findings(made)["mtt less late gap"] == pytest.approx([float(apart[0].mean())])
    assert len(findings(made)["mtt gap"]) == 4


def test_networks_are_paired_with_those_on_what_their_set_began_with(toys) -> None:
    """The same first weights, so that a set that was never changed is not beyond its start."""
    real, _ = toys
    methods = {
        "random": preset("random", 2, "fast"),
        "dc": replace(preset("dc", 2, "fast"), steps=0, init="noise"),
        "mtt": replace(preset("mtt", 2, "fast"), steps=1, inner_steps=2, max_start=1),
        "bptt": replace(preset("bptt", 2, "fast"), steps=0),
    }
    sets = {t: [distill(real, how, seed=seed) for seed in (4, 7)] for t, how in methods.items()}
    with pytest.MonkeyPatch.context() as short:
        short.setitem(agreement.PROTOCOLS, "plain", Recipe(epochs=2))
        made = run(real, sets, replace(TINY, within=100.0))
    assert made.axes["source"] == ("random", "start", "dc", "mtt", "bptt")
    assert made.axes["began"] == ("mtt", "bptt")
    found = findings(made)
    assert found["bptt beyond start"] == (0.0,) * 4
    want = (gaps(made, "mtt", "subset") - gaps(made, "bptt", "subset"))[..., 0].flatten().tolist()
    assert found["mtt beyond start"] == pytest.approx(want)
    assert any(want)


def test_without_a_match_there_is_no_number_and_no_crash(toys) -> None:
    strict = replace(TINY, within=0.0, nets=1)
    with pytest.MonkeyPatch.context() as short:
        short.setitem(agreement.PROTOCOLS, "plain", Recipe(epochs=1))
        made = run(*toys, strict)
    assert made.pick("missed").shape[-1] == len(OFFSETS)
    assert all(np.isfinite(values).all() for values in findings(made).values())


def test_the_study_holds_every_comparison(study) -> None:
    assert study.pick("accuracy").shape == (2, 2, 2)
    assert study.axes["member"] == (
        "early 0", "early 1", "subset 0", "subset 1", "stopped 0", "stopped 1", "full-batch 0",
    )  # fmt: skip
    early = to_pool(study, "dm", "early")
    assert early.shape == (2, 2, 2, len(MEASURES))
    off = (study.pick("matched") - study.pick("accuracy")[..., None]).abs()
    assert off[off.isfinite()].max() <= TINY.within
    found = findings(study)
    assert len(found["dm gap"]) == 4
    assert found["dm gap"] == pytest.approx(gaps(study, "dm", "subset")[..., 0].flatten().tolist())
    shown = study.pick("interval", source="dm", quantity="gap", measure="agreement")[0]
    assert float(shown) == pytest.approx(np.mean(found["dm gap"]), abs=1e-6)
    assert set(EXCHANGED) == {"dm", "dc"}


def test_a_run_that_was_interrupted_ends_like_one_that_was_not(toys, study, tmp_path) -> None:
    def killed(key, make):
        if key == "subset-1":
            raise Killed
        return Keeper(tmp_path, {})(key, make)

    with pytest.raises(Killed):
        run(*toys, TINY, killed)
    again = run(*toys, TINY, Keeper(tmp_path, {}))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 9
    assert_same_arrays(study, again)


def test_networks_of_a_set_have_their_own_seeds(toys, study) -> None:
    real, sets = toys
    one = few_images(real, sets["dm"][0], TINY, 0)["predicted"]
    other = few_images(real, sets["dm"][0], TINY, 1)["predicted"]
    assert len(torch.cat([one, other]).unique(dim=0)) == 4


def test_figures_show_every_source_and_say_what_is_missing(study) -> None:
    shown = show.matched_accuracies(study)
    assert [axis.get_title(loc="left") for axis in shown.axes] == [
        "random",
        "distribution matching",
    ]
    notes = [text.get_text() for text in shown.axes[0].texts]
    pairs = study.pick("matched", source="random")[..., :2].isfinite().sum()
    assert notes[0] == (f"{pairs} pairs" if pairs else "no network is near")
    alone = replace(study, arrays=study.arrays | {"matched": study.pick("matched") * torch.nan})
    assert "no network is near" in [
        t.get_text() for t in show.matched_accuracies(alone).axes[0].texts
    ]
    gaps_shown = show.agreement_gaps(study, "kappa").axes[0]
    assert "mean kappa" in gaps_shown.get_xlabel()
    assert [t.get_text() for t in gaps_shown.get_yticklabels()] == [
        "random",
        "distribution matching",
    ]
    assert show.agreements(study).get_supxlabel().startswith("agreement with networks")
    assert len(show.missed_stops(study).axes[0].lines) == 3  # two sources and the line at zero
    table = [text.get_text() for text in show.likeness_levels(study, "dm").axes[0].texts]
    assert len(table) == 25
    level = float(study.pick("level", source="dm", pair="early, early", measure="agreement"))
    assert table[6] == f"{level:.3f}"


def test_shown_means_differ_by_the_gap_where_networks_have_unequal_partners(study) -> None:
    values = torch.rand(study.pick("alike").shape, generator=generator("uneven"))
    values[0, 0, 0, 2] = torch.nan  # one network has a single subset network as a partner
    uneven = replace(study, arrays={**study.arrays, "alike": values})
    lines = show.agreements(uneven).axes[0].lines
    early, subset = (float(lines[i].get_xdata()[0]) for i in (1, 3))  # each after its pale points
    assert early - subset == pytest.approx(float(gaps(uneven, "random", "subset")[..., 0].mean()))


def test_each_set_is_joined_to_what_it_began_with() -> None:
    recorded = load_study("cifar10x16-agreement")
    lines = show.gaps_by_set(recorded).axes[0].lines
    joined = [line.get_xdata() for line in lines if line.get_linestyle() == "-"][:-1]  # zero
    began = recorded.axes["began"]
    assert began == ("dc", "dsa", "mtt", LATE, "bptt")  # sets of dm are older
    moved = [findings(recorded)[f"{tag} beyond start"] for tag in began]
    apart = torch.tensor([float(end - start) for start, end in joined])
    assert torch.allclose(apart, torch.tensor(moved).view(-1, 3).mean(1), atol=1e-6)


def test_the_lowest_panel_of_each_column_shows_the_scale(study) -> None:
    five = ("random", "dm", "dc", "dsa", "mtt")
    arrays = {name: array[[0, 1, 1, 1, 1]] for name, array in study.arrays.items()}
    wide = replace(study, axes={**study.axes, "source": five}, arrays=arrays)
    panels = show.agreements(wide).axes
    shown = [panel.xaxis.get_tick_params()["labelbottom"] for panel in panels]
    assert shown == [False, False, False, True, True]
