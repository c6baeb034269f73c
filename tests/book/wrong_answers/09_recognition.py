"""Plausible wrong answers to the exercises of chapter 09; every check must turn them down."""

import torch


def wrong_1_own_class_among_the_others(logits, labels):
    return logits.gather(1, labels[:, None])[:, 0] - logits.max(1).values


def wrong_1_mean_of_others(logits, labels):
    true = logits.gather(1, labels[:, None])[:, 0]
    return true - (logits.sum(1) - true) / (logits.shape[1] - 1)


def wrong_1_mean_over_images(logits, labels):
    true = logits.gather(1, labels[:, None])[:, 0]
    return (true - logits.scatter(1, labels[:, None], -torch.inf).max(1).values).mean()


def wrong_1_in_place(logits, labels):
    true = logits.gather(1, labels[:, None])[:, 0]
    logits.scatter_(1, labels[:, None], -torch.inf)
    return true - logits.max(1).values


def wrong_1_reversed(logits, labels):
    true = logits.gather(1, labels[:, None])[:, 0]
    return logits.scatter(1, labels[:, None], -torch.inf).max(1).values - true


def wrong_2_as_printed(chart, printed, filled):
    return dict(chart)


def wrong_2_inverse(chart, printed, filled):
    return {name: chart.get(true) for name, true in zip(printed, filled, strict=True)}


def wrong_2_by_place(chart, printed, filled):
    return dict(zip(filled, chart.values(), strict=True))


def wrong_3_textbook(k, n):
    p = k / n
    reach = 1.96 * (p * (1 - p) / n) ** 0.5
    return p - reach, p + reach


def wrong_3_no_scale(k, n):
    p, z = k / n, 1.96
    middle = p + z**2 / (2 * n)
    reach = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return middle - reach, middle + reach


def wrong_3_upside_down(k, n):
    p, z = k / n, 1.96
    middle = p + z**2 / (2 * n)
    reach = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return (middle + reach) / (1 + z**2 / n), (middle - reach) / (1 + z**2 / n)


def wrong_3_one_sided(k, n):
    p, z = k / n, 1.645
    middle = p + z**2 / (2 * n)
    reach = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)
