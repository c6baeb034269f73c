"""Plausible wrong answers to the exercises of chapter 17; every check must turn them down."""

from itertools import combinations, permutations, product
from statistics import fmean


def wrong_1_points(runs, random, ceiling):
    return fmean(runs) - fmean(random) if fmean(ceiling) > fmean(random) else None


def wrong_1_of_the_ceiling(runs, random, ceiling):
    a, low, top = map(fmean, (runs, random, ceiling))
    return 100 * (a - low) / top if top > low else None


def wrong_1_not_in_percent(runs, random, ceiling):
    a, low, top = map(fmean, (runs, random, ceiling))
    return (a - low) / (top - low) if top > low else None


def wrong_1_no_room(runs, random, ceiling):
    a, low, top = map(fmean, (runs, random, ceiling))
    return 100 * (a - low) / ((top - low) or 1e-9)


def wrong_1_cut_at_zero(runs, random, ceiling):
    a, low, top = map(fmean, (runs, random, ceiling))
    return max(0.0, 100 * (a - low) / (top - low)) if top > low else None


def taus(orders, n):
    pairs = list(combinations(range(n), 2))
    return [sum(1 if o[i] < o[j] else -1 for i, j in pairs) / len(pairs) for o in orders]


def wrong_2_strictly_more(value, n):
    return fmean(t > value + 1e-9 for t in taus(permutations(range(n)), n))


def wrong_2_two_sided(value, n):
    return fmean(abs(t) >= abs(value) - 1e-9 for t in taus(permutations(range(n)), n))


def wrong_2_with_repeats(value, n):
    return fmean(t >= value - 1e-9 for t in taus(product(range(n), repeat=n), n))


def wrong_3_mean_twice(y):
    return y - y.mean(1, keepdim=True) - y.mean(0)


def wrong_3_rows_only(y):
    return y - y.mean(1, keepdim=True)


def wrong_3_sign(y):
    return y.mean(1, keepdim=True) + y.mean(0) - y.mean() - y


def wrong_3_parts_instead(y):
    return y - y.mean()
