"""Intervals that count sets, against simulated tables of known truth and against other libraries.

How often an interval holds the truth is a binomial count, so each test states the limits of that
count; seeds are fixed.
"""

from collections.abc import Callable, Iterator
from math import inf, isnan

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from ddlib.experiment import statistics as s

TRIALS = 400
SETS, NETS = 5, 3


def table(
    draw: np.random.Generator,
    *,
    mean: float = 2.0,
    of_set: float = 1.0,
    of_network: float = 0.0,
    rest: float = 0.5,
    sets: int = SETS,
    nets: int = NETS,
) -> pd.DataFrame:
    """A value of every network on every set: mean + luck of the set + of the network + rest."""
    y = mean + of_set * draw.normal(size=(sets, 1)) + of_network * draw.normal(size=(1, nets))
    y = y + rest * draw.normal(size=(sets, nets))
    where = {s.SET: np.repeat(range(sets), nets), s.NETWORK: np.tile(range(nets), sets)}
    return pd.DataFrame(where | {"value": y.flatten()})


def draws(seed: int, trials: int = TRIALS) -> Iterator[np.random.Generator]:
    """A generator for each trial."""
    return map(np.random.default_rng, np.random.SeedSequence(seed).spawn(trials))


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


def limits(p: float, trials: int = TRIALS) -> tuple[float, float]:
    """Where a share of true chance p lies in 999 of 1000 tests."""
    low, high = stats.binom.interval(0.999, trials, p)
    return low / trials, high / trials


def holds(interval: s.Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def test_intervals_hold_the_truth_if_they_count_sets() -> None:
    tables = [table(draw) for draw in draws(0)]
    low, high = limits(0.95)
    assert low <= share([holds(s.by_sets(t, "value"), 2.0) for t in tables]) <= high
    # Each network taken as a set of its own: what the first edition of the ledger did.
    as_sets = [t.assign(set=range(len(t))) for t in tables]
    assert share([holds(s.by_sets(t, "value"), 2.0) for t in as_sets]) < 0.85


def test_networks_that_every_set_meets_bring_their_luck_along() -> None:
    tables = [table(draw, of_network=1.0) for draw in draws(1)]
    assert share([holds(s.by_sets(t, "value"), 2.0) for t in tables]) < 0.9
    low, _ = limits(0.95)
    assert low <= share([holds(s.by_sets_and_networks(t, "value"), 2.0) for t in tables])


def test_the_wider_interval_also_holds_where_networks_do_not_matter() -> None:
    tables = [table(draw) for draw in draws(2)]
    low, _ = limits(0.95)
    assert low <= share([holds(s.by_sets_and_networks(t, "value"), 2.0) for t in tables])


def test_an_interval_is_the_one_of_an_oracle() -> None:
    one = table(np.random.default_rng(3))
    oracle = DescrStatsW(s.set_means(one, "value"))
    found = s.by_sets(one, "value", 0.9)
    assert (found.low, found.high) == pytest.approx(oracle.tconfint_mean(0.1))
    assert found.p_value == pytest.approx(oracle.ttest_mean(0)[1])
    assert (found.mean, found.spread, found.n) == (
        pytest.approx(oracle.mean),
        pytest.approx(s.set_means(one, "value").std()),
        SETS,
    )


def test_a_null_is_rejected_at_the_right_rate_and_an_effect_is_found() -> None:
    low, high = limits(0.05)
    null = [s.by_sets(table(draw, mean=0.0), "value").p_value < 0.05 for draw in draws(4)]
    assert low <= share(null) <= high
    planted = [s.by_sets(table(draw, mean=3.0), "value").p_value < 0.05 for draw in draws(5)]
    assert share(planted) > 0.95


def test_one_set_has_a_mean_and_no_interval() -> None:
    found = s.by_sets(table(np.random.default_rng(0), sets=1), "value")
    assert isnan(found.low)
    assert isnan(found.p_value)
    assert found.n == 1


def test_values_that_are_missing_do_not_count() -> None:
    one = table(np.random.default_rng(0))
    gone = one.assign(value=one["value"].where(one[s.SET] > 0))
    assert s.by_sets(gone, "value") == s.by_sets(one[one[s.SET] > 0], "value")


def test_components_are_those_of_the_analysis_of_variance() -> None:
    one = table(np.random.default_rng(6), of_network=0.7)
    squares = anova_lm(ols("value ~ C(set) + C(network)", one).fit())["mean_sq"]
    found = s.components(one, "value")
    assert found.rest == pytest.approx(squares["Residual"])
    assert found.set == pytest.approx((squares["C(set)"] - squares["Residual"]) / NETS)
    assert found.network == pytest.approx((squares["C(network)"] - squares["Residual"]) / SETS)


def test_sets_and_networks_together_have_the_variance_of_both() -> None:
    one = table(np.random.default_rng(6), of_network=0.7)
    squares = anova_lm(ols("value ~ C(set) + C(network)", one).fit())["mean_sq"]
    a, b, rest = squares["C(set)"], squares["C(network)"], squares["Residual"]
    freedom = (a + b - rest) ** 2 / (a**2 / 4 + b**2 / 2 + rest**2 / 8)  # Satterthwaite
    half = stats.t.ppf(0.975, freedom) * np.sqrt((a + b - rest) / (SETS * NETS))
    found = s.by_sets_and_networks(one, "value")
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))


def test_components_find_the_variances_they_were_made_of() -> None:
    made = {"of_set": 2.0, "of_network": 1.0, "rest": 0.5, "sets": 12, "nets": 12}
    found = [s.components(table(draw, **made), "value") for draw in draws(7, 300)]
    for name, truth in (("set", 4.0), ("network", 1.0), ("rest", 0.25)):
        values = np.array([getattr(one, name) for one in found])
        assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(len(values))


def test_components_say_what_is_missing() -> None:
    one = table(np.random.default_rng(0))
    with pytest.raises(ValueError, match="5 sets, 3 networks and 14 values"):
        s.components(one.drop(4), "value")


def two_methods(draw: np.random.Generator, gain: float) -> pd.DataFrame:
    """Two methods on the same sets and networks, whose luck both share."""
    random = table(draw, of_set=2.0, of_network=2.0)
    noise = 0.5 * draw.normal(size=len(random))
    better = random.assign(value=random["value"] + gain + noise)
    return pd.concat([random.assign(method="random"), better.assign(method="dm")])


def of(method: str, both: pd.DataFrame) -> pd.DataFrame:
    return both[both["method"] == method]


def test_an_estimate_counts_networks_where_every_set_meets_the_same() -> None:
    crossed = table(np.random.default_rng(5), of_network=1.0)
    assert s.estimate(crossed, "value") == s.by_sets_and_networks(crossed, "value")
    assert s.bound(crossed, "value", interval=s.estimate) > s.bound(crossed, "value")
    nested = crossed.assign(network=range(len(crossed)))
    partial = crossed.iloc[1:]
    twice = pd.concat([partial, crossed.iloc[[1]]])
    unnamed = crossed.assign(network=np.nan)
    one = crossed[crossed["set"] == 0]
    for other in (nested, partial, twice, unnamed, crossed.drop(columns="network"), one):
        found, known = s.estimate(other, "value"), s.by_sets(other, "value")
        assert str(found) == str(known)


def test_an_interval_of_so_many_times_the_value() -> None:
    one = table(np.random.default_rng(6))
    for factor in (0.1, -3.0):
        scaled = s.by_sets(one, "value").scaled(factor)
        known = s.by_sets(one.assign(value=factor * one["value"]), "value")
        assert vars(scaled) == pytest.approx(vars(known))


def test_pairs_cancel_the_luck_they_share() -> None:
    held, rejected, narrower = [], [], []
    for draw in draws(8):
        both = two_methods(draw, gain=0.0)
        found = s.by_sets(s.paired(both, "method", "dm", "random", "value"), "value")
        loose = s.welch(of("dm", both), of("random", both), "value")
        held.append(holds(found, 0.0))
        rejected.append(found.p_value < 0.05)
        narrower.append(found.high - found.low < loose.high - loose.low)
    low, high = limits(0.05)
    assert low <= share(rejected) <= high
    assert held == [not beyond for beyond in rejected]
    assert share(narrower) > 0.99


def test_pairs_find_a_small_effect_under_much_luck() -> None:
    found = [
        s.by_sets(s.paired(two_methods(draw, 1.0), "method", "dm", "random", "value"), "value")
        for draw in draws(9, 200)
    ]
    assert share([one.low > 0 for one in found]) > 0.95


def test_pairs_are_found_by_their_labels() -> None:
    both = two_methods(np.random.default_rng(0), 1.0)
    shuffled = both.sample(frac=1, random_state=0)
    once = s.paired(both, "method", "dm", "random", "value")
    again = s.paired(shuffled, "method", "dm", "random", "value")
    assert s.by_sets(once, "value") == s.by_sets(again, "value")
    alone = both[(both["method"] == "random") | (both["set"] > 1)]
    assert s.paired(alone, "method", "dm", "random", "value")["set"].min() == 2
    with pytest.raises(ValueError, match="'dm' and 'mtt' have no set and network in common"):
        s.paired(both, "method", "dm", "mtt", "value")
    with pytest.raises(ValueError, match="duplicate"):
        s.paired(pd.concat([both, both]), "method", "dm", "random", "value")


def test_welch_is_the_one_of_an_oracle() -> None:
    draw = np.random.default_rng(10)
    one, other = table(draw), table(draw, mean=1.0, of_set=4.0, sets=3)
    oracle = CompareMeans.from_data(s.set_means(one, "value"), s.set_means(other, "value"))
    found = s.welch(one, other, "value")
    assert (found.low, found.high) == pytest.approx(oracle.tconfint_diff(usevar="unequal"))
    assert found.p_value == pytest.approx(oracle.ttest_ind(usevar="unequal")[1])
    assert found.n == 3


def test_welch_holds_the_truth_where_spreads_differ() -> None:
    held = [
        holds(s.welch(table(d, mean=3.0), table(d, of_set=3.0, sets=7), "value"), 1.0)
        for d in draws(11)
    ]
    low, high = limits(0.95)
    assert low <= share(held) <= high


def test_equivalence_is_the_one_of_an_oracle_and_agrees_with_the_bound() -> None:
    one = table(np.random.default_rng(12), mean=0.1)
    oracle = DescrStatsW(s.set_means(one, "value")).ttost_mean(-2.0, 2.0)[0]
    assert s.equivalence(one, "value", 2.0) == pytest.approx(oracle)
    margin = s.bound(one, "value")
    assert s.equivalence(one, "value", margin) == pytest.approx(0.05)
    assert s.upper_bound(one, "value") <= margin


def test_at_most_is_wrong_in_one_of_twenty_studies_at_most() -> None:
    low, high = limits(0.05)
    for bound in (s.bound, s.upper_bound):
        beyond = [bound(table(draw, mean=1.5), "value") < 1.5 for draw in draws(13)]
        assert low <= share(beyond) <= high
    # At the margin itself the tests must not find the effect within it more often.
    found = [s.equivalence(table(draw, mean=1.5), "value", 1.5) < 0.05 for draw in draws(14)]
    assert share(found) <= high


def two_effects(draw: np.random.Generator, true: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """An effect, and the share `true` of it in the same sets, each with noise of its own."""
    other = table(draw, mean=4.0)
    noise = draw.normal(size=len(other))
    return other.assign(value=true * other["value"] + noise), other


def test_a_ratio_is_what_a_t_test_does_not_reject() -> None:
    one, other = two_effects(np.random.default_rng(15), 0.5)
    y, x = s.set_means(one, "value").to_numpy(), s.set_means(other, "value").to_numpy()

    def beyond(r: float) -> float:
        return float(stats.ttest_1samp(y - r * x, 0).pvalue) - 0.05

    found = s.ratio(one, other, "value")
    assert found.low == pytest.approx(brentq(beyond, -20, found.mean), abs=1e-9)
    assert found.high == pytest.approx(brentq(beyond, found.mean, 20), abs=1e-9)


def bootstrap(y: np.ndarray, x: np.ndarray, draw: np.random.Generator) -> tuple[float, float]:
    """The middle 95 percent of ratios of sets drawn again."""
    rows = draw.integers(len(y), size=(999, len(y)))
    low, high = np.quantile(y[rows].mean(1) / x[rows].mean(1), (0.025, 0.975))
    return float(low), float(high)


def test_ratios_hold_the_truth_where_a_bootstrap_of_five_sets_does_not() -> None:
    held, drawn = [], []
    for draw in draws(16):
        one, other = two_effects(draw, 0.5)
        held.append(holds(s.ratio(one, other, "value"), 0.5))
        y, x = s.set_means(one, "value").to_numpy(), s.set_means(other, "value").to_numpy()
        low, high = bootstrap(y, x, draw)
        drawn.append(low <= 0.5 <= high)
    low, high = limits(0.95)
    assert low <= share(held) <= high
    assert share(drawn) < 0.9


def test_a_ratio_to_an_effect_that_may_be_zero_is_open() -> None:
    draw = np.random.default_rng(17)
    found = s.ratio(table(draw), table(draw, mean=0.1), "value")
    assert (found.low, found.high) == (-inf, inf)


def test_a_ratio_to_a_published_number_scales_the_interval() -> None:
    one = table(np.random.default_rng(18))
    found, scaled = s.by_sets(one, "value"), s.ratio(one, 4.0, "value")
    assert (scaled.low, scaled.high) == pytest.approx((found.low / 4, found.high / 4))
    assert scaled.n == found.n


def test_a_summary_has_the_interval_of_each_group() -> None:
    both = two_methods(np.random.default_rng(19), 1.0)
    found = s.summary(both, ["method"], "value").set_index("method")
    expected = s.by_sets(of("dm", both), "value")
    for column in ("mean", "low", "high", "spread", "n", "p_value"):
        assert found.loc["dm", column] == getattr(expected, column)
    assert list(found.index) == ["random", "dm"], "in the order of the table"


def test_decisions_are_those_of_an_oracle() -> None:
    p = np.random.default_rng(20).uniform(size=50) ** 3
    assert s.decided(p.tolist()) == multipletests(p, method="fdr_bh")[0].tolist()
    assert s.decided([]) == []
    assert s.decided([0.03, float("nan")]) == [False, False]


def test_of_the_effects_that_are_decided_few_are_none() -> None:
    """Of 30 nulls and 10 planted effects: false ones are at most 5 percent of all on average."""
    false, found = [], []
    for draw in draws(21, 1000):
        z = draw.normal(size=40) + np.repeat([0.0, 4.0], [30, 10])
        chosen = np.array(s.decided((2 * stats.norm.sf(abs(z))).tolist()))
        false.append(chosen[:30].sum() / max(chosen.sum(), 1))
        found.append(chosen[30:].mean())
    assert np.mean(false) <= 0.05
    assert np.mean(found) > 0.8


@pytest.mark.parametrize("name", ["by_sets", "by_sets_and_networks", "components", "bound"])
def test_nothing_moves_the_table(name: str) -> None:
    one = table(np.random.default_rng(22))
    before = one.copy()
    call: Callable[[pd.DataFrame, str], object] = getattr(s, name)
    call(one, "value")
    pd.testing.assert_frame_equal(one, before)
