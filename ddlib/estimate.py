"""How long a distillation will take and how much memory, found by taking its first steps."""

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ddlib.data import ImageData, check_ipc
from ddlib.distillation import LearningMethod, Method, compiles
from ddlib.provenance import peak_memory_mib
from ddlib.seeds import generator

KEPT = 11  # copies of the synthetic images in the loop: ten snapshots, and the last good ones
UNITS = ((3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Estimate:
    """Seconds of the whole run, and MiB of its tensors; Python and torch come on top."""

    seconds: float
    memory_mib: float

    def __str__(self) -> str:
        size, unit = next((u for u in UNITS if self.seconds >= 1.5 * u[0]), UNITS[-1])
        length, memory = (max(1, float(f"{x:.2g}")) for x in (self.seconds / size, self.memory_mib))
        return f"about {length:.0f} {unit}, about {memory:.0f} MiB"


class Watch(TorchDispatchMode):
    """Sees every tensor that is made, and knows the most bytes that were held at once."""

    def __init__(self, *known: Tensor) -> None:
        super().__init__()
        self.sizes = WeakKeyDictionary((t.untyped_storage(), t.nbytes) for t in known)
        self.most = sum(self.sizes.values())

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves(made) if isinstance(t, Tensor) and not t.is_meta]
        self.sizes.update((s, s.nbytes()) for s in (t.untyped_storage() for t in tensors))
        self.most = max(self.most, sum(self.sizes.values()))
        return made


def estimate(
    real: ImageData,
    method: Method,
    seed: int = 0,
    folder: Path | None = None,
    *,
    compiled: bool | None = None,
) -> Estimate:
    """Take three steps of `method`, time the last two, and multiply by the number of steps.

    Rough: right to a factor of two on a quiet machine, if all steps cost the same. Memory is the
    most that tensors, the data included, held at once up to the end of the first step; scratch
    memory inside single operations is not seen. What `objective` prepares counts once, and is
    kept in `folder` for the run itself.

    `compiled` is that of `distill`. Compiling happens in the first step and counts once; what a
    compiled function holds is not seen, so memory is then what the process has grown by.
    """
    check_ipc(real, method.ipc)
    if not method.steps:
        raise ValueError(f"method {method.tag!r} only selects images: it has no steps to time")
    learner = cast(LearningMethod, method)  # because it has steps
    data = (real.train_images, real.train_labels, real.test_images, real.test_labels)
    fast, before = compiles(method, real, compiled), peak_memory_mib(real.device) or 0
    watch = Watch(*data)
    with nullcontext() if fast else watch:
        variables = {k: v.detach().clone() for k, v in method.initialize(real, seed).items()}
        for variable in variables.values():
            variable.requires_grad_(variable.is_floating_point())
        optimizer = learner.optimizer(variables)  # the first one imports much, here and not below
        clock = [time.perf_counter()]
        objective = learner.objective(real, seed, folder, **({"compiled": True} if fast else {}))
        clock.append(time.perf_counter())

        def step(number: int) -> None:
            loss = objective(variables, generator(seed, "step", number, device=real.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            float(loss.detach())  # waits for the device
            clock.append(time.perf_counter())

        step(1)
    step(2)
    step(3)
    start, ready, warm, _, end = clock
    each = (end - warm) / 2
    compiling = max(0.0, warm - ready - each) if fast else 0.0
    kept = KEPT * sum(v.nbytes for v in variables.values())
    held = watch.most + ((peak_memory_mib(real.device) or 0) - before) * 2**20 * fast
    return Estimate(ready - start + compiling + method.steps * each, (held + kept) / 2**20)
