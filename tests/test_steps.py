"""Training step by step is the training of epochs, looked at more often."""

import pytest
import torch
from helpers import toy_data

from ddlib.networks import build
from ddlib.steps import training_steps
from ddlib.training import Recipe, train_epochs


@pytest.mark.usefixtures("double")
def test_steps_lead_where_epochs_lead() -> None:
    """Whole epochs, cut differently: 20 images in batches of 8 are 3 steps an epoch."""
    real, net = toy_data(), build("convnet", (2, 8, 8), 3)
    recipe = Recipe(epochs=2, batch=8, lr=0.05, momentum=0.9)
    epochs = [
        {k: v.detach().clone() for k, v in p.items()}
        for p in train_epochs(net, real.train_images, real.train_labels, recipe, [4])
    ]
    steps = training_steps(net, real, 4, batch=8, lr=0.05, momentum=0.9)
    for step, parameters in zip(range(7), steps, strict=False):
        if step % 3 == 0:
            for name, value in epochs[step // 3].items():
                assert torch.allclose(parameters[name], value, rtol=1e-10, atol=1e-12)
    assert not torch.equal(epochs[0]["head.weight"], epochs[1]["head.weight"])
