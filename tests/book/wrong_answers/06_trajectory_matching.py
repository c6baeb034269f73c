"""Plausible wrong answers to the exercises of chapter 6; every check must turn them down."""

import torch
import torch.nn.functional as F
from torch.autograd import grad
from torch.func import functional_call


def student(net, start, images, labels, rate, steps, create_graph=True):
    """Where plain gradient descent leads from `start`."""
    theta = {name: p.requires_grad_() for name, p in start.items()}
    for _ in range(steps):
        loss = F.cross_entropy(functional_call(net, theta, (images,)), labels)
        g = grad(loss, tuple(theta.values()), create_graph=create_graph)
        theta = {name: p - rate * d for (name, p), d in zip(theta.items(), g, strict=True)}
    return theta


def apart(one, other, power=2):
    return sum((one[k] - other[k]).norm() ** power for k in one)


def one_update(loss, optimizer):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def wrong_1_not_divided(net, start, goal, images, labels, log_lr, optimizer, steps):
    end = student(net, start, images, labels, log_lr.exp(), steps)
    return one_update(apart(end, goal), optimizer)


def wrong_1_no_square(net, start, goal, images, labels, log_lr, optimizer, steps):
    end = student(net, start, images, labels, log_lr.exp(), steps)
    return one_update(apart(end, goal, 1) / apart(start, goal, 1).detach(), optimizer)


def wrong_1_one_step(net, start, goal, images, labels, log_lr, optimizer, steps):
    end = student(net, start, images, labels, log_lr.exp(), 1)
    return one_update(apart(end, goal) / apart(start, goal).detach(), optimizer)


def wrong_1_rate_is_not_learned(net, start, goal, images, labels, log_lr, optimizer, steps):
    end = student(net, start, images, labels, log_lr.exp().item(), steps)
    return one_update(apart(end, goal) / apart(start, goal).detach(), optimizer)


def wrong_1_no_graph(net, start, goal, images, labels, log_lr, optimizer, steps):
    end = student(net, start, images, labels, log_lr.exp(), steps, create_graph=False)
    return one_update(apart(end, goal) / apart(start, goal).detach(), optimizer)


def wrong_1_cut_after_each_step(net, start, goal, images, labels, log_lr, optimizer, steps):
    theta = start
    for _ in range(steps - 1):
        theta = student(net, theta, images, labels, log_lr.exp(), 1)
        theta = {name: p.detach() for name, p in theta.items()}
    end = student(net, theta, images, labels, log_lr.exp(), 1)
    return one_update(apart(end, goal) / apart(start, goal).detach(), optimizer)


def _split(end, start, goal):
    leg, walked = goal - start, end - start
    return leg, walked, leg.square().sum(1)


def wrong_2_length_along(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    along = (walked * leg).sum(1) / length.sqrt()
    return along, walked.square().sum(1) / length - along.square() / length


def wrong_2_cosine(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    along = torch.cosine_similarity(walked, leg)
    return along, (walked - along[:, None] * leg).square().sum(1) / length


def wrong_2_from_the_origin(end, start, goal):
    along = (end * goal).sum(1) / goal.square().sum(1)
    return along, (end - along[:, None] * goal).square().sum(1) / goal.square().sum(1)


def wrong_2_not_squared(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    along = (walked * leg).sum(1) / length
    return along, (walked - along[:, None] * leg).norm(dim=1) / length.sqrt()


def wrong_2_whole_walk_aside(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    return (walked * leg).sum(1) / length, walked.square().sum(1) / length


def _slope(start, s, goal, lr, steps):
    end = s + (1 - lr) ** steps * (start - s)
    return 2 * (end - goal) / (start - goal).square().sum()


def wrong_3_both_exact(start, s, goal, lr, steps):
    exact = (1 - (1 - lr) ** steps) * _slope(start, s, goal, lr, steps)
    return exact, exact


def wrong_3_both_held(start, s, goal, lr, steps):
    held = steps * lr * _slope(start, s, goal, lr, steps)
    return held, held


def wrong_3_last_step_only(start, s, goal, lr, steps):
    slope = _slope(start, s, goal, lr, steps)
    return (1 - (1 - lr) ** steps) * slope, lr * slope


def wrong_3_not_normalized(start, s, goal, lr, steps):
    slope = _slope(start, s, goal, lr, steps) * (start - goal).square().sum()
    return (1 - (1 - lr) ** steps) * slope, steps * lr * slope


def wrong_3_slope_by_the_start(start, s, goal, lr, steps):
    slope = _slope(start, s, goal, lr, steps)
    return (1 - lr) ** steps * slope, steps * lr * slope
