"""Do distilled data hold anything beyond early training? Loss curvature along real training.

Networks train on real mini-batches. On the way we stop: how curved is the loss on each set here,
and what does a network gain that goes on from here with the set alone?

Time: two hours for what is recorded, 7 minutes for its repeat (`laptop`), one core. Device: any.
n: 5 networks; two sets of each method, two real samples for each network.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ddlib.data import ImageData, sample_per_class
from ddlib.ensemble import Parameters, flatten, forward, unflatten
from ddlib.experiment.bench import Bench, mark_of
from ddlib.experiment.cells import Cell
from ddlib.networks import build
from ddlib.questions.curvature.hessian import (
    hessian_vector_product,
    hutchinson_trace,
    rademacher,
    spectrum,
)
from ddlib.questions.shared.arrays import unfolded
from ddlib.questions.shared.baselines import easy_images
from ddlib.seeds import generator
from ddlib.training import Recipe, accuracy, mean_loss, train_epochs, train_steps

SETS = ("random", "bptt", "dm", "dc", "dsa", "mtt")  # sets of one size; "random" is the control
METHODS = ("real", "easy", *SETS)  # "easy": real images that another network knows best
DRAWS = (0, 1)
Values = Mapping[str, Tensor]
Collect = Callable[[Iterable[Cell]], pd.DataFrame]
Images = tuple[Tensor, Tensor]  # with their labels


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of the experiment. All steps are SGD at one rate and momentum."""

    nets: int = 5
    network: str = "convnet"
    batch: int = 256
    lr: float = 0.01
    momentum: float = 0.9
    steps: tuple[int, ...] = (0, 10, 20, 40, 70, 100, 150, 200, 300, 600)  # measured there
    probes: int = 6
    real: int = 200  # images in each of two real samples, others for each network
    pool: int = 5000  # real images among which the easy ones are looked for
    moments: tuple[int, ...] = (0, 70, 300)  # where the spectrum is measured
    lanczos: int = 15
    starts: tuple[int, ...] = (0, 30, 100, 300, 600)  # of real training; then each set takes over
    onward: tuple[int, ...] = (10, 60)  # steps on the set after which the test accuracy is taken
    tested: int = 2000  # test images
    level: float = 1.6  # losses are compared where they first come down to it

    @property
    def stops(self) -> tuple[int, ...]:
        """Steps of real training at which something is measured, the ends of turns included."""
        ends = (start + turn for start in self.starts for turn in self.onward)
        return tuple(sorted({*self.steps, *self.moments, *self.starts, *ends}))

    @property
    def recipe(self) -> Recipe:
        """How networks train on real images; how far is counted in steps."""
        return Recipe(epochs=1, batch=self.batch, lr=self.lr, momentum=self.momentum)


RECORD = Plan()
PLANS = {
    "fast": replace(
        RECORD,
        nets=3, batch=128, steps=(0, 10, 30, 60, 120), probes=3, real=100, moments=(0, 30, 120),
        lanczos=6, starts=(0, 30, 120), onward=(3, 10), tested=500, level=1.0,
    ),
    "laptop": replace(RECORD, nets=2, steps=(0, 20, 70, 150, 300), starts=(0, 100, 300)),
    "record": RECORD,
    "full": replace(
        RECORD,
        steps=tuple(range(0, 301, 10)), probes=30, real=2000, pool=50_000,
        moments=(0, 60, 300), lanczos=30, starts=(0, 30, 100, 300, 3000),
        onward=(10, 30, 100, 300), tested=10_000,
    ),
}  # fmt: skip


def run(bench: Bench, plan: Plan, collect: Collect) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Train on real data, stop at times, and measure curvature and gain on every method's images.

    Conditions: `curvature` at a step; `test` accuracy of the real training at a step; `turn`, the
    test accuracy after a turn on a set from there on; `spectrum`, Lanczos places and masses.
    """
    found = collect(cells(bench, plan))
    groups = dict(list(found.groupby("condition", sort=False)))
    along = unfolded(groups.pop("path").drop(columns="theta"), ["test"], "step", plan.stops)
    groups["test"] = along.assign(condition="test")
    groups["turn"] = unfolded(groups["turn"], ["test"], "turn", plan.onward)
    table = pd.concat(list(groups.values()), ignore_index=True).drop(columns="seconds")
    whole = [name for name in ("set", "turn") if name in table]
    return table.astype({name: "Int64" for name in ("network", "step", *whole)}), {}


def cells(bench: Bench, plan: Plan) -> Iterator[Cell]:
    """The paths of real training, and all that is measured from their stops on."""
    s, data = plan, {"data": bench.mark, "network": plan.network}
    how = {**data, "batch": s.batch, "lr": s.lr, "momentum": s.momentum}
    paths = [
        Cell(
            {"condition": "path", "network": i},
            partial(path, bench, s, i),
            {**how, "stops": s.stops, "tested": s.tested},
        )
        for i in range(s.nets)
    ]
    yield from paths
    for i, mine in enumerate(paths):
        judge = paths[i == 0]  # another network than this
        on = {**data, "pool": s.pool}
        easy = Cell({"condition": "easy", "network": i}, partial(easy_rows, bench, s), on, (judge,))
        at = {"network": i}
        for step, method, draw in product(s.steps, METHODS, DRAWS):
            labels = {"condition": "curvature", **at, "step": step, "method": method, "set": draw}
            work = partial(curvature, bench, s, i, step, method, draw)
            yield Cell(labels, work, _on(bench, s, method, draw), (mine, easy))
        for step, method, draw in product(s.starts, SETS, DRAWS):
            labels = {"condition": "turn", **at, "step": step, "method": method, "set": draw}
            on = {**_on(bench, s, method, draw), "onward": s.onward, "lr": s.lr}
            yield Cell(labels, partial(turn, bench, s, step, method, draw), on, (mine,))
        for step, method in product(s.moments, METHODS):
            labels = {"condition": "spectrum", **at, "step": step, "method": method}
            on = {**_on(bench, s, method, 0), "lanczos": s.lanczos}
            yield Cell(labels, partial(eigenvalues, bench, s, i, step, method), on, (mine, easy))


def _on(bench: Bench, plan: Plan, method: str, draw: int) -> dict[str, object]:
    """What a measurement depends on beside the weights."""
    if method in SETS:
        return {"set": mark_of(bench.sets[method][draw]), "probes": plan.probes}
    return {"real": plan.real, "probes": plan.probes}


def path(bench: Bench, plan: Plan, seed: int) -> dict[str, Tensor]:
    """The weights (stops, p) of one network in real training, and its test accuracy there."""
    real, net = bench.real, _net(bench, plan)
    thetas, tests = [], []
    steps = train_steps(net, real, plan.recipe, seed)
    for step, parameters in zip(range(plan.stops[-1] + 1), steps, strict=False):
        if step in plan.stops:
            thetas.append(flatten(net, parameters).detach().clone())
            tests.append(_test(net, parameters, real, plan))
    return {"theta": torch.cat(thetas), "test": torch.cat(tests)}


def easy_rows(bench: Bench, plan: Plan, judge: Values) -> dict[str, Tensor]:
    """Rows (2, n) of the real images that a judge knows best at the end of its path."""
    theta = judge["theta"][-1:].to(bench.real.device)
    return {"rows": easy_images(_net(bench, plan), theta, bench.real, plan.pool)}


def _net(bench: Bench, plan: Plan) -> nn.Module:
    return build(plan.network, bench.real.shape, len(bench.real.classes))


def _test(net: nn.Module, parameters: Parameters, real: ImageData, plan: Plan) -> Tensor:
    n = plan.tested
    return accuracy(net, parameters, real.test_images[:n], real.test_labels[:n])


def images_of(
    bench: Bench, plan: Plan, seed: int, method: str, draw: int, easy: Values | None = None
) -> Images:
    """The images of a method and their labels; the real samples are those of one network."""
    real = bench.real
    if method in SETS:
        one = bench.sets[method][draw]
        return one.images, one.labels
    if easy is not None and method == "easy":
        rows = easy["rows"][draw].to(real.device)
    else:
        each = plan.real // len(real.classes)
        draws = generator(seed, "real", device=real.device)
        rows = sample_per_class(real, 2 * each, draws).chunk(2, 1)[draw].flatten()
    return real.train_images[rows], real.train_labels[rows]


def _theta(bench: Bench, plan: Plan, step: int, mine: Values) -> Float[Tensor, "1 p"]:
    i = plan.stops.index(step)
    return mine["theta"][i : i + 1].to(bench.real.device)


def curvature(
    bench: Bench, plan: Plan, seed: int, step: int, method: str, draw: int, mine: Values,
    easy: Values,
) -> dict[str, Tensor]:  # fmt: skip
    """Trace by probe, loss, accuracy and uncertainty of one network on the images of a method."""
    theta = _theta(bench, plan, step, mine)
    networks, weights = theta.shape
    draws = generator("probes", device=theta.device)
    probes = rademacher(plan.probes, networks, weights, draws)
    group = images_of(bench, plan, seed, method, draw, easy)
    return measure(_net(bench, plan), theta, *group, probes)


def measure(
    net: nn.Module, theta: Float[Tensor, "1 p"], images: Tensor, labels: Tensor, probes: Tensor
) -> dict[str, Tensor]:
    """What the loss on some images looks like from theta.

    Uncertainty is the mean of sum_c p_c (1 - p_c), the trace of the curvature in the logits.
    """
    product = hessian_vector_product(mean_loss(net, images, labels), theta)
    with torch.no_grad():
        logits = forward(net, unflatten(net, theta), images)[0]
    p = logits.softmax(1)
    return {
        "trace": hutchinson_trace(product, probes)[:, 0],
        "loss": F.cross_entropy(logits, labels),
        "accuracy": 100 * (logits.argmax(1) == labels).float().mean(),
        "uncertainty": (p * (1 - p)).sum(1).mean(),
    }


def turn(
    bench: Bench, plan: Plan, step: int, method: str, draw: int, mine: Values
) -> dict[str, Tensor]:
    """Test accuracy (onward) of a network that goes on from one step with one set alone."""
    net, theta = _net(bench, plan), _theta(bench, plan, step, mine)
    recipe = Recipe(epochs=plan.onward[-1], lr=plan.lr, momentum=plan.momentum)
    images, labels = images_of(bench, plan, 0, method, draw)
    steps = train_epochs(net, images, labels, recipe, [0], start=unflatten(net, theta))
    found = [_test(net, p, bench.real, plan) for i, p in enumerate(steps) if i in plan.onward]
    return {"test": torch.cat(found)}


def eigenvalues(
    bench: Bench, plan: Plan, seed: int, step: int, method: str, mine: Values, easy: Values
) -> dict[str, Tensor]:
    """Lanczos places and masses at one step, on the first images of a method."""
    net, theta = _net(bench, plan), _theta(bench, plan, step, mine)
    draws = generator("start", device=theta.device)
    start = torch.randn(theta.shape, generator=draws, device=theta.device)
    loss = mean_loss(net, *images_of(bench, plan, seed, method, 0, easy))
    places, masses = spectrum(hessian_vector_product(loss, theta), start, plan.lanczos)
    return {"places": places[0], "masses": masses[0]}
