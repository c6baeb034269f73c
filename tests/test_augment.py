"""Augmentation, held against a transcription that changes one image at a time, pixel by pixel."""

import math
from collections.abc import Callable

import pytest
import torch
from helpers import relative_error, toy_data
from torch import Tensor

from ddlib import ImageData, augment
from ddlib.distilled import DistilledSet
from ddlib.evaluation import recipe_for
from ddlib.seeds import generator

SIDE = 8
OFF = 0.0  # what lies outside an image


def at(image: Tensor, row: int, column: int) -> Tensor | float:
    """The pixel at whole coordinates."""
    inside = 0 <= row < SIDE and 0 <= column < SIDE
    return image[:, row, column] if inside else OFF


def between(image: Tensor, row: float, column: float) -> Tensor | float:
    """The image at fractional coordinates, linear between its pixels."""
    top, left = math.floor(row), math.floor(column)
    down, right = row - top, column - left
    return (
        (1 - down) * (1 - right) * at(image, top, left)
        + (1 - down) * right * at(image, top, left + 1)
        + down * (1 - right) * at(image, top + 1, left)
        + down * right * at(image, top + 1, left + 1)
    )


def redrawn(image: Tensor, source: Callable[[int, int], tuple[float, float]]) -> Tensor:
    """The image whose pixel (row, column) is the old one's at `source(row, column)`."""
    out = torch.zeros_like(image)
    for row in range(SIDE):
        for column in range(SIDE):
            out[:, row, column] = between(image, *source(row, column))
    return out


def plain_flip(image: Tensor, u: list[float]) -> Tensor:
    return redrawn(image, lambda r, c: (r, SIDE - 1 - c)) if u[0] < 0.5 else image


def plain_scale(image: Tensor, u: list[float]) -> Tensor:
    across, down = (1 / 1.2 + v * (1.2 - 1 / 1.2) for v in u[:2])
    middle = (SIDE - 1) / 2
    return redrawn(
        image, lambda r, c: (middle + down * (r - middle), middle + across * (c - middle))
    )


def plain_rotate(image: Tensor, u: list[float]) -> Tensor:
    angle = math.radians((2 * u[0] - 1) * 15)
    middle = (SIDE - 1) / 2

    def source(row: int, column: int) -> tuple[float, float]:
        x, y = column - middle, row - middle
        return (
            middle - math.sin(angle) * x + math.cos(angle) * y,
            middle + math.cos(angle) * x + math.sin(angle) * y,
        )

    return redrawn(image, source)


def plain_crop(image: Tensor, u: list[float]) -> Tensor:
    down, right = (math.floor(3 * v) - 1 for v in u[:2])  # an eighth of eight pixels: -1, 0, 1
    return redrawn(image, lambda r, c: (r + down, c + right))


def plain_cutout(image: Tensor, u: list[float]) -> Tensor:
    top, left = (math.floor(9 * v) - 2 for v in u[:2])  # four pixels wide, centered on 0 to 8
    hidden = [(r, c) for r in range(top, top + 4) for c in range(left, left + 4)]
    return redrawn(image, lambda r, c: (-9, -9) if (r, c) in hidden else (r, c))


def plain_color(image: Tensor, u: list[float]) -> Tensor:
    image = image + (u[0] - 0.5)
    gray = image.sum(0) / len(image)
    image = (image - gray) * (2 * u[1]) + gray
    mean = image.sum() / image.numel()
    return (image - mean) * (u[2] + 0.5) + mean


PLAIN = {
    "color": plain_color,
    "crop": plain_crop,
    "cutout": plain_cutout,
    "flip": plain_flip,
    "scale": plain_scale,
    "rotate": plain_rotate,
}
every_kind = pytest.mark.parametrize("kind", PLAIN)


def some_images(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, SIDE, SIDE, generator=generator("images", seed))


def test_there_are_six_kinds() -> None:
    assert list(augment.KINDS) == list(PLAIN)


@every_kind
@pytest.mark.parametrize("own", [1, 2], ids=["siamese", "own numbers"])
@pytest.mark.usefixtures("double")
def test_equals_one_image_at_a_time(kind: str, own: int) -> None:
    groups, images = 20, some_images(40)
    draw = augment.sample(groups, own, generator("draw", kind), [kind])
    found = augment.apply(images, draw)
    for i in range(40):
        u = draw.numbers[i // 2, i % own].tolist()
        assert relative_error(found[i], PLAIN[kind](images[i], u)) <= 1e-12


@every_kind
@pytest.mark.parametrize("extreme", [0.0, 1 - 1e-9])
@pytest.mark.usefixtures("double")
def test_ends_of_the_range(kind: str, extreme: float) -> None:
    images = some_images(2)
    found = augment.apply(images, augment.Draw((kind,), torch.full((1, 1, 5), extreme)))
    for image, changed in zip(images, found, strict=True):
        assert relative_error(changed, PLAIN[kind](image, [extreme] * 5)) <= 1e-12


@pytest.mark.usefixtures("double")
def test_each_group_gets_its_own_kind() -> None:
    kinds = (*PLAIN, *reversed(PLAIN))
    numbers = torch.rand(len(kinds), 1, 5, generator=generator("numbers"))
    images = some_images(3 * len(kinds))
    found = augment.apply(images, augment.Draw(kinds, numbers))
    for i, image in enumerate(images):
        group = i // 3
        expected = PLAIN[kinds[group]](image, numbers[group, 0].tolist())
        assert relative_error(found[i], expected) <= 1e-12


@pytest.mark.parametrize("kind", [k for k in PLAIN if k != "cutout"])  # that always hides some
@pytest.mark.usefixtures("double")
def test_numbers_in_the_middle_change_nothing(kind: str) -> None:
    images = some_images(2)
    middle = (1 - 1 / 1.2) / (1.2 - 1 / 1.2) if kind == "scale" else 0.5
    found = augment.apply(images, augment.Draw((kind,), torch.full((1, 1, 5), middle)))
    assert relative_error(found, images) <= 1e-12


@every_kind
@pytest.mark.usefixtures("double")
def test_is_differentiable(kind: str) -> None:
    draw = augment.sample(2, 1, generator("gradient", kind), [kind])
    images = some_images(4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment.apply(x, draw), images, fast_mode=True)


@pytest.mark.parametrize("kind", ["flip", "crop", "cutout"])
def test_gradient_of_a_move_is_the_move_back(kind: str) -> None:
    """These only move or hide pixels: each pixel's gradient is that of where it went."""
    labels = torch.arange(1, 3 * SIDE * SIDE + 1).view(3, SIDE, SIDE).float()
    for seed in range(10):
        draw = augment.sample(1, 1, generator(seed), [kind])
        images, weights = some_images(1).requires_grad_(), some_images(1, seed=1)
        (augment.apply(images, draw) * weights).sum().backward()
        went = PLAIN[kind](labels, draw.numbers[0, 0].tolist()).long().flatten()
        expected = torch.zeros(len(went) + 1).index_put((went,), weights.flatten())[1:]
        assert torch.equal(images.grad.flatten(), expected)


def test_same_seed_same_draw() -> None:
    first, again, other = (augment.sample(40, 2, generator(s)) for s in (1, 1, 2))
    assert first.kinds == again.kinds
    assert torch.equal(first.numbers, again.numbers)
    assert first.kinds != other.kinds
    assert not torch.equal(first.numbers, other.numbers)


def test_draws_cover_all_kinds_and_only_those_asked_for() -> None:
    counts = [augment.sample(6000, 1, generator(0)).kinds.count(kind) for kind in PLAIN]
    assert sum(counts) == 6000
    assert all(abs(count - 1000) < 4 * math.sqrt(1000 * 5 / 6) for count in counts)
    assert set(augment.sample(99, 1, generator(0), ["flip", "crop"]).kinds) == {"flip", "crop"}


def test_siamese_draw_changes_a_group_alike_and_groups_apart() -> None:
    image = some_images(1)
    draw = augment.sample(5, 1, generator(3), ["color"])
    found = augment.apply(image.repeat(20, 1, 1, 1), draw).unflatten(0, (5, 4))
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert len({group[0].sum().item() for group in found}) == 5
    own = augment.apply(image.repeat(20, 1, 1, 1), augment.sample(5, 4, generator(3), ["color"]))
    assert len({one.sum().item() for one in own}) == 20


def test_digits_are_never_mirrored(digits: ImageData) -> None:
    synthetic = DistilledSet.of(digits, digits.train_images[:10], digits.train_labels[:10])
    kinds = [k for k in PLAIN if k != "flip"]
    assert list(augment.kinds_for(digits)) == kinds
    assert list(recipe_for("augmented", synthetic, digits).augment) == kinds


def test_images_that_keep_their_class_are_mirrored() -> None:
    real = toy_data()
    assert "flip" not in augment.kinds_for(real)
    mirrored = ImageData(**{**vars(real), "mirrored": True})
    assert augment.kinds_for(mirrored) == tuple(PLAIN)
