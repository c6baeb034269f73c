"""What a tidy table shows: means with intervals that count sets, contrasts, bounds, decisions.

A table has one row a cell: the columns `set` and `network` say whose value it is, further columns
what was done. A set is made once and several networks are trained on it, so that these networks
share the luck of their set. Therefore the mean of a set over its networks is one observation, and
n is the number of sets. Rows without a value (NaN: nothing could be measured) do not count.

The intervals come from Student's t: they hold the true mean in 95 of 100 studies if the means of
sets are about normal. `by_sets` takes the networks as they are. Where every set meets the *same*
networks, their luck stays in the mean however many sets there are; `by_sets_and_networks` counts
it, and `estimate` takes the one of the two that a table asks for. In a contrast (`paired`) of two
methods in the same networks that luck cancels.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
SET, NETWORK = "set", "network"


@dataclass(frozen=True)
class Interval:
    """A mean, the interval that holds the true one, and what tells it apart from zero."""

    mean: float
    low: float
    high: float
    spread: float  # standard deviation over what n counts
    n: int
    p_value: float  # of a mean of zero, two-sided

    def scaled(self, factor: float) -> "Interval":
        """Of so many times the value."""
        low, high = sorted((factor * self.low, factor * self.high))
        spread = abs(factor) * self.spread
        return Interval(factor * self.mean, low, high, spread, self.n, self.p_value)

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}], n = {self.n}"


@dataclass(frozen=True)
class Components:
    """Variances of one value: between sets, between networks, and of what neither explains."""

    set: float
    network: float
    rest: float


def set_means(table: pd.DataFrame, value: str) -> pd.Series:
    """The mean of each set over its networks: one observation a set.

    >>> table = pd.DataFrame({"set": [0, 0, 1, 1], "accuracy": [40.0, 42.0, 43.0, 45.0]})
    >>> set_means(table, "accuracy").tolist()
    [41.0, 44.0]
    """
    return table.dropna(subset=[value]).groupby(SET)[value].mean()


def by_sets(table: pd.DataFrame, value: str, confidence: float = CONFIDENCE) -> Interval:
    """The mean over sets, with Student's interval: mean ± t(n - 1) · spread / sqrt(n), n sets.

    One set alone has a mean and no interval (NaN).

    >>> table = pd.DataFrame({"set": [0, 0, 1, 1, 2, 2], "network": [0, 1] * 3,
    ...                       "gain": [1.0, 3.0, 2.0, 4.0, 3.0, 5.0]})
    >>> print(by_sets(table, "gain"))  # set means 2, 3, 4: 3 ± 4.303 / sqrt(3)
    3 [0.516, 5.48], n = 3
    """
    means = set_means(table, value)
    if len(means) < 2:
        return Interval(float(means.mean()), nan, nan, nan, len(means), nan)
    error = float(means.std()) / sqrt(len(means))
    return _around(means, error, len(means) - 1, confidence)


def _around(means: pd.Series, error: float, freedom: float | int, confidence: float) -> Interval:
    """Student's interval of the mean of `means`, whose standard error is `error`."""
    mean, spread, n = float(means.mean()), float(means.std()), len(means)
    if error == 0:  # no variation at all: the mean is what it is
        return Interval(mean, mean, mean, spread, n, float(mean == 0))
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    p_value = 2 * float(stats.t.sf(abs(mean) / error, freedom))
    return Interval(mean, mean - half, mean + half, spread, n, p_value)


def components(table: pd.DataFrame, value: str) -> Components:
    """Variance components of sets met by the same networks: y = mean + set + network + rest.

    Estimated from the mean squares of the two-way analysis of variance: with s sets and n networks

        rest = MS_rest, set = (MS_set - MS_rest) / n, network = (MS_network - MS_rest) / s,

    where an estimate below zero counts as zero. Every set needs every network, else ValueError.

    >>> table = pd.DataFrame({"set": [0, 0, 1, 1], "network": [0, 1, 0, 1],
    ...                       "accuracy": [40.0, 42.0, 44.0, 46.0]})
    >>> components(table, "accuracy")  # rows differ by 4, columns by 2, and nothing is left
    Components(set=8.0, network=2.0, rest=0.0)
    """
    (s, n), (of_sets, of_networks, rest) = _mean_squares(table, value)
    return Components(max(of_sets - rest, 0) / n, max(of_networks - rest, 0) / s, rest)


def _mean_squares(
    table: pd.DataFrame, value: str
) -> tuple[tuple[int, int], tuple[float, float, float]]:
    """The mean squares of sets, of networks and of the rest, and how many sets and networks."""
    wide = table.pivot(index=SET, columns=NETWORK, values=value)
    y = wide.to_numpy(float)
    (s, n), known = y.shape, int(np.isfinite(y).sum())
    if min(s, n) < 2 or known < s * n:
        raise ValueError(
            f"components need every network on every set and two or more of each; found {s} sets, "
            f"{n} networks and {known} values. Use by_sets otherwise"
        )
    of_sets, of_networks = y.mean(1, keepdims=True), y.mean(0, keepdims=True)
    rest = y - of_sets - of_networks + y.mean()
    return (s, n), (
        n * float(of_sets.var(ddof=1)),
        s * float(of_networks.var(ddof=1)),
        float(np.square(rest).sum()) / ((s - 1) * (n - 1)),
    )


def by_sets_and_networks(
    table: pd.DataFrame, value: str, confidence: float = CONFIDENCE
) -> Interval:
    """The mean over sets and networks that both stand for more of their kind.

    Its variance is set / s + network / n + rest / (s n) with the `components`, a sum of mean
    squares whose degrees of freedom are Satterthwaite's (Biometrics Bulletin 2, 1946). The n of
    the interval counts sets.
    """
    (s, n), (of_sets, of_networks, rest) = _mean_squares(table, value)
    parts = [(of_sets, s - 1, of_sets > rest), (of_networks, n - 1, of_networks > rest)]
    kept = [(square, freedom) for square, freedom, above in parts if above]
    # Each part above the rest holds the rest once; it must be counted once in all.
    kept.append((rest * (1 - len(kept)), (s - 1) * (n - 1)))
    total = sum(square for square, _ in kept)
    curved = sum(square**2 / freedom for square, freedom in kept)
    freedom = total**2 / curved if curved else 1.0
    return _around(set_means(table, value), sqrt(total / (s * n)), freedom, confidence)


def estimate(table: pd.DataFrame, value: str, confidence: float = CONFIDENCE) -> Interval:
    """The mean over sets, and over networks as well where every set meets the same ones.

    >>> table = pd.DataFrame({"set": [0, 0, 1, 1], "network": [0, 1, 2, 3],
    ...                       "gain": [1.0, 3.0, 2.0, 4.0]})
    >>> estimate(table, "gain") == by_sets(table, "gain")  # each set has networks of its own
    True
    """
    known = table.dropna(subset=[value])
    if NETWORK not in known or known[NETWORK].isna().any():
        return by_sets(table, value, confidence)
    sets, networks = known[SET].nunique(), known[NETWORK].nunique()
    once = len(known) == sets * networks and not known.duplicated([SET, NETWORK]).any()
    crossed = once and min(sets, networks) > 1
    return (by_sets_and_networks if crossed else by_sets)(table, value, confidence)


def paired(
    table: pd.DataFrame,
    column: str,
    one: object,
    other: object,
    value: str,
    by: Sequence[str] = (SET, NETWORK),
) -> pd.DataFrame:
    """`value` where `column` is `one`, less the same where it is `other`: pair by pair, as a table.

    Partners agree in the columns `by`; a row without a partner is left out. The result has these
    columns and `value`, so that it goes into `by_sets` like any other table.

    >>> table = pd.DataFrame({"method": ["dm", "dm", "random", "random"], "set": [0, 1, 0, 1],
    ...                       "network": 0, "accuracy": [45.0, 44.0, 30.0, 31.0]})
    >>> paired(table, "method", "dm", "random", "accuracy")["accuracy"].tolist()
    [15.0, 13.0]
    """
    both = table[table[column].isin([one, other])]
    wide = both.pivot(index=list(by), columns=column, values=value).reindex(columns=[one, other])
    found = (wide[one] - wide[other]).dropna()
    if found.empty:
        raise ValueError(f"{one!r} and {other!r} have no {' and '.join(by)} in common")
    return found.rename(value).reset_index()


def welch(
    one: pd.DataFrame, other: pd.DataFrame, value: str, confidence: float = CONFIDENCE
) -> Interval:
    """`one` less `other` where sets have no partners: Welch's interval over means of sets.

    The smaller number of sets is n, and the spread is that of a difference of two sets.
    """
    a, b = set_means(one, value), set_means(other, value)
    n, mean = min(len(a), len(b)), float(a.mean() - b.mean())
    if n < 2:
        return Interval(mean, nan, nan, nan, n, nan)
    test = stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(confidence)
    spread = float(np.hypot(a.std(), b.std()))
    return Interval(mean, float(low), float(high), spread, n, float(test.pvalue))


def bound(
    table: pd.DataFrame,
    value: str,
    confidence: float = CONFIDENCE,
    interval: Callable[[pd.DataFrame, str, float], Interval] = by_sets,
) -> float:
    """The smallest margin m for which two one-sided tests find -m < mean < m.

    So a null is reported as "at most m in size". It is the end farther from zero of the `interval`
    of confidence 1 - 2 (1 - confidence): for 0.95 the one of 90 percent.

    >>> table = pd.DataFrame({"set": [0, 1, 2], "gain": [-0.01, 0.0, 0.01]})
    >>> round(bound(table, "gain"), 4)  # 2.920 * 0.01 / sqrt(3)
    0.0169
    """
    inner = interval(table, value, 2 * confidence - 1)
    return max(abs(inner.low), abs(inner.high))


def upper_bound(table: pd.DataFrame, value: str, confidence: float = CONFIDENCE) -> float:
    """What the mean is at most, with this confidence, where only one direction is of interest.

    >>> table = pd.DataFrame({"set": [0, 1, 2], "gain": [-0.02, -0.01, 0.0]})
    >>> round(upper_bound(table, "gain"), 4)
    0.0069
    """
    return by_sets(table, value, 2 * confidence - 1).high


def equivalence(table: pd.DataFrame, value: str, margin: float) -> float:
    """The p-value of two one-sided t tests over sets: small if -margin < mean < margin.

    The larger of the two counts (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).
    """
    means = set_means(table, value)
    above = stats.ttest_1samp(means, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(means, margin, alternative="less").pvalue
    return float(max(above, below))


def ratio(
    one: pd.DataFrame, other: pd.DataFrame | float, value: str, confidence: float = CONFIDENCE
) -> Interval:
    """How large the effect `one` is as a share of `other`: of an effect of the same sets.

    `other` may be a number, say a published one: it counts as exact, and the interval is scaled.

    The interval is Fieller's (J. R. Stat. Soc. B 16, 1954): all r for which a t test over sets does
    not reject that the mean of `one - r · other` is zero. It is exact for normal means, where a
    bootstrap of five sets is too narrow, and it does not hide a weak denominator: where `other` is
    not told apart from zero both ends are infinite. The p-value is that of a ratio of zero, and the
    spread of a ratio is left open (NaN).

    >>> one = pd.DataFrame({"set": [0, 1, 2], "gain": [4.0, 5.0, 6.0]})
    >>> other = pd.DataFrame({"set": [0, 1, 2], "gain": [10.0, 10.0, 10.0]})
    >>> print(ratio(one, other, "gain"))  # a tenth of 5 ± 4.303 / sqrt(3)
    0.5 [0.252, 0.748], n = 3
    """
    if not isinstance(other, pd.DataFrame):
        return by_sets(one, value, confidence).scaled(1 / other)
    both = pd.concat([set_means(one, value), set_means(other, value)], axis=1, join="inner")
    y, x = both.to_numpy(float).T
    n, mean = len(y), float(y.mean() / x.mean())
    if n < 2:
        return Interval(mean, nan, nan, nan, n, nan)
    low, high = _fieller(y.mean(), x.mean(), np.cov(y, x) / n, n - 1, confidence)
    return Interval(mean, low, high, nan, n, float(stats.ttest_1samp(y, 0).pvalue))


def _fieller(
    y: float, x: float, covariance: np.ndarray, freedom: int, confidence: float
) -> tuple[float, float]:
    """The roots r of (y - r x)² = t² (S_yy - 2 r S_xy + r² S_xx); infinite if x may be zero."""
    t = stats.t.ppf((1 + confidence) / 2, freedom)
    (s_yy, s_xy), (_, s_xx) = t**2 * covariance
    a, b, c = x**2 - s_xx, x * y - s_xy, y**2 - s_yy
    if a <= 0:
        return -inf, inf
    root = sqrt(max(b**2 - a * c, 0))  # below zero only by rounding
    return float((b - root) / a), float((b + root) / a)


def summary(
    table: pd.DataFrame, by: Sequence[str], value: str, confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """One row for each group of the columns `by`: mean, low, high, spread, n and p_value.

    >>> table = pd.DataFrame({"method": ["dm", "dm", "random", "random"], "set": [0, 1, 0, 1],
    ...                       "network": 0, "accuracy": [45.0, 44.0, 30.0, 31.0]})
    >>> summary(table, ["method"], "accuracy")[["method", "mean", "n"]].values.tolist()
    [['dm', 44.5, 2], ['random', 30.5, 2]]
    """
    groups = table.groupby(list(by), sort=False)
    rows = [
        dict(zip(by, labels, strict=True)) | asdict(by_sets(group, value, confidence))
        for labels, group in groups
    ]
    return pd.DataFrame(rows)


def decided(p_values: Sequence[float], rate: float = 0.05) -> list[bool]:
    """Which effects are told apart from zero if at most the share `rate` of these may be false.

    Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995): the largest k for which k of the p-values
    are at most rate · k / m. A p-value of NaN, of one set alone, decides nothing and counts in m.

    >>> decided([0.01, 0.02, 0.03, 0.9])  # 0.03 ≤ 0.05 · 3 / 4
    [True, True, True, False]
    """
    p = np.nan_to_num(np.asarray(p_values, float), nan=1.0)
    return (stats.false_discovery_control(p) <= rate).tolist() if len(p) else []
