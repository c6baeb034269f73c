"""Plausible wrong answers to the exercises of chapter 3; every check must turn them down."""

import torch

import ddlib


def wrong_1_closest_on_its_own(features, picks):
    distance = (features - features.mean(0)).norm(dim=1)
    distance[picks] = float("inf")
    return int(distance.argmin())


def wrong_1_with_replacement(features, picks):
    target = (len(picks) + 1) * features.mean(0) - features[picks].sum(0)
    return int((features - target).norm(dim=1).argmin())


def wrong_1_counts_one_short(features, picks):
    target = max(len(picks), 1) * features.mean(0) - features[picks].sum(0)
    distance = (features - target).norm(dim=1)
    distance[picks] = float("inf")
    return int(distance.argmin())


def wrong_1_scalar_product(features, picks):
    target = (len(picks) + 1) * features.mean(0) - features[picks].sum(0)
    product = features @ target
    product[picks] = -float("inf")
    return int(product.argmax())


def wrong_2_mean_distance(features, picks):
    return torch.cdist(features, features[picks]).amin(1).mean()


def wrong_2_farthest_center(features, picks):
    return torch.cdist(features, features[picks]).max()


def wrong_2_best_single_center(features, picks):
    return torch.cdist(features, features[picks]).amax(0).min()


def wrong_2_from_the_mean(features, picks):
    return (features - features[picks].mean(0)).norm(dim=1).max()


class wrong_3_one_image(ddlib.DistributionMatching):
    def initialize(self, real, seed):
        return ddlib.Herding(ipc=1).initialize(real, seed)


class wrong_3_still_random(ddlib.DistributionMatching):
    def initialize(self, real, seed):
        return ddlib.RandomSelection(ipc=self.ipc).initialize(real, seed)


class wrong_3_only_herding(ddlib.Herding):
    pass


class wrong_3_other_seed(ddlib.DistributionMatching):
    def initialize(self, real, seed):
        return ddlib.Herding(ipc=self.ipc).initialize(real, seed + 1)
