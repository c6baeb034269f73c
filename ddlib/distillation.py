"""The one outer loop of every method: step, watch, remember, and never lose more than a minute."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ddlib.compiled import pays, telling
from ddlib.data import ImageData, check_ipc
from ddlib.distilled import DistilledSet, Snapshot
from ddlib.files import damaged, load_tensors, save_tensors
from ddlib.networks import Network, build
from ddlib.own import name_of
from ddlib.provenance import provenance
from ddlib.seeds import generator

# What a run starts from, moves, and keeps in its checkpoint. The optimizer of the method says which
# ones are learned; a method may also hand on to its next step what it needs there.
Variables = dict[str, Tensor]
Objective = Callable[[Variables, torch.Generator], Tensor]
Callback = Callable[[Snapshot], None]
BEAT = 10  # steps between two looks at the loss; each look waits for the device
EXPLODED = 1e4  # standardized pixels; those of photographs stay below 3


@runtime_checkable
class Method(Protocol):
    """What every method has: a frozen dataclass of its settings that knows where to start.

    A method that only selects real images has `steps` 0 and needs no more than this.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def tag(self) -> str:
        """Its short name, in files and tables."""

    @property
    def ipc(self) -> int:
        """Images per class."""

    @property
    def steps(self) -> int:
        """Updates of the variables."""

    def initialize(self, real: ImageData, seed: int) -> Variables:
        """The first `images` (classes * ipc, c, h, w), class after class, and their `labels`."""


@runtime_checkable
class LearningMethod(Method, Protocol):
    """What the loop asks of a method with steps: a loss, and how to descend it."""

    def objective(self, real: ImageData, seed: int, folder: Path | None = None) -> Objective:
        """The loss of one step, as a function of the variables and the step's randomness.

        What is costly to prepare may be kept in `folder`; most methods need nothing there.
        """

    def optimizer(self, variables: Variables) -> torch.optim.Optimizer:
        """What turns the gradient of the loss into a step of the floating point variables."""


@runtime_checkable
class CompilableMethod(LearningMethod, Protocol):
    """A method whose `objective` also takes `compiled`, and that knows how long it works."""

    @property
    def network(self) -> Network:
        """What it matches in, by name or as a function."""

    def passes(self, real: ImageData) -> float:
        """Passes of one image through the network in all steps, derivatives counted as passes."""


@runtime_checkable
class Rendering(Protocol):
    """A method that learns more than images, or something that images are made from."""

    def render(self, variables: Variables) -> Variables:
        """The `images`, the `labels` and, where it is learned, the `lr` of the set."""


class DivergenceError(RuntimeError):
    """Distillation produced numbers that cannot be used; the last good set is kept."""

    def __init__(
        self, step: int, steps: int, rates: Mapping[str, float], last_good: DistilledSet, kept: int
    ):
        named = ", ".join(f"{name} {rate:.3g}" for name, rate in rates.items())
        super().__init__(
            f"distillation diverged at step {step} of {steps} (learning rates: {named}). The "
            f"images of step {kept} are kept as `last_good` of this error; a smaller learning "
            "rate is the usual cure."
        )
        self.step = step
        self.last_good = last_good


class StoppedError(RuntimeError):
    """Distillation was asked to stop; the same call goes on from its checkpoint."""


def distill(
    real: ImageData,
    method: Method,
    *,
    seed: int = 0,
    device: torch.device | str | None = None,
    callback: Callback | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    snapshots: int | Sequence[float] = 10,
    compiled: bool | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> DistilledSet:
    """Distill `real` with `method`; same seed and device, same images.

    `callback` sees each of the `snapshots` kept as `history` of the result: so many, or at these
    shares of the steps. With `checkpoint` the
    state is written there about every `checkpoint_seconds`; the same call after a kill continues
    from it and ends with the same images, bit for bit. Methods with costly preparations keep them
    in the folder of the checkpoint. What a method does over and over is `compiled` on request, or
    where it takes minutes; the images are then the same up to rounding. When `stop` says so, after
    a step, the state is saved and `StoppedError` raised.
    """
    real = real.to(device) if device else real
    check_ipc(real, method.ipc)
    run = _Run(real, method, seed, callback, compiles(method, real, compiled))
    if checkpoint and Path(checkpoint).exists():
        run.restore(checkpoint)
    elif method.steps:
        run.remember(float("nan"))
    if method.steps > run.step:
        keep = _snapshot_steps(method.steps, snapshots)
        _loop(run, keep, checkpoint, checkpoint_seconds, stop)
    return run.result()


def compiles(method: Method, real: ImageData, compiled: bool | None) -> bool:
    """Whether a run is compiled: as asked, or if it is long enough, and only where it can be."""
    if compiled is False or not isinstance(method, CompilableMethod):
        return False
    net = build(method.network, real.shape, len(real.classes))
    return bool(compiled) or pays(net, real.shape, method.passes(real), real.device)


def _snapshot_steps(steps: int, snapshots: int | Sequence[float]) -> set[int]:
    """Closer together at the start, where images change fastest; the first images come on top."""
    if isinstance(snapshots, int):
        last = max(snapshots - 1, 1)
        snapshots = [(i / last) ** 2 for i in range(1, last + 1)]
    return {round(steps * share) for share in snapshots}


def _loop(
    run: "_Run",
    keep: set[int],
    checkpoint: str | Path | None,
    seconds: float,
    stop: Callable[[], bool],
) -> None:
    folder = Path(checkpoint).parent if checkpoint else None
    objective = run.objective(folder)
    first, saved = run.step, time.monotonic()
    losses: list[Tensor] = []
    steps = range(first + 1, run.method.steps + 1)
    bar = tqdm(steps, run.method.tag, initial=first, total=run.method.steps)
    for step in telling(bar):
        loss = objective(run.variables, generator(run.seed, "step", step, device=run.device))
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        losses.append(loss.detach())
        last = step == run.method.steps or stop()
        if step % BEAT and step not in keep and not last:
            continue
        run.accept(step, losses)
        if step in keep:
            run.remember(float(losses[-1]))
        losses.clear()
        if checkpoint and (last or time.monotonic() - saved >= seconds):
            run.save(checkpoint)
            saved = time.monotonic()
        if last and step < run.method.steps:
            raise StoppedError(f"stopped after step {step} of {run.method.steps}")


def differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """In words, what a checkpoint was written with that is not as it is here."""
    if "data" not in theirs:
        return ["it was written by an earlier version, which did not note the images it saw"]
    data = [f"the {part} of the data are others" for part in _unequal(mine["data"], theirs["data"])]
    method = theirs.get("method") or {}
    settings = [
        f"{key} is {method.get(key)!r} there and {mine['method'].get(key)!r} here"
        for key in _unequal(mine["method"], method)
    ]
    rest = [
        f"{key} is {theirs.get(key)!r} there and {mine[key]!r} here"
        for key in ("dataset", "seed")
        if theirs.get(key) != mine[key]
    ]
    return rest + settings + data


def _unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [key for key in {**one, **other} if one.get(key) != other.get(key)]


class _Run:
    """The state of one distillation: everything a checkpoint must hold."""

    def __init__(
        self,
        real: ImageData,
        method: Method,
        seed: int,
        callback: Callback | None,
        compiled: bool,
    ):
        self.compiled = compiled
        self.started, self.before = time.monotonic(), 0.0  # seconds spent before a resume
        self.real, self.method, self.seed, self.callback = real, method, seed, callback
        first = {k: v.detach().clone() for k, v in method.initialize(real, seed).items()}
        self.variables, self.device = first, real.device
        for variable in first.values():
            variable.requires_grad_(method.steps > 0 and variable.is_floating_point())
        self.learner = cast(LearningMethod, method)  # what it is if it has steps
        self.optimizer: Any = self.learner.optimizer(first) if method.steps else None
        self.step = 0
        self.good = self.copy()
        self.history: list[Snapshot] = []

    def objective(self, folder: Path | None) -> Objective:
        more: dict[str, Any] = {"compiled": True} if self.compiled else {}
        return self.learner.objective(self.real, self.seed, folder, **more)

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def copy(self) -> Variables:
        return {name: v.detach().clone() for name, v in self.variables.items()}

    def rendered(self) -> Variables:
        """The last good variables as a set has them."""
        with torch.no_grad():
            method = self.method
            return method.render(self.good) if isinstance(method, Rendering) else self.good

    def accept(self, step: int, losses: list[Tensor]) -> None:
        """Take the state at `step` as good, or stop and say which step went wrong."""
        bad = (~torch.isfinite(torch.stack(losses))).nonzero()
        sizes = [v.abs().max() for v in self.copy().values() if v.is_floating_point()]
        if len(bad) or not bool(torch.stack(sizes).max() < EXPLODED):
            first = step - len(losses) + 1 + int(bad[0]) if len(bad) else step
            kept, steps = self.step, self.method.steps
            raise DivergenceError(first, steps, self.rates(), self.result(), kept)
        self.step, self.good = step, self.copy()

    def rates(self) -> dict[str, float]:
        """The learning rate of each variable, and the learned one, for the message of an error."""
        names = {id(v): name for name, v in self.variables.items()}
        groups = self.optimizer.param_groups
        rates = {names[id(v)]: group["lr"] for group in groups for v in group["params"]}
        lr = self.rendered().get("lr")
        return rates if lr is None else {**rates, "learned rate": float(lr)}

    def remember(self, loss: float) -> None:
        self.history.append(Snapshot(self.step, loss, self.rendered()["images"].cpu()))
        if self.callback:
            self.callback(self.history[-1])

    def about(self) -> dict[str, Any]:
        """What identifies this run to a reader."""
        settings = {"tag": self.method.tag, **asdict(self.method)}
        if "network" in settings:
            settings["network"] = name_of(settings["network"])
        return {"dataset": self.real.name, "method": settings, "seed": self.seed}

    def belongs_to(self) -> dict[str, Any]:
        """What a checkpoint must agree in: the settings, and the data down to the last pixel."""
        return {**self.about(), "data": self.real.identity}

    def result(self) -> DistilledSet:
        meta = {**self.about(), **provenance(self.device), "seconds": round(self.seconds, 2)}
        meta |= {"compiled": True} if self.compiled else {}
        shown = self.rendered()
        return DistilledSet.of(
            self.real,
            shown["images"],
            shown["labels"],
            ipc=self.method.ipc,
            lr=float(shown["lr"]) if "lr" in shown else None,
            meta=meta,
            history=tuple(self.history),
        )

    def save(self, path: str | Path) -> None:
        tensors = {f"variable.{name}": v for name, v in self.variables.items()}
        for name, variable in self.variables.items():
            memory = self.optimizer.state.get(variable, {})
            tensors |= {f"optimizer.{name}.{k}": v for k, v in memory.items()}
        tensors |= {f"history.{i}": s.images for i, s in enumerate(self.history)}
        history = [(s.step, s.loss) for s in self.history]
        progress = {"step": self.step, "seconds": self.seconds, "history": history}
        save_tensors(path, tensors, {**self.belongs_to(), **progress})

    def restore(self, path: str | Path) -> None:
        tensors, meta = load_tensors(path)
        if "step" not in meta:
            raise ValueError(f"{path} is a distilled set or a record, and no checkpoint")
        mine = json.loads(json.dumps(self.belongs_to()))  # as it is after a file: tuples are lists
        if others := differences(mine, meta):
            raise ValueError(
                f"{path} belongs to another run: {'; '.join(others)}. Name another file, or remove "
                "this one to begin anew"
            )
        try:
            self.step, self.before = meta["step"], meta["seconds"]
            with torch.no_grad():
                for name, variable in self.variables.items():
                    variable.copy_(tensors[f"variable.{name}"])
            for key in (k for k in tensors if k.startswith("optimizer.")):
                _, name, what = key.split(".", 2)
                memory = self.optimizer.state[self.variables[name]]
                memory[what] = tensors[key].to(self.device)
            self.good = self.copy()
            self.history = [
                Snapshot(step, loss, tensors[f"history.{i}"])
                for i, (step, loss) in enumerate(meta["history"])
            ]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise damaged(path, error) from None
