"""Nothing forgets the device: methods, training and every question run where the data lie.

No machine of these tests has a GPU. On a pretended one all must come out as on the CPU.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import accelerator
import numpy as np
import pytest
import small
import torch
from accelerator import DEVICE
from small import few
from torch import Tensor

import ddlib
from ddlib.evaluation import PROTOCOLS
from ddlib.experiment.asking import ask, questions, recorded_sets
from ddlib.presets import METHODS


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Executor]:
    """A process that has the pretended device."""
    with ProcessPoolExecutor(1, get_context("spawn"), start) as pool:
        yield pool


def start() -> None:
    """Bring the device, and make short what the settings below leave long."""
    accelerator.install()
    PROTOCOLS.update({name: replace(recipe, epochs=3) for name, recipe in PROTOCOLS.items()})


def distilled(tag: str, device: str) -> dict[str, Tensor]:
    method = ddlib.preset(tag, 1, "fast")
    short = replace(method, steps=2) if method.steps else method
    if tag == "mtt":  # long steps blow up the little by which sums differ there
        short = replace(short, lr=30.0)
    return {"images": ddlib.distill(few("digits", device), short).images.cpu()}


def evaluated(protocol: str, device: str) -> dict[str, Tensor]:
    made = recorded_sets("digits")["mtt"][0]
    found = ddlib.evaluate(made, few("digits", device), protocol, nets=2)
    return {"accuracies": torch.tensor(found.accuracies)}


def asked(question: str, device: str) -> dict[str, Tensor]:
    """All numbers and arrays of a record, column by column."""
    record = ask(question, small.bench(question, device), small.PLANS[question])
    found = dict(record.arrays)
    for name, column in record.table.drop(columns=["seconds"], errors="ignore").items():
        known = column.dropna()
        if known.empty:
            continue
        if isinstance(known.iloc[0], Tensor):
            found[name] = torch.cat([t.flatten().double() for t in known])
        elif not isinstance(known.iloc[0], str):
            found[name] = torch.tensor(known.astype(float).to_numpy())
    return found


def both(find: Callable[[str, str], dict[str, Tensor]], what: str) -> list[dict[str, np.ndarray]]:
    """What is found on the pretended device and on the CPU."""
    return [{k: v.numpy() for k, v in find(what, d).items()} for d in (DEVICE, "cpu")]


@pytest.mark.parametrize(
    ("find", "what"),
    [
        *((distilled, tag) for tag in METHODS),
        *((evaluated, protocol) for protocol in PROTOCOLS),
        *((asked, question) for question in questions()),
    ],
)
def test_found_on_an_accelerator_as_on_the_cpu(elsewhere: Executor, find, what: str) -> None:
    """All but a few numbers: sums are cut in other chunks there, and a prediction may flip."""
    there, here = elsewhere.submit(both, find, what).result()
    assert there.keys() == here.keys()
    for name in here:
        close = np.isclose(there[name], here[name], rtol=0.01, atol=0.01, equal_nan=True)
        assert close.mean() > 0.9, name


def where_starts_are_drawn() -> set[str]:
    """The types of the devices whose generators decide where a set begins."""
    accelerator.drawn_on.clear()
    real = few("digits", DEVICE)
    ddlib.RandomSelection(ipc=1).initialize(real, 0)
    for init in ("real", "noise"):
        ddlib.DistributionMatching(ipc=1, init=init).initialize(real, 0)
    return set(accelerator.drawn_on.values())


def test_a_set_begins_alike_on_every_device(elsewhere: Executor) -> None:
    """Who takes it apart on another device must find its first images again."""
    assert elsewhere.submit(where_starts_are_drawn).result() == {"cpu"}


def refused() -> list[str]:
    """What CUDA refuses, and what the pretended device says to it."""
    x = torch.ones(3, device=DEVICE)
    wrong = (
        lambda: x + torch.ones(3),
        lambda: torch.rand(3, device=DEVICE, generator=torch.Generator()),
        lambda: torch.rand(3, generator=torch.Generator(DEVICE).manual_seed(1)),
        lambda: torch.cat([x, torch.ones(3)]),
        x.numpy,
    )
    said = []
    for do in wrong:
        try:
            do()
        except (RuntimeError, TypeError) as error:
            said.append(str(error))
    return said


def test_the_pretended_device_refuses_what_cuda_refuses(elsewhere: Executor) -> None:
    assert len(elsewhere.submit(refused).result()) == 5
