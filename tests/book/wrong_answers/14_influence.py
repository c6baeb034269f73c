"""Plausible wrong answers to the exercises of chapter 14; every check must turn them down."""

import torch


def wrong_1_sign(with_all, without):
    change = with_all - without
    return change / change.std(0)


def wrong_1_over_test_images(with_all, without):
    change = without - with_all
    return change / change.std(1, keepdim=True)


def wrong_1_raw(with_all, without):
    return without - with_all


def table(a, b):
    return torch.corrcoef(torch.cat([a, b]))[: len(a), len(a) :]


def wrong_2_null_with_the_same_image(a, b):
    return table(a, b).diag().mean(), table(a, b).mean()


def wrong_2_null_in_one_network(a, b):
    n = len(a)
    return table(a, b).diag().mean(), (torch.corrcoef(a).sum() - n) / (n * (n - 1))


def wrong_2_columns(a, b):
    found = torch.corrcoef(torch.cat([a.T, b.T]))[: a.shape[1], a.shape[1] :]
    n = len(found)
    return found.diag().mean(), (found.sum() - found.diag().sum()) / (n * (n - 1))


def fitted(x, y, penalty):
    a = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    inverse = torch.linalg.inv(a)
    return y - x @ (inverse @ (x.T @ y)), ((x @ inverse) * x).sum(1)


def wrong_3_seen(x, y, penalty):
    return fitted(x, y, penalty)[0]


def wrong_3_first_order(x, y, penalty):
    errors, leverage = fitted(x, y, penalty)
    return errors * (1 + leverage)


def wrong_3_no_penalty(x, y, penalty):
    errors, leverage = fitted(x, y, 0.0)
    return errors / (1 - leverage)
