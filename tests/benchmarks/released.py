"""The judge against sets that others released: does it find what their makers found?

    python tests/benchmarks/released.py FOLDER     # the files, laid out as in `SETS`

writes `ddlib/recorded/benchmarks/released.json` after each network, and goes on where it stopped.
The files are not part of this project; each is known by its SHA-256.
"""

import argparse
import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

import ddlib
from ddlib.data import ImageData
from ddlib.evaluation import PROTOCOLS, recipe_for, train_and_test
from ddlib.files import load_json, save_json
from ddlib.provenance import provenance
from ddlib.results import RECORDED
from ddlib.training import Recipe
from ddlib.whiten import whitening

NETS = 10
# How the makers of DC judge: 301 epochs without augmentation.
DC = Recipe(epochs=301, batch=256, weight_decay=5e-4, drop_after=151)


@dataclass(frozen=True)
class Released:
    """A file or folder, how to read it, how it is judged, and what its makers found."""

    path: str
    layout: str
    source: str
    recipe: Recipe | str
    theirs: str
    whitened: bool = False


DC_IPC10 = Released(
    "dc-cifar10/res_DC_CIFAR10_ConvNet_10ipc.pt", "dc",
    "Distill-Generalization-Group/Distill-Generalization, result/", DC,
    "42.20 ± 0.43 (networks: 10), in the file",
)  # fmt: skip
DATM_IPC10 = Released(
    "datm-cifar10-ipc10-zca/images.pt", "datm",
    "NUS-HPC-AI-Lab/DD-Ranking, commit a77b9a7, methods/DATM/distilled/CIFAR10_ZCA/IPC10/",
    "augmented", "66.8 ± 0.2, in the paper's table", whitened=True,
)  # fmt: skip
SETS = {
    "dc-ipc10": DC_IPC10,
    "dc-ipc1": replace(
        DC_IPC10, path="dc-cifar10/res_DC_CIFAR10_ConvNet_1ipc.pt",
        theirs="26.46 ± 0.71 (networks: 10), in the file",
    ),
    "datm-ipc10": DATM_IPC10,
    "dc-ipc10-plain": replace(DC_IPC10, recipe="plain", theirs="none"),
    "datm-ipc10-plain": replace(DATM_IPC10, recipe="plain", theirs="none"),
}  # fmt: skip


def judged(one: Released, folder: Path, real: ImageData, seed: int) -> float:
    """The accuracy of one network."""
    space = "whitened" if one.whitened else "standardized"
    made = ddlib.read_released(folder / one.path, one.layout, real, space=space)
    recipe = recipe_for(one.recipe, made, real) if isinstance(one.recipe, str) else one.recipe
    test = real.test_images, real.test_labels
    ((accuracy, _),) = train_and_test(replace(made, meta={}), test, "convnet", recipe, [seed])
    return accuracy


def about(one: Released, folder: Path) -> dict[str, object]:
    recipe = PROTOCOLS[one.recipe] if isinstance(one.recipe, str) else one.recipe
    sha = hashlib.sha256((folder / one.path).read_bytes()).hexdigest()
    return {**asdict(one), "recipe": asdict(recipe), "named": str(one.recipe), "sha256": sha}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    ddlib.keep_freed_memory()
    plain = ddlib.load("cifar10")
    spaces = {False: plain, True: whitening(plain).apply(plain)}
    path = RECORDED / "benchmarks" / "released.json"
    for name, one in SETS.items():
        found = load_json(path) if path.exists() else {"sets": {}}
        mine = found["sets"].setdefault(name, {**about(one, folder), "accuracies": []})
        while len(mine["accuracies"]) < NETS:
            seed = len(mine["accuracies"])
            mine["accuracies"].append(judged(one, folder, spaces[one.whitened], seed))
            save_json(path, {**found, **provenance("cpu")})
            print(name, mine["accuracies"], flush=True)


if __name__ == "__main__":
    main()
