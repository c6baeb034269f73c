"""Plausible wrong answers to the exercises of chapter 12; every check must turn them down."""

import torch


def wrong_1_above(curve, test):
    for recognized, accuracy in zip(curve, test, strict=True):
        if recognized > 95:
            return test[-1] - accuracy
    return 0


def wrong_1_sign(curve, test):
    for recognized, accuracy in zip(curve, test, strict=True):
        if recognized >= 95:
            return accuracy - test[-1]
    return 0


def wrong_1_accuracy_itself(curve, test):
    return next((t for c, t in zip(curve, test, strict=True) if c >= 95), 0)


def wrong_1_never_is_all(curve, test):
    reached = next((t for c, t in zip(curve, test, strict=True) if c >= 95), test[0])
    return test[-1] - reached


def wrong_2_first_right(right, steps):
    first = torch.tensor(steps).float()[right.int().argmax(0)]
    return first.where(right.any(0), float("inf"))


def wrong_2_never_wrong_again(right, steps):
    kept = right.flip(0).int().cumprod(0).flip(0)
    return torch.tensor(steps).float()[kept.argmax(0)].where(kept.any(0), float("inf"))


def wrong_2_half(right, steps):
    first = torch.full(right.shape[1:], float("inf"))
    for i in reversed(range(len(steps))):
        first[right[i] & (right[i:].float().mean(0) >= 0.5)] = steps[i]
    return first


def wrong_2_need_not_be_right_itself(right, steps):
    first = torch.full(right.shape[1:], float("inf"))
    for i in reversed(range(len(steps))):
        first[right[i:].float().mean(0) > 0.5] = steps[i]
    return first


def wrong_3_values(one, two):
    return torch.corrcoef(torch.stack([one, two]))[0, 1]


def wrong_3_no_ties(one, two):
    ranks = [x.argsort(stable=True).argsort().float() for x in (one, two)]
    return torch.corrcoef(torch.stack(ranks))[0, 1]


def wrong_3_order_for_rank(one, two):
    return torch.corrcoef(torch.stack([x.argsort().float() for x in (one, two)]))[0, 1]


def wrong_3_lowest_rank(one, two):
    ranks = [(x[:, None] > x).sum(1).float() for x in (one, two)]
    return 1 - (ranks[0] - ranks[1]).square().sum() * 6 / (len(one) * (len(one) ** 2 - 1))
