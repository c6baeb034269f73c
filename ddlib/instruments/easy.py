"""Which real images does a network find easy?"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddlib.data import ImageData
from ddlib.ensemble import forward, unflatten


@torch.no_grad()
def easy_images(
    net: nn.Module, theta: Float[Tensor, "1 p"], real: ImageData, pool: int, each: int = 10
) -> Int[Tensor, "2 n"]:
    """Rows of two sets of real images, `each` per class: those of lowest loss for one network."""
    images, labels = real.train_images[:pool], real.train_labels[:pool]
    parameters = unflatten(net, theta)
    parts = zip(images.split(500), labels.split(500), strict=True)
    loss = torch.cat(
        [F.cross_entropy(forward(net, parameters, x)[0], y, reduction="none") for x, y in parts]
    )
    order = loss.argsort()
    best = [order[labels[order] == c][: 2 * each].view(each, 2) for c in range(len(real.classes))]
    return torch.cat(best).T
