"""Drawn shapes: what is drawn is what the attributes say."""

import math

import pytest
import torch

from ddlib.seeds import generator
from ddlib.shapes import CLASSES, COLORS, _coverage, draw_shapes

NOISE = 0.05


@pytest.fixture(scope="module")
def drawn() -> tuple:
    return draw_shapes(1000, 0.0, generator("shapes"))


def test_pixels_lie_between_zero_and_one(drawn: tuple) -> None:
    images = drawn[0]
    assert images.shape == (1000, 3, 16, 16)
    assert (float(images.min()), float(images.max())) == (0.0, 1.0)


def test_labels_are_balanced(drawn: tuple) -> None:
    assert drawn[1].bincount().tolist() == [200] * len(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_drawn_in_its_color_at_its_place(drawn: tuple, name: str) -> None:
    """The middle has the color (a ring's is empty), and what lies out of reach is background."""
    images, labels, known, _ = drawn
    grid = (torch.arange(16) + 0.5) / 8 - 1
    for i in (labels == CLASSES.index(name)).nonzero()[:20, 0]:
        x, y, size = (float(known[k][i]) for k in ("x", "y", "size"))
        column, row = ((grid - v).abs().argmin() for v in (x, y))
        paper = known["background"][i].expand(3)
        color = paper if name == "ring" else COLORS[int(known["color"][i])]
        assert float((images[i, :, row, column] - color).abs().max()) < 4 * NOISE

        far = torch.maximum((grid - x).abs()[None, :], (grid - y).abs()[:, None]) > size + 1 / 16
        away = (images[i] - paper[:, None, None]).abs()
        assert float(away[:, far].max()) < 5 * NOISE
        assert float(away[:, ~far].max()) > 5 * NOISE


INSIDE = {
    "disk": lambda u, v: u * u + v * v < 1,
    "square": lambda u, v: abs(u) < 0.85 and abs(v) < 0.85,
    # An equilateral triangle, its top at (0, -1) and its base at v = 1/2.
    "triangle": lambda u, v: v < 0.5 and 0.866 * abs(u) < 0.5 * (v + 1),
    "cross": lambda u, v: min(abs(u), abs(v)) < 1 / 3 and max(abs(u), abs(v)) < 1,
    "ring": lambda u, v: 0.5 < math.hypot(u, v) < 1,
}


@pytest.mark.parametrize("name", CLASSES)
def test_more_than_half_a_pixel_is_covered_where_its_middle_lies_inside(name: str) -> None:
    x, y, size = 0.11, -0.2, 0.63
    label = torch.tensor([CLASSES.index(name)])
    cover = _coverage(label, torch.tensor([x]), torch.tensor([y]), torch.tensor([size]))[0]
    for row in range(16):
        for column in range(16):
            u, v = (((i + 0.5) / 8 - 1 - at) / size for i, at in ((column, x), (row, y)))
            assert bool(cover[row, column] > 0.5) == INSIDE[name](u, v)


@pytest.mark.parametrize("chance", [-0.1, 1.1])
def test_spurious_must_be_a_probability(chance: float) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 1; got {chance}"):
        draw_shapes(10, chance, generator(0))
