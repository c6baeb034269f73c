"""Plausible wrong answers to the exercises of chapter 03; every check must turn them down."""

import torch


def wrong_1_mean_distance(features, picks):
    return torch.cdist(features, features[picks]).amin(1).mean()


def wrong_1_farthest_center(features, picks):
    return torch.cdist(features, features[picks]).max()


def wrong_1_best_single_center(features, picks):
    return torch.cdist(features, features[picks]).amax(0).min()


def wrong_1_from_the_mean(features, picks):
    return (features - features[picks].mean(0)).norm(dim=1).max()


def wrong_2_far_from_the_mean(features, picks):
    distance = (features - features.mean(0)).norm(dim=1)
    distance[picks] = -1
    return int(distance.argmax())


def wrong_2_farthest_center_counts(features, picks):
    return int(torch.cdist(features, features[picks]).amax(1).argmax())


def wrong_2_sum_of_distances(features, picks):
    return int(torch.cdist(features, features[picks]).sum(1).argmax())


def wrong_2_last_center_only(features, picks):
    return int((features - features[picks[-1]]).norm(dim=1).argmax())


def wrong_3_closest_on_its_own(features, picks):
    distance = (features - features.mean(0)).norm(dim=1)
    distance[picks] = float("inf")
    return int(distance.argmin())


def wrong_3_with_replacement(features, picks):
    target = (len(picks) + 1) * features.mean(0) - features[picks].sum(0)
    return int((features - target).norm(dim=1).argmin())


def wrong_3_counts_one_short(features, picks):
    target = max(len(picks), 1) * features.mean(0) - features[picks].sum(0)
    distance = (features - target).norm(dim=1)
    distance[picks] = float("inf")
    return int(distance.argmin())


def wrong_3_scalar_product(features, picks):
    target = (len(picks) + 1) * features.mean(0) - features[picks].sum(0)
    product = features @ target
    product[picks] = -float("inf")
    return int(product.argmax())
