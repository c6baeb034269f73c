"""Plausible wrong answers to the exercises of chapter 7; every check must turn them down."""

import torch.nn.functional as F
from torch.autograd import grad
from torch.func import functional_call


def trained(net, theta, images, labels, lr, steps, create_graph=True):
    theta = {name: p.requires_grad_() for name, p in theta.items()}
    for _ in range(steps):
        loss = F.cross_entropy(functional_call(net, theta, (images,)), labels)
        g = grad(loss, tuple(theta.values()), create_graph=create_graph)
        theta = {name: p - lr * d for (name, p), d in zip(theta.items(), g, strict=True)}
    return theta


def tested(net, theta, images, labels, optimizer):
    loss = F.cross_entropy(functional_call(net, theta, (images,)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def wrong_1_own_images(net, theta, images, labels, seen, names, optimizer, lr, steps):
    end = trained(net, theta, images, labels, lr, steps)
    return tested(net, end, images, labels, optimizer)


def wrong_1_one_step(net, theta, images, labels, seen, names, optimizer, lr, steps):
    end = trained(net, theta, images, labels, lr, 1)
    return tested(net, end, seen, names, optimizer)


def wrong_1_no_graph(net, theta, images, labels, seen, names, optimizer, lr, steps):
    end = trained(net, theta, images, labels, lr, steps, create_graph=False)
    return tested(net, end, seen, names, optimizer)


def wrong_1_last_step_only(net, theta, images, labels, seen, names, optimizer, lr, steps):
    almost = trained(net, theta, images, labels, lr, steps - 1)
    almost = {name: p.detach() for name, p in almost.items()}
    return tested(net, trained(net, almost, images, labels, lr, 1), seen, names, optimizer)


def wrong_1_uphill(net, theta, images, labels, seen, names, optimizer, lr, steps):
    end = trained(net, theta, images, labels, -lr, steps)
    return tested(net, end, seen, names, optimizer)


def wrong_2_no_identity(loss, theta, images, lr, a):
    theta, images = (t.detach().requires_grad_() for t in (theta, images))
    (g,) = grad(loss(theta, images), theta, create_graph=True)
    return grad(-lr * g, (images, theta), a)


def wrong_2_no_rate(loss, theta, images, lr, a):
    theta, images = (t.detach().requires_grad_() for t in (theta, images))
    (g,) = grad(loss(theta, images), theta, create_graph=True)
    return grad(theta - g, (images, theta), a)


def wrong_2_uphill(loss, theta, images, lr, a):
    theta, images = (t.detach().requires_grad_() for t in (theta, images))
    (g,) = grad(loss(theta, images), theta, create_graph=True)
    return grad(theta + lr * g, (images, theta), a)


def wrong_2_no_hessian(loss, theta, images, lr, a):
    theta, images = (t.detach().requires_grad_() for t in (theta, images))
    (g,) = grad(loss(theta, images), theta, create_graph=True)
    return grad(theta - lr * g, images, a)[0], a


def wrong_3_forward_again(gradient, theta, v, lr, momentum):
    return theta - lr * v, (v - gradient(theta)) / momentum


def wrong_3_gradient_at_the_new_weights(gradient, theta, v, lr, momentum):
    return theta + lr * v, (v - gradient(theta)) / momentum


def wrong_3_velocity_first(gradient, theta, v, lr, momentum):
    v = (v - gradient(theta)) / momentum
    return theta + lr * v, v


def wrong_3_not_divided(gradient, theta, v, lr, momentum):
    theta = theta + lr * v
    return theta, v - gradient(theta)
