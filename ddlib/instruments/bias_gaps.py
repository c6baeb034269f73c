"""How biased networks are, from a study of bias: gaps, and what they are compared with."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ddlib.instruments.colors import HUES
from ddlib.studies import Study

RANDOM = ("random", "start")  # two draws of random images of the same size; `start` began the sets


def gap(percent: Float[Tensor, "*s measure net"]) -> Float[Tensor, "*s net"]:
    """Points by which a network is better on aligned drawings than on conflicting ones.

    The drawings are the same but for their color: without bias the gap is zero.

    >>> gap(torch.tensor([[90.0], [60.0], [20.0]]))  # aligned less conflicting
    tensor([30.])
    """
    return percent[..., 0, :] - percent[..., 1, :]


def of_all(study: Study, mark: int, level: float) -> Float[Tensor, "set measure net"]:
    """What networks on all real images do after `mark` steps."""
    return study.pick("path", level=level, mark=mark)


def of_source(study: Study, source: str, level: float) -> Float[Tensor, "set measure net"]:
    """What networks on one source's sets do."""
    return study.pick("accuracy", level=level, source=source)


def of_random(study: Study, level: float) -> Float[Tensor, "set measure net"]:
    """What networks on random images of the same size do, the mean over the draws there are."""
    draws = [source for source in RANDOM if source in study.axes["source"]]
    return torch.stack([of_source(study, source, level) for source in draws]).mean(0)


def expected_own(levels: Sequence[float], classes: int) -> list[float]:
    """Share of real images in the color of their class, in percent: s + (1 - s) / classes.

    >>> expected_own([0.0, 0.5, 1.0], classes=5)
    [20.0, 60.0, 100.0]
    """
    return [100 * (s + (1 - s) / classes) for s in levels]


def repainted(study: Study) -> Float[Tensor, "source image"]:
    """How much of the color of its class each image that began in another one has taken on.

    In percent of what an image has on average that began in the color of its class: 0 as at the
    start, 100 as an aligned image. It needs `start`, and looks at the images that are kept.
    """
    shown, classes = study.pick("shown").float() / 255, len(HUES)
    labels = torch.arange(classes).repeat_interleave(shown.shape[1] // classes)
    vivid = (shown - shown.mean(2, keepdim=True)).mean((3, 4))  # source, image, channel
    begun = study.axes["source"].index("start")
    conflicting = (vivid[begun] @ HUES.T).argmax(1) != labels
    own = (vivid * HUES[labels]).sum(2)
    before = own[begun][conflicting]
    full = own[begun][~conflicting].mean()
    return 100 * (own[:, conflicting] - before) / (full - before)


def moved(study: Study) -> Float[Tensor, " source"]:
    """How far each source's kept images are from those of `start`: RMS over pixels, of 255."""
    shown = study.pick("shown").float()
    return (shown - study.pick("shown", source="start").float()).square().mean((1, 2, 3, 4)).sqrt()
