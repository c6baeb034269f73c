"""Sets distilled from shapes whose color gives the class away: is the bias kept or amplified?

Networks trained on a set classify the same drawings twice, in the color of their class (aligned)
and in another one (conflict). The gap between the two accuracies is the bias.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.data import ImageData, sample_per_class, shapes
from ddlib.distillation import Method, distill
from ddlib.instruments.bias_gaps import gap, of_all, of_random, of_source
from ddlib.instruments.colors import TwoColors, changed, judge, minority, own_share, two_colors
from ddlib.networks import build
from ddlib.presets import METHODS
from ddlib.seeds import generator
from ddlib.studies import IPC, Keep, Sets, Study, Tensors, at_once, together
from ddlib.training import train_steps

MEASURES = ("aligned", "conflict", "color")
STEPS = PROTOCOLS["plain"].epochs
EARLY = 40  # steps after which networks still go by the color
VARIANTS = (
    "dm-plain", "dm-colorless", "dsa-colorless", "dm-even", "random-even", "dm-harder",
    "mtt-harder", "dc-softer",
)  # fmt: skip
TIMES = {"harder": 10.0, "softer": 0.1}  # times the image rate
SHOWN = 4  # images of each class that the record keeps for looking at


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`network` distills and judges. `level` is that of all controls."""

    network: str
    levels: tuple[float, ...]  # chance that a training image wears the color of its class
    level: float
    seen: float = 0.9  # the level whose images are kept
    sources: tuple[str, ...]
    variants: tuple[str, ...]
    sizes: tuple[int, ...]  # random images per class
    marks: tuple[int, ...]  # steps after which networks on all real images are judged
    image_lr: float = 1.0  # of gradient matching: its default is too small for so few matches
    bptt_steps: int = 20  # half of its default: it is the slowest
    drawings: int  # test drawings before those whose color agrees are left out
    sets: int  # each from real images of its own
    nets: int


SETTINGS = {
    "fast": Settings(
        network="convnet-tiny", levels=(0.0, 0.6), level=0.6, seen=0.6, sources=("random", "dm"),
        variants=("random-even",), sizes=(10, 50), marks=(10, 20, 40, 80, STEPS), drawings=300,
        sets=1, nets=1,
    ),
    "laptop": Settings(
        network="convnet-quarter", levels=(0.0, 0.6), level=0.6, seen=0.6,
        sources=("random", "start", "dm", "bptt"), variants=("random-even",), sizes=(10, 50),
        marks=(5, 10, 20, 40, 80, 160, STEPS), drawings=400, sets=1, nets=2,
    ),
    "record": Settings(
        network="convnet-quarter", levels=(0.0, 0.3, 0.6, 0.9, 1.0), level=0.6,
        sources=("random", "start", "herding", "dm", "dc", "dsa", "mtt", "bptt"),
        variants=VARIANTS, sizes=(1, 10, 50, 200), marks=(5, 10, 20, 40, 80, 160, STEPS, 900),
        drawings=400, sets=2, nets=3,
    ),
    "full": Settings(
        network="convnet", levels=(0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0), level=0.6,
        sources=("random", "start", "herding", "kcenter", "dm", "dc", "dsa", "mtt", "bptt"),
        variants=VARIANTS, sizes=(1, 10, 50, 200), marks=(5, 10, 20, 40, 80, 160, STEPS, 900),
        bptt_steps=100, drawings=1000, sets=5, nets=5,
    ),
}  # fmt: skip
CELL = ("level", "set")
DIMS = {
    "accuracy": (*CELL, "source", "measure", "net"), "own": (*CELL, "source"),
    "minority": (*CELL, "source"), "path": (*CELL, "measure", "mark", "net"),
    "variant": ("set", "variant", "measure", "net"), "variant_own": ("set", "variant"),
    "size": ("set", "size", "measure", "net"),
    "shown": ("source", "image", "channel", "row", "column"),
}  # fmt: skip


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Distill at every level and judge; then the controls at one level.

    `accuracy` is in percent by `MEASURES`; `path` follows networks on all real images step by
    step, `size` has random images alone. `own` and `minority` look at the colors of the sets.
    `real` gives the names and the device; its images are drawn anew for each level and set.
    """
    levels, seeds = settings.levels, range(settings.sets)
    cells = [
        [_Cell(level, seed, settings, keep, real.device) for seed in seeds] for level in levels
    ]
    made = [[cell.sets() for cell in row] for row in cells]
    arrays = {key: _grid([[one[key] for one in row] for row in made]) for key in made[0][0]}
    arrays["shown"] = arrays["shown"][levels.index(settings.seen), 0]
    arrays["path"] = _grid([[cell.path() for cell in row] for row in cells])
    few = cells[levels.index(settings.level)]
    arrays["size"] = torch.stack([cell.sizes() for cell in few])
    variants = [cell.variants() for cell in few]
    arrays["variant"] = torch.stack([one["accuracy"] for one in variants])
    arrays["variant_own"] = torch.stack([one["own"] for one in variants])
    return Study("bias", real.name, asdict(settings), _axes(settings, real), DIMS, arrays)


def _grid(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(tuple(row)) for row in rows])


def _axes(settings: Settings, real: ImageData) -> dict[str, tuple[str | int | float, ...]]:
    channels, rows, columns = (tuple(range(n)) for n in real.shape)
    return {
        "level": settings.levels, "set": tuple(range(settings.sets)), "source": settings.sources,
        "measure": MEASURES, "net": tuple(range(settings.nets)), "mark": settings.marks,
        "variant": settings.variants, "size": settings.sizes,
        "image": tuple(range(SHOWN * len(real.classes))), "channel": channels, "row": rows,
        "column": columns,
    }  # fmt: skip


class _Cell:
    """The real images of one level and set, and what is made and measured of them."""

    def __init__(
        self, level: float, seed: int, settings: Settings, keep: Keep, device: torch.device
    ):
        self.real = shapes(level, seed).to(device)
        self.test = two_colors(self.real, settings.drawings, seed)
        self.name, self.seed = f"{level}-{seed}", seed
        self.settings, self.keep = settings, keep

    def sets(self) -> Tensors:
        """The set of every source: its accuracies, its colors, and its first images."""
        sources, made = self.settings.sources, self._made
        parts = [self.keep(f"{self.name}-{s}", partial(made, self.real, s)) for s in sources]
        return together(parts)

    def variants(self) -> Tensors:
        """The same for every variant: another augmentation or image rate, or evened data."""
        parts = []
        for variant in self.settings.variants:
            source, change = variant.split("-")
            work = partial(self._made, changed(self.real, change, self.seed), source, change)
            parts.append(self.keep(f"{self.name}-{variant}", work))
        return together(parts)

    def _made(self, real: ImageData, source: str, change: str = "") -> Tensors:
        how = varied(method(source, self.settings), change)
        made = distill(real, how, seed=self.seed, snapshots=2)
        few = made.pixels().unflatten(0, (-1, IPC))[:, :SHOWN].flatten(0, 1)
        return {
            "accuracy": self._judged(made.images, made.labels, (STEPS,))[:, 0],
            "own": own_share(made), "minority": minority(made),
            "shown": (255 * few).round().byte(),
        }  # fmt: skip

    def path(self) -> Float[Tensor, "measure mark net"]:
        """Networks on all real images, step by step."""
        images, labels, marks = self.real.train_images, self.real.train_labels, self.settings.marks
        work = lambda: {"path": self._judged(images, labels, marks)}  # noqa: E731
        return self.keep(f"{self.name}-path", work)["path"]

    def sizes(self) -> Float[Tensor, "size measure net"]:
        """Networks on random images of each size; every larger draw holds the smaller ones."""
        most = max(self.settings.sizes)
        rows = sample_per_class(
            self.real, most, generator(self.seed, "sizes", device=self.real.device)
        )
        parts = []
        for size in self.settings.sizes:
            few = rows[:, :size].flatten()
            work = partial(self._of_rows, few)
            parts.append(self.keep(f"{self.name}-size{size}", work)["accuracy"])
        return torch.stack(parts)

    def _of_rows(self, rows: Int[Tensor, " n"]) -> Tensors:
        images, labels = self.real.train_images[rows], self.real.train_labels[rows]
        return {"accuracy": self._judged(images, labels, (STEPS,))[:, 0]}

    def _judged(
        self, images: Tensor, labels: Tensor, marks: Sequence[int]
    ) -> Float[Tensor, "measure mark net"]:
        """Each set has networks of its own, the same for all sources."""
        nets = self.settings.nets
        seeds = range(self.seed * nets, (self.seed + 1) * nets)
        data = replace(self.real, train_images=images, train_labels=labels)
        return judged(data, self.test, self.settings.network, seeds, marks)


def method(source: str, settings: Settings) -> Method:
    """The method of a source with its defaults, on the network of the settings."""
    if source == "start":  # what all learned sets of one seed begin with
        return replace(METHODS["dm"](ipc=IPC), steps=0)
    how = METHODS[source](ipc=IPC)
    how = how if source == "random" else replace(how, network=settings.network)
    if source == "bptt":
        return replace(how, steps=settings.bptt_steps)
    return replace(how, lr=settings.image_lr) if source in ("dc", "dsa") else how


def varied(how: Method, change: str) -> Method:
    """A method without augmentation (`plain`), or with another image rate."""
    how = replace(how, augment=False) if change == "plain" else how
    return replace(how, lr=how.lr * TIMES[change]) if change in TIMES else how


def judged(
    data: ImageData, test: TwoColors, network: str, seeds: Sequence[int], marks: Sequence[int]
) -> Float[Tensor, "measure mark net"]:
    """Train networks on `data` and judge each after `marks` steps, in percent by `MEASURES`.

    The protocol is `plain`, its steps taken in batches as large as a set: a set is seen whole.
    """
    net = build(network, data.shape, len(data.classes))
    recipe = replace(PROTOCOLS["plain"], batch=min(IPC * len(data.classes), len(data.train_labels)))
    found = []
    for seed in seeds:
        steps = enumerate(islice(train_steps(net, data, recipe, seed), max(marks) + 1))
        found.append(torch.stack([judge(net, p, test) for step, p in steps if step in marks], 1))
    return torch.stack(found, 2)


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Points for the ledger at the level of the controls, one for each pair of networks."""
    level, found, sources = study.settings["level"], {}, study.axes["source"]
    full, small = of_all(study, STEPS, level), of_random(study, level)
    high = study.settings["seen"]
    begun = {"start": of_source(study, "start", level)} if "start" in sources else {}
    for source in sources:
        mine = of_source(study, source, level)
        for name, other in {"full": full, "random": small, **begun}.items():
            found[f"{source}-over-{name}"] = gap(mine) - gap(other)
        for row, measure in enumerate(MEASURES):
            found[f"{source}-{measure}"] = mine[:, row] - small[:, row]
        found[f"{source}-null"] = gap(of_source(study, source, study.axes["level"][0]))
        strong = of_source(study, source, high), of_all(study, STEPS, high)
        found[f"{source}-over-full-high"] = gap(strong[0]) - gap(strong[1])
    for variant in study.axes["variant"]:
        base = of_source(study, variant.split("-")[0], level)
        other = study.pick("variant", variant=variant)
        found[f"{variant}-raises"] = gap(other) - gap(base)
        found[f"{variant}-lowers"] = -found[f"{variant}-raises"]
        found[f"{variant}-conflict"] = other[:, 1] - base[:, 1]
    sizes = [gap(study.pick("size", size=size)) for size in study.axes["size"]]
    found["size-lowers"] = sizes[study.axes["size"].index(IPC)] - sizes[-1]
    found["color-first"] = of_all(study, EARLY, level)[:, 2] - full[:, 2]
    return {key: tuple(values.flatten().tolist()) for key, values in found.items()}
