"""Experts: networks trained on the real images whose paths through parameter space are kept."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm.auto import tqdm

from ddlib.compiled import Precision, in_precision
from ddlib.data import ImageData
from ddlib.ensemble import flatten, unflatten
from ddlib.files import damaged, load_tensors, save_tensors
from ddlib.networks import Network, build
from ddlib.own import name_of
from ddlib.training import Recipe, networks_at_once, train_epochs

SAVE_SECONDS = 60.0  # the most that a kill may cost


def train_experts(
    real: ImageData,
    network: Network,
    recipe: Recipe,
    seeds: Sequence[int],
    folder: Path | None = None,
    *,
    precision: Precision = "float32",
    compiled: bool = False,
) -> Float[Tensor, "e t p"]:
    """Parameters of one expert for each seed, at the start and after each epoch of `recipe`.

    In `folder` each expert keeps its path in a file of its own, which later calls read and, where
    they need more epochs, continue: without momentum the last point of a path says all. A kill
    costs a minute of training and does not change the result.
    """
    if recipe.momentum:
        raise ValueError("experts are trained without momentum, so that a path can be continued")
    net = in_precision(build(network, real.shape, len(real.classes)), precision)
    together = networks_at_once(net, real.train_images, recipe)
    paths = []
    with tqdm(desc="expert epochs", total=len(seeds) * recipe.epochs) as bar:
        for i in range(0, len(seeds), together):
            some = seeds[i : i + together]
            files = [_file(real, network, recipe, seed, folder, precision) for seed in some]
            paths.append(_continue(real, net, recipe, some, files, bar, compiled))
    return torch.cat(paths)


def _file(
    real: ImageData, network: Network, recipe: Recipe, seed: int, folder: Path | None,
    precision: Precision,
) -> Path | None:  # fmt: skip
    """Named by all that a path depends on but the number of epochs."""
    pixels = round(float(real.train_images.double().sum()), 3)
    about = {**asdict(recipe), "epochs": None, "network": name_of(network), "pixels": pixels}
    about |= {} if precision == "float32" else {"precision": precision}
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    return folder and folder / f"expert-{real.name}-seed{seed}-{key}.safetensors"


def _continue(
    real: ImageData,
    net: nn.Module,
    recipe: Recipe,
    seeds: Sequence[int],
    files: Sequence[Path | None],
    bar: Any,
    compiled: bool,
) -> Float[Tensor, "e t p"]:
    """Read what the files of these experts hold, and train them side by side from there on."""
    path = _read(files, recipe.epochs, real.device)
    first, saved = max(len(path) - 1, 0), time.monotonic()
    bar.update(first * len(seeds))
    start = unflatten(net, path[-1]) if path else None
    data = real.train_images, real.train_labels
    if len(path) <= recipe.epochs:
        begin: dict[str, Any] = {"start": start, "first": first, "compiled": compiled}
        training = train_epochs(net, *data, recipe, seeds, **begin)
        for parameters in islice(training, bool(path), None):  # where it starts may be known
            path.append(flatten(net, parameters))
            bar.update(len(seeds) if len(path) > 1 else 0)
            if time.monotonic() - saved > SAVE_SECONDS or len(path) == recipe.epochs + 1:
                _write(files, torch.stack(path, 1))
                saved = time.monotonic()
    return torch.stack(path, 1)


def _read(files: Sequence[Path | None], epochs: int, device: torch.device) -> list[Tensor]:
    """The points (e, p) that all these experts have, up to `epochs`; none if a file is missing."""
    there = [file for file in files if file and file.exists()]
    if len(there) < len(files):
        return []
    paths = []
    for file in there:
        tensors, _ = load_tensors(file)
        if "path" not in tensors:
            raise damaged(file, KeyError("path"))
        paths.append(tensors["path"].to(device))
    known = min(epochs + 1, *(len(p) for p in paths))
    return list(torch.stack([p[:known] for p in paths], 1))


def _write(files: Sequence[Path | None], paths: Float[Tensor, "e t p"]) -> None:
    for file, path in zip(files, paths, strict=True):
        if file:
            save_tensors(file, {"path": path.contiguous()}, {})
