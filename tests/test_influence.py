"""Influence, the study: what it keeps is leave-one-out, and a killed run goes on."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after, toy_data

from ddlib import show
from ddlib.analysis import influence
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.instruments.influences import REPEATS, TOP
from ddlib.instruments.leaving_out import first_rows, left_out, losses_on
from ddlib.networks import build
from ddlib.seeds import generator
from ddlib.show.influence import effects
from ddlib.studies import Keeper, Sets, Study, load_study, recorded_sets
from ddlib.training import logits, train

SMALL = influence.Settings(
    network="convnet-quarter", nets={"bptt": 3, "dm": 2}, steps=4, alone=2, each=10, shown=5,
    chunk=4, deep=("bptt",), deep_nets=2, sizes=(2,), groups=2, halves=4, stops=2,
    beside=("dm", "bptt"), rounds=2, few=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def real() -> ImageData:
    return toy_data(channels=3)


@pytest.fixture(scope="module")
def sets(real: ImageData) -> Sets:
    """Two sets of each source, three images of each class, made of real ones."""
    rows = first_rows(real.train_labels, 3)
    images, labels = real.train_images[rows], real.train_labels[rows]
    made = {}
    for tag, blur in (("bptt", 0.1), ("dm", 0.3)):
        draws = generator(tag)
        moved = [images + blur * torch.randn(images.shape, generator=draws) for _ in range(2)]
        made[tag] = tuple(DistilledSet.of(real, x, labels) for x in moved)
    return made


@pytest.fixture(scope="module")
def study(real: ImageData, sets: Sets) -> Study:
    return influence.run(real, sets, SMALL)


@pytest.mark.parametrize("tag", SMALL.nets)
def test_influence_is_the_mean_over_two_networks_of_each_source_of_training_without(
    study: Study, real: ImageData, sets: Sets, tag: str
) -> None:
    """BPTT has three networks: a mean over more would be less noisy than that of others."""
    net, one = build("convnet-quarter", real.shape, 3), sets[tag][0]
    rows = list(study.axes["test"])
    image = study.axes["image"][3]  # the second image that is left out of class 1
    found = []
    for keep in ([i for i in range(9) if i != image], list(range(9))):
        trained = train(net, one.images[keep], one.labels[keep], SMALL.recipe, [0, 1])
        answers = logits(net, trained, real.test_images[rows])
        found.append(losses_on(answers, real.test_labels[rows]))
    change = found[0] - found[1]  # (net, t)
    mine = study.pick("influence", source=tag, image=image).float()
    assert torch.allclose(mine, change.mean(0), atol=1e-4)
    assert torch.allclose(study.pick("loss", source=tag).float(), found[1].mean(0), atol=2e-3)
    assert mine.abs().max() > 1e-3
    t = int(study.pick("listed", source=tag, image=image)[0, 0])  # helped most
    column = change[:, study.axes["test"].index(study.axes["shown"][t])]
    assert study.pick("alike", source=tag, image=image)[0, 0] == (column > 0).sum()


def test_the_pool_is_the_first_of_every_class(study: Study, real: ImageData) -> None:
    labels = real.test_labels[list(study.axes["test"])]
    assert labels.tolist() == sorted(labels.tolist())
    assert torch.bincount(labels).tolist() == [10] * 3
    shown = real.test_labels[list(study.axes["shown"])]
    assert torch.bincount(shown).tolist() == [5] * 3
    pixels = study.arrays["thumbnails"][7].float() / 255
    row = study.axes["shown"][7]
    expected = real.test_images[row] * real.std[0] + real.mean[0]
    assert torch.allclose(pixels, expected.clamp(0, 1), atol=1 / 255)


def test_the_same_training_again_changes_nothing(study: Study) -> None:
    assert not study.pick("noise", source="bptt", noise="again").any()
    assert study.pick("noise", source="bptt", noise="nudged").min() > 0
    assert study.pick("noise", source="dm", noise="again")[2].isnan(), "there is no third network"


def test_a_killed_run_goes_on(real: ImageData, sets: Sets, study: Study, tmp_path: Path) -> None:
    asked: list[str] = []
    with pytest.raises(Killed):
        influence.run(real, sets, SMALL, killed_after(Keeper(tmp_path, {}), 7, asked))
    assert len(asked) == 8
    assert_same_arrays(influence.run(real, sets, SMALL, Keeper(tmp_path, {})), study)


def test_what_is_left_out() -> None:
    labels = torch.arange(3).repeat_interleave(6)
    out = left_out(labels, alone=4, sizes=(2, 3), groups=5, halves=50)
    assert out["all"].sum() == 0
    assert (out["alone"].sum(1) == 1).all()
    assert out["groups"].sum(1).tolist() == [2] * 10 + [3] * 10
    kinds = [len(labels[group].unique()) for group in out["groups"]]
    assert kinds[:5] == kinds[10:15] == [1] * 5
    assert max(kinds[5:10]) > 1
    assert (out["halves"].sum(1) == 6).all()
    for group in out["balanced"]:
        assert torch.bincount(labels[group]).tolist() == [2, 2, 2]
    never = torch.tensor([i for i in range(18) if i % 6 >= 4])
    assert not any(group[:, never].any() for group in out.values())
    assert out["balanced"].float().mean(0)[0] == pytest.approx(0.5, abs=0.25)


def test_leaving_out_of_a_sum_is_a_smaller_rate(real: ImageData, sets: Sets) -> None:
    """One step downhill on the sum of what is left over n, done by hand in the mean's place."""
    s = replace(SMALL, steps=1)
    mine = influence.trainer(real, sets["bptt"][0], s, 0)
    group = torch.zeros(1, 9, dtype=torch.bool)
    group[0, 4] = True
    recipe = replace(s.recipe, lr=s.recipe.lr * 8 / 9)
    keep = [i for i in range(9) if i != 4]
    trained = train(mine.net, mine.images[keep], mine.labels[keep], recipe, [0])
    expected = losses_on(logits(mine.net, trained, mine.test[0]), mine.test[1])
    assert torch.allclose(mine.without(group, 8 / 9), expected, atol=1e-5)


def test_findings_of_made_up_tables(study: Study) -> None:
    arrays = dict(study.arrays)
    arrays["own"] = torch.full_like(arrays["own"], 0.75)
    arrays["repeat"] = torch.zeros_like(arrays["repeat"])
    arrays["repeat"][..., REPEATS.index("same image")] = 0.5
    arrays["repeat"][..., REPEATS.index("other image")] = 0.2
    arrays["repeat"][1, 1:] = torch.nan  # of "dm" only networks 0 and 1 are there
    dm, bptt = [[[0.0, 1], [0, 0]]] * 2, [[[1.0, 1], [1, 0]], [[1, 1], [1, 1]]]
    arrays["usual_own"] = torch.tensor([dm, bptt]).transpose(0, 1)  # (round, source, net, image)
    pairs = [[[[0.5, 0.1], [0.3, 0.1]]] * 2, [[[0.9, 0.2], [0.7, 0.2]]] * 2]
    arrays["usual_repeat"] = torch.tensor(pairs)  # (round, source, image, same or other)
    found = influence.findings(replace(study, arrays=arrays))
    assert found["own-usual-bptt"] == pytest.approx([0.75 - 1 / 3, 1 - 1 / 3]), "one for each round"
    assert found["own-more-bptt"] == pytest.approx([0.5, 0.75])
    assert found["image-usual-bptt"] == pytest.approx([0.3, 0.6])
    assert found["image-more-bptt"] == pytest.approx([0, 0])
    assert found["own-bptt"] == pytest.approx((0.75 - 1 / 3,) * 3)
    assert found["image-bptt"] == pytest.approx((0.3,) * 3)
    assert found["image-dm"] == pytest.approx((0.3,)), "one pair is one value"
    assert found["agrees-leave-one-out"] == pytest.approx((1, 1))
    assert len(found["adds-one class"]) == 4


def test_each_round_has_a_class_a_set_and_networks_of_its_own(
    study: Study, real: ImageData, sets: Sets
) -> None:
    assert study.axes["round"] == ("a", "b")
    wide = replace(SMALL, network="convnet")
    for number, name in enumerate("ab"):
        mine = influence.trainer(real, sets["bptt"][number], wide, 2 * number + 1)
        groups = torch.zeros(3, 9, dtype=torch.bool)
        groups[1, 3 * number] = groups[2, 3 * number + 1] = True
        with_all, *without = mine.without(groups)
        change = torch.stack(without) - with_all
        own = mine.test[1][change.topk(TOP).indices] == number
        where = {"usual": "bptt", "round": name, "usual_net": 1}
        assert torch.allclose(study.pick("usual_own", **where), own.float().mean(1))
        spread = study.pick("usual_spread", **where)
        assert float(spread) == pytest.approx(float(change.square().mean().sqrt()), rel=1e-3)


def test_a_nudge_is_held_against_the_same_training_again(
    study: Study, real: ImageData, sets: Sets
) -> None:
    mine = influence.trainer(real, sets["bptt"][0], replace(SMALL, network="convnet"), 0)
    change = mine.noise() - mine.without(torch.zeros(1, 9, dtype=torch.bool))
    assert not change[0].any()
    nudged = change[2].square().mean().sqrt()
    assert torch.allclose(study.pick("usual_noise", usual="bptt"), nudged)
    assert nudged > 0


@pytest.mark.parametrize(
    "draw",
    [
        show.influence_sizes, show.own_shares, show.repeated, show.sums_and_groups,
        show.substitutes,
    ],
)  # fmt: skip
def test_figures_say_their_scale_and_network(study: Study, draw) -> None:
    figure = draw(study)
    assert "network 'convnet-quarter'" in figure.get_suptitle()
    assert all(axis.has_data() for axis in figure.axes)


def test_a_mean_over_two_other_networks_costs_two_times_leave_one_out(study: Study) -> None:
    prices = [text.get_text() for text in show.substitutes(study).axes[0].get_yticklabels()]
    assert prices[:2] == ["leave-one-out (31)", "other networks (62)"]


def test_the_usual_width_shows_each_round(study: Study) -> None:
    figure = show.usual_width(study)
    assert "convnet-quarter" not in figure.get_suptitle()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["distribution matching", "BPTT"]
    drawn = figure.axes[1].lines[2].get_xdata()  # the second row, images with themselves
    found = study.pick("usual_repeat", usual="bptt", which="same image").mean(1)
    assert np.allclose(drawn, found)
    line = show.usual_table(study).splitlines()[2]
    assert line.startswith("BPTT")
    assert f"{found.mean():.2f} ± {found.std():.2f}" in line


def test_the_picture_shows_the_listed_test_images(study: Study, sets: Sets) -> None:
    places = influence.PLACES
    few = replace(study, arrays=study.arrays)
    figure = show.helped_and_harmed(few, sets, "dm", [4])
    assert len(figure.axes) == 2 * places + 2
    t = int(study.pick("listed", source="dm", image=study.axes["image"][4])[1, 2])
    drawn = figure.axes[places + 4].images[0].get_array()
    expected = study.arrays["thumbnails"][t].permute(1, 2, 0).numpy() / 255.0
    assert np.allclose(drawn, expected, atol=1e-6)


def test_the_explorer_holds_all_and_asks_nobody(study: Study, sets: Sets) -> None:
    page = show.explorer(study, sets).data
    assert page == show.explorer(study, sets).data
    assert not re.search(r"(?:src|href)=\"https?:", page)
    assert page.count("<option") == 2
    assert '"nets":2' in page, "as many of each source"
    assert '"columns":3' in page
    assert '"rows":2' in page
    assert f"{len(study.axes['shown'])} test images" in page


def test_the_explorer_of_the_record_is_light() -> None:
    page = show.explorer(load_study("cifar10x16-influence"), recorded_sets("cifar10x16")).data
    assert 500_000 < len(page.encode()) <= 1_500_000


def test_the_explorer_s_numbers_are_those_of_the_study(study: Study) -> None:
    t, change, spreads, alike = effects(study, "bptt")[4][1][0]
    row = study.axes["shown"][t]
    table = study.pick("influence", source="bptt", test=row).float()
    assert change == pytest.approx(float(table[4]), abs=1e-3)
    assert spreads == pytest.approx(float(table[4] / table.std()), abs=0.1)
    assert alike == study.pick("alike", source="bptt")[4, 1, 0]
