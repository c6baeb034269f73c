"""Each question on tiny data: plans of seconds, for the tests that ask all of them."""

from dataclasses import replace
from typing import Any

import ddlib
from ddlib.experiment.asking import recorded_sets
from ddlib.experiment.bench import Bench
from ddlib.questions.mixing import experiment as mixing

PLANS: dict[str, Any] = {
    "mixing": replace(
        mixing.PLANS["fast"],
        controls=mixing.Part(("bptt",), tuple(mixing.CONTROLS), 1),
        changes=mixing.Part(("random", "dm"), ("Adam", "augmentation", "clipped"), 1),
        steps=4,
    ),
}


def few(data: str, device: str = "cpu") -> ddlib.ImageData:
    """400 training and 100 test images."""
    real = ddlib.load(data)
    parts = {k: getattr(real, k)[:400] for k in ("train_images", "train_labels")}
    parts |= {k: getattr(real, k)[:100] for k in ("test_images", "test_labels")}
    return replace(real, **parts).to(device)


def bench(device: str = "cpu") -> Bench:
    """A few digits, and the recorded sets of digits."""
    return Bench(few("digits", device), recorded_sets("digits", device=device))
