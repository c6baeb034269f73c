"""Plausible wrong answers to the exercises of chapter 13; every check must turn them down."""

import torch


def each(product, probes):
    return torch.stack([v @ product(v) for v in probes])


def wrong_1_spread(product, probes):
    values = each(product, probes)
    return values.mean(), values.std()


def wrong_1_sum(product, probes):
    values = each(product, probes)
    return values.sum(), values.std() / len(values) ** 0.5


def wrong_1_per_weight(product, probes):
    values = each(product, probes) / probes.shape[1]
    return values.mean(), values.std() / len(values) ** 0.5


def wrong_1_population_spread(product, probes):
    values = each(product, probes)
    return values.mean(), values.std(correction=0) / len(values) ** 0.5


def wrong_1_length_of_the_product(product, probes):
    values = torch.stack([product(v).norm() for v in probes])
    return values.mean(), values.std() / len(values) ** 0.5


def surer(values, share, least=5, size=abs, root=True):
    values = torch.as_tensor(values, dtype=torch.float64)
    for s in range(least, len(values) + 1):
        first = values[:s]
        error = first.std() / s**0.5 if root else first.std()
        if error < share * size(first.mean()):
            return s
    return len(values)


def wrong_2_keeps_the_sign(values, share):
    return surer(values, share, size=lambda mean: mean)


def wrong_2_from_two_probes(values, share):
    return surer(values, share, least=2)


def wrong_2_spread_of_single_probes(values, share):
    return surer(values, share, root=False)


def wrong_2_released(values, share):
    means = torch.as_tensor(values).cumsum(0) / torch.arange(1, len(values) + 1)
    for s in range(1, len(values)):
        if (means[s] - means[s - 1]).abs() / means[s - 1] < share:
            return s + 1
    return len(values)


def wrong_3_uncertainty_alone(features, weights):
    p = (features @ weights.T).softmax(1)
    return (p * (1 - p)).sum(1).mean()


def wrong_3_sum(features, weights):
    p = (features @ weights.T).softmax(1)
    return ((p * (1 - p)).sum(1) * features.square().sum(1)).sum()


def wrong_3_product_of_means(features, weights):
    p = (features @ weights.T).softmax(1)
    return (p * (1 - p)).sum(1).mean() * features.square().sum(1).mean()


def wrong_3_length_not_squared(features, weights):
    p = (features @ weights.T).softmax(1)
    return ((p * (1 - p)).sum(1) * features.norm(dim=1)).mean()


def wrong_3_largest_class_only(features, weights):
    p = (features @ weights.T).softmax(1).amax(1)
    return (p * (1 - p) * features.square().sum(1)).mean()
