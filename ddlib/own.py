"""Networks of your own: any function from (shape, classes) to a module.

A network of your own must be a pure function of its weights, because many are trained at once and
differentiated through their training. So `build_own` checks, with two black images:

- it takes images (n, c, h, w) and returns logits (n, k);
- batch norm uses the statistics of the batch at hand, also in the test: an ordinary `BatchNorm2d`
  is switched to that, since running means would be a state beside the weights;
- `InstanceNorm2d(affine=True)`, dropout, lazy layers and shared weights are refused, each with its
  reason;
- buffers, such as fixed positions, are constants.

It begins as its function makes it: custom initializations count, and weights that the function
loads from somewhere are the same in every network.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.modules.lazy import LazyModuleMixin

from ddlib.seeds import new_key

Network = str | Callable[[tuple[int, int, int], int], nn.Module]
MAKER = "made_anew"  # the attribute of a network of your own that makes it once more


def name_of(network: Network) -> str:
    """How settings, checkpoints and records call a network: its name, or `module:function`."""
    if isinstance(network, str):
        return network
    if isinstance(network, nn.Module) or not hasattr(network, "__qualname__"):
        raise ValueError(
            "network must be a name or a function (shape, classes) -> nn.Module; got "
            f"{type(network).__name__}. Write a function that makes it"
        )
    return f"{network.__module__}:{network.__qualname__}"


def findable(network: Network) -> None:
    """A worker in another process gets a function by its address, so it must have one."""
    if not isinstance(network, str) and "<" in network.__qualname__:
        raise ValueError(
            f"no worker can find {network.__qualname__}: write the network as a function with a "
            "name, at the top level of a module"
        )


def find(address: str) -> Callable[[tuple[int, int, int], int], nn.Module]:
    """The function at `module:function`; a module may lie in the current folder."""
    module, _, path = address.partition(":")
    try:
        found = import_here(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"there is no network {address!r}: {error}") from None
    if not callable(found):
        raise ValueError(f"network {address!r} is a {type(found).__name__}, not a function")
    return found


def import_here(module: str) -> ModuleType:
    """Import a module that is installed or lies in the current folder."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        return import_module(module)
    except (ImportError, ValueError) as error:
        raise ValueError(f"cannot import {module!r}: {error}") from None
    finally:
        sys.path.remove(here)


def build_own(network: Network, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A network of your own, checked, its weights without numbers; see above."""
    name = name_of(network)
    make = partial(find(network) if isinstance(network, str) else network, shape, classes)
    net = _made(make, name, seed=0)
    reason = next(filter(None, map(_unusable, net.modules())), None)
    if not reason and len(dict(net.named_parameters(remove_duplicate=False))) > len(
        dict(net.named_parameters())
    ):
        reason = "layers that share weights cannot be told apart when weights are exchanged"
    if reason:
        raise ValueError(f"network {name} cannot be used: {reason}")
    _try(net, name, shape, classes)
    for module in net.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[key] = nn.Parameter(parameter.detach().to("meta"))
    if dict(net.named_buffers()):
        net.register_forward_pre_hook(_bring_buffers)
    setattr(net, MAKER, partial(_made, make, name))
    return net


def begin(net: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """The weights of a newly made network, on the generator's device, in the default precision."""
    made = getattr(net, MAKER)(seed=new_key(generator))
    like = {"device": generator.device, "dtype": torch.get_default_dtype()}
    return {key: p.detach().to(**like) for key, p in made.named_parameters()}


def _made(make: Callable[[], nn.Module], name: str, seed: int) -> nn.Module:
    """What the function makes on the CPU from one seed; global randomness stays as it was."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        with torch.device("cpu"):
            net = make()
    except TypeError as error:
        raise ValueError(f"network {name} must take (shape, classes): {error}") from error
    finally:
        torch.set_rng_state(before)
    if not isinstance(net, nn.Module):
        raise ValueError(f"network {name} must return an nn.Module; got a {type(net).__name__}")
    return replace_all_batch_norm_modules_(net)


def _unusable(layer: nn.Module) -> str | None:
    """Why a layer cannot be part of a network here, if it cannot."""
    if isinstance(layer, _InstanceNorm) and layer.affine:
        return (
            "InstanceNorm with affine=True has wrong second derivatives where many networks run at "
            "once; nn.GroupNorm(C, C) computes the same"
        )
    if isinstance(layer, _InstanceNorm | _BatchNorm) and layer.running_mean is not None:
        return "running statistics are a state beside the weights; set track_running_stats=False"
    if isinstance(layer, _DropoutNd) and layer.p > 0:
        return "dropout draws from global randomness, so that no result could be repeated; set p=0"
    if isinstance(layer, LazyModuleMixin):
        return "a lazy layer has no weights before its first images; give it its sizes"
    return None


def _try(net: nn.Module, name: str, shape: tuple[int, int, int], classes: int) -> None:
    """Two black images must come out as two rows of logits, and leave every buffer as it was."""
    before = {key: buffer.clone() for key, buffer in net.named_buffers()}
    try:
        with torch.no_grad():
            logits = net.to(torch.get_default_dtype())(torch.zeros(2, *shape))
    except Exception as error:  # whatever it stumbled over, it is this network's
        raise ValueError(f"network {name} does not take images of {shape}: {error}") from error
    got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if got != (2, classes):
        raise ValueError(
            f"network {name} must return logits {(2, classes)} for 2 images; got {got}"
        )
    if changed := [k for k, buffer in net.named_buffers() if not torch.equal(buffer, before[k])]:
        raise ValueError(f"network {name} must not change its buffer {changed[0]!r} as it runs")


def _bring_buffers(net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Constants move to where the images are."""
    for module in net.modules():
        for key, buffer in module._buffers.items():
            if buffer is not None and buffer.device != inputs[0].device:
                module._buffers[key] = buffer.to(inputs[0].device)
