"""How the cost of a step grows with classes, pixels and images per class.

    python tests/benchmarks/scaling.py

writes `ddlib/recorded/benchmarks/scaling-cpu.json` for the page on scaling out, in some three
minutes of one quiet core. One thing grows at a time, from ten classes, 32x32 pixels and one image
per class; each point has a process of its own, because a process does not give back its peak of
memory. The images are random: the work is that of photographs. Seconds are CPU-seconds of one
thread.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any

import torch
from cases import outer_steps

import ddlib
from ddlib.compiled import operations
from ddlib.data import ImageData
from ddlib.distillation import CompilableMethod
from ddlib.files import save_json
from ddlib.networks import build
from ddlib.provenance import peak_memory_mib, provenance
from ddlib.results import RECORDED
from ddlib.seeds import generator

BASE = {"classes": 10, "pixels": 32, "ipc": 1}
AXES = {
    "classes": (10, 30, 100, 200),
    "pixels": (32, 64, 128),
    "ipc": (1, 3, 10),
}
NETWORK = "convnet-quarter"  # of width 32, whose depth grows with the images as in the field
METHODS: dict[str, Any] = {
    "dm": (ddlib.DistributionMatching, {"steps": 1, "batch_real": 16}),
    "dc": (ddlib.GradientMatching, {"steps": 1, "batch_real": 16, "outer": 1}),
    "bptt": (ddlib.BPTT, {"steps": 1, "batch_real": 16, "inner_steps": 6, "window": 3}),
}
TURNS = 2


def method_of(tag: str, ipc: int) -> CompilableMethod:
    make, settings = METHODS[tag]
    return make(ipc=ipc, network=NETWORK, **settings)


def data(classes: int, pixels: int, each: int) -> ImageData:
    """Random images, `each` of every class."""
    draws = generator("scaling")
    images = torch.randn(classes * each, 3, pixels, pixels, generator=draws)
    labels = torch.arange(classes).repeat_interleave(each)
    names = tuple(f"class {i}" for i in range(classes))
    return ImageData(
        "random", images, labels, images[:classes], torch.arange(classes), names, (0.5,) * 3,
        (0.25,) * 3,
    )  # fmt: skip


def measured(tag: str, classes: int, pixels: int, ipc: int) -> dict[str, float]:
    """The median seconds of an outer step in this process, its peak, and the work that it is."""
    real, method = data(classes, pixels, max(16, ipc)), method_of(tag, ipc)
    work, seconds = outer_steps(real, method, "cpu"), []
    for _ in range(TURNS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    each = operations(build(NETWORK, real.shape, classes), real.shape)
    return {
        "seconds": round(median(seconds), 4),
        "peak_mib": peak_memory_mib(real.device) or 0,
        "passes": method.passes(real),
        "operations": each,
    }


def points() -> Iterator[dict[str, Any]]:
    """Every point once: the base belongs to each of the three axes."""
    yield BASE
    for axis, values in AXES.items():
        yield from ({**BASE, axis: value} for value in values if value != BASE[axis])


def everything() -> Iterator[list[dict[str, Any]]]:
    """All rows so far, after each point: who stops early keeps what there is."""
    rows: list[dict[str, Any]] = []
    for tag in METHODS:
        for point in points():
            done = subprocess.run(
                [sys.executable, __file__, tag, *map(str, point.values())],
                stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
            rows.append({"method": tag, **point, **json.loads(done.stdout)})
            print(rows[-1], flush=True)
            yield rows


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        tag, *numbers = sys.argv[1:]
        print(json.dumps(measured(tag, *map(int, numbers))))
        return
    settings = {tag: asdict(method_of(tag, 1)) for tag in METHODS}
    about = {"clock": "CPU-seconds, one thread", "date": datetime.now(UTC).date().isoformat()}
    path = RECORDED / "benchmarks" / "scaling-cpu.json"
    for rows in everything():
        save_json(path, {"rows": rows, "settings": settings, **about, **provenance("cpu")})


if __name__ == "__main__":
    main()
