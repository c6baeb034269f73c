"""Runs cases and sums them up.

    python tests/benchmarks/measure.py               # all of it, on a GPU if there is one
    python tests/benchmarks/measure.py --device cpu

writes `ddlib/recorded/benchmarks/cpu.json` (or `cuda.json`) for the run-times page. The two sides
of a comparison alternate, plain, ours, plain, ours, so that both meet the same weather; the ratio
is taken within each pair. On a CPU each case has a process of its own; on a GPU, whose memory can
be counted anew, all share one.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch
from cases import measured

from ddlib.files import save_json
from ddlib.provenance import provenance
from ddlib.results import RECORDED

PAIRS = 5
# name: (what is compared, the yardstick's case, our case, the ratio asked for)
COMPARISONS = {
    "dm_step": ("One outer step of distribution matching, ipc 10", "dm_plain", "dm_ours", 1.9),
    "dm_step_kept": (
        "The same, both after keep_freed_memory()", "dm_plain_kept", "dm_ours_kept", None,
    ),
    "dm_step_fast": ("The same, ours compiled, bfloat16", "dm_plain", "dm_fast", 5.0),
    "mtt_step": (
        "One of trajectory matching, ipc 1, 50 inner steps", "mtt_plain", "mtt_ours", 0.71,
    ),
    "mtt_step_fast": ("The same, ours compiled, bfloat16", "mtt_plain", "mtt_fast", 2.5),
    "bptt_step": ("One of BPTT, ipc 1, 150 inner steps", "bptt_plain", "bptt_ours", None),
    "bptt_step_fast": ("The same, ours compiled, bfloat16", "bptt_plain", "bptt_fast", None),
    "dsa_step": ("One match of DSA, ipc 10", "dsa_plain", "dsa_ours", 1.5),
    "dsa_step_fast": ("The same, ours compiled, bfloat16", "dsa_plain", "dsa_fast", None),
    "evaluation_plain": ("20 networks on 100 digits, 'plain'", "whole_plain", "whole_ours", 1.0),
    "evaluation_augmented": (
        "20 networks on 100 images, 'augmented'", "augmented_plain", "augmented_ours", 1.0,
    ),
    "vmap": ("20 networks in one vmap against one by one", "one_by_one", "side_by_side", None),
}  # fmt: skip
ALONE = {
    "distill_ipc1": "ddlib.distill, DM defaults, digits, ipc 1",
    "distill_ipc10": "ddlib.distill, DM defaults, digits, ipc 10",
    "evaluate_digits": "ddlib.evaluate, five networks, digits, 'plain'",
}
IMPORTS = ("torch", "ddlib")


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def run_case(name: str, device: str) -> dict[str, float]:
    """Seconds and peak memory of one case, on a CPU with the system's own malloc."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return measured(name, device)
    return json.loads(_python(str(Path(__file__).with_name("cases.py")), name, device))


def import_seconds(package: str) -> float:
    """CPU-seconds of the first import of a package, with all that it imports."""
    code = f"import time; t = time.process_time(); import {package}; print(time.process_time() - t)"
    return float(_python("-c", code))


def _python(*arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def run_pair(name: str, device: str) -> tuple[dict[str, float], dict[str, float]]:
    """The yardstick once, then ours once."""
    _, yardstick, ours, _ = COMPARISONS[name]
    return run_case(yardstick, device), run_case(ours, device)


def compare(name: str, pairs: list[tuple[dict[str, float], dict[str, float]]]) -> dict[str, Any]:
    """Summary of the pairs; a ratio above one means that ours is faster."""
    what, *_, target = COMPARISONS[name]
    return {
        "what": what,
        "plain": summary([p for p, _ in pairs]),
        "ours": summary([o for _, o in pairs]),
        "ratio": spread([p["seconds"] / o["seconds"] for p, o in pairs]),
        "target": target,
    }


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "seconds": spread([r["seconds"] for r in runs]),
        "peak_mib": median(r["peak_mib"] for r in runs),
    }


def spread(values: list[float]) -> dict[str, float | int]:
    middle, low, high = (round(f(values), 4) for f in (median, min, max))
    return {"median": middle, "min": low, "max": high, "n": len(values)}


def measure(device: str) -> Iterator[dict[str, Any]]:
    """What the run-times page reads, after each item: who stops early keeps what there is."""
    clock = "CPU-seconds, one thread" if device == "cpu" else "seconds"
    about = {"clock": clock, "date": datetime.now(UTC).date().isoformat(), **provenance(device)}
    times = range(PAIRS if device == "cpu" else 3)
    comparisons, alone, imports = {}, {}, {}
    found = {"comparisons": comparisons, "alone": alone, "import": imports, **about}
    for name in COMPARISONS:
        if name.endswith("_kept") and device == "cuda":
            continue  # about the memory of a CPU
        comparisons[name] = compare(name, [run_pair(name, device) for _ in times])
        print(line(comparisons[name]), flush=True)
        yield found
    for name, what in ALONE.items():
        alone[name] = {"what": what, **summary([run_case(name, device) for _ in times])}
        yield found
    for package in IMPORTS:
        imports[package] = spread([import_seconds(package) for _ in times])
        yield found


def line(found: dict[str, Any]) -> str:
    """One comparison in one line."""
    plain, ours, ratio = (found[k] for k in ("plain", "ours", "ratio"))
    return (
        f"{found['what']}: {plain['seconds']['median']:.2f} s / {ours['seconds']['median']:.2f} s "
        f"= {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}, n = {ratio['n']}; "
        f"asked for: {found['target']})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=best_device())
    device = parser.parse_args().device
    torch.set_num_threads(1)  # as in the cases: the name of the device tells the threads
    path = RECORDED / "benchmarks" / f"{device}.json"
    for found in measure(device):
        save_json(path, found)
    print(path)
