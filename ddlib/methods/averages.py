"""Averages: the simplest images that can be computed, and a baseline for all that are learned."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.data import ImageData, check_ipc
from ddlib.distillation import Variables


@dataclass(frozen=True, kw_only=True)
class KMeans:
    """The `ipc` centers of k-means in the pixels of each class (Lloyd 1982).

    Each image is the mean of the training images that are closer to it than to the other centers
    of their class. With one image per class it is the class average.
    """

    tag: ClassVar[str] = "kmeans"
    steps: ClassVar[int] = 0
    ipc: int
    starts: int = 4  # random beginnings, of which the tightest result counts

    def initialize(self, real: ImageData, seed: int) -> Variables:
        check_ipc(real, self.ipc)
        classes = range(len(real.classes))
        centers = [
            _centers(real.train_images[real.train_labels == c], self.ipc, self.starts, seed)
            for c in classes
        ]
        labels = torch.tensor(classes, device=real.device).repeat_interleave(self.ipc)
        return {"images": torch.cat(centers), "labels": labels}


def _centers(
    images: Float[Tensor, "n c h w"], k: int, starts: int, seed: int
) -> Float[Tensor, "k c h w"]:
    from sklearn.cluster import KMeans as Lloyd  # takes a second to import

    found = Lloyd(k, n_init=starts, random_state=seed).fit(images.flatten(1).cpu().numpy())
    return torch.from_numpy(found.cluster_centers_).to(images).view(k, *images.shape[1:])
