"""The one outer loop of every method: step, watch, remember, and never lose more than a minute."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ddlib.data import ImageData, check_ipc
from ddlib.distilled import DistilledSet, Snapshot
from ddlib.files import damaged, load_tensors, save_tensors
from ddlib.provenance import provenance
from ddlib.seeds import generator

Objective = Callable[[Tensor, Tensor, torch.Generator], Tensor]
BEAT = 10  # steps between two looks at the loss; each look waits for the device
EXPLODED = 1e4  # standardized pixels; those of photographs stay below 3


@runtime_checkable
class Method(Protocol):
    """What every method has: a frozen dataclass of its settings that knows where to start.

    A method that only selects real images has `steps` 0 and needs no more than this.
    """

    tag: ClassVar[str]
    ipc: int
    steps: int

    def initialize(self, real: ImageData, seed: int) -> tuple[Tensor, Tensor]:
        """The first synthetic images (classes * ipc, c, h, w), class after class, and labels."""


@runtime_checkable
class LearningMethod(Method, Protocol):
    """What the loop asks of a method with steps: a loss, and how to descend it."""

    def objective(self, real: ImageData, seed: int) -> Objective:
        """The loss of one step, as a function of images, labels and the step's randomness."""

    def optimizer(self, images: Tensor) -> torch.optim.Optimizer:
        """What turns the gradient of the loss into a step of the images."""


class DivergenceError(RuntimeError):
    """Distillation produced numbers that cannot be used; the last good set is kept."""

    def __init__(self, step: int, steps: int, last_good: DistilledSet, last_step: int):
        super().__init__(
            f"distillation diverged at step {step} of {steps}. The images of step {last_step} "
            "are kept as `last_good` of this error; a smaller learning rate is the usual cure."
        )
        self.step = step
        self.last_good = last_good


def distill(
    real: ImageData,
    method: Method,
    *,
    seed: int = 0,
    device: torch.device | str | None = None,
    callback: Callable[[Snapshot], None] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    snapshots: int = 10,
) -> DistilledSet:
    """Distill `real` with `method`; same seed and device, same images.

    `callback` sees each of the `snapshots` kept as `history` of the result. With `checkpoint` the
    state is written there about every `checkpoint_seconds`; the same call after a kill continues
    from it and ends with the same images, bit for bit.
    """
    real = real.to(device) if device else real
    check_ipc(real, method.ipc)
    run = _Run(real, method, seed)
    if checkpoint and Path(checkpoint).exists():
        run.restore(checkpoint)
    elif method.steps:
        run.remember(float("nan"), callback)
    if method.steps > run.step:
        _loop(
            run, _snapshot_steps(method.steps, snapshots), callback, checkpoint, checkpoint_seconds
        )
    return run.result()


def _snapshot_steps(steps: int, count: int) -> set[int]:
    """Closer together at the start, where images change fastest."""
    return (
        {round(steps * (i / (count - 1)) ** 2) for i in range(1, count)} if count > 1 else {steps}
    )


def _loop(
    run: "_Run",
    keep: set[int],
    callback: Callable[[Snapshot], None] | None,
    checkpoint: str | Path | None,
    checkpoint_seconds: float,
) -> None:
    objective = run.method.objective(run.real, run.seed)
    first, saved = run.step, time.monotonic()
    losses: list[Tensor] = []
    steps = range(first + 1, run.method.steps + 1)
    for step in tqdm(steps, run.method.tag, initial=first, total=run.method.steps):
        loss = objective(
            run.images, run.labels, generator(run.seed, "step", step, device=run.device)
        )
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        losses.append(loss.detach())
        if step % BEAT and step not in keep and step != run.method.steps:
            continue
        run.accept(step, losses)
        if step in keep:
            run.remember(float(losses[-1]), callback)
        losses.clear()
        due = time.monotonic() - saved >= checkpoint_seconds or step == run.method.steps
        if checkpoint and due:
            run.save(checkpoint)
            saved = time.monotonic()


class _Run:
    """The state of one distillation: everything a checkpoint must hold."""

    def __init__(self, real: ImageData, method: Method, seed: int):
        self.started, self.before = time.monotonic(), 0.0  # seconds spent before a resume
        self.real, self.method, self.seed = real, method, seed
        images, labels = method.initialize(real, seed)
        self.images = images.detach().clone().requires_grad_(method.steps > 0)
        self.labels, self.device = labels, images.device
        self.optimizer = method.optimizer(self.images) if method.steps else None
        self.step = 0
        self.good = self.images.detach().clone()
        self.history: list[Snapshot] = []

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def accept(self, step: int, losses: list[Tensor]) -> None:
        """Take the state at `step` as good, or stop and say which step went wrong."""
        bad = (~torch.isfinite(torch.stack(losses))).nonzero()
        images = self.images.detach()
        if len(bad) or not bool(images.abs().max() < EXPLODED):
            first = step - len(losses) + 1 + int(bad[0]) if len(bad) else step
            last_good, self.images = self.step, self.good
            raise DivergenceError(first, self.method.steps, self.result(), last_good)
        self.step, self.good = step, images.clone()

    def remember(self, loss: float, callback: Callable[[Snapshot], None] | None) -> None:
        self.history.append(Snapshot(self.step, loss, self.good.cpu()))
        if callback:
            callback(self.history[-1])

    def about(self) -> dict[str, Any]:
        """What identifies this run; a checkpoint of another run is refused."""
        settings = {"tag": self.method.tag, **asdict(self.method)}
        return {"dataset": self.real.name, "method": settings, "seed": self.seed}

    def result(self) -> DistilledSet:
        meta = {**self.about(), **provenance(self.device), "seconds": round(self.seconds, 2)}
        return DistilledSet.of(
            self.real,
            self.images.detach(),
            self.labels,
            ipc=self.method.ipc,
            meta=meta,
            history=tuple(self.history),
        )

    def save(self, path: str | Path) -> None:
        tensors = {"images": self.images, "labels": self.labels}
        tensors |= {f"optimizer.{k}": v for k, v in self.optimizer.state[self.images].items()}
        tensors |= {f"history.{i}": s.images for i, s in enumerate(self.history)}
        history = [(s.step, s.loss) for s in self.history]
        progress = {"step": self.step, "seconds": self.seconds, "history": history}
        save_tensors(path, tensors, {**self.about(), **progress})

    def restore(self, path: str | Path) -> None:
        tensors, meta = load_tensors(path)
        mine = json.loads(json.dumps(self.about()))  # as it is after a file: tuples are lists
        theirs = {k: meta.get(k) for k in mine}
        if mine != theirs:
            raise ValueError(
                f"{path} belongs to another run: {theirs}; delete it or name another file"
            )
        try:
            self.step, self.before = meta["step"], meta["seconds"]
            with torch.no_grad():
                self.images.copy_(tensors["images"])
            self.good = self.images.detach().clone()
            self.labels = tensors["labels"].to(self.device)
            self.optimizer.state[self.images] = {
                k.removeprefix("optimizer."): v.to(self.device)
                for k, v in tensors.items()
                if k.startswith("optimizer.")
            }
            self.history = [
                Snapshot(step, loss, tensors[f"history.{i}"])
                for i, (step, loss) in enumerate(meta["history"])
            ]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise damaged(path, error) from None
