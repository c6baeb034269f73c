"""A network in training on real images, one step at a time, and what it answers."""

from collections.abc import Iterator
from itertools import count

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ddlib.data import ImageData
from ddlib.ensemble import Parameters, forward, initialize_many, trainable
from ddlib.seeds import generator
from ddlib.training import Recipe


def train_steps(net: nn.Module, real: ImageData, recipe: Recipe, seed: int) -> Iterator[Parameters]:
    """One network trained on real images: as it begins, then after each step, without an end.

    The batches are those of `training.train`. What is handed out changes with the next step.
    """
    parameters = initialize_many(net, [seed], real.device)
    call, variables = trainable(net, parameters)
    optimizer = torch.optim.SGD(variables, recipe.lr, recipe.momentum)
    yield parameters
    for epoch in count():
        draws = generator(seed, "epoch", epoch, device=real.device)
        order = torch.randperm(len(real.train_images), generator=draws, device=real.device)
        for rows in order.split(recipe.batch):
            loss = F.cross_entropy(call(real.train_images[rows])[0], real.train_labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield parameters


@torch.no_grad()
def logits(
    net: nn.Module, parameters: Parameters, images: Float[Tensor, "n c h w"], batch: int = 500
) -> Float[Tensor, "n k"]:
    """The answers of one network, some images at a time."""
    return torch.cat([forward(net, parameters, x)[0] for x in images.split(batch)])
