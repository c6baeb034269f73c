"""A script: `distill`, `record` and `study`, each left alone once and killed at random moments.

Every attempt is a forked child of one process, so that the imports are paid once. Every other kill
falls into the middle of a write. After each, whatever lies there must be whole. Prints how often
each was killed.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import small
import torch

import ddlib
from ddlib import recording
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment import asking
from ddlib.files import load_json, load_tensors
from ddlib.training import Recipe

KILLS = {"distill": 8, "record": 6, "study": 6}
METHOD = ddlib.DistributionMatching(ipc=1, steps=40, batch_real=4)
REAL = ddlib.load("digits")
BENCH = small.bench("ceiling")
PLAN = replace(small.PLANS["ceiling"], nets=6)  # a cell for each


def distill(folder: Path) -> None:
    made = ddlib.distill(
        REAL, METHOD, seed=3, checkpoint=folder / "run.safetensors", checkpoint_seconds=0
    )
    made.save(folder / "set.safetensors")


def record(folder: Path) -> None:
    recording.record_cell(
        REAL, "dm", 1, "fast", protocols=("plain",), sets=2, nets=2, work=folder / "work",
        note="", folder=folder / "shipped",
    )  # fmt: skip


def study(folder: Path) -> None:
    asking.study(
        "ceiling", "fast", work=folder / "work", note="", folder=folder, bench=BENCH, plan=PLAN
    )


COMMANDS: Mapping[str, Callable[[Path], None]] = {
    "distill": distill,
    "record": record,
    "study": study,
}


def shorten() -> None:
    """Seconds of work for each command."""
    PROTOCOLS["plain"] = Recipe(epochs=10)
    recording.preset = lambda tag, ipc, profile: METHOD


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Half:
    """A file that ends its process when half of what should be written is."""

    def __init__(self, file: BinaryIO):
        self.file = file

    def __enter__(self) -> "Half":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        die()


def die_in_a_write(which: int) -> None:
    """Arm a kill in the middle of one of the next files."""
    opened, count = os.fdopen, iter(range(1, 1000))
    os.fdopen = lambda *how: Half(opened(*how)) if next(count) == which else opened(*how)


def die_after(seconds: float) -> None:
    threading.Timer(seconds, die).start()


def attempt(command: str, folder: Path, arm: Callable[[], None] = lambda: None) -> bool:
    """Run, or continue, in a child; whether it got through."""
    child = os.fork()
    if not child:
        arm()
        COMMANDS[command](folder)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status and os.WTERMSIG(status) != signal.SIGKILL:
        sys.exit(f"{command} failed by itself: {status}")
    return status == 0


def check_whole(folder: Path) -> None:
    """Everything but hidden files, which are unfinished and never read, opens with its checksum."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            (load_json if path.suffix == ".json" else load_tensors)(path)


def numbers(folder: Path) -> dict[str, object]:
    """What a command found, without what depends on the clock."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*.*")):
        place = str(path.relative_to(folder))
        if path.name.startswith(".") or "work" in place:
            continue
        if path.suffix == ".json":
            found[place] = load_json(path)["accuracies"]
        else:
            found[place] = {k: t.tolist() for k, t in load_tensors(path)[0].items()}
    return found


def main(home: Path) -> None:
    torch.set_num_threads(1)  # a forked child cannot use its parent's threads
    torch.optim.SGD([torch.zeros(1)], 0.1)  # the first optimizer imports for seconds: once for all
    shorten()
    draws = random.Random(0)
    for command, kills in KILLS.items():
        began = time.monotonic()
        attempt(command, home / command / "alone")
        length, killed, rounds = time.monotonic() - began, 0, 0
        expected = numbers(home / command / "alone")
        while killed < kills:
            folder, done, rounds = home / command / str(rounds), False, rounds + 1
            while not done:
                seconds, which = draws.uniform(0, length / 2), draws.randint(1, 3)
                arm = partial(die_in_a_write, which) if killed % 2 else partial(die_after, seconds)
                done = attempt(command, folder, arm if killed < kills else lambda: None)
                killed += not done
                check_whole(folder)
            if numbers(folder) != expected:
                sys.exit(f"{command} came out differently after it was killed")
        print(command, killed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
