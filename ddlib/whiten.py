"""Whitening (ZCA): a linear map after which pixels are no longer correlated."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.channels import to_pixels
from ddlib.data import ImageData


@dataclass(frozen=True, eq=False)  # compared and hashed by identity: tensors have no one equality
class Whitening:
    """The map x -> W (x - mean) of images in [0, 1], with every pixel of every channel in x.

    W = U (S + eps)^(-1/2) U^T, where U S U^T is the covariance of the training pixels. Of all maps
    that whiten, this one changes the images least. `eps` keeps directions with hardly any spread
    from being blown up; with the field's 0.1 only strong directions come out with spread near 1.
    """

    mean: Float[Tensor, " d"]
    matrix: Float[Tensor, "d d"]
    eps: float = 0.1

    def apply(self, real: ImageData) -> ImageData:
        """The same data in whitened space, train and test through the same map."""
        if real.whitening:
            raise ValueError(f"{real.name} is whitened already ({real.whitening})")
        train, test = (
            ((to_pixels(x, real.mean, real.std).flatten(1) - self.mean) @ self.matrix).view_as(x)
            for x in (real.train_images, real.test_images)
        )
        return replace(
            real,
            name=f"{real.name}zca",
            train_images=train,
            test_images=test,
            mean=(0.0,) * len(real.mean),
            std=(1.0,) * len(real.std),
            whitening=f"ZCA, eps {self.eps:g}",
        )

    def undo(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Whitened images as pixels, clipped to [0, 1], for looking at."""
        back = torch.linalg.solve(self.matrix.double(), images.flatten(1).double().T).T + self.mean
        return back.view_as(images).clamp(0, 1).to(images)


def whitening(real: ImageData, eps: float = 0.1) -> Whitening:
    """Fit the whitening to the training images of `real`; see `Whitening`.

    Trajectory matching was published with it for CIFAR-10 at ipc 1 and 10 (Cazenavette et al.,
    CVPR 2022). Distill and evaluate in the space of `whitening(real).apply(real)`; a number from
    there and one from the standardized space are two experiments.
    """
    pixels = to_pixels(real.train_images, real.mean, real.std).flatten(1)
    mean = pixels.mean(0)
    spread, directions = torch.linalg.eigh((pixels - mean).T.cov().double())
    matrix = (directions * (spread.clamp(min=0) + eps).rsqrt()) @ directions.T
    return Whitening(mean, matrix.to(pixels), eps)
