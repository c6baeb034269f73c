"""Plausible wrong answers to the exercises of chapter 5; every check must turn them down."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.autograd import grad


def match(
    net, real_images, images, optimizer, distance: Callable, create_graph=True, zero=True
) -> float:
    """A match with another distance of two gradients, or with another slip."""
    weights, loss = [p for p in net.parameters() if p.ndim > 1], 0.0
    for c, pair in enumerate(zip(real_images, images, strict=True)):
        g, h = (
            grad(F.cross_entropy(net(x), torch.full((len(x),), c)), weights, create_graph=graph)
            for x, graph in zip(pair, (False, create_graph), strict=True)
        )
        loss = loss + sum(distance(a, b) for a, b in zip(g, h, strict=True))
    if zero:
        optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def rows(a, b):
    return 1 - F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1)


def wrong_1_no_graph(net, real_images, images, optimizer):
    return match(net, real_images, images, optimizer, lambda a, b: rows(a, b).sum(), False)


def wrong_1_whole_tensor(net, real_images, images, optimizer):
    def distance(a, b):
        return 1 - F.cosine_similarity(a.flatten(), b.flatten(), dim=0)

    return match(net, real_images, images, optimizer, distance)


def wrong_1_euclidean(net, real_images, images, optimizer):
    return match(net, real_images, images, optimizer, lambda a, b: (a - b).square().sum())


def wrong_1_similarity(net, real_images, images, optimizer):
    return match(net, real_images, images, optimizer, lambda a, b: -rows(a, b).sum())


def wrong_1_columns(net, real_images, images, optimizer):
    return match(net, real_images, images, optimizer, lambda a, b: rows(a.T, b.T).sum())


def wrong_1_old_gradients(net, real_images, images, optimizer):
    return match(net, real_images, images, optimizer, lambda a, b: rows(a, b).sum(), zero=False)


def wrong_2_one_division(g, h):
    apart = sum((a - b).square().sum() for a, b in zip(g, h, strict=True))
    return apart / sum(a.square().sum() for a in g)


def wrong_2_sum(g, h):
    pairs = zip(g, h, strict=True)
    return sum((a - b).square().sum() / a.square().sum() for a, b in pairs)


def wrong_2_no_square(g, h):
    pairs = zip(g, h, strict=True)
    return sum((a - b).norm() / a.norm() for a, b in pairs) / len(g)


def wrong_2_by_the_synthetic_length(g, h):
    pairs = zip(g, h, strict=True)
    return sum((a - b).square().sum() / b.square().sum() for a, b in pairs) / len(g)


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
