"""Images of a set side by side, as a picture that axes or a page can hold."""

import base64
import io

import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor


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
