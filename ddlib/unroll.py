"""Derivatives through training: the exact adjoint in constant graph memory, and the plain unroll.

Training is a chain of states. State i holds the parameters theta_i and what the optimizer
remembers; each step also sees w = (images, labels, learning rate)::

    z_{i+1} = step_i(z_i, w),        i = 0 ... N-1

For a loss L(z_N), the chain rule read backwards is the *adjoint* method: with a = dL/dz_N, ::

    dL/dw += (d step_i / dw)^T a        a <- (d step_i / dz_i)^T a        for i = N-1 ... 0

and at the end a = dL/dz_0. It needs the states, which are vectors, and the graph of one step at a
time; autograd through the whole chain keeps the graphs of all N steps. Both give the same numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ddlib import augment
from ddlib.ensemble import forward, unflatten
from ddlib.seeds import generator
from ddlib.training import cross_entropy

State = tuple[Tensor, ...]  # theta (m, p) of m networks first, then the optimizer's memory
Loss = Callable[[Tensor, int, Tensor, Tensor], Tensor]  # theta, step, images, labels -> (m,)
Labels = Int[Tensor, " n"] | Float[Tensor, "n k"]
Rate = Float[Tensor, ""]


class Rule(NamedTuple):
    """An optimizer as a pure function, and how many tensors of theta's shape it remembers."""

    update: Callable[[State, Tensor, Tensor, int], State]  # state, gradient, lr, step -> state
    memory: int

    def begin(self, theta: Float[Tensor, "m p"]) -> State:
        """The state before the first step: nothing remembered."""
        return (theta, *(torch.zeros_like(theta) for _ in range(self.memory)))


def sgd(momentum: float = 0.0) -> Rule:
    """theta <- theta - lr v with v <- momentum v + gradient, as `torch.optim.SGD`."""
    if not momentum:
        return Rule(lambda state, gradient, lr, i: (state[0] - lr * gradient,), 0)

    def update(state: State, gradient: Tensor, lr: Tensor, i: int) -> State:
        theta, v = state
        v = momentum * v + gradient
        return theta - lr * v, v

    return Rule(update, 1)


def adam(betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> Rule:
    """As `torch.optim.Adam`, but for 1e-16 under the root: its slope at zero must be finite."""

    def update(state: State, gradient: Tensor, lr: Tensor, i: int) -> State:
        (theta, first, second), (b1, b2) = state, betas
        first = b1 * first + (1 - b1) * gradient
        second = b2 * second + (1 - b2) * gradient.square()
        mean, square = first / (1 - b1 ** (i + 1)), second / (1 - b2 ** (i + 1))
        return theta - lr * mean / ((square + 1e-16).sqrt() + eps), first, second

    return Rule(update, 2)


def inner_loss(
    net: nn.Module, key: int, batch: int | None = None, kinds: Sequence[str] = ()
) -> Loss:
    """The cross-entropy that networks theta have on what step i sees of the synthetic images.

    Step i sees the i-th mini-batch of shuffled passes, or all images (`batch` None), changed by
    one kind of augmentation out of `kinds`. Both depend on `key` and i alone.
    """

    def loss(theta: Tensor, i: int, images: Tensor, labels: Tensor) -> Float[Tensor, " m"]:
        n, device = len(images), images.device
        if batch and batch < n:
            turn, place = divmod(i, -(-n // batch))
            order = torch.randperm(
                n, generator=generator(key, "pass", turn, device=device), device=device
            )
            rows = order.split(batch)[place]
            images, labels = images[rows], labels[rows]
        if kinds:
            draws = generator(key, "change", i, device=device)
            images = augment.apply(images, augment.sample(1, len(images), draws, kinds))
        return cross_entropy(forward(net, unflatten(net, theta), images), labels)

    return loss


def step(
    loss: Loss, rule: Rule, i: int, state: State, images: Tensor, labels: Tensor, lr: Tensor
) -> State:
    """One training step, differentiable in everything but `i`; theta must require a gradient."""
    value = loss(state[0], i, images, labels).sum()
    (gradient,) = torch.autograd.grad(value, state[0], create_graph=True)
    return rule.update(state, gradient, lr, i)


def unroll_plain(
    loss: Loss, rule: Rule, state: State, images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> State:  # fmt: skip
    """Train for `steps` and let autograd remember everything: the version to read and to trust."""
    state = (state[0] if state[0].requires_grad else state[0].detach().requires_grad_(), *state[1:])
    for i in steps:
        state = step(loss, rule, i, state, images, labels, lr)
    return state


def unroll(
    loss: Loss, rule: Rule, state: State, images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> State:  # fmt: skip
    """The same result and the same derivatives as `unroll_plain`, at the memory of one step.

    Differentiable once, in `state`, `images`, `labels` (soft ones) and `lr`. The price is a second
    pass over the steps: about a third more time.
    """
    steps = tuple(steps)
    return _Adjoint.apply(loss, rule, steps, images, labels, lr, *state) if steps else state


def unroll_held(
    loss: Loss, theta: Float[Tensor, "m p"], images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> Float[Tensor, "m p"]:  # fmt: skip
    """TESLA's estimate (Cui et al. 2023) for plain SGD: the same end, other derivatives.

    It writes theta_N = theta_0 - lr sum_i g(theta_i, images) and differentiates with every theta_i
    held fixed: what an image did to *later* gradients, by moving theta, is left out.
    """
    end = theta
    for i in steps:
        here = end.detach().requires_grad_()
        end = step(loss, sgd(), i, (here,), images, labels, lr)[0] - here + end
    return end


def train_through(
    loss: Loss, rule: Rule, state: State, images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> Iterator[State]:  # fmt: skip
    """The states after each of `steps`, one at a time, without any derivative."""
    images, labels, lr = images.detach(), labels.detach(), lr.detach()
    for i in steps:
        with torch.enable_grad():
            theta = state[0].detach().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(theta, i, images, labels).sum(), theta)
        with torch.no_grad():
            state = rule.update((theta.detach(), *state[1:]), gradient, lr, i)
        yield state


class _Adjoint(torch.autograd.Function):
    """`unroll` as one node of the graph."""

    @staticmethod
    def forward(
        ctx: Any, loss: Loss, rule: Rule, steps: tuple[int, ...], *tensors: Tensor
    ) -> State:
        ctx.chain = loss, rule, steps
        ctx.save_for_backward(*tensors)
        *between, last = train_through(loss, rule, tensors[3:], *tensors[:3], steps)
        ctx.between = between  # neither inputs nor outputs: those would keep themselves alive
        return last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *adjoint: Tensor) -> tuple[Tensor | None, ...]:
        loss, rule, steps = ctx.chain
        needed = ctx.needs_input_grad[3:6]
        inputs, start = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        pairs = list(zip(inputs, needed, strict=True))
        total = [torch.zeros_like(t) if need else None for t, need in pairs]
        for i, state in zip(reversed(steps), reversed([start, *ctx.between]), strict=True):
            given = [t.detach().requires_grad_(need) for t, need in pairs]
            here = tuple(s.detach().requires_grad_() for s in state)
            with torch.enable_grad():
                after = step(loss, rule, i, here, *given)
            wanted = [*(t for t in given if t.requires_grad), *here]
            pulled = torch.autograd.grad(after, wanted, adjoint, materialize_grads=True)
            found, adjoint = iter(pulled), pulled[-len(here) :]
            total = [None if t is None else t + next(found) for t in total]
        return None, None, None, *total, *adjoint
