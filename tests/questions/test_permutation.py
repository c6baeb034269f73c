"""Permutation tests: against all permutations by hand, calibrated on null data, and not blind."""

from itertools import permutations
from statistics import fmean

import pytest
import torch
from torch import Tensor

from ddlib.questions.shared.permutation import (
    Permuted,
    association,
    association_beyond,
    by_class,
    centered,
    likeness,
    null_p_values,
    permutation_test,
    shared_gap,
    standardized,
)
from ddlib.seeds import generator


def null_table(draws: torch.Generator, n: int = 8, t: int = 30) -> Tensor:
    """Effects with heavy tails, strong sources and strong targets, but no regard for attributes."""
    noise = torch.randn(n, t, generator=draws).pow(3)
    rows, columns = torch.randn(n, 1, generator=draws), torch.randn(t, generator=draws)
    return 3 * rows + 5 * columns + noise * (1 + columns.square())


def test_likeness_of_kinds_and_of_numbers() -> None:
    kinds = likeness(torch.tensor([1, 2]), torch.tensor([2, 2, 1]))
    assert kinds.tolist() == [[0, 0, 1], [1, 1, 0]]
    places = likeness(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    assert places.tolist() == [[-25, -1]]
    assert likeness(torch.tensor([1.0]), torch.tensor([3.0])).tolist() == [[-4]]


def test_association_is_a_correlation_beyond_sources_and_targets() -> None:
    draws = generator("association")
    alike = torch.randn(5, 9, generator=draws)
    assert association(standardized(alike), standardized(alike)) == pytest.approx(1)
    effect, shift = null_table(draws, 5, 9), torch.randn(9, generator=draws)
    assert association(effect + shift, alike + 7 * shift) == pytest.approx(
        association(effect, alike).item()
    )
    assert association(effect, torch.ones(5, 9)) == 0
    assert centered(effect).sum(0).abs().max() < 1e-9
    assert centered(effect).sum(1).abs().max() < 1e-9


def test_p_value_is_the_share_of_all_permutations() -> None:
    """Two groups of three and four sources: 6 x 24 pairs of permutations, each done by hand."""
    draws = generator("exact")
    groups = [(null_table(draws, n, 12), torch.randn(n, 12, generator=draws)) for n in (3, 4)]
    values = [
        fmean(
            float(association(effect, alike[list(order)]))
            for (effect, alike), order in zip(groups, (first, second), strict=True)
        )
        for first in permutations(range(3))
        for second in permutations(range(4))
    ]
    found = permutation_test(groups, 20_000, generator("draws"))
    assert found.value == pytest.approx(values[0])  # nothing exchanged
    exact = sum(v >= values[0] - 1e-9 for v in values) / len(values)
    assert 0.02 < exact < 0.98, "choose another case: this one cannot fail"
    assert found.p_value == pytest.approx(exact, abs=0.015)
    spread = torch.tensor(values).std(correction=0)
    assert found.null.std().item() == pytest.approx(spread.item(), rel=0.03)
    assert found.null.mean().item() == pytest.approx(0, abs=0.02 * spread.item())


@pytest.mark.parametrize("kinds", [True, False])
def test_p_values_are_uniform_where_attributes_mean_nothing(kinds: bool) -> None:
    """400 null data sets of two classes: shares below a level stay within binomial bounds."""
    p_values = []
    for trial in range(400):
        draws = generator("null", kinds, trial)
        a, b = torch.rand(8, generator=draws), torch.rand(30, generator=draws)
        alike = likeness((a * 4).long(), (b * 4).long()) if kinds else likeness(a, b)
        groups = [(null_table(draws), alike) for _ in range(2)]
        p_values.append(permutation_test(groups, 199, draws).p_value)
    p = torch.tensor(p_values)
    for level in (0.05, 0.25, 0.5, 0.75):
        bound = 3 * (level * (1 - level) / len(p)) ** 0.5
        assert abs((p <= level).float().mean() - level) < bound, level


def test_an_effect_of_attributes_is_found_and_its_sign_matters() -> None:
    draws = generator("planted")
    a, b = torch.rand(10, generator=draws), torch.rand(60, generator=draws)
    alike = likeness(a, b)
    effect = null_table(draws, 10, 60) + 40 * alike
    found = permutation_test([(effect, alike)], 999, draws)
    assert found.p_value < 0.01
    assert found.value > 2 * found.null.std()
    harmed = permutation_test([(-effect, alike)], 999, draws)
    assert harmed.p_value > 0.99
    assert harmed.value < -2 * harmed.null.std()


def test_what_all_images_of_a_class_do_is_no_effect_of_an_attribute() -> None:
    """All sources help red targets most; half of them are red. That is the class, not the image."""
    draws = generator("class")
    target = torch.arange(40) % 2
    effect = 0.01 * torch.randn(6, 40, generator=draws) + target
    alike = likeness(torch.arange(6) % 2, target)
    assert permutation_test([(effect, alike)], 999, draws).p_value > 0.05


def test_only_shuffles_within_classes_hold_for_attributes_that_follow_the_class() -> None:
    """Images help their own class, and made-up attributes are alike within a class."""
    draws = generator("follows")
    labels, tested = torch.arange(40) // 8, torch.arange(100) % 5
    effect = torch.randn(40, 100, generator=draws) + 2 * (labels[:, None] == tested)
    sound = torch.tensor(null_p_values(effect, labels, tested, 200, within=True))
    assert (sound <= 0.05).float().mean() < 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
    assert 0.4 < sound.mean() < 0.6
    naive = torch.tensor(null_p_values(effect, labels, tested, 50, within=False))
    assert (naive <= 0.05).float().mean() > 0.8


def test_groups_hold_the_images_of_a_class_and_the_targets_asked_for() -> None:
    effect = torch.arange(12.0).view(3, 4)
    labels, tested = torch.tensor([0, 1, 0]), torch.tensor([1, 0, 0, 1])
    kinds = torch.tensor([5, 6, 7]), torch.tensor([5, 5, 7, 6])
    (first, alike), (second, _) = by_class(effect, labels, tested, *kinds)
    assert first.tolist() == [[1, 2], [9, 10]]
    assert alike.tolist() == [[1, 0], [0, 1]]
    assert second.tolist() == [[4, 7]]
    (others, _), _ = by_class(effect, labels, tested, *kinds, same=False)
    assert others.tolist() == [[0, 3], [8, 11]]


def test_gap_is_what_sharing_adds_beyond_what_a_target_gets_from_all() -> None:
    alike = likeness(torch.tensor([0, 1, 9]), torch.tensor([0, 0, 1, 1]))
    effect = 3 * alike + torch.tensor([5.0, -5.0, 0.0, 70.0])
    # The third source shares its kind with no target. The targets' own means are 1 above the shift.
    assert shared_gap(effect, alike) == pytest.approx(3)


def test_a_group_of_equal_sources_says_nothing_and_does_not_count() -> None:
    draws = generator("equal")
    effect, target = torch.randn(4, 20, generator=draws), torch.arange(20) % 3
    plain = effect, likeness(torch.arange(4) % 3, target)
    empty = effect, likeness(torch.ones(4, dtype=torch.int64), target)
    alone = permutation_test([plain], 99, generator("order"))
    both = permutation_test([plain, empty], 99, generator("order"))
    assert both.each[1].isnan()
    assert both.value == alone.value
    assert torch.equal(both.null, alone.null)
    assert permutation_test([empty], 99, draws).p_value == 1


def test_truth_is_one_of_the_shuffles_and_ties_count() -> None:
    null = torch.tensor([0.0, 1.0, 2.0, 2.0], dtype=torch.float64)
    for value, expected in ((9.0, 0.2), (2.0, 0.6), (-1.0, 1.0)):
        assert Permuted(torch.tensor([value]).double(), null).p_value == pytest.approx(expected)


def test_what_another_likeness_explains_is_taken_off() -> None:
    """Two likenesses that overlap; the effect follows one of them, and then the other."""
    draws = generator("beyond")
    first, own = torch.randn(2, 30, 50, generator=draws)
    second = first + own
    noise = torch.randn(30, 50, generator=draws)
    assert association(second + noise, first) > 0.5
    assert abs(association_beyond(first + noise, second, first)) < 0.1
    assert association_beyond(second + noise, second, first) > 0.5
    # The textbook formula for three correlations.
    x, y, z = (centered(standardized(first + noise)), centered(second), centered(first))
    xy, xz, yz = (float((a * b).sum()) for a, b in ((x, y), (x, z), (y, z)))
    expected = (xy - xz * yz) / ((1 - xz**2) * (1 - yz**2)) ** 0.5
    found = association_beyond(first + noise, second, first)
    assert found == pytest.approx(expected, abs=1e-9)
