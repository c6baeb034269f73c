"""Rankings of influence: known tables with known answers."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from ddlib.questions.influence import measures
from ddlib.questions.shared import rankings
from ddlib.seeds import generator

CLASSES = torch.tensor([0, 0, 1, 1])
TESTED = torch.tensor([0] * 12 + [1] * 12)


def tables(nets: int = 3, shared: float = 1.0, own: float = 1.0) -> torch.Tensor:
    """A part that the class has, a part that each image has, and noise of each network."""
    draws = generator("tables")
    of_class = torch.randn(2, 24, generator=draws)[CLASSES] * shared
    of_image = torch.randn(4, 24, generator=draws) * own
    return of_class + of_image + 0.1 * torch.randn(nets, 4, 24, generator=draws)


def test_rank_correlation_is_spearman_s_also_with_ties() -> None:
    draws = generator("ties")
    a, b = (torch.randint(4, (3, 20), generator=draws).float() for _ in range(2))
    found = rankings.rank_correlation(a, b)
    expected = [spearmanr(x, y).statistic for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    assert np.allclose(found, expected, atol=1e-6)
    assert rankings.rank_correlation(torch.ones(5), torch.arange(5.0)).isnan()


def test_centered_rows_lose_what_the_class_has() -> None:
    only_class = tables(1, own=0.0)[0]
    assert rankings.centered(only_class, CLASSES).abs().max() < 0.3 < only_class.std()
    left = rankings.centered(tables(1)[0], CLASSES)
    assert torch.allclose(left[0] + left[1], torch.zeros(24), atol=1e-6)


def test_standardized_columns_count_alike() -> None:
    assert torch.allclose(rankings.standardized(tables(1)[0]).std(0), torch.ones(24))


def test_repeats_tell_an_image_from_its_class() -> None:
    """What images of a class share makes two different images alike, and nothing else does."""
    alone = measures.repeats(*tables(2, shared=0.0), CLASSES, TESTED)
    assert alone["same image"] > 0.8
    assert abs(alone["other image"]) < 0.5
    shared = measures.repeats(*tables(2, own=0.0), CLASSES, TESTED)
    assert abs(shared["same image"] - shared["other image"]) < 0.1
    assert abs(shared["centered"]) < 0.5
    assert abs(shared["same top"] - shared["other top"]) < 0.2


def test_values_of_networks_know_that_pairs_share_them() -> None:
    each = torch.tensor([0.1, 0.4, 0.2, 0.9])
    of_pairs = torch.stack([each[i] + each[j] for i, j in rankings.pairs(4)])
    missing = torch.full((3,), torch.nan)  # of a source that has fewer networks than another
    found = rankings.by_network(torch.cat([of_pairs, missing])[:, None], 4)
    assert torch.allclose(found[:, 0], 2 * each)
    assert rankings.by_network(of_pairs[:1, None], 2).tolist() == [[0.5]]
    assert len(rankings.by_network(missing[:, None], 1)) == 0


def test_two_networks_agree_about_images_of_a_class() -> None:
    def losses(noise: float) -> torch.Tensor:
        draws = generator("noise")
        both = tables(2, shared=0.0)[:, :2] + noise * torch.randn(2, 2, 24, generator=draws)
        return torch.cat([torch.zeros(2, 1, 24), both], 1) + 5  # with all images first

    found = measures.between_rounds(losses(0.0), 0, TESTED)
    same, other = found["repeat"].unbind(1)
    assert same.min() > 0.8 > 0.6 > other.abs().max()
    assert (found["overlap"][:, 0] > found["overlap"][:, 1]).all()
    noisy = losses(1.0)
    best = [{*net[1].topk(measures.TOP).indices.tolist()} for net in noisy]
    common = len(best[0] & best[1]) / measures.TOP
    found = measures.between_rounds(noisy, 0, TESTED)
    assert found["overlap"][0, 0] == pytest.approx(common)
    assert 0 < common < 1
    first = measures.in_round(noisy[0], 0, TESTED)
    own = sum(t < 12 for t in best[0]) / measures.TOP
    assert first["shares"][0] == pytest.approx(own)
    other = {*noisy[0, 2].topk(measures.TOP).indices.tolist()}
    different = len(best[0] | other) / (2 * measures.TOP)
    assert first["distinct"] == pytest.approx(different)


def test_nothing_is_left_out_first_then_each_of_a_class() -> None:
    groups = measures.few_alone(torch.tensor([0, 1, 1, 0, 1]), 1, 2)
    assert groups.nonzero().tolist() == [[1, 1], [2, 2]]
    assert len(groups) == 3


def test_every_pair_of_rows() -> None:
    a, b = tables(2)
    found = rankings.every_pair(a[:3], b)
    assert found.shape == (3, 4)
    assert found[2, 1] == pytest.approx(spearmanr(a[2].numpy(), b[1].numpy()).statistic, abs=1e-6)
    square = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    assert rankings.itself_and_others(square).tolist() == [[1, 2], [8, 4]]


def test_tops_say_whose_they_are() -> None:
    table = (CLASSES[:, None] == TESTED).float() + torch.linspace(0, 0.1, 24)
    found = list(measures.tops(table, torch.arange(24.0), CLASSES, TESTED))
    assert [row["own"] for row in found] == [1, 1, 0, 0], "helped, then harmed"
    assert found[0]["distinct"] == pytest.approx(0.5), "images of a class name the same ones"
    assert found[0]["chance"] == pytest.approx(12 * (1 - 0.25**2) / 18)
    assert found[0]["hardness"] > 0.5


def test_distinct_by_chance_is_what_random_rows_give() -> None:
    """Rows that draw 4 of 10 test images of one class and 2 of 30 of another, ten rows."""
    draws = generator("chance")
    tested, one = torch.tensor([0] * 10 + [1] * 30), torch.zeros(10, dtype=torch.int64)
    found = []
    for _ in range(300):
        first = torch.rand(10, 10, generator=draws).topk(4, dim=1).indices
        other = 10 + torch.rand(10, 30, generator=draws).topk(2, dim=1).indices
        found.append(rankings.distinct(torch.cat([first, other], 1), one, tested))
    shares, chances = zip(*found, strict=True)
    assert np.mean(shares) == pytest.approx(chances[0], abs=0.01)
    assert chances[0] == pytest.approx((10 * (1 - 0.6**10) + 30 * (1 - (28 / 30) ** 10)) / 60)


def test_listed_are_the_extremes_of_the_mean_and_only_those_shown() -> None:
    found, shown = tables(), torch.arange(24) % 2 == 0
    listed = measures.listed(found, shown, 3)
    mean = rankings.standardized(found.mean(0)[:, shown])
    assert (listed["listed"][:, 0, 0] == mean.argmax(1)).all()
    assert (listed["listed"][:, 1, 0] == mean.argmin(1)).all()
    first = int(listed["listed"][2, 1, 0])
    assert listed["alike"][2, 1, 0] == (found[:, 2, shown][:, first] < 0).sum()


def test_sums_of_a_linear_world_add_up() -> None:
    table = tables(1)[0]
    groups = torch.tensor([[True, True, False, False], [False, True, True, True]])
    found = list(measures.added(table, groups, 2 * groups.float() @ table))
    assert found == [pytest.approx({"correlation": 1.0, "slope": 2.0})] * 2


def test_judges_know_the_truth_when_they_see_it() -> None:
    truth = tables(1)[0]
    left = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1]])
    halves = [(left, -(left @ truth))] * 2
    own = (CLASSES[:, None] == TESTED).float()
    given = {"truth": truth, "opposite": -truth, "own class": own}
    found = list(measures.judged(given, halves, CLASSES, TESTED))
    judged = torch.tensor([[row[judge] for judge in measures.JUDGES] for row in found])
    assert torch.allclose(judged[0], torch.ones(4))
    assert torch.allclose(judged[1], -torch.ones(4))
    assert judged[2, 1].isnan(), "within a class the class says nothing"
