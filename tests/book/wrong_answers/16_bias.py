"""Plausible wrong answers to the exercises of chapter 16; every check must turn them down."""

import torch


def wrong_1_agreement(aligned, conflict, labels, colors):
    right = (aligned == labels).float().mean() - (conflict == labels).float().mean()
    return 100 * float(right), 100 * float((aligned == conflict).float().mean())


def wrong_1_not_in_percent(aligned, conflict, labels, colors):
    right = (aligned == labels).float().mean() - (conflict == labels).float().mean()
    return float(right), float((conflict == colors).float().mean())


def wrong_1_every_error_is_the_color(aligned, conflict, labels, colors):
    right = (aligned == labels).float().mean() - (conflict == labels).float().mean()
    return 100 * float(right), 100 * float((conflict != labels).float().mean())


def wrong_1_the_color_among_errors(aligned, conflict, labels, colors):
    right = (aligned == labels).float().mean() - (conflict == labels).float().mean()
    wrong = conflict != labels
    return 100 * float(right), 100 * float((conflict == colors)[wrong].float().mean())


def wrong_2_own_color_by_luck_forgotten(s, n, k):
    return n * (1 - s), s**n


def wrong_2_the_other_group(s, n, k):
    own = s + (1 - s) / k
    return n * own, (1 - own) ** n


def wrong_2_at_least_one(s, n, k):
    own = s + (1 - s) / k
    return n * (1 - own), 1 - own**n


def wrong_3_inverse_count(labels, colors):
    pair = labels * 1000 + colors
    counts = (pair[:, None] == pair).sum(1)
    return 1 / counts.float()


def wrong_3_colors_alone(labels, colors):
    counts = (colors[:, None] == colors).sum(1).float()
    return len(colors) / len(colors.unique()) / counts


def wrong_3_groups_that_could_be(labels, colors):
    pair = labels * 1000 + colors
    counts = (pair[:, None] == pair).sum(1).float()
    return len(labels) / (len(labels.unique()) * len(colors.unique())) / counts


def wrong_3_count_instead(labels, colors):
    pair = labels * 1000 + colors
    counts = (pair[:, None] == pair).sum(1).float()
    return counts / counts.mean() * torch.ones(len(labels))
