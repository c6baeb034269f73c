"""What the compiled core gains over plain code, item by item.

    python tests/benchmarks/core.py                 # all of it, on a CPU some fifteen minutes
    python tests/benchmarks/core.py features pull   # some items

writes `ddlib/recorded/benchmarks/core-cpu.json` for the run-times page. Each item has a process of
its own; in it plain float32, compiled float32 and compiled bfloat16 take turns, so that all meet
the same weather, and ratios are taken within a turn. Freed memory is kept. Seconds are CPU-seconds
of one thread (on a GPU, seconds on the clock).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch
from cases import Work, outer_steps, random_data
from measure import best_device, spread

import ddlib
from ddlib.compiled import Precision, function_of, in_precision, operations
from ddlib.distilled import DistilledSet
from ddlib.ensemble import cached_images, flatten, initialize_many, unflatten
from ddlib.evaluation import train_and_test
from ddlib.files import load_json, save_json
from ddlib.methods.distribution import embedding_of
from ddlib.networks import build
from ddlib.provenance import peak_memory_mib, provenance
from ddlib.results import RECORDED
from ddlib.training import Recipe, train_epochs
from ddlib.unroll import pull_of, sgd

TURNS = 5
SHAPES = {"full": (3, 32, 32), "laptop": (3, 16, 16)}
SIDES: dict[str, tuple[Precision, bool]] = {
    "plain": ("float32", False),
    "float32": ("float32", True),
    "bfloat16": ("bfloat16", True),
}


def features(scale: str, precision: Precision, compiled: bool, device: str) -> Work:
    net, theta, images, _ = _given(scale, precision, device)
    embed = function_of(net, embedding_of, compiled=compiled)
    weights = {
        k.removeprefix("embed."): p[0]
        for k, p in unflatten(net, theta).items()
        if k.startswith("embed.")
    }
    parts = images.split(cached_images(net, SHAPES[scale], images.device) or 100)
    parts = [images] if compiled else parts
    return _quietly(lambda: [embed(weights, part) for part in parts])


def step(scale: str, precision: Precision, compiled: bool, device: str) -> Work:
    """As training takes it: the module's own gradient where it is plain."""
    net, theta, images, labels = _given(scale, precision, device)
    recipe = Recipe(epochs=1)

    def work() -> None:
        for _ in train_epochs(
            net, images, labels, recipe, [0], start=unflatten(net, theta), compiled=compiled
        ):
            pass

    return work


def pull(scale: str, precision: Precision, compiled: bool, device: str) -> Work:
    net, theta, images, labels = _given(scale, precision, device)
    fast = function_of(net, pull_of, sgd(0.9), compiled=compiled)
    lr, i = (torch.tensor(x, device=device) for x in (0.01, 0.0))
    state, adjoint = (theta, torch.zeros_like(theta)), (theta, theta)
    return _quietly(lambda: fast(state, images, labels, lr, i, adjoint))


def method_step(**settings: Any) -> Callable[[str, Precision, bool, str], Work]:
    """An outer step of a method as `ddlib.distill` takes it."""

    def setup(scale: str, precision: Precision, compiled: bool, device: str) -> Work:
        about = dict(settings)
        kind, few = about.pop("kind"), about.pop("few", False)
        real = random_data(SHAPES[scale], device, 100 if few else 5000, 10)
        return outer_steps(real, kind(precision=precision, **about), device, compiled=compiled)

    return setup


def evaluation(scale: str, precision: Precision, compiled: bool, device: str) -> Work:
    """A tenth of one network under protocol `plain`; the judge is in float32 on every side."""
    real = random_data(SHAPES[scale], device, 100, 1000)
    chosen = DistilledSet.of(real, real.train_images, real.train_labels)
    test = real.test_images, real.test_labels
    given = chosen, test, "convnet", Recipe(epochs=30), [0]
    return lambda: train_and_test(*given, compiled=compiled)


DM = {"kind": ddlib.DistributionMatching, "ipc": 10, "batch_real": 256}
DSA = {"kind": ddlib.GradientMatching, "ipc": 10, "outer": 1, "batch_real": 256, "augment": True}
MTT = {
    "kind": ddlib.TrajectoryMatching, "ipc": 10, "inner_steps": 10, "experts": 1,
    "expert_batch": 10, "lr": 1e-7, "lr_rate": 1e-7, "few": True,
}  # fmt: skip
BPTT = {"kind": ddlib.BPTT, "ipc": 10, "inner_steps": 30, "window": 10, "lr": 1e-4, "few": True}
# name: (what is measured, scale, how, passes of one image if they are all its work)
ITEMS: dict[str, tuple[str, str, Callable[..., Work], float | None]] = {
    "features": ("features of 100 images", "full", features, 100),
    "step": ("training step, 100 images", "full", step, 300),
    "pull": ("pull-back of a step, 100 images", "full", pull, 900),
    "dm": ("DM: a step, 256 real images a class", "full", method_step(**DM), None),
    "dsa": ("DSA: a match, 256 real images a class", "full", method_step(**DSA), None),
    "mtt": ("MTT: an outer step of 10 inner ones", "full", method_step(**MTT), None),
    "bptt": ("BPTT: window of 10 in 30 inner steps", "full", method_step(**BPTT), None),
    "evaluation": ("a tenth of a network, `plain`", "full", evaluation, None),
    "step-laptop": ("training step, 100 images", "laptop", step, 300),
    "pull-laptop": ("pull-back of a step, 100 images", "laptop", pull, 900),
    "dm-laptop": ("DM: a step, 256 real images a class", "laptop", method_step(**DM), None),
    "dsa-laptop": ("DSA: a match, 256 real images a class", "laptop", method_step(**DSA), None),
    "mtt-laptop": ("MTT: an outer step of 10 inner ones", "laptop", method_step(**MTT), None),
}


def _given(scale: str, precision: Precision, device: str) -> tuple[Any, ...]:
    net = in_precision(build("convnet", SHAPES[scale], 10), precision)
    images = torch.randn(100, *SHAPES[scale], device=device)
    theta = flatten(net, initialize_many(net, [0], device))
    return net, theta, images, torch.arange(100, device=device) % 10


def _quietly(work: Callable[[], object]) -> Work:
    def quiet() -> None:
        with torch.no_grad():
            work()

    return quiet


def bare_convolution(scale: str, device: str) -> float:
    """Operations a second of one 128 to 128 convolution in bfloat16: the machine's limit."""
    width, size = (128, 16) if scale == "full" else (64, 8)
    conv = torch.nn.Conv2d(width, width, 3, padding=1, device=device).bfloat16()
    x = torch.randn(100, width, size, size, device=device).bfloat16()
    conv, x = (t.to(memory_format=torch.channels_last) for t in (conv, x))
    seconds = [timed(_quietly(lambda: conv(x)), device) for _ in range(8)][3:]
    return 2 * 100 * size**2 * width**2 * 9 / median(seconds)


def timed(work: Work, device: str) -> float:
    clock = time.process_time if device == "cpu" else _synchronized
    before = clock()
    work()
    return clock() - before


def _synchronized() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def measured(name: str, device: str) -> dict[str, Any]:
    """All sides of one item, in turns, in this process."""
    what, scale, how, passes = ITEMS[name]
    sides, peaks = {}, {}
    for side, (precision, compiled) in SIDES.items():
        sides[side] = how(scale, precision, compiled, device)
        timed(sides[side], device)  # the first call compiles
        timed(sides[side], device)
        peaks[side] = peak_memory_mib(device)
    turns = [{side: timed(work, device) for side, work in sides.items()} for _ in range(TURNS)]
    found: dict[str, Any] = {"what": what, "scale": scale, "peak_mib_so_far": peaks}
    for side in SIDES:
        found[side] = {"seconds": spread([turn[side] for turn in turns])}
        if side != "plain":
            found[side]["ratio"] = spread([turn["plain"] / turn[side] for turn in turns])
    if passes:
        work = passes * operations(build("convnet", SHAPES[scale], 10), SHAPES[scale])
        limit = bare_convolution(scale, device)
        speeds = {s: work / found[s]["seconds"]["median"] for s in SIDES}
        found["gflops"] = {s: round(v / 1e9, 1) for s, v in speeds.items()}
        found["limit_gflops"] = round(limit / 1e9, 1)
        found["share_of_limit"] = round(speeds["bfloat16"] / limit, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("items", nargs="*", default=list(ITEMS))
    parser.add_argument("--device", choices=("cpu", "cuda"), default=best_device())
    parser.add_argument("--here", action="store_true", help="one item in this process")
    given = parser.parse_args()
    torch.set_num_threads(1)
    ddlib.keep_freed_memory()
    if given.here:
        print(json.dumps(measured(given.items[0], given.device)))
        return
    path = RECORDED / "benchmarks" / f"core-{given.device}.json"
    found = load_json(path)["items"] if path.exists() else {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    for name in given.items:
        command = [sys.executable, __file__, name, "--here", "--device", given.device]
        out = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        found[name] = json.loads(out.splitlines()[-1])
        print(name, {s: found[name][s]["ratio"] for s in ("float32", "bfloat16")}, flush=True)
        about = {
            "clock": "CPU-seconds, one thread" if given.device == "cpu" else "seconds",
            "bfloat16_units": _units(),
            "date": datetime.now(UTC).date().isoformat(),
            **provenance(given.device),
        }
        save_json(path, {"items": found, **about})


def _units() -> list[str]:
    """What this processor has for products in bfloat16."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text() if path.exists() else ""
    return [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]


if __name__ == "__main__":
    main()
