"""Which settings make good sets at laptop scale? Tried on images that no record is judged with.

    python tests/benchmarks/settings.py                 # every try that is not finished yet
    python tests/benchmarks/settings.py bptt-w60        # one

The last 5000 training images stand for the test images, so that nothing is chosen on these. A try
is short: what counts is how much a set teaches after so many CPU-seconds. Results go into
`ddlib/recorded/benchmarks/settings.json`; tries resume from their checkpoints.
"""

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

import ddlib
from ddlib.distillation import Method
from ddlib.files import load_json, save_json
from ddlib.provenance import provenance
from ddlib.queue import moved
from ddlib.results import RECORDED
from ddlib.sources import data_folder

HELD_OUT, NETS, IPC = 5000, 3, 10
BPTT = ddlib.BPTT(
    ipc=IPC, steps=150, inner_steps=120, window=20, lr=0.05, batch=100, precision="bfloat16"
)
MTT = ddlib.TrajectoryMatching(
    ipc=IPC, steps=300, experts=4, expert_epochs=2, expert_batch=256, expert_lr=0.01, max_start=8,
    inner_steps=30, inner_lr=0.02, lr=100.0, lr_rate=0.1, augment=True, precision="bfloat16",
)  # fmt: skip
DC = ddlib.GradientMatching(
    ipc=IPC, steps=200, outer=10, inner_epochs=10, batch_real=128, lr=1.0, precision="bfloat16"
)
TRIES: dict[str, Method] = {
    "bptt-w20-of-120": BPTT,
    "bptt-w40-of-80": replace(BPTT, inner_steps=80, window=40, steps=100),
    "bptt-w60-of-120": replace(BPTT, window=60, steps=60),
    "bptt-w30-of-30-fast": replace(BPTT, inner_steps=30, window=30, inner_lr=0.04, steps=160),
    "mtt": MTT,
    "mtt-lr-1000": replace(MTT, lr=1000.0),
    "mtt-ahead-1": replace(MTT, expert_epochs=1),
    "dc": DC,
    "dc-lr-01": replace(DC, lr=0.1),
    "dc-longer": replace(DC, lr=0.3, steps=1000),
    "dsa": replace(DC, augment=True),
}


def held_out(real: ddlib.ImageData) -> ddlib.ImageData:
    """The training images alone: most to distill, the last ones to judge."""
    images, labels = real.train_images, real.train_labels
    return replace(
        real, train_images=images[:-HELD_OUT], train_labels=labels[:-HELD_OUT],
        test_images=images[-HELD_OUT:], test_labels=labels[-HELD_OUT:],
    )  # fmt: skip


def tried(name: str, real: ddlib.ImageData, work: Path) -> dict[str, object]:
    """Distill, and judge what there was after a half and after all of the steps."""
    method, began = TRIES[name], time.process_time()
    checkpoint = work / f"try-{name}.checkpoint.safetensors"
    made = ddlib.distill(real, method, checkpoint=checkpoint, snapshots=(0.5, 1.0), compiled=True)
    spent = time.process_time() - began
    levels = [ddlib.evaluate(made.at(i), real, nets=NETS).accuracies for i in range(3)]
    settings = {"tag": method.tag, **asdict(method)}
    names = ("start", "half", "end")
    return {
        "settings": settings, "cpu_seconds": round(spent), "moved": moved(made.at(0), made),
        "accuracies": dict(zip(names, levels, strict=True)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tries", nargs="*", default=list(TRIES))
    parser.add_argument("--work", type=Path, default=data_folder() / "work")
    given = parser.parse_args()
    torch.set_num_threads(1)
    ddlib.keep_freed_memory()
    real = held_out(ddlib.load("cifar10x16"))
    path = RECORDED / "benchmarks" / "settings.json"
    for name in given.tries:
        found = load_json(path) if path.exists() else {"tries": {}}
        if name in found["tries"]:
            continue
        found["tries"][name] = tried(name, real, given.work)
        save_json(path, {**found, "held_out": HELD_OUT, **provenance(real.device)})
        print(name, found["tries"][name], flush=True)


if __name__ == "__main__":
    main()
