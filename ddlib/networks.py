"""The networks of the field, by name, with initialization from an explicit generator."""

import re
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ddlib import architectures
from ddlib.data import ImageData
from ddlib.own import MAKER, Network, begin, build_own

NORMS: dict[str, Callable[[int], nn.Module]] = {
    # The field's "instance norm" is GroupNorm with one group per channel. It stays so here:
    # InstanceNorm2d(affine=True) under vmap returns wrong second derivatives without a word.
    "instance": lambda width: nn.GroupNorm(width, width),
    "layer": lambda width: nn.GroupNorm(1, width),
    "group": lambda width: nn.GroupNorm(min(8, width), width),
    # Statistics of the batch at hand, at test time as well: an ensemble has no buffers for running
    # means. So a prediction depends on its batch, and test batches must be large.
    "batch": lambda width: nn.BatchNorm2d(width, track_running_stats=False),
    "none": lambda width: nn.Identity(),
}


class Halve(nn.Module):
    """2x2 average pooling by adding every other row and column.

    On a CPU it takes a fraction of the time of `nn.AvgPool2d`, and so do its derivatives.
    """

    def forward(self, x: Float[Tensor, "*n h w"]) -> Float[Tensor, "*n h2 w2"]:
        rows = torch.add(*pairs(x, -2))
        return torch.add(*pairs(rows, -1)) / 4


def pairs(x: Shaped[Tensor, "..."], axis: int) -> tuple[Tensor, ...]:
    """The even and the odd slices of `x` along an axis; a last one without partner is left out."""
    if x.shape[axis] % 2:
        x = x.narrow(axis, 0, x.shape[axis] - 1)
    return x.unflatten(axis, (-1, 2)).unbind(axis)


class ConvNet(architectures.Classifier):
    """`depth` blocks of [conv 3x3, norm, ReLU, 2x2 average pool], then one linear layer.

    `embed` maps images (n, c, h, w) to features (n, d); `head` maps features to logits (n, k).
    With width 128, depth 3 and 32x32 images: d = 2048 and 320,010 parameters for ten classes.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        *,
        width: int = 128,
        depth: int = 3,
        norm: str = "instance",
        activation: Callable[[], nn.Module] = nn.ReLU,
    ):
        if size < 2**depth:
            raise ValueError(f"{depth} poolings need images of at least {2**depth} pixels")
        blocks = []
        for i in range(depth):
            conv = nn.Conv2d(width if i else channels, width, 3, padding=1)
            blocks += [conv, NORMS[norm](width), activation(), Halve()]
        features = width * (size // 2**depth) ** 2
        super().__init__(nn.Sequential(*blocks, nn.Flatten()), features, classes)
        self.width = width


def depth_for(size: int) -> int:
    """Blocks of a ConvNet for images of `size` pixels, so that the last maps have 4 to 7 of them.

    As in the field: 3 up to 32 pixels, 4 up to 64, 5 up to 128; and 2 below 16, for digits.
    """
    return 2 if size < 16 else 3 + max(0, (size - 1).bit_length() - 5)


def _convnet(norm: str, times: float = 1.0) -> Callable[..., nn.Module]:
    """The ConvNet that suits the image size: digits, 16x16 images, or the published network.

    It is `times` as wide as the one that the methods distill with.
    """

    def build(channels: int, size: int, classes: int, depth: int | None = None) -> nn.Module:
        width, depth = 32 if size < 16 else 64 if size < 32 else 128, depth or depth_for(size)
        return ConvNet(channels, size, classes, width=int(times * width), depth=depth, norm=norm)

    return build


def _resnet18(norm: str, part: int = 1) -> Callable[[int, int, int], nn.Module]:
    """A ResNet-18 that suits the image size, divided by `part`; 32x32 images: as published.

    With norm `batch`, the mean and the spread of a channel are always those of the batch at hand.
    Papers keep running means from training for the test; here a test image is classified with the
    help of the test images beside it, so accuracies are not strictly those of the papers. For the
    same reason it is for judging sets: a method that distills with it would normalize real and
    synthetic images each by themselves.
    """

    def build(channels: int, size: int, classes: int) -> nn.Module:
        width = 8 if size < 16 else 32 if size < 32 else 64
        return architectures.resnet18(
            channels, size, classes, width=width // part, norm=NORMS[norm]
        )

    return build


def _vgg11(part: int = 1) -> Callable[[int, int, int], nn.Module]:
    """A VGG-11 that suits the image size, divided by `part`, with the field's norm."""

    def build(channels: int, size: int, classes: int) -> nn.Module:
        width = 6 if size < 16 else 32 if size < 32 else 64
        return architectures.vgg11(
            channels, size, classes, width=width // part, norm=NORMS["instance"]
        )

    return build


def _vit(part: int = 1) -> Callable[[int, int, int], nn.Module]:
    """A transformer that suits the image size; 32x32 images get the width and heads of DeiT-Ti.

    Its width and depth are divided by `part`.
    """

    def build(channels: int, size: int, classes: int) -> nn.Module:
        patch = 2 if size < 16 else max(4, size // 8)  # never many more than 64 tokens
        width, depth, heads = (32, 2, 2) if size < 16 else (128, 4, 4) if size < 32 else (192, 6, 3)
        width, depth = width // part, depth // part
        return architectures.vit(
            channels, size, classes, patch=patch, width=width, depth=depth, heads=heads
        )

    return build


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "convnet": _convnet("instance"),
    "convnet-layer": _convnet("layer"),
    "convnet-group": _convnet("group"),
    "convnet-none": _convnet("none"),
    "convnet-batch": _convnet("batch"),
    "convnet-batch-half": _convnet("batch", 1 / 2),
    "convnet-half": _convnet("instance", 1 / 2),
    "convnet-quarter": _convnet("instance", 1 / 4),
    "convnet-double": _convnet("instance", 2.0),
    "convnet-tiny": _convnet("instance", 1 / 8),
    "resnet18-group": _resnet18("group"),
    "resnet18-batch": _resnet18("batch"),
    "vgg11": _vgg11(),
    "vit": _vit(),
    # About as many parameters as the ConvNet, and about its time for a step on a CPU.
    "resnet18-group-narrow": _resnet18("group", 4),
    "resnet18-batch-narrow": _resnet18("batch", 4),
    "vgg11-narrow": _vgg11(4),
    "vit-narrow": _vit(2),
}


def build(network: Network, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network for images of `shape` (c, h, w); its weights hold no numbers yet.

    `network` is one of `NETWORKS`; a ConvNet's name with a depth, such as `convnet-d4` or
    `convnet-batch-d2`; or a network of your own: a function `(shape, classes) -> nn.Module`, or
    its address `module:function`. Numbers come from `initialize`, so that no weight is ever drawn
    from global randomness. What a network of your own has to keep to stands in `ddlib.own`.
    """
    if shape[1] != shape[2]:
        raise ValueError(f"networks take square images; these are {shape[1]}x{shape[2]}")
    if not isinstance(network, str) or ":" in network:
        return build_own(network, shape, classes)
    name, depth = network, {}
    if match := re.fullmatch(r"(convnet.*)-d(\d{1,2})", network):
        name, depth = match[1], {"depth": int(match[2])}
    if name not in NETWORKS or depth == {"depth": 0}:
        raise ValueError(
            f"unknown network {network!r}; choose one of: {', '.join(NETWORKS)}; a depth, as in "
            "convnet-d4; or your own, as module:function"
        )
    with torch.device("meta"):
        return NETWORKS[name](shape[0], shape[1], classes, **depth)


def initialize(net: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """PyTorch's default initialization, drawn from `generator` on its device.

    Weights and biases of convolutions and linear layers are uniform in +-1/sqrt(fan_in); norm
    layers start as the identity (weight 1, bias 0). A network of your own begins as its function
    makes it, with torch's global randomness seeded by `generator` while the function runs.
    """
    if hasattr(net, MAKER):
        return begin(net, generator)
    parameters: dict[str, Tensor] = {}
    for prefix, layer in net.named_modules():
        own = dict(layer.named_parameters(prefix, recurse=False))
        if not own:
            continue
        if layer.weight.ndim < 2:
            fill = {"weight": torch.ones, "bias": torch.zeros}
            parameters |= {
                k: fill[k.split(".")[-1]](v.shape, device=generator.device) for k, v in own.items()
            }
            continue
        bound = layer.weight[0].numel() ** -0.5
        for key, value in own.items():
            drawn = torch.rand(value.shape, generator=generator, device=generator.device)
            parameters[key] = (2 * drawn - 1) * bound
    return parameters


def fresh(network: Network, real: ImageData, generator: torch.Generator) -> nn.Module:
    """A newly initialized network for `real`'s images, ready to call, with frozen weights."""
    return redrawn(build(network, real.shape, len(real.classes)), generator)


def redrawn(net: nn.Module, generator: torch.Generator) -> nn.Module:
    """The same module with newly drawn, frozen weights: half the time of building one anew."""
    return with_weights(net, initialize(net, generator))


def with_weights(net: nn.Module, parameters: dict[str, Tensor]) -> nn.Module:
    """`net` itself with these weights, frozen; its buffers, if there are any, stay as they are."""
    kept = dict(net.named_buffers())
    net.load_state_dict({**kept, **parameters}, assign=True, strict=not kept)
    return net.requires_grad_(False)


def features(net: nn.Module) -> Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n d"]]:
    """What a network computes before its last linear layer: what distribution matching compares.

    That is `net.embed(images)`, a function or a module that gives one vector for each image; in an
    `nn.Sequential` that ends in a linear layer it is found as all that comes before.
    """
    if callable(embed := getattr(net, "embed", None)):
        return embed
    if isinstance(net, nn.Sequential) and len(net) > 1 and isinstance(net[-1], nn.Linear):
        return net[:-1]
    raise ValueError(
        f"a {type(net).__name__} does not say what its features are: give it a method "
        "embed(images) that returns one vector for each image, or end an nn.Sequential in nn.Linear"
    )
