"""Randomness as an argument: every draw comes from a generator made of explicit keys."""

import hashlib

import torch


def generator(*keys: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A `torch.Generator` whose stream depends on `keys` alone, e.g. `generator(seed, "step", 7)`.

    Because a stream is found by its keys and not by what was drawn before it, step 7 sees the
    same numbers whether the run started at step 0 or was resumed at step 6, and network 3 sees
    the same numbers however many networks train beside it.
    """
    key = hashlib.blake2b(repr(keys).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(key, "big") >> 1)


def new_key(draws: torch.Generator) -> int:
    """A key drawn from `draws`, for generators that steps within a step can find again."""
    return pick(draws, 2**40)


def pick(draws: torch.Generator, n: int) -> int:
    """One of 0, 1, ..., n - 1, each as likely."""
    return int(torch.randint(n, (), generator=draws, device=draws.device))
