"""A distilled set: the images, their labels, and how they came to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib import checks
from ddlib.channels import to_pixels
from ddlib.data import ImageData
from ddlib.files import damaged, load_tensors, save_tensors


class Snapshot(NamedTuple):
    """The synthetic images after some steps of distillation, on the CPU."""

    step: int
    loss: float  # of the step just taken; NaN at step 0
    images: Tensor


@dataclass(frozen=True, eq=False, repr=False)  # compared by identity, as ImageData is
class DistilledSet:
    """Synthetic images in the standardized space of the dataset they stand for.

    `labels` are class indices (n,) or soft distributions (n, k). `lr` is the learned learning
    rate of methods that have one. `meta` says how the set was made: dataset, method, settings,
    seed, versions, commit, device, seconds. `history` holds snapshots of the run, for looking
    at; it is not saved. `whitening` says in words whether the space is a whitened one.

    Raises `ValueError`, with the way out, for images that are not finite, labels that are neither
    classes nor distributions (logits become such by `softmax`), and a rate that is not above zero.
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
    whitening: str | None = None

    def __post_init__(self) -> None:
        """The border: what comes in is checked here, converted once, and trusted from then on."""
        mean, std = checks.checked_channels(self.mean, self.std)
        images = checks.checked_images(self.images, len(mean), "the set's images")
        classes, labels = checks.checked_classes(self.classes), self.labels
        n, k = len(images), len(classes)
        if isinstance(labels, Tensor) and labels.is_floating_point():
            labels = checks.checked_distributions(labels, n, k)
        else:
            checks.check_labels(labels, n, k)
        checks.check_rate(self.lr)
        fields = {"images": images, "labels": labels, "classes": classes, "mean": mean, "std": std}
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, real: ImageData, images: Tensor, labels: Tensor, **more: Any) -> "DistilledSet":
        """A set for `real`: its classes and its pixel space come from there."""
        space = {name: getattr(real, name) for name in ("classes", "mean", "std", "whitening")}
        return cls(images, labels, **{"ipc": len(images) // len(real.classes), **space, **more})

    def __repr__(self) -> str:
        about = self.meta.get("method", {}), self.meta.get("dataset", "")
        method = about[0].get("tag", "") if isinstance(about[0], Mapping) else ""
        shape = "x".join(map(str, self.images.shape[1:]))
        soft = ", soft labels" if self.labels.is_floating_point() else ""
        origin = ", ".join(f"{v!r}"[:40] for v in (method, about[1]) if v)
        return (
            f"DistilledSet({origin}{', ' if origin else ''}{len(self.images)} images of {shape}, "
            f"{len(self.classes)} classes{soft})"
        )

    def _repr_html_(self) -> str:
        from ddlib.pictures import by_class, figure

        return figure(repr(self), by_class(self.images, self.labels, self), self)

    def pixels(self, images: Float[Tensor, "*s c h w"] | None = None) -> Float[Tensor, "*s c h w"]:
        """Standardized images as pixels in [0, 1]; what lies outside is clipped, for looking at."""
        images = self.images if images is None else images
        return to_pixels(images, self.mean, self.std).clamp(0, 1)

    def at(self, index: int) -> "DistilledSet":
        """The set as it was at one snapshot of its history; `IndexError` where there is none."""
        kept = len(self.history)
        if not -kept <= index < kept:
            raise IndexError(
                f"there is no snapshot {index}: this set kept {kept}. Selections and "
                "saved sets keep none; `snapshots` of ddlib.distill says how many others keep"
            )
        images = self.history[index].images.to(self.images.device)
        return replace(self, images=images, history=())

    def to(self, device: torch.device | str) -> "DistilledSet":
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def save(self, path: str | Path, *, half: bool = False) -> Path:
        """Write one safetensors file, whole or not at all; `half` stores 16-bit images."""
        tensors = {"images": self.images.half() if half else self.images, "labels": self.labels}
        about = {f: getattr(self, f) for f in ("ipc", "classes", "mean", "std", "lr", "meta")}
        if self.whitening:  # sets in the usual space look as they always did
            about["whitening"] = self.whitening
        return save_tensors(path, tensors, about)

    @classmethod
    def load(cls, path: str | Path) -> "DistilledSet":
        """Read what `save` wrote, on the CPU, as float32; a damaged file is named and refused."""
        tensors, about = load_tensors(path)
        try:
            about |= {name: tuple(about[name]) for name in ("classes", "mean", "std")}
            return cls(tensors["images"].float(), tensors["labels"], **about)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, error) from None
