"""The live set `photos`: cuts it out of CIFAR-10, and measures that distillation is worth doing on it.

    python book/photos.py cut        # writes the sheets in ddlib/photos
    python book/photos.py check      # the validation images: what the settings were chosen by
    python book/photos.py measure    # the test images, once: ddlib/recorded/live.json

The settings of the profile `fast` were chosen on validation images, which are further training images
of CIFAR-10 and no part of the set. `measure` goes on where it stopped. A first measurement with other settings of distribution and
trajectory matching was stopped halfway; nothing of it is kept.
"""

import sys
import time
from dataclasses import asdict, replace

import ddlib
import numpy as np
import torch
from ddlib.channels import from_pixels
from ddlib.data import CLASSES
from ddlib.files import load_json, save_json
from ddlib.presets import DATASETS
from ddlib.provenance import provenance
from ddlib.results import RECORDED
from ddlib.sources import PHOTOS, fetch_npz
from PIL import Image

PICKED = "airplane", "automobile", "cat", "ship", "truck"
SIZES = {"train": 300, "test": 180}
COLUMNS = 20
IPC, SETS, NETS, NETWORK = 5, 3, 5, "convnet-half"
LEARNED = "dm", "dc", "dsa", "mtt", "bptt"
RIVALS = {
    "random": ddlib.RandomSelection(ipc=IPC),
    "herding": ddlib.Herding(ipc=IPC, network=NETWORK),
    "kcenter": ddlib.KCenter(ipc=IPC, network=NETWORK),
    "averages": ddlib.KMeans(ipc=1),
    "kmeans": ddlib.KMeans(ipc=IPC),
}
VALIDATION = slice(2500, 2800)  # of each class in the training split


def averaged(images: np.ndarray) -> np.ndarray:
    """Images (n, 32, 32, 3) averaged over 2x2 pixels and rounded."""
    small = images.reshape(-1, 16, 2, 16, 2, 3).mean((2, 4))
    return small.round().astype(np.uint8)


def sheet(images: np.ndarray) -> Image.Image:
    """Images (n, 16, 16, 3) as one picture of tiles, row after row."""
    tiles = images.reshape(-1, COLUMNS, 16, 16, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(tiles.reshape(-1, COLUMNS * 16, 3))


def of_class(split: str, name: str, rows: slice) -> np.ndarray:
    """Some images of a class in CIFAR-10, in the order of the file, at 16x16 pixels."""
    arrays, names = fetch_npz("cifar10"), CLASSES["cifar10"].split()
    own = arrays[f"{split}_labels"] == names.index(name)
    return averaged(arrays[f"{split}_images"][own][rows])


def cut() -> None:
    """Writes the sheets."""
    for split, n in SIZES.items():
        for name in PICKED:
            path = PHOTOS / f"{split}-{name}.webp"
            sheet(of_class(split, name, slice(n))).save(
                path, lossless=True, quality=100, method=6
            )
            print(path.name, path.stat().st_size)


def validation(real: ddlib.ImageData) -> ddlib.ImageData:
    """The same training images with validation images in the place of the test images."""
    held = np.concatenate(
        [of_class("train", name, VALIDATION) for name in real.classes]
    )
    pixels = torch.from_numpy(held).permute(0, 3, 1, 2).float() / 255
    labels = torch.arange(len(PICKED)).repeat_interleave(
        len(held) // len(PICKED)
    )
    images = from_pixels(pixels, real.mean, real.std)
    return replace(real, test_images=images, test_labels=labels)


def run(real: ddlib.ImageData, tag: str, seed: int) -> dict:
    """Makes one set and judges it."""
    method = RIVALS.get(tag) or ddlib.preset(tag, IPC, "fast")
    started = time.process_time()
    made = ddlib.distill(real, method, seed=seed)
    seconds = time.process_time() - started
    found = ddlib.evaluate(
        made, real, nets=NETS, seed=NETS * seed, network=NETWORK
    )
    print(f"{tag:9s} seed {seed} {found}  {seconds:.0f} s", flush=True)
    return {
        "method": tag,
        "seed": seed,
        "settings": asdict(method),
        "accuracies": found.accuracies,
        "seconds": round(seconds, 1),
    }


def measure() -> None:
    """Every method and rival on the test images, three sets with five networks each."""
    path = RECORDED / "live.json"
    real = ddlib.load(DATASETS["fast"])
    kept = load_json(path)["runs"] if path.exists() else []
    known = {(r["method"], r["seed"]) for r in kept}
    for seed in range(SETS):
        for tag in (*RIVALS, *LEARNED):
            if (tag, seed) in known:
                continue
            kept.append(run(real, tag, seed))
            about = {
                **provenance("cpu"),
                "command": "python book/photos.py measure",
                "dataset": real.name,
                "network": NETWORK,
                "protocol": "plain",
                "ipc": IPC,
                "seconds": "processor time of one thread",
            }
            save_json(path, {**about, "runs": kept})


def check() -> None:
    """One set of each on the validation images."""
    real = validation(ddlib.load(DATASETS["fast"]))
    for tag in sys.argv[2:] or (*RIVALS, *LEARNED):
        run(real, tag, 0)


if __name__ == "__main__":
    {"cut": cut, "check": check, "measure": measure}[sys.argv[1]]()
