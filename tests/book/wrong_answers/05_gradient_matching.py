"""Plausible wrong answers to the exercises of chapter 06; every check must turn them down."""

import torch


def wrong_1_distance(g, h):
    return 1 - torch.cosine_similarity(g.flatten(1), h.flatten(1), dim=1).mean()


def wrong_1_whole_tensor(g, h):
    return torch.cosine_similarity(g.flatten(), h.flatten(), dim=0)


def wrong_1_sum(g, h):
    return torch.cosine_similarity(g.flatten(1), h.flatten(1), dim=1).sum()


def wrong_1_divides_by_zero(g, h):
    g, h = g.flatten(1), h.flatten(1)
    return ((g * h).sum(1) / (g.norm(dim=1) * h.norm(dim=1))).mean()


def wrong_1_leaves_out_zeros(g, h):
    g, h = g.flatten(1), h.flatten(1)
    rows = g.norm(dim=1) > 0
    return torch.cosine_similarity(g[rows], h[rows], dim=1).mean()


def wrong_1_each_row(g, h):
    return torch.cosine_similarity(g.flatten(1), h.flatten(1), dim=1)


def wrong_2_always_fresh(steps, outer):
    return ["fresh", "match"] * steps


def wrong_2_trains_at_the_end(steps, outer):
    events = []
    for i in range(steps):
        events += ["fresh"] * (i % outer == 0) + ["match", "train"]
    return events


def wrong_2_fresh_once(steps, outer):
    return ["fresh", "match"] + ["train", "match"] * (steps - 1)


def wrong_2_trains_first(steps, outer):
    events = []
    for i in range(steps):
        events += ["fresh", "train", "match"] if i % outer == 0 else ["train", "match"]
    return events


def errors_of(weights, features):
    return (features @ weights.T).softmax(2) - torch.eye(len(weights))[:, None]


def wrong_3_sign(weights, features):
    return -torch.einsum("cnr,cnd->crd", errors_of(weights, features), features) / 5


def wrong_3_sum(weights, features):
    return torch.einsum("cnr,cnd->crd", errors_of(weights, features), features)


def wrong_3_axes(weights, features):
    return torch.einsum("cnr,cnd->rcd", errors_of(weights, features), features) / 5


def wrong_3_no_target(weights, features):
    return torch.einsum("cnr,cnd->crd", (features @ weights.T).softmax(2), features) / 5


def wrong_3_all_classes_at_once(weights, features):
    return torch.einsum("cnr,cnd->rd", errors_of(weights, features), features) / 20
