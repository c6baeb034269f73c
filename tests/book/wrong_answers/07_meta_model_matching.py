"""Plausible wrong answers to the exercises of chapter 04; every check must turn them down."""

from torch.autograd import grad


def wrong_1_old_velocity(theta, v, gradient, lr, momentum):
    return theta - lr * v, momentum * v + gradient


def wrong_1_averaged(theta, v, gradient, lr, momentum):
    v = momentum * v + (1 - momentum) * gradient
    return theta - lr * v, v


def wrong_1_rate_inside(theta, v, gradient, lr, momentum):
    v = momentum * v + lr * gradient
    return theta - v, v


def wrong_1_in_place(theta, v, gradient, lr, momentum):
    v = momentum * v + gradient
    theta -= lr * v
    return theta, v


def wrong_1_weights_only(theta, v, gradient, lr, momentum):
    return theta - lr * (momentum * v + gradient)


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
