"""The fast core: pure functions of a network's flat parameters, compiled.

What a method does with a network over and over is a pure function of tensors: a loss's gradient,
the features of images, a step of training, the derivatives of that step. Such a function comes
here as `build(net)`. It is traced once for the shapes it meets, derivatives included, and PyTorch's
compiler (Inductor: C++ on a CPU, Triton on a GPU) fuses all that is not a convolution. So::

    fast = function_of(net, build, compiled=True)      # else build(net) as it is

has the values of `build(net)` up to rounding. What is drawn at random stays outside.

In a convolution of precision `bfloat16` both factors are rounded to 8 bits of mantissa, their
products are summed in float32, and the sum is rounded; all else, the weights included, stays in
float32. Processors and GPUs with units for it (AVX512-bf16, AMX, tensor cores) do that two to
sixteen times as fast.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map_only
from tqdm.auto import tqdm

from ddlib.networks import ConvNet, Halve

Precision = Literal["float32", "bfloat16"]
Function = Callable[..., Any]

# Compiling pays where a run is long. Expected seconds are those of plain code at this many floating
# point operations a second: about what the ConvNet reaches on one core, or on a large GPU.
SPEED = {"cpu": 7e10, "cuda": 7e12}
WORTH_IT = 300.0  # seconds; compiling what a method needs takes up to 60


class HalfConv2d(nn.Conv2d):
    """A convolution whose factors are rounded to bfloat16; parameters stay as they are."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        weight = self.weight.bfloat16()
        bias = None if self.bias is None else self.bias.bfloat16()
        return self._conv_forward(x.bfloat16(), weight, bias).to(x.dtype)


class Norm(nn.Module):
    """`nn.GroupNorm` written out, so that a compiler can fuse it with what stands beside it.

    With m the mean and v = E x^2 - m^2 the variance of an image's pixels in a group of channels,
    both in one pass, a pixel x of channel c becomes ::

        y = a x + (bias[c] - a m),    a = weight[c] / sqrt(v + eps)
    """

    def __init__(self, like: nn.GroupNorm):
        super().__init__()
        self.groups, self.eps = like.num_groups, like.eps
        self.weight, self.bias = like.weight, like.bias

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        own = x.unflatten(1, (self.groups, -1))
        weight, bias = (p.view(self.groups, -1, 1, 1) for p in (self.weight, self.bias))
        mean = own.mean((2, 3, 4), keepdim=True)
        variance = own.square().mean((2, 3, 4), keepdim=True) - mean.square()
        slope = weight * torch.rsqrt(variance + self.eps)
        return (own * slope + (bias - mean * slope)).flatten(1, 2)


class Pool(nn.Module):
    """The mean of each 2x2 block; a last odd row or column is left out, as in `Halve`."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        x = x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
        return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))


def in_precision(net: nn.Module, precision: Precision) -> nn.Module:
    """The same network with convolutions of that precision; names of parameters stay."""
    if precision == "float32":
        return net
    return _swapped(net, {nn.Conv2d: _half})


def _half(conv: nn.Conv2d) -> nn.Module:
    own = deepcopy(conv)
    own.__class__ = HalfConv2d
    return own


def _swapped(net: nn.Module, swaps: dict[type, Callable[[Any], nn.Module]]) -> nn.Module:
    """A copy of `net` in which layers of certain types are replaced."""
    net = deepcopy(net)
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in swaps:
                setattr(parent, name, swaps[type(child)](child))
    return net


def for_compiler(net: nn.Module) -> nn.Module:
    """The same function in parts that a compiler can take apart and fuse."""
    return _swapped(net, {nn.GroupNorm: Norm, Halve: lambda _: Pool()})


# ---- compiling ------------------------------------------------------------------------------

BACKEND = "inductor"  # of `torch.compile`
_made: dict[Hashable, Function] = {}
_failed: list[str] = []  # why, once compiling has failed in this process
_bars: list[Any] = []  # progress bars that say so while something is compiled


def function_of(
    net: nn.Module, build: Callable[..., Function], *settings: Hashable, compiled: bool
) -> Function:
    """`build(net, *settings)`, a pure function of tensors without gradients, compiled if asked.

    `build` must not keep anything but `net` and the settings: the same architecture, builder and
    settings share one compiled function. Without a compiler, or for a network that is no ConvNet,
    it is `build(net, *settings)` itself.
    """
    if not compiled or _failed or not isinstance(net, ConvNet):
        return build(net, *settings)
    key = repr(net), build, settings
    if key not in _made:
        _made[key] = _Compiled(build(net, *settings), build(for_compiler(net), *settings))
    return _made[key]


class _Compiled:
    """A function that is compiled when it meets new shapes."""

    def __init__(self, plain: Function, open_to_compiler: Function):
        self.plain, self.open = plain, open_to_compiler
        self.made: dict[Hashable, Function] = {}

    @torch.no_grad()
    def __call__(self, *given: Any) -> Any:
        given = tree_map_only(Tensor, Tensor.detach, given)
        key = tuple(
            t if t is None else (t.shape, t.stride(), t.dtype, t.device) for t in tree_leaves(given)
        )
        if key in self.made:
            return self.made[key](*given)
        if _failed:
            return self.plain(*given)
        try:
            with _told():
                made = _compile(self.open, given)
                found = made(*given)
        except Exception as error:
            _give_up(error)
            return self.plain(*given)
        self.made[key] = made
        return found


def _compile(function: Function, given: tuple[Any, ...]) -> Function:
    """Trace `function`, its derivatives included, into plain operations, and compile these."""
    from torch.fx.experimental.proxy_tensor import make_fx  # takes a second to import

    def call(*given: Any) -> Any:  # tracing counts the arguments of what it is given
        return function(*given)

    return torch.compile(make_fx(call, tracing_mode="fake")(*given), dynamic=False, backend=BACKEND)


def _give_up(error: Exception) -> None:
    reason = str(error).strip().splitlines()
    _failed.append(f"{type(error).__name__}: {reason[0] if reason else ''}"[:200])
    tqdm.write(f"not compiled, so slower, with the same results ({_failed[0]})")


def telling(bar: Any) -> Iterator[Any]:
    """What the progress bar `bar` counts; it says so while something is compiled."""
    _bars.append(bar)
    try:
        yield from bar
    finally:
        _bars.remove(bar)


@contextmanager
def _told() -> Iterator[None]:
    for bar in _bars:
        bar.set_postfix_str("compiling")
    try:
        yield
    finally:
        for bar in _bars:
            bar.set_postfix_str("")


# ---- when it pays ---------------------------------------------------------------------------


def pays(net: nn.Module, shape: tuple[int, ...], passes: float, device: torch.device) -> bool:
    """Is work of so many `passes` of one image through `net` long enough to be compiled?

    It depends on the work alone and not on a clock, so that a resumed run decides as before.
    """
    return isinstance(net, ConvNet) and plain_seconds(net, shape, passes, device) > WORTH_IT


def plain_seconds(
    net: nn.Module, shape: tuple[int, ...], passes: float, device: torch.device
) -> float:
    """Rough seconds of so many passes in plain float32 on one core, or on a large GPU."""
    return passes * operations(net, shape) / SPEED[device.type if device.type == "cuda" else "cpu"]


def operations(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Floating point operations of one image's pass through the convolutions and linear layers."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        meta = {k: torch.empty(p.shape) for k, p in net.named_parameters()}
        functional_call(net, meta, (torch.empty(1, *shape),))
    return counter.get_total_flops()
