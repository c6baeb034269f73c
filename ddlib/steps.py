"""Training on real mini-batches, step by step, for those who look closer than epoch by epoch."""

from collections.abc import Iterator
from itertools import count

import torch
import torch.nn.functional as F
from torch import nn

from ddlib.data import ImageData
from ddlib.ensemble import Parameters, initialize_many, trainable
from ddlib.seeds import generator


def training_steps(
    net: nn.Module, real: ImageData, seed: int, *, batch: int, lr: float, momentum: float
) -> Iterator[Parameters]:
    """One network in training on real data: its parameters before each step, without end.

    What is handed out changes with the next step: copy what you keep.
    """
    parameters = initialize_many(net, [seed], real.device)
    call, variables = trainable(net, parameters)
    optimizer = torch.optim.SGD(variables, lr, momentum)
    for epoch in count():
        draws = generator(seed, "epoch", epoch, device=real.device)
        order = torch.randperm(len(real.train_labels), generator=draws, device=real.device)
        for rows in order.split(batch):
            yield parameters
            loss = F.cross_entropy(call(real.train_images[rows])[0], real.train_labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
