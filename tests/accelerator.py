"""A pretended accelerator, for machines without one: a device of its own, the CPU's arithmetic.

Tensors on `DEVICE` hold a CPU tensor and refuse what CUDA refuses: to meet tensors of the CPU, to
draw from a generator of the CPU, to become an array. So code that forgets a `device=` or a
`.cpu()` fails here as it would on a GPU, and what it finds must be what the CPU finds.
`install` changes PyTorch for the whole process: call it in one of its own.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

DEVICE, TYPE = "pretended:0", "pretended"
aten = torch.ops.aten
MOVES = (aten.copy_.default, aten._to_copy.default)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)
drawn_on = {}  # device type by seed: PyTorch hands a generator on as another object
plain_tensor, PlainGenerator = torch.tensor, torch.Generator


class Generator(PlainGenerator):
    """A generator of the CPU that says it lives elsewhere."""

    def __new__(cls, device: torch.device | str = "cpu") -> "Generator":
        made = super().__new__(cls)
        made.at = torch.device(device)
        return made

    def __init__(self, device: torch.device | str = "cpu") -> None:
        pass

    def manual_seed(self, seed: int) -> "Generator":
        drawn_on[seed] = self.at.type
        super().manual_seed(seed)
        return self

    @property
    def device(self) -> torch.device:
        return self.at


class Elsewhere(Tensor):
    """A tensor that says it lives on `DEVICE`; its numbers are those of `held`."""

    @staticmethod
    def __new__(cls, held: Tensor) -> "Elsewhere":
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=DEVICE,
        )  # fmt: skip
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, op: Callable, types: Any, args: tuple = (), kwargs: Any = None):
        return run(op, args, kwargs or {})

    # What PyTorch does for its own tensors alone.
    def __getitem__(self, rows: Any) -> Tensor:
        every = rows if isinstance(rows, tuple) else (rows,)
        there = (tensor(r, device=DEVICE) if isinstance(r, list) else r for r in every)
        return super().__getitem__(tuple(there))

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __format__(self, form: str) -> str:
        return format(self.cpu(), form)


class Pretended(TorchDispatchMode):
    """While it is entered, `device=DEVICE` works in functions that make tensors."""

    def __torch_dispatch__(self, op: Callable, types: Any, args: tuple = (), kwargs: Any = None):
        return run(op, args, kwargs or {})


def run(op: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """One operation on what the tensors hold; results live where those of CUDA would."""
    leaves = tree_leaves((args, kwargs))
    ours = [x for x in leaves if isinstance(x, Elsewhere)]
    target = kwargs.get("device")
    there = bool(ours) if target is None else torch.device(target).type == TYPE
    if op is aten.copy_.default:
        there = isinstance(args[0], Elsewhere)
    check(op, leaves, there)
    if target is not None and there:
        kwargs = {**kwargs, "device": "cpu"}
    args, kwargs = tree_map(lambda x: x.held if isinstance(x, Elsewhere) else x, (args, kwargs))
    found = op(*args, **kwargs)
    if not there:
        return found
    known = {id(x.held): x for x in ours}  # an operation in place gives back what it got
    wrap = lambda x: Elsewhere(x) if isinstance(x, Tensor) else x  # noqa: E731
    return tree_map(lambda x: known[id(x)] if id(x) in known else wrap(x), found)


def check(op: Callable, leaves: list[Any], there: bool) -> None:
    """What CUDA refuses; single numbers of the CPU and its row numbers are welcome."""
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    if any(isinstance(x, Elsewhere) for x in tensors) and op not in MOVES:
        for place, x in enumerate(tensors):
            if not isinstance(x, Elsewhere) and x.ndim and not (place and op in INDEXING):
                raise RuntimeError(f"{op}: tensors on {DEVICE} and, {tuple(x.shape)}, on the CPU")
    for x in leaves:
        if isinstance(x, PlainGenerator):
            place = drawn_on.get(x.initial_seed(), "cpu")
            if (place == TYPE) != there:
                raise RuntimeError(f"{op}: a generator of {place} for another device")


def tensor(data: Any, *, device: torch.device | str | None = None, **about: Any) -> Tensor:
    made = plain_tensor(data, **about)
    return made if device is None else made.to(device)


def install() -> None:
    """Register the device, and put in place what PyTorch has only for devices of its own."""
    torch.set_num_threads(1)
    _setup_privateuseone_for_python_backend(TYPE)
    torch.Generator = Generator
    torch.tensor = tensor
    torch.cuda.mem_get_info = lambda device=None: (2**33, 2**34)
    Pretended().__enter__()
