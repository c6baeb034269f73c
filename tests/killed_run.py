"""A script: one distillation left alone, and the same one killed again and again until it is done.

Every attempt is a forked child of one process, so that the imports are paid once.
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import torch

import ddlib
from ddlib.files import save_tensors

STEPS = 80
METHOD = ddlib.DistributionMatching(ipc=1, steps=STEPS, batch_real=8)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731


def die_after(calls: int, seconds: float) -> None:
    """Arm a kill some seconds after the given number of steps: anywhere in a step or a write."""
    count = iter(range(1, STEPS + 1))
    objective = ddlib.DistributionMatching.objective

    def armed(self: ddlib.DistributionMatching, *arguments: object) -> Callable:
        loss = objective(self, *arguments)

        def counted(*step: object) -> torch.Tensor:
            if next(count) == calls:
                threading.Timer(seconds, die).start()
            return loss(*step)

        return counted

    ddlib.DistributionMatching.objective = armed


def die_before_a_file_appears() -> None:
    """Arm a kill when a checkpoint is written but not yet in its place."""
    replace, count = os.replace, iter(range(1, STEPS + 1))
    os.replace = lambda *paths: die() if next(count) == 2 else replace(*paths)


def attempt(real: ddlib.ImageData, folder: Path, arm: Callable[[], None] | None = None) -> bool:
    """Run, or continue, in a child; whether it got through."""
    child = os.fork()
    if not child:
        if arm:
            arm()
        made = ddlib.distill(
            real, METHOD, seed=3, checkpoint=folder / "checkpoint", checkpoint_seconds=0
        )
        history = {f"step {shot.step}": shot.images for shot in made.history}
        losses = [shot.loss for shot in made.history[1:]]
        save_tensors(folder / "done", {"images": made.images, **history}, {"losses": losses})
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status and os.WTERMSIG(status) != signal.SIGKILL:
        sys.exit(f"a run failed by itself: {status}")
    return status == 0


def main(folder: Path) -> None:
    torch.set_num_threads(1)  # a forked child cannot use its parent's threads
    torch.optim.SGD([torch.zeros(1)], 0.1)  # the first optimizer imports for seconds: once for all
    real = ddlib.load("digits")
    attempt(real, folder / "alone")
    draws = random.Random(0)
    kills = [
        lambda: die_after(draws.randint(11, 20), draws.uniform(0, 0.02)),
        die_before_a_file_appears,
        lambda: die_after(draws.randint(11, 20), draws.uniform(0, 0.02)),
        lambda: die_after(draws.randint(1, 10), draws.uniform(0, 0.02)),
    ]
    for kill in kills:
        draws.random()  # a child's draws do not reach its parent: move on, or all kills are alike
        if attempt(real, folder / "killed", kill):
            sys.exit("a run that should have been killed got through")
    if not attempt(real, folder / "killed"):
        sys.exit("the last run was killed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
