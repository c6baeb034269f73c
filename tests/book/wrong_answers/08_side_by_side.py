"""Plausible wrong answers to the exercises of chapter 8; every check must turn them down."""

from statistics import fmean, stdev

import ddlib


def scores(real, method, seeds, network, judges=None):
    judges = seeds if judges is None else judges
    return [
        ddlib.evaluate(
            ddlib.distill(real, method, seed=s), real, nets=1, seed=j, network=network
        ).mean
        for s, j in zip(seeds, judges, strict=True)
    ]


def differences(real, one, other, seeds, network, judges=None):
    pairs = (scores(real, m, seeds, network, judges) for m in (one, other))
    return [a - b for a, b in zip(*pairs, strict=True)]


def wrong_1_spread(real, one, other, seeds, network):
    apart = differences(real, one, other, seeds, network)
    return fmean(apart), stdev(apart)


def wrong_1_turned_around(real, one, other, seeds, network):
    apart = differences(real, other, one, seeds, network)
    return fmean(apart), stdev(apart) / len(apart) ** 0.5


def wrong_1_same_network(real, one, other, seeds, network):
    apart = differences(real, one, other, seeds, network, [0] * len(seeds))
    return fmean(apart), stdev(apart) / len(apart) ** 0.5


def wrong_1_not_paired(real, one, other, seeds, network):
    both = [scores(real, m, seeds, network) for m in (one, other)]
    error = sum(stdev(b) ** 2 / len(b) for b in both) ** 0.5
    return fmean(both[0]) - fmean(both[1]), error


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
