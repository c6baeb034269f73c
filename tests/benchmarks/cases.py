"""What is measured. `python tests/benchmarks/cases.py CASE DEVICE` runs one case in this process.

It prints one line of JSON: seconds and peak memory. On a CPU the seconds are CPU-seconds of one
thread, which other work on the machine disturbs little; on a GPU they are seconds on the clock,
and the sizes are the published ones.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import plain
import torch
from torch import Tensor

import ddlib
from ddlib.compiled import Precision
from ddlib.data import ImageData
from ddlib.distillation import LearningMethod
from ddlib.distilled import DistilledSet
from ddlib.evaluation import train_and_test
from ddlib.networks import build
from ddlib.presets import METHODS
from ddlib.provenance import peak_memory_mib
from ddlib.seeds import generator
from ddlib.training import Recipe, train

Work = Callable[[], object]  # an int that it returns is how many outer steps it took
NETS = range(20)  # seeds of the evaluated networks
IPCS = (1, 10, 50)


def random_data(shape: tuple[int, int, int], device: str, train: int, test: int) -> ImageData:
    """Random images under CIFAR-10's name: the work is the same as with photographs."""
    draws = generator("benchmark", device=device)
    images = torch.randn(train + test, *shape, generator=draws, device=device)
    labels = torch.arange(train + test, device=device) % 10
    return ImageData(
        "cifar10", images[:train], labels[:train], images[train:], labels[train:],
        tuple("abcdefghij"), (0.5,) * 3, (0.25,) * 3,
    )  # fmt: skip


def recorded_shape(device: str) -> tuple[int, int, int]:
    """One image of the records that such a device makes: laptop scale, or full scale."""
    return (3, 16, 16) if device == "cpu" else (3, 32, 32)


def repeated(step: Callable[[], None], device: str) -> Work:
    """Outer steps to measure, after a first one that is not.

    One on a CPU; those of a GPU can be too short to time alone, so there it takes a second of them.
    """
    clock = time.process_time if device == "cpu" else synchronized_clock
    step()

    def work() -> int:
        began, count = clock(), 0
        while not count or (device != "cpu" and clock() - began < 1):
            step()
            count += 1
        return count

    return work


def dm_plain(device: str) -> Work:
    """Distribution matching at its published size, one class after the other."""
    real = random_data((3, 32, 32), device, 5000, 10)
    by_class = [real.train_images[real.train_labels == c] for c in range(10)]
    synthetic = torch.randn(100, 3, 32, 32, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([synthetic], 1.0, 0.5)
    draws = generator("plain", device=device)

    def step() -> None:
        net = plain.PlainConvNet(real.shape, 10, width=128, depth=3).to(device)
        plain.distribution_matching_step(net, by_class, synthetic, optimizer, draws)

    return repeated(step, device)


def outer_steps(
    real: ImageData,
    method: LearningMethod,
    device: str,
    *,
    compiled: bool = False,
    precision: Precision = "float32",
) -> Work:
    """Outer steps of a method as `ddlib.distill` takes them."""
    method = replace(method, precision=precision)
    objective = method.objective(real, 0, compiled=compiled)
    learned = method.initialize(real, 0)
    for variable in learned.values():
        variable.requires_grad_(variable.is_floating_point())
    optimizer = method.optimizer(learned)
    draws = generator("ours", device=device)

    def step() -> None:
        loss = objective(learned, draws)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return repeated(step, device)


def dm_ours(device: str, **fast: Any) -> Work:
    """The same step by ddlib."""
    real = random_data((3, 32, 32), device, 5000, 10)
    return outer_steps(real, ddlib.DistributionMatching(ipc=10, batch_real=256), device, **fast)


def mtt_plain(device: str) -> Work:
    """Trajectory matching, ipc 1, 50 inner steps, retained graph."""
    net = plain.PlainConvNet((3, 32, 32), 10, width=128, depth=3).to(device)
    start = torch.nn.utils.parameters_to_vector(net.parameters()).detach()
    goal = start + 0.01 * torch.randn_like(start)
    synthetic = torch.randn(10, 3, 32, 32, device=device, requires_grad=True)
    lr = torch.tensor(0.01, device=device, requires_grad=True)
    labels = torch.arange(10, device=device)
    optimizer = torch.optim.SGD([synthetic, lr], 1e-7, 0.5)
    step = partial(
        plain.trajectory_matching_step, net, start, goal, synthetic, labels, lr, 50, optimizer
    )
    return repeated(step, device)


def mtt_ours(device: str, **fast: Any) -> Work:
    real = random_data((3, 32, 32), device, 100, 10)  # few images: experts take no time here
    method = ddlib.TrajectoryMatching(
        ipc=1, inner_steps=50, experts=1, expert_batch=10, lr=1e-7, lr_rate=1e-7
    )
    return outer_steps(real, method, device, **fast)


def bptt_plain(device: str) -> Work:
    """Meta-model matching, ipc 1, 150 inner steps with momentum, 640 real images."""
    real = random_data((3, 32, 32), device, 640, 10)
    net = plain.PlainConvNet((3, 32, 32), 10, width=128, depth=3).to(device)
    synthetic = torch.randn(10, 3, 32, 32, device=device, requires_grad=True)
    labels = torch.arange(10, device=device)
    optimizer = torch.optim.Adam([synthetic], 1e-4)
    data = synthetic, labels, real.train_images, real.train_labels
    step = partial(plain.backpropagation_through_time_step, net, *data, 150, optimizer)
    return repeated(step, device)


def bptt_ours(device: str, **fast: Any) -> Work:
    real = random_data((3, 32, 32), device, 640, 10)
    method = ddlib.BPTT(ipc=1, inner_steps=150, batch_real=64, lr=1e-4)
    return outer_steps(real, method, device, **fast)


def dsa_plain(device: str) -> Work:
    """One match of DSA at its published size, one class after the other."""
    real = random_data((3, 32, 32), device, 5000, 10)
    by_class = [real.train_images[real.train_labels == c] for c in range(10)]
    net = plain.PlainConvNet(real.shape, 10, width=128, depth=3).to(device)
    synthetic = torch.randn(100, 3, 32, 32, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([synthetic], 0.1, 0.5)
    draws = generator("plain", device=device)
    step = partial(plain.gradient_matching_step, net, by_class, synthetic, optimizer, draws)
    return repeated(step, device)


def dsa_ours(device: str, **fast: Any) -> Work:
    """The same match; a fresh network each time, as the first one of each outer iteration."""
    real = random_data((3, 32, 32), device, 5000, 10)
    method = ddlib.GradientMatching(ipc=10, outer=1, batch_real=256, augment=True)
    return outer_steps(real, method, device, **fast)


def fast(case: Callable[..., Work]) -> Callable[[str], Work]:
    """The same case as long runs take it: compiled, in bfloat16, freed memory kept."""
    return kept(partial(case, compiled=True, precision="bfloat16"))


def kept(case: Callable[[str], Work]) -> Callable[[str], Work]:
    """The same case after `ddlib.keep_freed_memory()`."""

    def setup(device: str) -> Work:
        ddlib.keep_freed_memory()
        return case(device)

    return setup


def digits_set(device: str) -> tuple[ImageData, DistilledSet]:
    real = ddlib.load("digits", device)
    return real, ddlib.distill(real, ddlib.RandomSelection(ipc=10))


def whole_ours(device: str) -> Work:
    """Protocol "plain" on 100 digits: 300 steps on all images, 20 networks."""
    real, chosen = digits_set(device)
    return lambda: ddlib.evaluate(chosen, real, "plain", len(NETS))


def whole_plain(device: str) -> Work:
    real, chosen = digits_set(device)
    test = (real.test_images, real.test_labels)
    recipe = Recipe(epochs=300)
    return lambda: evaluate_plainly(chosen.images, chosen.labels, test, recipe, width=32, depth=2)


def augmented_recipe(device: str) -> tuple[ImageData, Recipe]:
    """Protocol "augmented": a few epochs of laptop size on a CPU, a tenth at full size on a GPU."""
    small = device == "cpu"
    real = random_data(recorded_shape(device), device, 100, 1000)
    kinds = tuple(ddlib.augment.KINDS)
    epochs = 10 if small else 100
    return real, Recipe(epochs=epochs, batch=256, weight_decay=5e-4, augment=kinds)


def augmented_ours(device: str) -> Work:
    real, recipe = augmented_recipe(device)
    chosen = DistilledSet.of(real, real.train_images, real.train_labels)
    test = (real.test_images, real.test_labels)
    return lambda: train_and_test(chosen, test, "convnet", recipe, NETS)


def augmented_training(together: int) -> Callable[[str], Work]:
    """Only the training, with so many networks in one `vmap`."""

    def setup(device: str) -> Work:
        real, recipe = augmented_recipe(device)
        net = build("convnet", real.shape, 10)
        data = real.train_images, real.train_labels
        return lambda: train(net, *data, recipe, NETS, together=together)

    return setup


def augmented_plain(device: str) -> Work:
    real, recipe = augmented_recipe(device)
    test = (real.test_images, real.test_labels)
    width = 64 if real.shape[1] < 32 else 128
    images, labels = real.train_images, real.train_labels
    return lambda: evaluate_plainly(images, labels, test, recipe, width=width, depth=3)


def evaluate_plainly(
    images: Tensor,
    labels: Tensor,
    test: tuple[Tensor, Tensor],
    recipe: Recipe,
    *,
    width: int,
    depth: int,
) -> None:
    """Networks one after the other."""
    for seed in NETS:
        net = plain.PlainConvNet(tuple(images.shape[1:]), 10, width, depth).to(images.device)
        plain.train(net, images, labels, recipe, generator(seed, device=images.device))
        plain.accuracy(net, *test)


def memory(tag: str, ipc: int) -> Callable[[str], Work]:
    """Two updates of a method with the settings of the records; of chosen images, the choice."""

    def setup(device: str) -> Work:
        profile = "laptop" if device == "cpu" else "full"
        real = random_data(recorded_shape(device), device, 10_000, 10)
        method = ddlib.preset(tag, ipc, profile)
        if not isinstance(method, LearningMethod):
            return lambda: method.initialize(real, 0)
        return outer_steps(real, method, device)

    return setup


def data_alone(device: str) -> Work:
    """What a process takes before it distills: the packages and the images."""
    real = random_data(recorded_shape(device), device, 10_000, 10)
    return lambda: real.class_rows


def distill_digits(ipc: int) -> Callable[[str], Work]:
    """Distribution matching with its defaults, the whole of `ddlib.distill`."""

    def setup(device: str) -> Work:
        real = ddlib.load("digits", device)
        return lambda: ddlib.distill(real, ddlib.DistributionMatching(ipc=ipc))

    return setup


def evaluate_digits(device: str) -> Work:
    """`ddlib.evaluate` with its defaults: five networks, protocol "plain"."""
    real, chosen = digits_set(device)
    return lambda: ddlib.evaluate(chosen, real)


CASES: dict[str, Callable[[str], Work]] = {
    "dm_plain": dm_plain,
    "dm_ours": dm_ours,
    "dm_plain_kept": kept(dm_plain),
    "dm_ours_kept": kept(dm_ours),
    "dm_fast": fast(dm_ours),
    "mtt_fast": fast(mtt_ours),
    "bptt_fast": fast(bptt_ours),
    "dsa_fast": fast(dsa_ours),
    "mtt_plain": mtt_plain,
    "mtt_ours": mtt_ours,
    "bptt_plain": bptt_plain,
    "bptt_ours": bptt_ours,
    "dsa_plain": dsa_plain,
    "dsa_ours": dsa_ours,
    "whole_plain": whole_plain,
    "whole_ours": whole_ours,
    "augmented_plain": augmented_plain,
    "augmented_ours": augmented_ours,
    "one_by_one": augmented_training(1),
    "side_by_side": augmented_training(len(NETS)),
    "distill_ipc1": distill_digits(1),
    "distill_ipc10": distill_digits(10),
    "evaluate_digits": evaluate_digits,
    "data_alone": data_alone,
    **{f"memory_{tag}_{ipc}": memory(tag, ipc) for tag in METHODS for ipc in IPCS},
}


def measured(name: str, device: str) -> dict[str, float]:
    """Seconds, of one step where a case takes steps, and peak memory in MiB."""
    torch.manual_seed(0)
    clock = time.process_time if device == "cpu" else synchronized_clock
    work = CASES[name](device)
    before = clock()
    steps = work()
    seconds = clock() - before
    if isinstance(steps, int):
        seconds /= steps
    return {"seconds": seconds, "peak_mib": peak_memory_mib(device)}


def synchronized_clock() -> float:
    """The clock once the GPU has done all that it was asked to do."""
    torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(measured(*sys.argv[1:])))
