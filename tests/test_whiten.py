"""Whitening against its definition, and through a distillation."""

import torch

import ddlib
from ddlib.whiten import whitening


def pixels(real: ddlib.ImageData) -> torch.Tensor:
    return (real.train_images * real.std[0] + real.mean[0]).flatten(1).double()


def test_spreads_become_what_the_formula_says(digits: ddlib.ImageData) -> None:
    """In the directions of the covariance, a spread s turns into s / (s + eps), uncorrelated."""
    white = whitening(digits, eps=0.1).apply(digits).train_images.flatten(1).double()
    spread, directions = torch.linalg.eigh(pixels(digits).T.cov())
    want = (spread / (spread + 0.1)).diag()
    torch.testing.assert_close(directions.T @ white.T.cov() @ directions, want, atol=1e-5, rtol=0)
    assert white.mean(0).abs().max() < 1e-5


def test_it_turns_nothing(digits: ddlib.ImageData) -> None:
    """ZCA is the symmetric whitening; one by principal components would rotate the images."""
    matrix = whitening(digits).matrix
    torch.testing.assert_close(matrix, matrix.T, atol=1e-5, rtol=0)
    assert torch.linalg.eigvalsh(matrix.double()).min() > 0


def test_test_images_go_through_the_map_of_the_training_images(digits: ddlib.ImageData) -> None:
    fitted = whitening(digits)
    x = (digits.test_images * digits.std[0] + digits.mean[0]).flatten(1) - pixels(
        digits
    ).float().mean(0)
    want = (x @ fitted.matrix).view_as(digits.test_images)
    torch.testing.assert_close(fitted.apply(digits).test_images, want, atol=1e-4, rtol=0)


def test_undo_brings_the_pixels_back(digits: ddlib.ImageData) -> None:
    fitted = whitening(digits)
    back = fitted.undo(fitted.apply(digits).train_images[:50])
    torch.testing.assert_close(back.flatten(1).double(), pixels(digits)[:50], atol=1e-4, rtol=0)


def test_a_method_distills_in_whitened_space(digits: ddlib.ImageData) -> None:
    fitted = whitening(digits)
    white = fitted.apply(digits)
    made = ddlib.distill(white, ddlib.TrajectoryMatching(ipc=1, steps=2, inner_steps=3), seed=0)
    assert made.meta["dataset"] == "digitszca"
    assert fitted.undo(made.images).shape == made.images.shape
