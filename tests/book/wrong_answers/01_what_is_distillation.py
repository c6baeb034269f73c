"""Plausible wrong answers to the exercises of chapter 01; every check must turn them down."""

import math

import torch


def wrong_1_one_class(classes, ipc, shape, n_real):
    return ipc * math.prod(shape), n_real / ipc


def wrong_1_no_channels(classes, ipc, shape, n_real):
    return classes * ipc * math.prod(shape[1:]), n_real / (classes * ipc)


def wrong_1_upside_down(classes, ipc, shape, n_real):
    return classes * ipc * math.prod(shape), classes * ipc / n_real


def wrong_1_whole_ratio(classes, ipc, shape, n_real):
    return classes * ipc * math.prod(shape), n_real // (classes * ipc)


def wrong_2_not_balanced(labels, ipc, draws):
    classes = int(labels.max()) + 1
    return torch.randperm(len(labels), generator=draws)[: classes * ipc]


def wrong_2_with_replacement(labels, ipc, draws):
    picks = []
    for c in range(int(labels.max()) + 1):
        own = (labels == c).nonzero()[:, 0]
        picks.append(own[torch.randint(len(own), (ipc,), generator=draws)])
    return torch.cat(picks)


def wrong_2_the_first_ones(labels, ipc, draws):
    return labels.argsort(stable=True)[
        torch.cat([(labels.sort().values == c).nonzero()[:ipc, 0] for c in labels.unique()])
    ]


def wrong_2_own_randomness(labels, ipc, draws):
    picks = []
    for c in range(int(labels.max()) + 1):
        own = (labels == c).nonzero()[:, 0]
        picks.append(own[torch.randperm(len(own))[:ipc]])
    return torch.cat(picks)


def wrong_2_shuffled_first_ones(labels, ipc, draws):
    picks = []
    for c in range(int(labels.max()) + 1):
        own = (labels == c).nonzero()[: max(ipc, 10), 0]
        picks.append(own[torch.randperm(len(own), generator=draws)[:ipc]])
    return torch.cat(picks)


def wrong_2_not_sorted_by_class(labels, ipc, draws):
    order = torch.randperm(len(labels), generator=draws)
    member = torch.nn.functional.one_hot(labels[order])
    place = (member.cumsum(0) * member).sum(1)
    return order[place <= ipc]


def wrong_3_population(table):
    within = table.var(1, correction=0).mean().sqrt()
    return table.mean(), within, table.mean(1).std(correction=0)


def wrong_3_population_between(table):
    return table.mean(), table.var(1).mean().sqrt(), table.mean(1).std(correction=0)


def wrong_3_whole_table(table):
    return table.mean(), table.std(), table.mean(1).std()


def wrong_3_mean_deviation(table):
    return table.mean(), table.std(1).mean(), table.mean(1).std()


def wrong_3_error_of_the_mean(table):
    between = table.mean(1).std() / len(table) ** 0.5
    return table.mean(), table.var(1).mean().sqrt(), between


def wrong_3_columns(table):
    return table.mean(), table.var(0).mean().sqrt(), table.mean(0).std()
