"""Plausible wrong answers to the exercises of chapter 11; every check must turn them down."""

import torch


def often(a, k):
    return (a == k).float().mean()


def chance(a, b):
    return sum(often(a, k) * often(b, k) for k in range(int(max(a.max(), b.max())) + 1))


def wrong_1_agreement(a, b):
    return (a == b).float().mean()


def wrong_1_not_divided(a, b):
    return (a == b).float().mean() - chance(a, b)


def wrong_1_equal_classes(a, b):
    k = int(max(a.max(), b.max())) + 1
    return ((a == b).float().mean() - 1 / k) / (1 - 1 / k)


def wrong_1_chance_of_one_network(a, b):
    return ((a == b).float().mean() - chance(a, a)) / (1 - chance(a, a))


def wrong_2_first_that_is_high_enough(curve, target, within):
    stop = next((i for i, a in enumerate(curve) if a >= target), None)
    return stop if stop is not None and curve[stop] - target <= within else None


def wrong_2_never_none(curve, target, within):
    return min(range(len(curve)), key=lambda i: abs(curve[i] - target))


def wrong_2_limit_left_out(curve, target, within):
    stop = min(range(len(curve)), key=lambda i: abs(curve[i] - target))
    return stop if abs(curve[stop] - target) < within else None


def wrong_2_zero_is_none(curve, target, within):
    stop = min(range(len(curve)), key=lambda i: abs(curve[i] - target))
    return (stop or None) if abs(curve[stop] - target) <= within else None


def left_out(table):
    rows = torch.arange(len(table))
    return torch.stack([table[rows != i].nanmean() for i in range(len(table))])


def wrong_3_pairs(table):
    known = table[table.isfinite()]
    return known.std() / len(known) ** 0.5


def wrong_3_spread_of_what_is_left(table):
    return left_out(table).std()


def wrong_3_gaps_not_skipped(table):
    return table.mean(1).std() / len(table) ** 0.5


def wrong_3_rows_count_the_same(table):
    return table.nanmean(1).std() / len(table) ** 0.5
