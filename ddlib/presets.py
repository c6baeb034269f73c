"""Settings by profile, method and images per class, each with its source."""

import os
from dataclasses import replace

import torch

from ddlib.distillation import Method
from ddlib.methods.coresets import Herding, KCenter, RandomSelection
from ddlib.methods.distribution import DistributionMatching

METHODS: dict[str, type] = {
    m.tag: m for m in (RandomSelection, Herding, KCenter, DistributionMatching)
}
# What a reader has decides the data: nothing, a laptop, a Colab GPU, a large GPU.
DATASETS = {"fast": "digits", "laptop": "cifar10x16", "colab": "cifar10", "full": "cifar10"}


def profile() -> str:
    """The profile named by the environment variable `DDLIB_PROFILE`; `fast` if it is not set."""
    name = os.environ.get("DDLIB_PROFILE") or "fast"
    if name not in DATASETS:
        raise ValueError(f"unknown profile {name!r}; choose one of: {', '.join(DATASETS)}")
    return name


def device_for(profile: str) -> str:
    """The GPU if there is one, else the CPU; the profile `full` needs a GPU."""
    if torch.cuda.is_available():
        return "cuda"
    if profile == "full":
        raise ValueError("profile 'full' needs a GPU: there is none here. Try 'laptop'.")
    return "cpu"


def preset(tag: str, ipc: int, profile: str = "full") -> Method:
    """The settings of method `tag` at `ipc` images per class in a profile."""
    if tag not in METHODS:
        raise ValueError(f"unknown method {tag!r}; choose one of: {', '.join(METHODS)}")
    if profile not in DATASETS:
        raise ValueError(f"unknown profile {profile!r}; choose one of: {', '.join(DATASETS)}")
    method = METHODS[tag](ipc=ipc)
    if tag == "dm":
        return replace(method, **_distribution(ipc, profile))
    if tag in ("herding", "kcenter"):
        # Ten epochs at rate 0.01 are our choice; the papers do not state how theirs were trained.
        return replace(method, epochs=10)
    return method


def _distribution(ipc: int, profile: str) -> dict[str, int | float]:
    """Distribution matching.

    Full: Zhao & Bilen (WACV 2023) and their released code: 20,000 iterations, 256 real images per
    class, image rate 1 (10 from 100 images per class on), momentum 0.5, from real images, with
    siamese augmentation. The others are that, shortened.
    """
    rate = 10.0 if ipc >= 100 else 1.0
    steps = {"fast": 200, "laptop": 2000, "colab": 2000, "full": 20_000}[profile]
    batch_real = {"fast": 64, "laptop": 64, "colab": 256, "full": 256}[profile]
    return {"steps": steps, "batch_real": batch_real, "lr": rate}
