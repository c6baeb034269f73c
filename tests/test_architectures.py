"""The networks that sets are tried out on: shapes, ensembles, sizes, seeds, and that they learn."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers import relative_error, toy_data
from torch import Tensor, nn
from torch.func import functional_call

import ddlib
from ddlib.architectures import Attention
from ddlib.ensemble import activation_bytes, forward, initialize_many
from ddlib.networks import NETWORKS, build, initialize
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, train

TRANSFER = ["resnet18-group", "resnet18-batch", "vgg11", "vit"]
NETS, CLASSES = 3, 3
LABELS = torch.arange(30) % CLASSES

every = pytest.mark.parametrize("name", TRANSFER)


def parameter_count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_every_architecture_of_the_package_is_tested() -> None:
    known = [n for n in NETWORKS if not n.startswith("convnet") and not n.endswith("-narrow")]
    assert known == TRANSFER


@every
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_output_shapes(name: str, shape: tuple[int, int, int]) -> None:
    """`forward` is `embed`, then `head`, for two images as for one."""
    net = build(name, shape, 7)
    for n in (1, 2):
        images = torch.empty(n, *shape, device="meta")
        features = net.embed(images)
        assert features.shape == (n, net.head.in_features)
        assert net(images).shape == (n, 7)


@every
def test_nothing_but_parameters(name: str) -> None:
    """No buffers, nothing random, and nothing that overwrites its input."""
    net = build(name, (3, 32, 32), 10)
    assert not list(net.buffers())
    assert not any(isinstance(layer, nn.Dropout) for layer in net.modules())
    assert not any(getattr(layer, "inplace", False) for layer in net.modules())


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet18-group", 11_173_962), ("resnet18-batch", 11_173_962), ("vgg11", 9_231_114)],
)
def test_published_sizes(name: str, count: int) -> None:
    assert parameter_count(build(name, (3, 32, 32), 10)) == count


def test_size_of_the_transformer() -> None:
    """Patches, positions, six blocks (norms, attention, two wide layers), norm and head."""
    w, tokens = 192, 64
    block = 4 * w + (3 * w * w + 3 * w) + (w * w + w) + (4 * w * w + 4 * w) + (4 * w * w + w)
    expected = (3 * 16 * w + w) + tokens * w + 6 * block + 2 * w + (10 * w + 10)
    assert parameter_count(build("vit", (3, 32, 32), 10)) == expected


@every
def test_small_images_get_small_networks(name: str) -> None:
    sizes = [parameter_count(build(name, (1, size, size), 10)) for size in (8, 16, 32)]
    assert sizes[0] < 200_000 < sizes[1] < sizes[2]


@pytest.mark.parametrize(("size", "last"), [(8, 2), (16, 2), (32, 4), (64, 8)])
def test_maps_of_the_residual_network(size: int, last: int) -> None:
    """Pixels a side after the last block: an eighth, but never below two."""
    net = build("resnet18-group", (1, size, size), 10)
    maps = net.embed[:-2](torch.empty(1, 1, size, size, device="meta"))
    assert maps.shape[2:] == (last, last)
    assert net.embed[-2].kernel_size == last


@pytest.mark.parametrize(("size", "pools"), [(8, 3), (16, 4), (32, 5), (64, 5)])
def test_pools_of_vgg(size: int, pools: int) -> None:
    """The last ones stay, so that the last map is one pixel, or two for images of 64."""
    net = build("vgg11", (1, size, size), 10)
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in net.embed) == pools
    assert isinstance(net.embed[-2], nn.MaxPool2d)
    assert net.head.in_features == net.embed[-5].out_channels * (size // 2**pools) ** 2


def test_patches_must_fill_the_image() -> None:
    with pytest.raises(ValueError, match="patches of 4 pixels do not fill images of 30 pixels"):
        build("vit", (3, 30, 30), 10)


def gradients_of_losses(logits: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients of the networks' summed losses on `LABELS`; logits are (m, n, k)."""
    loss = sum(F.cross_entropy(one, LABELS) for one in logits)
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


@pytest.mark.usefixtures("double")
@every
@pytest.mark.parametrize("own", [False, True], ids=["shared images", "own images"])
def test_an_ensemble_is_its_networks(name: str, own: bool) -> None:
    """Logits and parameter gradients of three networks at once, against one after the other."""
    net = build(name, (2, 8, 8), CLASSES)
    stacked = {k: p.requires_grad_() for k, p in initialize_many(net, range(NETS)).items()}
    images = toy_data().test_images
    images = torch.stack([images, images.flip(3), images - 1]) if own else images
    logits = forward(net, stacked, images)
    found = gradients_of_losses(logits, stacked)
    for i in range(NETS):
        one = {k: p[i].detach().requires_grad_() for k, p in stacked.items()}
        expected = functional_call(net, one, (images[i] if own else images,))
        assert relative_error(logits[i], expected) <= 1e-10
        each = gradients_of_losses(expected[None], one)
        whole = torch.cat([g.flatten() for g in each.values()])
        part = torch.cat([found[k][i].flatten() for k in each])
        assert relative_error(part, whole) <= 1e-8


@pytest.mark.usefixtures("double")
@every
def test_pixel_gradients_through_a_parameter_gradient(name: str) -> None:
    """What gradient matching needs, against a central difference; smooth, so without ReLUs."""
    net = smooth(build(name, (2, 8, 8), CLASSES))
    weights = {k: p.requires_grad_() for k, p in initialize(net, generator(0)).items()}
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(30, 2, 8, 8, generator=draws, requires_grad=True)
    probe = {k: torch.randn(p.shape, generator=draws) for k, p in weights.items()}

    def along(x: Tensor) -> Tensor:
        """The derivative of the loss with respect to the weights, along `probe`."""
        loss = F.cross_entropy(functional_call(net, weights, (x,)), LABELS)
        gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        return sum((g * v).sum() for g, v in zip(gradients, probe.values(), strict=True))

    (gradient,) = torch.autograd.grad(along(images), images)
    step = torch.randn(images.shape, generator=draws) * 1e-4
    difference = (along(images + step) - along(images - step)) / 2
    assert relative_error((gradient * step).sum(), difference.detach()) <= 1e-4


def smooth(net: nn.Module) -> nn.Module:
    """`net` with Softplus for each ReLU and an average for each maximum."""
    for parent in list(net.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.ReLU):
                setattr(parent, name, nn.Softplus())
            if isinstance(layer, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(2))
    return net


@every
def test_weights_follow_from_the_seed_alone(name: str) -> None:
    before = torch.get_rng_state()
    first, second, other = (
        initialize(build(name, (1, 8, 8), 10), generator(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert set(first) == {k for k, _ in build(name, (1, 8, 8), 10).named_parameters()}
    for key, value in first.items():
        assert torch.equal(value, second[key])
        constant = value.ndim == 1 and value.unique().numel() == 1  # of a norm layer
        assert constant or not torch.equal(value, other[key])


def test_positions_start_as_small_random_numbers() -> None:
    """Different for each patch, and within 1 / sqrt(width)."""
    net = build("vit", (1, 8, 8), 10)
    positions = initialize(net, generator(0))["embed.positions.weight"]
    bound = positions.shape[1] ** -0.5
    assert 0.9 * bound < float(positions.abs().max()) <= bound
    assert torch.cdist(positions, positions).fill_diagonal_(1).min() > bound


def test_a_transformer_sees_where_a_patch_stands() -> None:
    """Without positions, exchanging two patches would change nothing."""
    net = build("vit", (1, 8, 8), 10)
    weights = initialize(net, generator(0))
    image = torch.randn(1, 1, 8, 8, generator=generator(1))
    moved = image.roll(2, 3)  # by one patch
    run = lambda x: functional_call(net, weights, (x,))  # noqa: E731
    assert relative_error(run(moved), run(image)) > 1e-3
    weights["embed.positions.weight"] *= 0
    assert relative_error(run(moved), run(image)) < 1e-5


def test_attention_is_that_of_pytorch() -> None:
    """Both run on the same queries, keys and values; the output layer is the identity."""
    attention = Attention(6, heads=2)
    attention.load_state_dict(initialize(attention, generator(0)))
    attention.output = nn.Identity()
    tokens = torch.randn(3, 5, 6, generator=generator(1))
    q, k, v = (
        part.unflatten(2, (2, 3)).transpose(1, 2) for part in attention.inputs(tokens).chunk(3, 2)
    )
    expected = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    assert relative_error(attention(tokens), expected) <= 1e-6


def test_batch_norm_uses_the_batch_at_test_time_too() -> None:
    """A prediction depends on the other images of its batch; with group norm it does not."""
    images = torch.randn(40, 1, 8, 8, generator=generator(0))
    for name, depends in (("resnet18-group", False), ("resnet18-batch", True)):
        net = build(name, (1, 8, 8), 10).eval()
        weights = initialize(net, generator(0))
        alone, together = (functional_call(net, weights, (x,))[:4] for x in (images[:4], images))
        assert (relative_error(alone, together) > 1e-2) == depends


@pytest.mark.parametrize("test_images", [359, 10_000])
def test_test_batches_are_large(monkeypatch: pytest.MonkeyPatch, test_images: int) -> None:
    """Of the digits, and of CIFAR-10: batch statistics come from hundreds of images."""
    seen = []
    record = lambda net, parameters, x: seen.append(len(x)) or torch.zeros(1, len(x), 2)  # noqa: E731
    monkeypatch.setattr("ddlib.training.forward", record)
    images, labels = torch.empty(test_images, 1, 2, 2), torch.zeros(test_images, dtype=torch.long)
    accuracy(nn.Identity(), {"weight": torch.zeros(1, 1)}, images, labels)
    assert sum(seen) == test_images
    assert min(seen) >= 300


@every
def test_activations_can_be_counted(name: str) -> None:
    """With one image alone, which batch statistics of a single pixel would not survive."""
    shapes = ((1, 8, 8), (1, 16, 16))
    one, four = (activation_bytes(build(name, shape, 10), shape) for shape in shapes)
    assert 0 < one < four


@every
def test_training_on_digits_beats_chance(name: str, digits: ddlib.ImageData) -> None:
    """Chance is ten percent; untrained networks stay below twice that."""
    net = build(name, digits.shape, 10)
    images, labels = digits.train_images[:500], digits.train_labels[:500]
    before, after = (
        accuracy(
            net, train(net, images, labels, recipe, [0]), digits.test_images, digits.test_labels
        )
        for recipe in (Recipe(epochs=0), Recipe(epochs=12, batch=50))
    )
    assert float(before) < 20
    assert float(after) > 40


@every
@pytest.mark.parametrize(
    "method",
    [
        ddlib.Herding(ipc=1, epochs=1),
        ddlib.DistributionMatching(ipc=2, steps=1),
        ddlib.GradientMatching(ipc=2, steps=2, inner_epochs=1),
        ddlib.TrajectoryMatching(ipc=2, steps=1, inner_steps=1, experts=1, max_start=1),
        ddlib.BPTT(ipc=2, steps=1, inner_steps=2, window=None),
    ],
    ids=lambda method: method.tag,
)
def test_sets_can_be_distilled_with_it(name: str, method: ddlib.distillation.Method) -> None:
    """Methods find the features and the derivatives they need, and the images move."""
    made = ddlib.distill(toy_data((8, 8, 8)), replace(method, network=name))
    assert made.images.isfinite().all()
    if method.steps:
        start = made.at(0).images
        assert not torch.equal(made.images, start)
