"""The networks that a distilled set is tried out on, beside the ConvNet it was made with.

Each is `embed`, from images (n, c, h, w) to features (n, d), and `head`, one linear layer from
features to logits (n, k). None of them has buffers or draws random numbers, so all run as an
ensemble of stacked parameters.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]
VGG11 = ((1,), (2,), (4, 4), (8, 8), (8, 8))  # widths of the blocks between two pools


class Classifier(nn.Module):
    """Features, then one linear layer."""

    def __init__(self, embed: nn.Module, features: int, classes: int):
        super().__init__()
        self.embed = embed
        self.head = nn.Linear(features, classes)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.head(self.embed(images))


class Residual(nn.Module):
    """skip(x) + body(x); without a `skip`, x + body(x)."""

    def __init__(self, body: nn.Module, skip: nn.Module | None = None):
        super().__init__()
        self.body = body
        self.skip = skip or nn.Identity()

    def forward(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return self.skip(x) + self.body(x)


def resnet18(channels: int, size: int, classes: int, *, width: int, norm: Norm) -> Classifier:
    """ResNet-18 (He et al. 2016) as it is used on small images.

    The first convolution is 3x3 with stride 1, and no pooling follows it. Then come four stages of
    two blocks, `width` to 8 * `width` channels. With width 64 and 32x32 images: 11,173,962
    parameters for ten classes. On smaller images, maps of 2x2 pixels are halved no further.
    """
    layers = [_conv(channels, width), norm(width), nn.ReLU()]
    into = width
    for stage in range(4):
        out = width * 2**stage
        stride = 2 if stage and size >= 4 else 1
        size = -(-size // stride)
        layers += _block(into, out, stride, norm) + _block(out, out, 1, norm)
        into = out
    return Classifier(nn.Sequential(*layers, nn.AvgPool2d(size), nn.Flatten()), into, classes)


def _conv(into: int, out: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution; the norm that follows it has a bias of its own."""
    return nn.Conv2d(into, out, 3, stride, padding=1, bias=False)


def _block(into: int, out: int, stride: int, norm: Norm) -> list[nn.Module]:
    """Two convolutions with a shortcut, which is 1x1 where the number of channels changes."""
    body = [_conv(into, out, stride), norm(out), nn.ReLU(), _conv(out, out), norm(out)]
    skip = None
    if into != out:
        skip = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), norm(out))
    return [Residual(nn.Sequential(*body), skip), nn.ReLU()]


def vgg11(channels: int, size: int, classes: int, *, width: int, norm: Norm) -> Classifier:
    """VGG-11 (Simonyan & Zisserman 2015) as it is used on small images.

    Eight blocks of [conv 3x3, norm, ReLU], five 2x2 max pools, and one linear layer instead of
    three. With width 64 and 32x32 images: 9,231,114 parameters for ten classes. Smaller images
    skip the first pools, so that the last blocks see maps of the same size.
    """
    layers, into = [], channels
    for pools_left, factors in zip((5, 4, 3, 2, 1), VGG11, strict=True):
        for out in (width * factor for factor in factors):
            layers += [nn.Conv2d(into, out, 3, padding=1), norm(out), nn.ReLU()]
            into = out
        if size >= 2**pools_left:
            layers.append(nn.MaxPool2d(2))
            size //= 2
    return Classifier(nn.Sequential(*layers, nn.Flatten()), into * size**2, classes)


class Attention(nn.Module):
    """Each token becomes a mixture of all: softmax(q k^T / sqrt(d / heads)) v, per head.

    Written out, because PyTorch's fused attention has no second derivative on a CPU.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        split = self.inputs(tokens).unflatten(2, (3, self.heads, -1))
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each (n, heads, t, d / heads)
        attention = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(3)
        return self.output((attention @ v).transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """Patches with learned positions, pre-norm blocks, and the mean over all tokens."""

    def __init__(self, channels: int, size: int, *, patch: int, width: int, depth: int, heads: int):
        super().__init__()
        if size % patch:
            raise ValueError(f"patches of {patch} pixels do not fill images of {size} pixels")
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.positions = nn.Embedding((size // patch) ** 2, width)  # drawn as weights are
        blocks = []
        for _ in range(depth):
            mix = [nn.LayerNorm(width), Attention(width, heads)]
            wide = [nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)]
            blocks += [Residual(nn.Sequential(*mix))]
            blocks += [Residual(nn.Sequential(nn.LayerNorm(width), *wide))]
        self.blocks = nn.Sequential(*blocks, nn.LayerNorm(width))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions.weight
        return self.blocks(tokens).mean(1)


def vit(
    channels: int, size: int, classes: int, *, patch: int, width: int, depth: int, heads: int
) -> Classifier:
    """A small vision transformer (Dosovitskiy et al. 2021), without dropout.

    The mean over tokens replaces the class token (Beyer et al. 2022).
    """
    embed = Transformer(channels, size, patch=patch, width=width, depth=depth, heads=heads)
    return Classifier(embed, width, classes)
