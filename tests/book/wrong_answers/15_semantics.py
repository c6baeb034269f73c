"""Plausible wrong answers to the exercises of chapter 15; every check must turn them down."""

import torch


def wrong_1_can_be_zero(value, null):
    return (torch.as_tensor(null) >= value).double().mean()


def wrong_1_ties_do_not_count(value, null):
    null = torch.as_tensor(null)
    return (1 + (null > value).sum()) / (1 + len(null))


def wrong_1_other_tail(value, null):
    null = torch.as_tensor(null)
    return (1 + (null <= value).sum()) / (1 + len(null))


def wrong_1_both_tails(value, null):
    null = torch.as_tensor(null)
    return (1 + (null.abs() >= abs(value)).sum()) / (1 + len(null))


def wrong_2_targets_only(effect):
    return effect - effect.mean(0)


def wrong_2_images_only(effect):
    return effect - effect.mean(1, keepdim=True)


def wrong_2_mean_taken_off_twice(effect):
    return effect - effect.mean(0) - effect.mean(1, keepdim=True)


def wrong_2_all_mean(effect):
    return effect - effect.mean()


def wrong_2_scaled_as_well(effect):
    effect = effect - effect.mean(0) - effect.mean(1, keepdim=True) + effect.mean()
    return effect / effect.std()


def wrong_3_across_classes(labels, draws):
    return torch.randperm(len(labels), generator=draws)


def wrong_3_nothing_moves(labels, draws):
    return torch.arange(len(labels))


def wrong_3_with_repetition(labels, draws):
    order = torch.arange(len(labels))
    for c in labels.unique():
        rows = (labels == c).nonzero()[:, 0]
        order[rows] = rows[torch.randint(len(rows), (len(rows),), generator=draws)]
    return order


def wrong_3_always_to_the_neighbor(labels, draws):
    order = torch.arange(len(labels))
    for c in labels.unique():
        rows = (labels == c).nonzero()[:, 0]
        order[rows] = rows.roll(1)
    return order


def wrong_3_as_if_sorted(labels, draws):
    parts = [(labels == c).nonzero()[:, 0] for c in labels.unique()]
    return torch.cat([rows[torch.randperm(len(rows), generator=draws)] for rows in parts])
