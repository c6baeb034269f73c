"""Many networks of one architecture at once, on parameters stacked along a first axis.

Parameters are a `dict` from name to tensor (m, ...), one slice for each of m networks. Network i
depends on its own seed alone, never on how many networks run beside it.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ddlib.networks import initialize, with_weights
from ddlib.seeds import generator

Parameters = dict[str, Tensor]
CPU_CHUNK_BYTES = 2**25  # activations of one pass on a CPU
CPU_GRAPH_BYTES = 2**32  # activations and their gradients of one graph there


def initialize_many(
    net: nn.Module, seeds: Sequence[int], device: torch.device | str = "cpu"
) -> Parameters:
    """Stacked parameters of `len(seeds)` networks; the i-th depends on `seeds[i]` alone."""
    each = [initialize(net, generator(seed, "network", device=device)) for seed in seeds]
    return {name: torch.stack([p[name] for p in each]) for name in each[0]}


def flatten(net: nn.Module, parameters: Parameters) -> Float[Tensor, "m p"]:
    """A copy of all parameters of each network as one vector theta, in the order `net` has them."""
    return torch.cat([parameters[name].flatten(1) for name, _ in net.named_parameters()], 1)


def unflatten(net: nn.Module, theta: Float[Tensor, "m p"]) -> Parameters:
    """The stacked parameters whose vectors are `theta`: views of it, differentiable."""
    named = dict(net.named_parameters())
    parts = theta.split([p.numel() for p in named.values()], 1)
    return {
        name: part.unflatten(1, p.shape)
        for (name, p), part in zip(named.items(), parts, strict=True)
    }


def forward(
    net: nn.Module, parameters: Parameters, images: Shaped[Tensor, "..."]
) -> Float[Tensor, "m n k"]:
    """Logits of each network: of its own images (m, n, c, h, w), or of the same (n, c, h, w).

    One network runs plainly; several run as one `vmap`, which turns their convolutions into one
    grouped convolution. Only the forward pass is mapped: derivatives are taken outside, where
    they are exact for every layer.
    """
    own = 0 if images.ndim == 5 else None
    if len(next(iter(parameters.values()))) == 1:
        # Not p[0]: the derivative of an index fills zeros and copies, that of a squeeze is a view.
        single = {k: p.squeeze(0) for k, p in parameters.items()}
        return functional_call(net, single, (images[0] if own == 0 else images,))[None]
    call: Callable[[Parameters, Tensor], Tensor] = lambda p, x: functional_call(net, p, (x,))  # noqa: E731
    return vmap(call, in_dims=(0, own), randomness="different")(parameters, images)


def loaded(net: nn.Module, parameters: Parameters) -> nn.Module:
    """A frozen copy of `net` that has the weights of the one network in `parameters`."""
    return with_weights(deepcopy(net), {name: p[0] for name, p in parameters.items()})


def trainable(
    net: nn.Module, parameters: Parameters
) -> tuple[Callable[[Tensor], Float[Tensor, "m n k"]], list[Tensor]]:
    """`forward` as a function of the images alone, and what to differentiate it by.

    These tensors are in the order of `parameters` and share memory with them. One network becomes
    a module of its own: to exchange the parameters at every call would cost a small network a
    tenth of each step.
    """
    if len(next(iter(parameters.values()))) == 1:
        single = loaded(net, parameters).requires_grad_()
        call = lambda images: single(images[0] if images.ndim == 5 else images)[None]  # noqa: E731
        return call, [single.get_parameter(name) for name in parameters]
    leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    return partial(forward, net, leaves), list(leaves.values())


# What `activation_bytes` knows: to ask anew would take as long as a step of a small network.
KNOWN: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], int]] = WeakKeyDictionary()


def activation_bytes(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Bytes that one image of `shape` leaves in the layers of `net`, as float32."""
    known = KNOWN.setdefault(net, {})
    if shape not in known:
        known[shape] = _measured_bytes(net, shape)
    return known[shape]


def _measured_bytes(net: nn.Module, shape: tuple[int, ...]) -> int:
    sizes: list[int] = []
    layers = [layer for layer in net.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(lambda *a: sizes.append(a[2].numel())) for layer in layers]
    with torch.device("meta"):
        meta = {k: torch.empty(p.shape) for k, p in net.named_parameters()}
        meta |= {k: b.to("meta") for k, b in net.named_buffers()}
        functional_call(net, meta, (torch.empty(1, *shape),))
    for hook in hooks:
        hook.remove()
    return 4 * sum(sizes)


def cached_images(net: nn.Module, shape: tuple[int, ...], device: torch.device) -> int:
    """How many images of `shape` to send through `net` at a time where no derivative is needed.

    On a CPU what stays in its cache: more would not only leave the cache, but large blocks go back
    to the system at every layer, at the price of thousands of page faults. A GPU takes what
    `graph_images` says.
    """
    if device.type != "cpu":
        return graph_images(net, shape, device)
    return max(1, CPU_CHUNK_BYTES // activation_bytes(net, shape))


def graph_images(net: nn.Module, shape: tuple[int, ...], device: torch.device) -> int:
    """How many images of `shape` one graph of `net` may hold; more are taken in parts.

    Activations count twice, once kept for the backward pass, once as gradients, and may fill
    `CPU_GRAPH_BYTES` or an eighth of a GPU. Of what a GPU has and not of what is free, so that a
    run that is resumed adds up in the same order.
    """
    memory = CPU_GRAPH_BYTES
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory // 8
    return max(1, memory // (2 * activation_bytes(net, shape)))


def side_by_side(net: nn.Module, batch: int, shape: tuple[int, ...], device: torch.device) -> int:
    """How many networks to train in one `vmap` on batches of `batch` images.

    A CPU gains nothing from grouped convolutions (measured, see the run-times page), so there
    networks run one after the other. A GPU takes as many as half its free memory holds, counting
    the activations twice: once kept for the backward pass, once as gradients.
    """
    if device.type == "cpu":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, free // 2 // (2 * batch * activation_bytes(net, shape)))
