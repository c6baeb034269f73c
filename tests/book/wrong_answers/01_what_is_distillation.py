"""Plausible wrong answers to the exercises of chapter 1; every check must turn them down."""

import torch

import ddlib


def scores(real, method, drawn, judge):
    made = ddlib.distill(real, method, seed=drawn)
    return ddlib.evaluate(made, real, nets=1, seed=judge).mean


def wrong_1_other_budget(real, method, seeds):
    chosen = ddlib.RandomSelection(ipc=1)
    return [scores(real, method, s, s) - scores(real, chosen, s, s) for s in seeds]


def wrong_1_turned_around(real, method, seeds):
    chosen = ddlib.RandomSelection(ipc=method.ipc)
    return [scores(real, chosen, s, s) - scores(real, method, s, s) for s in seeds]


def wrong_1_one_draw(real, method, seeds):
    chosen = ddlib.RandomSelection(ipc=method.ipc)
    return [scores(real, method, s, s) - scores(real, chosen, 0, s) for s in seeds]


def wrong_1_same_network(real, method, seeds):
    chosen = ddlib.RandomSelection(ipc=method.ipc)
    return [scores(real, method, s, 0) - scores(real, chosen, s, 0) for s in seeds]


def wrong_1_network_of_the_chapter(real, method, seeds):
    def judged(method, seed):
        made = ddlib.distill(real, method, seed=seed)
        judge = "convnet-half"  # of the profile `fast`
        return ddlib.evaluate(made, real, nets=1, seed=seed, network=judge).mean

    chosen = ddlib.RandomSelection(ipc=method.ipc)
    return [judged(method, s) - judged(chosen, s) for s in seeds]


def wrong_1_mean_only(real, method, seeds):
    chosen = ddlib.RandomSelection(ipc=method.ipc)
    found = [scores(real, method, s, s) - scores(real, chosen, s, s) for s in seeds]
    return sum(found) / len(found)


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
