"""Plausible wrong answers to the exercises of chapter 20; every check must turn them down."""

import ddlib


def wrong_1_no_ties(members, others):
    return (members[:, None] > others).float().mean()


def wrong_1_ties_count_whole(members, others):
    return (members[:, None] >= others).float().mean()


def wrong_1_turned(members, others):
    above = (members[:, None] < others).float()
    return (above + (members[:, None] == others).float() / 2).mean()


def wrong_1_number_of_pairs(members, others):
    return (members[:, None] > others).float().sum()


def wrong_2_found_alone(found, mistaken, base):
    return found


def wrong_2_no_base_rate(found, mistaken, base):
    return found / (found + mistaken) if found + mistaken else 0


def wrong_2_the_others_at_full_number(found, mistaken, base):
    named = found * base + mistaken
    return found * base / named if named else 0


def made_by(method, data, classes):
    one = ddlib.distill(data, method)
    return {c: one.images[one.labels == c] for c in classes}


def wrong_3_photographs(data, classes, ipc):
    return made_by(ddlib.RandomSelection(ipc=ipc), data, classes)


def wrong_3_all_classes(data, classes, ipc):
    method = ddlib.DistributionMatching(ipc=ipc, steps=3, network="convnet-tiny")
    return made_by(method, data, range(5))


def wrong_3_classes_exchanged(data, classes, ipc):
    method = ddlib.DistributionMatching(ipc=ipc, steps=3, network="convnet-tiny")
    found = made_by(method, data, classes)
    return dict(zip(found, reversed(found.values()), strict=True))


def wrong_3_networks_that_learn_all_classes(data, classes, ipc):
    method = ddlib.GradientMatching(ipc=ipc, steps=4, outer=4, network="convnet-tiny")
    return made_by(method, data, classes)
