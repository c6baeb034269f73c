"""A distilled set: the images, their labels, and how they came to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.channels import to_pixels
from ddlib.data import ImageData, check_images, check_labels
from ddlib.files import damaged, load_tensors, save_tensors


class Snapshot(NamedTuple):
    """The synthetic images after some steps of distillation, on the CPU."""

    step: int
    loss: float  # of the step just taken; NaN at step 0
    images: Tensor


@dataclass(frozen=True)
class DistilledSet:
    """Synthetic images in the standardized space of the dataset they stand for.

    `labels` are class indices (n,) or soft distributions (n, k). `lr` is the learned learning
    rate of methods that have one. `meta` says how the set was made: dataset, method, settings,
    seed, versions, commit, device, seconds. `history` holds snapshots of the run, for looking
    at; it is not saved.
    """

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"]
    ipc: int
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    lr: float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Snapshot, ...] = ()

    def __post_init__(self) -> None:
        check_images(self.images, len(self.mean))
        n, k = len(self.images), len(self.classes)
        if not self.labels.is_floating_point():
            check_labels(self.labels, n, k)
        elif self.labels.shape != (n, k):
            got = tuple(self.labels.shape)
            raise ValueError(f"soft labels must have shape ({n}, {k}); got {got}")

    @classmethod
    def of(cls, real: ImageData, images: Tensor, labels: Tensor, **more: Any) -> "DistilledSet":
        """A set for `real`: its classes and channel statistics come from there."""
        ipc = more.pop("ipc", len(images) // len(real.classes))
        return cls(images, labels, ipc, real.classes, real.mean, real.std, **more)

    def pixels(self, images: Float[Tensor, "*s c h w"] | None = None) -> Float[Tensor, "*s c h w"]:
        """Standardized images as pixels in [0, 1]; what lies outside is clipped, for looking at."""
        images = self.images if images is None else images
        return to_pixels(images, self.mean, self.std).clamp(0, 1)

    def at(self, index: int) -> "DistilledSet":
        """The set as it was at one snapshot of its history."""
        images = self.history[index].images.to(self.images.device)
        return replace(self, images=images, history=())

    def to(self, device: torch.device | str) -> "DistilledSet":
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def save(self, path: str | Path, *, half: bool = False) -> Path:
        """Write one safetensors file, whole or not at all; `half` stores 16-bit images."""
        tensors = {"images": self.images.half() if half else self.images, "labels": self.labels}
        fields = ("ipc", "classes", "mean", "std", "lr", "meta")
        return save_tensors(path, tensors, {f: getattr(self, f) for f in fields})

    @classmethod
    def load(cls, path: str | Path) -> "DistilledSet":
        """Read what `save` wrote, on the CPU, as float32; a damaged file is named and refused."""
        tensors, about = load_tensors(path)
        try:
            about |= {name: tuple(about[name]) for name in ("classes", "mean", "std")}
            return cls(tensors["images"].float(), tensors["labels"], **about)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, error) from None
