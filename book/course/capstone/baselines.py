"""Record what simple methods reach in the project: python book/course/capstone/baselines.py WORK.

Each baseline is made three times and scored as a submission is, under a secret that stands here
and is therefore none. What is done lies in WORK, so that the command goes on after an interruption.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean, stdev

import ddlib
import torch
from ddlib.data import ImageData, sample_per_class
from ddlib.distilled import DistilledSet
from ddlib.files import load_json, save_json
from ddlib.provenance import provenance
from ddlib.score import BASELINES, Secret, measure
from ddlib.seeds import generator

SECRET = "the baselines of the book are scored under this sentence\n"
SETS, IPC = 3, 10


def class_averages(real: ImageData, seed: int) -> DistilledSet:
    """One image a class: the mean of 400 random training images of it."""
    rows = sample_per_class(real, 400, generator(seed, "averages"))
    images = real.train_images[rows].mean(1)
    return DistilledSet.of(real, images, torch.arange(len(images)))


def public_test_images(real: ImageData, seed: int) -> DistilledSet:
    """Fifty public test images: what copying them would bring."""
    turned = replace(
        real,
        train_images=real.test_images,
        train_labels=real.test_labels,
        attributes=None,
    )
    return ddlib.distill(turned, ddlib.RandomSelection(ipc=IPC), seed=seed)


def by(method: ddlib.distillation.Method) -> Callable[..., DistilledSet]:
    """The sets of a method of the book."""
    return lambda real, seed: ddlib.distill(real, method, seed=seed)


def shortened(tag: str, steps: int) -> Callable[..., DistilledSet]:
    """The preset of profile `fast` with a number of steps of its own."""
    return by(replace(ddlib.preset(tag, IPC, "fast"), steps=steps))


MAKERS = {
    "averages": class_averages,
    "kcenter": by(ddlib.KCenter(ipc=IPC)),
    "random": by(ddlib.RandomSelection(ipc=IPC)),
    "public test images": public_test_images,
    "herding": by(ddlib.Herding(ipc=IPC)),
    "dc": shortened("dc", 100),
    "dm": shortened("dm", 500),
    "bptt": by(ddlib.BPTT(ipc=IPC, steps=60)),
}


def part_of(name: str, seed: int, nets: int, work: Path) -> Path:
    """Where what is known of one set lies."""
    return work / f"{name.replace(' ', '-')}-{seed}-{nets}.json"


def one(
    name: str, seed: int, nets: int, secret: Secret, work: Path
) -> None:
    """Make one set and score it, unless that is done."""
    part = part_of(name, seed, nets, work)
    if part.exists():
        return
    real, start = ddlib.load("shapes"), time.perf_counter()
    made = MAKERS[name](real, seed)
    seconds = round(time.perf_counter() - start, 1)
    line = measure("baseline", made, secret, real.test_images, nets)
    content = {**asdict(line), "final": line.final, "seconds": seconds}
    save_json(part, content)
    print(name, seed, content, flush=True)


def over_sets(parts: list[dict]) -> dict:
    """Mean, spread and every value, over sets."""
    values = {
        key: [p[key] for p in parts]
        for key in ("own", "other", "final", "copies", "seconds")
    }
    return {
        key: {"mean": fmean(v), "spread": stdev(v), "values": v}
        for key, v in values.items()
    }


def main(work: Path, nets: int) -> None:
    """Fill what is missing, then write the record."""
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    (work / "secret.txt").write_text(SECRET)
    secret = Secret.read(work / "secret.txt")
    for seed in range(SETS):
        for name in MAKERS:
            one(name, seed, nets, secret, work)
    found = {
        name: over_sets(
            [
                load_json(part_of(name, seed, nets, work))
                for seed in range(SETS)
            ]
        )
        for name in MAKERS
    }
    about = {
        "data": "shapes(seed=0)",
        "sets": SETS,
        "nets": nets,
        "secret": SECRET,
        "secret_networks": list(secret.networks),
    }
    save_json(
        BASELINES,
        {**about, "baselines": found, "provenance": provenance("cpu")},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
