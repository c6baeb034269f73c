"""Train one network on parts of one set, and guess from one training what the others would show."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ddlib.ensemble import Parameters, flatten, initialize_many, loaded, unflatten
from ddlib.networks import features as embedding
from ddlib.questions.influence.attribution import (
    curvature_factor,
    damping_of,
    gradients,
    likeness,
    products,
)
from ddlib.questions.shared.leaving_out import losses_on, retrained
from ddlib.seeds import generator
from ddlib.training import Recipe, logits, train_epochs

NOISES = ("again", "reordered", "nudged")  # the same training once more: how much can it change?
SUBSTITUTES = ("gradients, end", "gradients, along", "inverse curvature", "features", "pixels")
NUDGE = 1e-6  # relative change of the first weights, a few units in the last place


@dataclass(frozen=True)
class Trainer:
    """One network, one set to train it on, and the test images it is asked about."""

    net: nn.Module
    recipe: Recipe
    seed: int
    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    test: tuple[Float[Tensor, "t c h w"], Int[Tensor, " t"]]
    together: int | None = None

    def without(self, groups: Bool[Tensor, "g n"], rate: float = 1.0) -> Float[Tensor, "g t"]:
        """Test losses after trainings without each group, at `rate` times the learning rate."""
        kept = groups.to(self.images.device).logical_not().float()
        return retrained(
            self.net, self.images, self.labels, replace(self.recipe, lr=rate * self.recipe.lr),
            self.seed, kept, *self.test, together=self.together,
        ).cpu()  # fmt: skip

    def noise(self) -> Float[Tensor, "noise t"]:
        """Test losses of the same training once more: as it was, and all but as it was."""
        device = self.images.device
        start = initialize_many(self.net, [self.seed], device)
        draws = generator(self.seed, "nudge", device=device)
        nudged = {
            k: v * (1 + NUDGE * torch.randn(v.shape, generator=draws, device=device))
            for k, v in start.items()
        }
        order = torch.randperm(len(self.images), generator=draws, device=device)
        same = torch.arange(len(order), device=device)
        found = [self._from(*how) for how in ((start, same), (start, order), (nudged, same))]
        return torch.cat(found).cpu()

    def _from(self, start: Parameters, order: Tensor) -> Float[Tensor, "1 t"]:
        x, y = self.images[order], self.labels[order]
        *_, last = train_epochs(self.net, x, y, self.recipe, [self.seed], start=start)
        return losses_on(logits(self.net, last, self.test[0]), self.test[1])

    def substitutes(self, stops: int) -> dict[str, Float[Tensor, "n t"]]:
        """Tables of `SUBSTITUTES` from one training with all images, stopped `stops` times."""
        net, x, y, steps = self.net, self.images, self.labels, self.recipe.epochs
        moments = {round(i * steps / stops) for i in range(stops)}
        along = []
        for step, path in enumerate(train_epochs(net, x, y, self.recipe, [self.seed])):
            if step in moments:
                along.append(products(*self._gradients(flatten(net, path).detach())))
        theta = flatten(net, path).detach()
        given, wanted = self._gradients(theta)
        damping = damping_of(self.recipe.lr, self.recipe.momentum, steps)
        curved = products(given, wanted, curvature_factor(net, theta, x), damping)
        seen = [features(net, theta, images) for images in (x, self.test[0])]
        pixels = [images.flatten(1) for images in (x, self.test[0])]
        alike = [likeness(a, b, y, self.test[1]) for a, b in (seen, pixels)]
        tables = [products(given, wanted), torch.stack(along).mean(0), curved, *alike]
        return {name: t.cpu() for name, t in zip(SUBSTITUTES, tables, strict=True)}

    def _gradients(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        mine = gradients(self.net, theta, self.images, self.labels)
        return mine, gradients(self.net, theta, *self.test)


def features(
    net: nn.Module, theta: Float[Tensor, "1 p"], images: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n d"]:
    """What the last layer of one network sees of each image."""
    return embedding(loaded(net, unflatten(net, theta)))(images)
