"""Influence: what it keeps is leave-one-out, whose findings and figures follow."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import toy_data
from torch import Tensor

from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.experiment.asking import ask, recorded_sets
from ddlib.experiment.bench import Bench, Sets
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record, load_record
from ddlib.networks import build
from ddlib.questions.influence import experiment as influence
from ddlib.questions.influence import figures
from ddlib.questions.influence.findings import (
    beyond_photographs,
    findings,
    in_rounds,
    instruments,
)
from ddlib.questions.influence.measures import TOP
from ddlib.questions.shared.arrays import as_array
from ddlib.questions.shared.leaving_out import first_rows, left_out, losses_on
from ddlib.seeds import generator
from ddlib.training import logits, train

SMALL = replace(
    influence.RECORD,
    network="convnet-tiny", usual="convnet-quarter", methods=("bptt", "dm"), nets=3, steps=4,
    alone=2, each=10, shown=5, chunk=4, sizes=(2,), groups=2, halves=4, stops=2,
    beside=("dm", "bptt"), rounds=2, few=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def real() -> ImageData:
    return toy_data(channels=3)


@pytest.fixture(scope="module")
def sets(real: ImageData) -> Sets:
    """Two sets of each method, three images of each class, made of real ones."""
    rows = first_rows(real.train_labels, 3)
    images, labels = real.train_images[rows], real.train_labels[rows]
    made = {}
    for method, blur in (("bptt", 0.1), ("dm", 0.3)):
        draws = generator(method)
        moved = [images + blur * torch.randn(images.shape, generator=draws) for _ in range(2)]
        made[method] = tuple(DistilledSet.of(real, x, labels) for x in moved)
    return made


@pytest.fixture(scope="module")
def record(real: ImageData, sets: Sets) -> Record:
    return ask("influence", Bench(real, sets), SMALL)


def mean(record: Record, method: str) -> dict[str, Tensor]:
    return record.rows(condition="mean", method=method).to_dict("records")[0]


def test_influence_is_the_mean_over_networks_of_training_without(
    record: Record, real: ImageData, sets: Sets
) -> None:
    net, one = build(SMALL.network, real.shape, 3), sets["dm"][0]
    rows, image = record.arrays["test"], int(record.arrays["image"][3])
    found = []  # with and without the second image that is left out of class 1
    for keep in ([i for i in range(9) if i != image], list(range(9))):
        trained = train(net, one.images[keep], one.labels[keep], SMALL.recipe, range(3))
        answers = logits(net, trained, real.test_images[rows])
        found.append(losses_on(answers, real.test_labels[rows]))
    change = found[0] - found[1]  # (net, t)
    known = mean(record, "dm")
    mine = known["influence"][3].float()
    assert torch.allclose(mine, change.mean(0), atol=1e-4)
    assert torch.allclose(known["loss"].float(), found[1].mean(0), atol=2e-3)
    assert mine.abs().max() > 1e-3
    t = int(known["listed"][3, 0, 0])  # helped most
    column = change[:, rows == record.arrays["shown"][t]]
    assert known["alike"][3, 0, 0] == (column > 0).sum()


def test_the_pool_is_the_first_of_every_class(record: Record, real: ImageData) -> None:
    labels = real.test_labels[record.arrays["test"]]
    assert labels.tolist() == sorted(labels.tolist())
    assert torch.bincount(labels).tolist() == [10] * 3
    assert torch.bincount(real.test_labels[record.arrays["shown"]]).tolist() == [5] * 3
    pixels = record.arrays["thumbnails"][7].float() / 255
    row = record.arrays["shown"][7]
    expected = real.test_images[row] * real.std[0] + real.mean[0]
    assert torch.allclose(pixels, expected.clamp(0, 1), atol=1 / 255)


def test_the_same_training_again_changes_nothing(record: Record) -> None:
    sizes = record.rows(condition="network")
    assert not sizes["again"].any()
    assert sizes["nudged"].min() > 0


def test_a_kept_training_is_that_of_its_set_and_groups(real: ImageData, sets: Sets) -> None:
    """A set or a group that changed is trained on again, and everything else is not."""
    keys = {c.key for c in influence.cells(Bench(real, sets), SMALL)}
    other = {**sets, "dm": (sets["dm"][1], sets["dm"][0])}
    swapped = {c.key for c in influence.cells(Bench(real, other), SMALL)}
    assert {c.key for c in influence.cells(Bench(real, sets), replace(SMALL, shown=3))} == keys
    assert 0 < len(keys - swapped) < len(keys)
    more = {c.key for c in influence.cells(Bench(real, sets), replace(SMALL, halves=6))}
    assert keys < more, "more halves cost their own trainings and no others"


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
    mine = influence.trainer(real, sets["bptt"][0], s, s.network, 0)
    group = torch.zeros(1, 9, dtype=torch.bool)
    group[0, 4] = True
    recipe = replace(s.recipe, lr=s.recipe.lr * 8 / 9)
    keep = [i for i in range(9) if i != 4]
    trained = train(mine.net, mine.images[keep], mine.labels[keep], recipe, [0])
    expected = losses_on(logits(mine.net, trained, mine.test[0]), mine.test[1])
    assert torch.allclose(mine.without(group, 8 / 9), expected, atol=1e-5)


def test_findings_of_made_up_tables(record: Record) -> None:
    table = record.table.copy()
    top = table["condition"] == "top"
    table.loc[top, "own"] = 0.75
    table["same image"], table["other image"] = 0.5, 0.2
    own = {"dm": [[0.0, 1], [0, 0]], "bptt": [[1.0, 1], [1, 0]]}
    pair = {"dm": [[0.5, 0.1], [0.3, 0.1]], "bptt": [[0.9, 0.2], [0.7, 0.2]]}
    for i in table.index[table["condition"] == "round"]:
        table.at[i, "shares"] = torch.tensor(own[table["method"][i]][table["network"][i] % 2])
        if (table["round"][i], table["method"][i]) == (1, "bptt"):
            table.at[i, "shares"] = torch.ones(2)
    for i in table.index[table["condition"] == "rounds"]:
        table.at[i, "repeat"] = torch.tensor(pair[table["method"][i]])
    found = findings(replace(record, table=table))

    def of(contrast: str, method: str) -> tuple[float, ...]:
        return values_of(found, contrast=contrast, method=method)

    assert of("own usual", "bptt") == pytest.approx([0.75 - 1 / 3, 1 - 1 / 3]), "one a round"
    assert of("own more", "bptt") == pytest.approx([0.5, 0.75])
    assert of("image usual", "bptt") == pytest.approx([0.6, 0.6])
    assert of("image more", "bptt") == pytest.approx([0.3, 0.3])
    assert of("own", "bptt") == pytest.approx((0.75 - 1 / 3,) * 3)
    assert of("image", "bptt") == pytest.approx((0.3,) * 3)
    sets = lambda contrast: found[found["contrast"] == contrast]["set"].unique().tolist()  # noqa: E731
    assert sets("own usual") == sets("own more") == [0, 1], "rounds take the sets in turn"
    assert sets("own") == sets("own narrow more") == sets("agrees") == [0]
    exact = values_of(found, contrast="agrees", attribution="leave-one-out")
    assert exact == pytest.approx((1, 1))
    assert len(values_of(found, contrast="adds", kind="one class")) == 4


def test_each_round_has_a_class_a_set_and_networks_of_its_own(
    record: Record, real: ImageData, sets: Sets
) -> None:
    for number in range(2):
        net = 2 * number + 1
        mine = influence.trainer(real, sets["bptt"][number], SMALL, SMALL.usual, net)
        groups = torch.zeros(3, 9, dtype=torch.bool)
        groups[1, 3 * number] = groups[2, 3 * number + 1] = True
        with_all, *without = mine.without(groups)
        change = torch.stack(without) - with_all
        own = mine.test[1][change.topk(TOP).indices] == number
        row = record.rows(condition="round", method="bptt", round=number, network=net).iloc[0]
        assert torch.allclose(row["shares"], own.float().mean(1))
        assert row["spread"] == pytest.approx(float(change.square().mean().sqrt()), rel=1e-3)


def test_a_nudge_is_held_against_the_same_training_again(
    record: Record, real: ImageData, sets: Sets
) -> None:
    mine = influence.trainer(real, sets["bptt"][0], SMALL, SMALL.usual, 0)
    change = mine.noise() - mine.without(torch.zeros(1, 9, dtype=torch.bool))
    assert not change[0].any()
    nudged = float(change[2].square().mean().sqrt())
    assert record.rows(condition="usual", method="bptt")["nudged"].item() == pytest.approx(nudged)
    assert nudged > 0


@pytest.mark.parametrize(
    ("draw", "network"),
    [
        (figures.beside_released, "convnet-quarter"),
        (figures.repeated, "convnet-quarter"),
        (figures.instrument, "convnet-quarter, convnet-tiny"),
    ],
)
def test_figures_say_their_scale_and_network(record: Record, draw, network: str) -> None:
    figure = draw(record)
    assert f"network '{network}'" in figure.get_suptitle()
    assert all(axis.has_data() for axis in figure.axes)


def test_the_released_list_is_a_row_below_ours(record: Record) -> None:
    axis = figures.beside_released(record).axes[0]
    labels = [text.get_text() for text in axis.get_yticklabels()]
    assert labels == ["distribution matching", "BPTT", "released (BPTT)"]
    star = next(line for line in axis.lines if line.get_marker() == "*")
    assert list(star.get_ydata()) == [2]
    assert list(star.get_xdata()) == [figures.RELEASED["own"]]


def test_each_round_is_a_point(record: Record) -> None:
    """Of images with themselves in the other network, and of what the lists hold."""
    rounds = record.rows(condition="rounds", method="bptt")
    found = as_array(rounds, "repeat", "round")[:, :, 0].mean(1)
    pale = [x for x in figures.repeated(record).axes[0].lines if x.get_alpha()]
    assert any(np.allclose(line.get_xdata(), found) for line in pale)
    table = in_rounds(record).query("method == 'bptt'")
    shares = record.rows(condition="round", method="bptt").groupby("round")["shares"]
    own = [100 * torch.stack(list(each)).mean().item() for _, each in shares]
    assert table["own"].tolist() == pytest.approx(own, rel=1e-5)
    assert table["repeat same"].tolist() == pytest.approx(found.tolist(), abs=1e-5)


def test_noise_is_a_share_of_what_leaving_out_changes(record: Record) -> None:
    table = instruments(record).query("method == 'bptt'")
    narrow = record.rows(condition="network", method="bptt")
    expected = 100 * narrow["nudged"] / narrow["spread"]
    assert table.query("width == 'narrow'")["noise"].tolist() == pytest.approx(
        expected.tolist(), abs=1e-4
    )
    nudged = record.rows(condition="usual", method="bptt")["nudged"].item()
    first = record.rows(condition="round", method="bptt")["spread"].iloc[0]
    usual = table.query("width == 'usual'")["noise"]
    assert usual.dropna().tolist() == pytest.approx([100 * nudged / first])


def test_rounds_are_held_against_photographs_of_the_same_round(record: Record) -> None:
    table = record.table.replace({"method": {"dm": "random"}})
    found = beyond_photographs(replace(record, table=table), sets=2)
    assert found.query("method == 'random'")["more"].tolist() == [0, 0]
    assert found.sort_values(["method", "round"])["set"].tolist() == [0, 1, 0, 1]
    told = in_rounds(record).assign(t=lambda x: x["repeat same"] - x["repeat other"])
    bptt, photographs = (told.query(f"method == '{m}'")["t"].to_numpy() for m in ("bptt", "dm"))
    assert found.query("method == 'bptt'")["more"].tolist() == pytest.approx(bptt - photographs)


def test_the_picture_shows_the_listed_test_images(record: Record, sets: Sets) -> None:
    places = 4
    figure = figures.helped_and_harmed(record, sets, "dm", [4], places)
    assert len(figure.axes) == 2 * places + 2
    t = int(mean(record, "dm")["listed"][4, 1, 2])
    drawn = figure.axes[places + 4].images[0].get_array()
    expected = record.arrays["thumbnails"][t].permute(1, 2, 0).numpy() / 255.0
    assert np.allclose(drawn, expected, atol=1e-6)


def test_the_explorer_holds_all_and_asks_nobody(record: Record, sets: Sets) -> None:
    page = figures.explorer(record, sets).data
    assert page == figures.explorer(record, sets).data
    assert not re.search(r"(?:src|href)=\"https?:", page)
    assert page.count("<option") == 2
    assert '"nets":3' in page
    assert '"columns":3' in page
    assert '"rows":2' in page
    assert f"{len(record.arrays['shown'])} test images" in page


def test_the_explorer_of_the_record_is_light() -> None:
    page = figures.explorer(load_record("cifar10x16-influence"), recorded_sets("cifar10x16")).data
    assert 500_000 < len(page.encode()) <= 1_500_000


def test_the_explorer_s_numbers_are_those_of_the_record(record: Record) -> None:
    t, change, spreads, alike = figures.effects(record, "bptt")[4][1][0]
    known = mean(record, "bptt")
    table = known["influence"][:, record.arrays["test"] == record.arrays["shown"][t]].float()
    assert change == pytest.approx(float(table[4]), abs=1e-3)
    assert spreads == pytest.approx(float(table[4] / table.std()), abs=0.1)
    assert alike == known["alike"][4, 1, 0]
