"""Meta-model matching by backpropagation through time: learn images by training on them.

The idea is Wang et al. (2018); momentum and learned bases are Deng & Russakovsky (2022), the
random window is Feng et al. (2024).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib import augment
from ddlib.compiled import Precision, in_precision
from ddlib.data import ImageData, sample_per_class
from ddlib.distillation import Objective, Variables
from ddlib.ensemble import flatten, initialize_many
from ddlib.methods.coresets import Init, first_images
from ddlib.networks import Network, build
from ddlib.seeds import generator, new_key, pick
from ddlib.training import mean_loss
from ddlib.unroll import InnerLoss, Rule, adam, sgd, train_through, unroll


@dataclass(frozen=True, kw_only=True)
class BPTT:
    """Settings of meta-model matching; the defaults suit 8x8 digits on two CPU cores."""

    tag: ClassVar[str] = "bptt"
    ipc: int
    steps: int = 40  # outer steps: updates of the images
    inner_steps: int = 30  # training steps of the network that the outer loss looks into
    window: int | None = None  # differentiate so many of them, at random; None: all, always
    inner: Literal["sgd", "adam"] = "sgd"
    inner_lr: float = 0.01
    momentum: float = 0.9  # of sgd
    batch: int | None = None  # synthetic images in one inner step; None: all
    batch_real: int = 64  # real images per class in the outer loss
    nets: int = 1  # networks trained side by side in each outer step
    lr: float = 0.05  # of Adam on the images, in standardized units
    bases: int = 0  # images are mixtures of this many learned ones; 0: each image is itself
    augment: bool = False
    init: Init = "real"
    network: Network = "convnet"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.window is not None and not 1 <= self.window <= self.inner_steps:
            raise ValueError(f"window must be from 1 to inner_steps; got {self.window}")

    def initialize(self, real: ImageData, seed: int) -> Variables:
        start = first_images(real, self.ipc, self.init, seed)
        if not self.bases:
            return start
        draws = generator(seed, "coefficients", device=real.device)
        images = start.pop("images")
        size = len(images), self.bases
        start["coefficients"] = torch.randn(size, generator=draws, device=real.device)
        start["coefficients"] /= self.bases**0.5
        rows = torch.randint(len(images), (self.bases,), generator=draws, device=real.device)
        return {**start, "bases": images[rows]}

    def render(self, variables: Variables) -> Variables:
        """Addressable memory: image j is sum_b coefficients[j, b] * bases[b]."""
        if not self.bases:
            return variables
        mixed = torch.einsum("nb,bchw->nchw", variables["coefficients"], variables["bases"])
        return {"images": mixed, "labels": variables["labels"]}

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        return torch.optim.Adam([v for v in variables.values() if v.is_floating_point()], self.lr)

    def objective(
        self, real: ImageData, seed: int, folder: Path | None = None, *, compiled: bool = False
    ) -> Objective:
        net = in_precision(build(self.network, real.shape, len(real.classes)), self.precision)
        rule = adam() if self.inner == "adam" else sgd(self.momentum)
        kinds = augment.kinds_for(real) if self.augment else ()
        lr = torch.tensor(self.inner_lr, device=real.device)

        def loss(variables: Variables, draws: torch.Generator) -> Tensor:
            key, shown = new_key(draws), self.render(variables)
            theta = flatten(net, initialize_many(net, range(key, key + self.nets), real.device))
            rows = sample_per_class(real, self.batch_real, draws).flatten()
            seen = real.train_images[rows], real.train_labels[rows]
            test = mean_loss(net, *seen, compiled=compiled)
            inner = InnerLoss(net, key, self.batch, kinds, compiled)
            train = inner, rule, theta, shown["images"], shown["labels"], lr
            return loss_after_training(test, *train, self._window(draws))

        return loss

    def passes(self, real: ImageData) -> float:
        """One gradient is three passes; one adjoint step takes the gradient of another, nine."""
        k, window = len(real.classes), self.window or self.inner_steps
        batch = min(self.batch or k * self.ipc, k * self.ipc)
        inner = 3 * (self.inner_steps + window) / 2 + 9 * window
        return 1.0 * self.steps * (self.nets * inner * batch + 3 * self.batch_real * k)

    def _window(self, draws: torch.Generator) -> range:
        """The differentiated steps: all, or a window that ends at a random step."""
        size = self.window or self.inner_steps
        first = pick(draws, self.inner_steps - size + 1)
        return range(first, first + size)


def loss_after_training(
    test: Callable[[Tensor], Tensor],
    inner: InnerLoss,
    rule: Rule,
    theta: Float[Tensor, "m p"],
    images: Float[Tensor, "n c h w"],
    labels: Tensor,
    lr: Float[Tensor, ""],
    window: range,
) -> Float[Tensor, ""]:
    """The loss of meta-model matching: how well networks do that were trained on the images S. ::

        L(S) = test(theta_T),    theta_{i+1} = theta_i - lr * grad inner(theta_i, i, S)

    (or the step of another `rule`), averaged over m networks. Gradients flow through the steps in
    `window`, whose last one gives theta_T; earlier steps are taken but not differentiated.
    """
    given = images, labels, lr
    before = train_through(inner, rule, rule.begin(theta), *given, range(window.start))
    state = deque([rule.begin(theta), *before], maxlen=1).pop()
    return test(unroll(inner, rule, state, *given, window)[0]).mean()
