"""Images as a picture that axes or a page can hold, and what a notebook shows of a set."""

import base64
import html
import io
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from ddlib.channels import to_pixels

PER_CLASS, CLASSES = 4, 20  # images shown of each class, and classes


@runtime_checkable
class Space(Protocol):
    """Who says how standardized images become pixels, and what the classes are called."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Of each channel."""

    @property
    def std(self) -> tuple[float, ...]:
        """Of each channel."""

    @property
    def whitening(self) -> str | None:
        """How the channels were mixed, if they were."""


def arranged(frame: UInt8[Tensor, "n c h w"], classes: int) -> Image.Image:
    """Images laid out with one column for each class, a white pixel between neighbors."""
    n, c = frame.shape[:2]
    framed = F.pad(frame, (0, 1, 0, 1), value=255)
    h, w = framed.shape[2:]
    rows = framed.view(classes, n // classes, c, h, w).permute(1, 3, 0, 4, 2)
    pixels = rows.reshape(n // classes * h, classes * w, c)[:-1, :-1].numpy()
    return Image.fromarray(pixels.repeat(3, axis=2) if c == 1 else pixels)


def png(frame: UInt8[Tensor, "n c h w"], classes: int) -> str:
    """Images `arranged`, as a page can hold them: PNG in base64."""
    file = io.BytesIO()
    arranged(frame, classes).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def by_class(
    images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"] | Float[Tensor, "n k"], of: Space
) -> UInt8[Tensor, "m c h w"]:
    """The first images of each class as bytes, class after class; short classes end in white."""
    numbers = labels.argmax(1) if labels.is_floating_point() else labels
    groups = []
    for label in range(min(len(of.classes), CLASSES)):
        few = to_pixels(images[numbers == label][:PER_CLASS].float(), of.mean, of.std).cpu()
        groups.append(F.pad(few, (0, 0) * 3 + (0, PER_CLASS - len(few)), value=float("nan")))
    pixels = torch.cat(groups)
    if pixels.shape[1] not in (1, 3):  # no colors: their mean, as gray
        pixels = pixels.mean(1, keepdim=True)
    if of.whitening:  # whitened images have no pixels from 0 to 1: show the range they have
        low, high = (pixels.nan_to_num(0).quantile(q) for q in (0.01, 0.99))
        pixels = (pixels - low) / (high - low).clamp(min=1e-6)
    return (255 * pixels.nan_to_num(1).clamp(0, 1)).round().byte()


def figure(caption: str, frame: UInt8[Tensor, "m c h w"], of: Space) -> str:
    """A picture of these images, one column for each class, with a line below it."""
    shown = of.classes[:CLASSES]
    more = f" and {len(of.classes) - len(shown)} more" if len(of.classes) > len(shown) else ""
    names, caption = html.escape(", ".join(shown) + more), html.escape(caption)
    return (
        f'<figure style="margin:0"><img alt="The first images of each class, in columns: {names}" '
        f'style="image-rendering:pixelated;width:{min(3 * len(shown), 40)}rem;max-width:100%" '
        f'src="data:image/png;base64,{png(frame, len(shown))}">'
        f"<figcaption>{caption}<br>{names}</figcaption></figure>"
    )
