"""Plausible wrong answers to the exercises of chapter 19; every check must turn them down."""

import torch
import torch.nn.functional as F


def wrong_1_all_crops_together(losses, ipc):
    best = losses.flatten().argsort()[:ipc]
    return [(int(i) // losses.shape[1], int(i) % losses.shape[1]) for i in best]


def wrong_1_hardest(losses, ipc):
    highest, crop = losses.max(1)
    best = highest.argsort(descending=True)[:ipc]
    return [(int(i), int(crop[i])) for i in best]


def wrong_1_in_order_of_images(losses, ipc):
    lowest, crop = losses.min(1)
    best = lowest.argsort()[:ipc].sort().values
    return [(int(i), int(crop[i])) for i in best]


def wrong_2_squares(x, mean, variance):
    m, v = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    return (m - mean).square().sum() + (v - variance).square().sum()


def wrong_2_means_only(x, mean, variance):
    return (x.mean((0, 2, 3)) - mean).norm()


def wrong_2_one_less(x, mean, variance):
    m, v = x.mean((0, 2, 3)), x.var((0, 2, 3))
    return (m - mean).norm() + (v - variance).norm()


def loop(answer, images, labels, steps, lr):
    for _ in range(steps):
        loss = F.cross_entropy(answer(images), labels)
        (slope,) = torch.autograd.grad(loss, images)
        images = (images - lr * slope).detach().requires_grad_()
    return images.detach()


def wrong_3_up(answer, images, labels, steps, lr):
    return loop(answer, images.clone().requires_grad_(), labels, steps, -lr)


def wrong_3_one_step(answer, images, labels, steps, lr):
    return loop(answer, images.clone().requires_grad_(), labels, 1, lr)


def wrong_3_changes_the_first_images(answer, images, labels, steps, lr):
    images += loop(answer, images.clone().requires_grad_(), labels, steps, lr) - images
    return images
