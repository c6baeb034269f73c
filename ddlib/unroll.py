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
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import grad, vjp

from ddlib import augment
from ddlib.compiled import function_of
from ddlib.seeds import generator
from ddlib.training import mean_loss

State = tuple[Tensor, ...]  # theta (m, p) of m networks first, then the optimizer's memory
Step = Callable[..., State]  # state, x, y, lr, i -> state
Pull = Callable[..., tuple[Any, ...]]  # state, x, y, lr, i, adjoint -> the adjoint's share of each
Labels = Int[Tensor, " n"] | Float[Tensor, "n k"]
Rate = Float[Tensor, ""]


class Rule(NamedTuple):
    """An optimizer as a pure function, and how many tensors of theta's shape it remembers."""

    update: Callable[[State, Tensor, Tensor, Tensor], State]  # state, gradient, lr, step -> state
    memory: int

    def begin(self, theta: Float[Tensor, "m p"]) -> State:
        """The state before the first step: nothing remembered."""
        return (theta, *(torch.zeros_like(theta) for _ in range(self.memory)))


@lru_cache  # equal rules are one, so that their steps are compiled once
def sgd(momentum: float = 0.0) -> Rule:
    """theta <- theta - lr v with v <- momentum v + gradient, as `torch.optim.SGD`."""
    if not momentum:
        return Rule(lambda state, gradient, lr, i: (state[0] - lr * gradient,), 0)

    def update(state: State, gradient: Tensor, lr: Tensor, i: Tensor) -> State:
        theta, v = state
        v = momentum * v + gradient
        return theta - lr * v, v

    return Rule(update, 1)


@lru_cache
def adam(betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> Rule:
    """As `torch.optim.Adam`, but for 1e-16 under the root: its slope at zero must be finite."""

    def update(state: State, gradient: Tensor, lr: Tensor, i: Tensor) -> State:
        (theta, first, second), (b1, b2) = state, betas
        first = b1 * first + (1 - b1) * gradient
        second = b2 * second + (1 - b2) * gradient.square()
        mean, square = first / (1 - b1 ** (i + 1)), second / (1 - b2 ** (i + 1))
        return theta - lr * mean / ((square + 1e-16).sqrt() + eps), first, second

    return Rule(update, 2)


@dataclass(frozen=True)
class InnerLoss:
    """The cross-entropy that networks theta have on what step i sees of the synthetic images.

    Step i sees the i-th mini-batch of shuffled passes, or all images (`batch` None), changed by
    one kind of augmentation out of `kinds`. Both depend on `key` and i alone. With `compiled`,
    steps on it and their derivatives are compiled functions.
    """

    net: nn.Module
    key: int
    batch: int | None = None
    kinds: Sequence[str] = ()
    compiled: bool = False

    def seen(self, i: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The images and labels of step i; all that is drawn at random is drawn here."""
        device, n = images.device, len(images)
        if self.batch is not None and self.batch < n:
            turn, place = divmod(i, -(-n // self.batch))
            draws = generator(self.key, "pass", turn, device=device)
            rows = torch.randperm(n, generator=draws, device=device).split(self.batch)[place]
            images, labels = images[rows], labels[rows]
        if self.kinds:
            draws = generator(self.key, "change", i, device=device)
            images = augment.apply(images, augment.sample(1, len(images), draws, self.kinds))
        return images, labels

    def __call__(
        self, theta: Float[Tensor, "m p"], i: int, images: Tensor, labels: Tensor
    ) -> Float[Tensor, " m"]:
        return mean_loss(self.net, *self.seen(i, images, labels))(theta)

    def step(self, rule: "Rule") -> Step:
        return function_of(self.net, step_of, rule, compiled=self.compiled)

    def pull(self, rule: "Rule") -> Pull:
        return function_of(self.net, pull_of, rule, compiled=self.compiled)


def step_of(net: nn.Module, rule: Rule) -> Step:
    """One training step, state' = step(state, x, y, lr, i): the `rule` on the loss's gradient."""

    def step(state: State, x: Tensor, y: Tensor, lr: Tensor, i: Tensor) -> State:
        loss = mean_loss(net, x, y)
        return rule.update(state, grad(lambda theta: loss(theta).sum())(state[0]), lr, i)

    return step


def pull_of(net: nn.Module, rule: Rule) -> Pull:
    """The adjoint of one step: (d step / d(state, x, y, lr))^T a, by reverse over reverse.

    Hard labels have no derivative; theirs is None.
    """
    step = step_of(net, rule)

    def pull(
        state: State, x: Tensor, y: Tensor, lr: Tensor, i: Tensor, a: State
    ) -> tuple[State, Tensor, Tensor | None, Tensor]:
        if y.is_floating_point():
            return vjp(lambda *moved: step(*moved, i), state, x, y, lr)[1](a)
        state, x, lr = vjp(lambda state, x, lr: step(state, x, y, lr, i), state, x, lr)[1](a)
        return state, x, None, lr

    return pull


def unroll_plain(
    loss: InnerLoss, rule: Rule, state: State, images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> State:  # fmt: skip
    """Train for `steps` and let autograd remember everything: the version to read and to trust."""
    step = step_of(loss.net, rule)
    for i in steps:
        state = step(state, *loss.seen(i, images, labels), lr, _number(i, lr))
    return state


def unroll(
    loss: InnerLoss, rule: Rule, state: State, images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> State:  # fmt: skip
    """The same result and the same derivatives as `unroll_plain`, at the memory of one step.

    Differentiable once, in `state`, `images`, `labels` (soft ones) and `lr`. The price is a second
    pass over the steps: about a third more time.
    """
    steps = tuple(steps)
    return _Adjoint.apply(loss, rule, steps, images, labels, lr, *state) if steps else state


def unroll_held(
    loss: InnerLoss, theta: Float[Tensor, "m p"], images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> Float[Tensor, "m p"]:  # fmt: skip
    """TESLA's estimate (Cui et al. 2023) for plain SGD: the same end, other derivatives.

    It writes theta_N = theta_0 - lr sum_i g(theta_i, images) and differentiates with every theta_i
    held fixed: what an image did to *later* gradients, by moving theta, is left out.
    """
    step, end = step_of(loss.net, sgd()), theta
    for i in steps:
        here = end.detach()
        end = step((here,), *loss.seen(i, images, labels), lr, _number(i, lr))[0] - here + end
    return end


def train_through(
    loss: InnerLoss, rule: Rule, state: State, images: Tensor, labels: Labels, lr: Rate,
    steps: Iterable[int],
) -> Iterator[State]:  # fmt: skip
    """The states after each of `steps`, one at a time, without any derivative."""
    images, labels, lr = images.detach(), labels.detach(), lr.detach()
    state, step = tuple(s.detach() for s in state), loss.step(rule)
    for i in steps:
        with torch.no_grad():
            state = step(state, *loss.seen(i, images, labels), lr, _number(i, lr))
        yield state


def _number(i: int, like: Tensor) -> Tensor:
    """The number of a step as a tensor, as what is compiled for one step serves all."""
    return torch.tensor(float(i), dtype=like.dtype, device=like.device)


class _Adjoint(torch.autograd.Function):
    """`unroll` as one node of the graph."""

    @staticmethod
    def forward(
        ctx: Any, loss: InnerLoss, rule: Rule, steps: tuple[int, ...], *tensors: Tensor
    ) -> State:
        ctx.chain = loss, rule, steps
        ctx.save_for_backward(*tensors)
        images, labels, lr, *start = tensors
        *between, last = train_through(loss, rule, tuple(start), images, labels, lr, steps)
        ctx.between = between  # neither inputs nor outputs: those would keep themselves alive
        return last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *adjoint: Tensor) -> tuple[Tensor | None, ...]:
        loss, rule, steps = ctx.chain
        images, labels, lr, *start = ctx.saved_tensors
        pull, soft = loss.pull(rule), labels.is_floating_point()
        given = [t.detach().requires_grad_() for t in (images, labels)[: 1 + soft]]
        total = [torch.zeros_like(t) for t in given]
        slope = torch.zeros_like(lr)
        for i, state in zip(reversed(steps), reversed([start, *ctx.between]), strict=True):
            with torch.enable_grad():  # what was drawn for a step is differentiated here
                seen = loss.seen(i, given[0], given[-1] if soft else labels)
            x, y = (t.detach() for t in seen)
            adjoint, *pulled, dlr = pull(tuple(state), x, y, lr, _number(i, lr), adjoint)
            back = torch.autograd.grad(seen[: 1 + soft], given, pulled[: 1 + soft])
            total = [t + b for t, b in zip(total, back, strict=True)]
            slope += dlr
        return None, None, None, total[0], total[1] if soft else None, slope, *adjoint
