"""Plausible wrong answers to the exercises of chapter 08; every check must turn them down."""

from math import ceil
from statistics import fmean, stdev


def wrong_1_labels_are_free(ipc, shape, classes):
    return ipc


def wrong_1_rounds_up(ipc, shape, classes):
    c, h, w = shape
    return ceil(ipc * c * h * w / (c * h * w + classes))


def wrong_1_one_number_for_each_label(ipc, shape, classes):
    c, h, w = shape
    return ipc * c * h * w // (c * h * w + 1)


def wrong_1_all_classes(ipc, shape, classes):
    c, h, w = shape
    return classes * ipc * c * h * w // (c * h * w + classes)


def wrong_2_takes_the_best(points):
    return {max(points, key=lambda name: points[name][1])}


def wrong_2_fastest_and_best(points):
    return {max(points, key=lambda n: points[n][1]), min(points, key=lambda n: points[n][0])}


def wrong_2_strict_in_both(points):
    return {
        n for n, (t, a) in points.items() if not any(s < t and b > a for s, b in points.values())
    }


def wrong_2_drops_twins(points):
    return {
        n
        for n, (t, a) in points.items()
        if not any(s <= t and b >= a for m, (s, b) in points.items() if m != n)
    }


def flat(method):
    return [x for one in method for x in one]


def wrong_3_all_networks(one, other):
    both = [flat(one), flat(other)]
    error = sum(stdev(m) ** 2 / len(m) for m in both) ** 0.5
    return fmean(both[0]) - fmean(both[1]), error


def wrong_3_no_root(one, other):
    means = [[fmean(s) for s in m] for m in (one, other)]
    return fmean(means[0]) - fmean(means[1]), sum(stdev(m) ** 2 / len(m) for m in means)


def wrong_3_spread_not_error(one, other):
    means = [[fmean(s) for s in m] for m in (one, other)]
    return fmean(means[0]) - fmean(means[1]), sum(stdev(m) ** 2 for m in means) ** 0.5


def wrong_3_sign(one, other):
    means = [[fmean(s) for s in m] for m in (one, other)]
    error = sum(stdev(m) ** 2 / len(m) for m in means) ** 0.5
    return fmean(means[1]) - fmean(means[0]), error
