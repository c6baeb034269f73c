"""Plausible wrong answers to the exercises of chapter 05; every check must turn them down."""

import torch

from ddlib import augment
from ddlib.methods.distribution import mean_feature_distance, mean_features


def wrong_1_sums(features, labels, classes):
    return torch.nn.functional.one_hot(labels, classes).to(features).T @ features


def wrong_1_equal_sizes(features, labels, classes):
    return wrong_1_sums(features, labels, classes) / (len(features) / classes)


def wrong_1_one_mean(features, labels, classes):
    return features.mean(0)


def wrong_2_two_draws(embed, real, synthetic, draws, kinds):
    changed = []
    for x in (real, synthetic):
        draw = augment.sample(len(x), 1, draws, kinds)
        changed.append(augment.apply(x.flatten(0, 1), draw).view_as(x))
    return mean_feature_distance(embed, *changed)


def wrong_2_draw_for_each_image(embed, real, synthetic, draws, kinds):
    draw = augment.sample(len(real), real.shape[1], draws, kinds)
    few = augment.Draw(draw.kinds, draw.numbers[:, : synthetic.shape[1]])
    pairs = ((real, draw), (synthetic, few))
    changed = (augment.apply(x.flatten(0, 1), d).view_as(x) for x, d in pairs)
    return mean_feature_distance(embed, *changed)


def wrong_2_no_augmentation(embed, real, synthetic, draws, kinds):
    return mean_feature_distance(embed, real, synthetic)


def wrong_2_mean_image(embed, real, synthetic, draws, kinds):
    draw = augment.sample(len(real), 1, draws, kinds)
    one, two = (augment.apply(x.flatten(0, 1), draw).view_as(x) for x in (real, synthetic))
    of_mean = mean_features(embed, two.mean(1, keepdim=True))
    return (mean_features(embed, one) - of_mean).square().sum()


def wrong_3_sign(means):
    return (means - means.mean(0)) / len(means)


def wrong_3_not_averaged(means):
    return means.mean(0) - means


def wrong_3_wrong_axis(means):
    return (means.mean(1, keepdim=True) - means) / len(means)
