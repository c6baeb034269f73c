"""Settings by profile, method and images per class, each with its source."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from ddlib.distillation import Method
from ddlib.distilled import DistilledSet
from ddlib.methods.bptt import BPTT
from ddlib.methods.coresets import Herding, Init, KCenter, RandomSelection
from ddlib.methods.distribution import DistributionMatching
from ddlib.methods.gradient import GradientMatching
from ddlib.methods.trajectory import TrajectoryMatching

METHODS: dict[str, Callable[..., Method]] = {
    "random": RandomSelection,
    "herding": Herding,
    "kcenter": KCenter,
    "dm": DistributionMatching,
    "dc": GradientMatching,
    "dsa": partial(GradientMatching, augment=True),
    "mtt": TrajectoryMatching,
    "bptt": BPTT,
}
# How registered methods are set at an ipc and a profile, as `register` got it.
REGISTERED: dict[str, Callable[[int, str], Mapping[str, Any]]] = {}
# What a reader has decides the data: nothing, a laptop, a Colab GPU, a large GPU. The settings of
# `fast` were chosen on validation images of `photos` (see `book/photos.py`) at 5 images per class,
# so that each run ends within half a minute on one core; its networks are half as wide for that.
DATASETS = {"fast": "photos", "laptop": "cifar10x16", "colab": "cifar10", "full": "cifar10"}
# What a notebook says where a reader has a GPU and has not chosen. Nobody has timed `colab` yet.
GPU_FOUND = """There is a GPU here. In place of the line above, write

    PROFILE = "colab"

and the chapter runs on CIFAR-10 at 32x32 pixels, which is downloaded once, with ConvNet-D3 of width
128 and shortened runs. How long that takes on this GPU: not measured."""


def register(
    method: type, settings: Callable[[int, str], Mapping[str, Any]] = lambda ipc, profile: {}
) -> type:
    """Make a method of your own known by its tag: to the command line, presets and records.

    `settings(ipc, profile)` are those in which its presets differ from its defaults. It also works
    as a decorator of the class; the command line finds the class with `--import MODULE`.
    """
    tag = getattr(method, "tag", None)
    if not isinstance(tag, str) or not re.fullmatch("[a-z][a-z0-9_]*", tag):
        raise ValueError(f"a method's tag must be a word like 'dm', of a-z, 0-9 and _; got {tag!r}")
    if not hasattr(method, "__dataclass_fields__") or not callable(
        getattr(method, "initialize", 0)
    ):
        raise ValueError(f"{method!r} must be a dataclass with a method initialize(real, seed)")
    if METHODS.get(tag, method) is not method:
        raise ValueError(f"there is a method {tag!r} already: {METHODS[tag]!r}; take another tag")
    METHODS[tag], REGISTERED[tag] = method, settings
    return method


# Convolutions are in bfloat16 where long runs meet hardware that has units for it. The GPU that
# Colab lends for nothing has none, and in profile `fast` nothing takes long.
PRECISIONS = {"fast": "float32", "laptop": "bfloat16", "colab": "float32", "full": "bfloat16"}


def profile() -> str:
    """The profile named by the environment variable `DDLIB_PROFILE`; `fast` if it is not set."""
    name = os.environ.get("DDLIB_PROFILE") or "fast"
    if name not in DATASETS:
        raise ValueError(f"unknown profile {name!r}; choose one of: {', '.join(DATASETS)}")
    if not os.environ.get("DDLIB_PROFILE") and torch.cuda.is_available():
        print(GPU_FOUND)
    return name


def studied(profile: str) -> str:
    """The dataset whose recorded sets the questions of the study take apart in a profile.

    In profile `fast` these are sets of digits: those of the live set are made on the spot.
    """
    return "digits" if profile == "fast" else DATASETS[profile]


def device_for(profile: str) -> str:
    """The GPU if there is one, else the CPU: every profile runs on both, `full` for a night."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def preset(tag: str, ipc: int, profile: str = "full") -> Method:
    """The settings of method `tag` at `ipc` images per class in a profile."""
    if tag not in METHODS:
        raise ValueError(f"unknown method {tag!r}; choose one of: {', '.join(METHODS)}")
    if profile not in DATASETS:
        raise ValueError(f"unknown profile {profile!r}; choose one of: {', '.join(DATASETS)}")
    method = METHODS[tag](ipc=ipc)
    settings: dict[str, Callable[[int, str], dict[str, Any]]] = {
        "dm": _distribution,
        "dc": partial(_gradient, "noise"),
        "dsa": partial(_gradient, "real"),
        "mtt": _trajectory,
        "bptt": _bptt,
    }
    if tag in settings:
        return replace(method, **settings[tag](ipc, profile), precision=PRECISIONS[profile])
    if tag in REGISTERED:
        return replace(method, **REGISTERED[tag](ipc, profile))
    if tag in ("herding", "kcenter"):
        # Ten epochs at rate 0.01 are our choice; the papers do not state how theirs were trained.
        return replace(method, epochs=10, **_network(profile))
    return method


def made_by(one: DistilledSet) -> Method:
    """The method that a set was made by, with its settings."""
    about = dict(one.meta["method"])
    return METHODS[about.pop("tag")](**about)


def _network(profile: str) -> dict[str, str]:
    """The network that a method distills with, where it is not the usual one."""
    return {"network": "convnet-half"} if profile == "fast" else {}


def _distribution(ipc: int, profile: str) -> dict[str, Any]:
    """Distribution matching.

    Full: Zhao & Bilen (WACV 2023) and their released code: 20,000 iterations, 256 real images per
    class, image rate 1 (10 from 100 images per class on), momentum 0.5, from real images, with
    siamese augmentation. The others are that, shortened.
    """
    rate = 3.0 if profile == "fast" else 10.0 if ipc >= 100 else 1.0
    steps = {"fast": 400, "laptop": 2000, "colab": 2000, "full": 20_000}[profile]
    batch_real = {"fast": 64, "laptop": 64, "colab": 256, "full": 256}[profile]
    return {"steps": steps, "batch_real": batch_real, "lr": rate, **_network(profile)}


def _gradient(init: Init, ipc: int, profile: str) -> dict[str, Any]:
    """Gradient matching.

    Full: Zhao et al. (2021), Zhao & Bilen (2021) and their released code: 1000 networks, 256 real
    images per class, image rate 0.1, momentum 0.5, the matches of each network and the epochs
    between them as published for ipc 1, 10 and 50; from noise without and from real images with
    augmentation. The others are that, shortened, all from real images and at image rate 1, which is
    ours: a tenth of the steps wants a longer one.
    """
    if profile == "fast":
        return {"steps": 100, "outer": 10, "inner_epochs": 10, "lr": 1.0, **_network(profile)}
    outer, epochs = (1, 1) if ipc == 1 else (10, 50) if ipc <= 10 else (50, 10)
    if profile == "full":
        steps = 1000 * outer
        return {
            "steps": steps, "outer": outer, "inner_epochs": epochs, "batch_real": 256, "init": init,
        }  # fmt: skip
    steps, batch_real = {"laptop": (600, 64), "colab": (500, 128)}[profile]
    return {
        "steps": steps, "outer": min(outer, 10), "inner_epochs": min(epochs, 10), "lr": 1.0,
        "batch_real": batch_real,
    }  # fmt: skip


def _bptt(ipc: int, profile: str) -> dict[str, Any]:
    """Meta-model matching.

    Full, ipc 1: Deng & Russakovsky (2022) and their released code: 150 inner steps of SGD, rate
    0.01, momentum 0.9, all of them differentiated, 64 real images per class. Full, ipc 10 and 50:
    their inner optimizer, with the random window of Feng et al. (2024), 60 steps long and anywhere
    in the 300 steps of the protocol `plain`; the settings of the first paper for these sizes are
    not in its code. Adam on the images and its rate are ours. The other profiles are shortened.
    """
    if profile == "fast":
        return {"steps": 40, "inner_steps": 40, "window": 15, "batch_real": 32, **_network(profile)}
    if profile == "full":
        inner = (
            {"inner_steps": 150, "window": None} if ipc == 1 else {"inner_steps": 300, "window": 60}
        )
        return {**inner, "steps": 5000, "lr": 0.02, "batch": 100}
    steps = 1000 if ipc == 1 else 200
    return {"inner_steps": 120, "window": 20, "steps": steps, "lr": 0.02, "batch": 100}


def _trajectory(ipc: int, profile: str) -> dict[str, Any]:
    """Trajectory matching.

    Full: Cazenavette et al. (2022) as their authors gave them to DC-BENCH, but in the space of
    this book instead of whitened pixels: 100 experts, two epochs ahead, 5000 iterations,
    augmentation on. Their step of the learned rate a is 1e-7 (ipc 1) or 1e-5 (else) in a itself;
    we learn its logarithm, whose equal step is that over a squared. The other profiles use fewer
    and shorter experts, and no augmentation.
    """
    if profile == "fast":
        # At rate 0.01 an expert hardly moves in the few epochs that a reader can wait for.
        return {
            "steps": 40, "experts": 3, "expert_epochs": 2, "expert_batch": 32, "expert_lr": 0.03,
            "max_start": 4, "inner_steps": 15, "lr": 300.0, "inner_lr": 0.05, "lr_rate": 0.02,
            **_network(profile),
        }  # fmt: skip
    if profile == "full":
        inner_lr, rate = (0.01, 1e-7) if ipc == 1 else (0.001, 1e-5)
        return {
            "steps": 5000, "experts": 100, "expert_epochs": 2, "expert_batch": 256,
            "max_start": 2 if ipc == 1 else 20 if ipc == 10 else 40,
            "inner_steps": 50 if ipc == 1 else 30, "lr": 100.0 if ipc <= 10 else 1000.0,
            "inner_lr": inner_lr, "lr_rate": rate / inner_lr**2, "augment": True,
        }  # fmt: skip
    experts, steps = {"laptop": (3, 200), "colab": (5, 500)}[profile]
    return {
        "steps": 1000 if ipc == 1 else steps, "experts": experts, "expert_epochs": 1,
        "expert_batch": 256, "max_start": 3, "inner_steps": 30, "lr": 30.0, "inner_lr": 0.02,
        "batch": 100,
    }  # fmt: skip
