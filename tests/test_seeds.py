"""Randomness as an argument: a stream depends on its keys, and on nothing else."""

import torch

from ddlib.seeds import generator


def draw(*keys: int | str) -> list[float]:
    return torch.rand(4, generator=generator(*keys)).tolist()


def test_same_keys_same_numbers() -> None:
    assert draw(0, "step", 7) == draw(0, "step", 7)


def test_other_keys_other_numbers() -> None:
    keys = [(0,), (1,), ("0",), (0, 0), (0, "step"), (0, "step", 1), (0, "step", 11), (-1,)]
    keys += [(0, "step1", 1), (2**80,)]
    assert len({tuple(draw(*k)) for k in keys}) == len(keys)


def test_numbers_stay_the_same_from_one_version_to_the_next() -> None:
    """Recorded results name a seed; it must keep its meaning."""
    assert generator(0, "step", 7).initial_seed() == 7481661762490812111
    assert generator(1).initial_seed() == 2122349437186147863
