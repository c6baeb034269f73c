"""The judge of the course's project, "distill under a budget": submissions in, a board out.

A submission is one file `TEAM.safetensors` that anybody may have written, so nothing of it is
trusted: it is looked at before it is read, read before it is parsed, and no code of it ever runs.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from ddlib.channels import from_pixels
from ddlib.data import ImageData, load
from ddlib.distilled import DistilledSet
from ddlib.evaluation import Evaluation, check_fits, evaluate
from ddlib.files import load_json, load_tensors, save_json, write_bytes
from ddlib.results import RECORDED
from ddlib.seeds import generator, pick
from ddlib.shapes import draw_shapes

BUDGET = 38_400  # stored numbers: 50 images of 3x16x16; soft labels count
MOST_BYTES = 2**20
MOST_PIXEL = 100.0  # in units of the channel's spread
SHORTEST_SECRET = 32  # characters: nobody guesses them
COPY = 0.1  # root mean square difference below which an image is a copy; two draws differ by 0.2
TEAM = re.compile(r"[a-z][a-z0-9-]{1,30}")
# Two of these are drawn by the secret: other norms, another width, another family.
HIDDEN_NETWORKS = ("convnet-layer", "convnet-group", "convnet-half", "vgg11-narrow")
BASELINES = RECORDED / "course" / "budget.json"
STEPS = {"random": 3, "herding": 6, "dm": 9, "bptt": 12}  # points for more than a baseline has


@dataclass(frozen=True)
class Secret:
    """What teams do not know: new test images, the seeds of networks, two more networks."""

    real: ImageData  # the public training images; test images that nobody has seen
    seed: int
    networks: tuple[str, ...]
    commitment: str  # SHA-256 of the file, published before the first submission

    @classmethod
    def read(cls, path: Path) -> "Secret":
        """Everything that is secret, drawn from the bytes of one file."""
        data = path.read_bytes()
        if len(data.strip()) < SHORTEST_SECRET:
            raise ValueError(
                f"the secret in {path} is too short: it has {len(data.strip())} characters and "
                f"needs {SHORTEST_SECRET}. Make one with: python -c "
                '"import secrets; print(secrets.token_hex(32))"'
            )
        key = data.strip().hex()
        order = torch.randperm(len(HIDDEN_NETWORKS), generator=generator(key, "networks"))
        return cls(
            _with_new_tests(load("shapes"), generator(key, "test images")),
            pick(generator(key, "seeds"), 2**40),
            tuple(HIDDEN_NETWORKS[i] for i in order[:2].tolist()),
            sha256(data).hexdigest(),
        )


def _with_new_tests(real: ImageData, draws: torch.Generator) -> ImageData:
    """The same training images and pixel space, and 1000 new test images in that space."""
    images, labels, _, _ = draw_shapes(1000, 0.0, draws)
    return replace(
        real,
        test_images=from_pixels(images, real.mean, real.std),
        test_labels=labels,
        attributes=None,
    )


@dataclass(frozen=True)
class Line:
    """What the board says about one team; accuracies in percent.

    `own` is mean - spread on the ConvNet, `other` the same on two secret networks, averaged, and
    `final` their mean. `error` is the standard error of `final` over networks.
    """

    team: str
    own: float
    other: float
    error: float
    copies: int = 0  # images that are public test images
    rank: int = 0
    points: int | None = None  # None: there is no baseline to compare with

    @property
    def final(self) -> float:
        return (self.own + self.other) / 2


@dataclass(frozen=True)
class Board:
    """All teams, the best first, and a reason for each file that was refused."""

    lines: tuple[Line, ...]
    refused: Mapping[str, str]
    commitment: str
    nets: int
    baselines: Mapping[str, float] = field(default_factory=dict)


def submissions(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The files that may be read, by team, and what is wrong with each other name in the folder."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    good, refused = {}, {}
    for path in sorted(folder.iterdir()):
        if why := _wrong_outside(path):
            refused[path.name] = why
        else:
            good[path.stem] = path
    teams = Counter(path.name.split(".")[0].casefold() for path in folder.iterdir())
    for team in [t for t in good if teams[t] > 1]:
        refused[good.pop(team).name] = f"there are {teams[team]} files of team {team}; leave one"
    return good, refused


def _wrong_outside(path: Path) -> str | None:
    """What can be told from a name and from what the system says, before a byte is read."""
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return "it is a link"
    if not stat.S_ISREG(about.st_mode):
        return "it is not a plain file"
    if path.suffix != ".safetensors" or not TEAM.fullmatch(path.stem):
        return "the name must be TEAM.safetensors, TEAM of 2 to 31 letters a-z, digits and hyphens"
    if about.st_size > MOST_BYTES:
        return f"it has {about.st_size} bytes; at most {MOST_BYTES} are allowed"
    return None


def read_submission(path: Path, real: ImageData) -> DistilledSet:
    """The set in a team's file, checked; its learned rate and what it says of itself are dropped.

    Raises `ValueError` with the one thing that is wrong.
    """
    with TemporaryDirectory() as folder:  # what was measured is what is parsed
        copy = write_bytes(Path(folder) / path.name, _at_most(path, MOST_BYTES))
        try:
            tensors, about = load_tensors(copy)
        except ValueError as error:
            raise ValueError(str(error).replace(str(copy), "it")) from None
    if set(tensors) != {"images", "labels"}:
        raise ValueError("the file must hold the tensors images and labels, and no others")
    images, labels = tensors["images"], tensors["labels"]
    stored = images.numel() + labels.numel() * labels.is_floating_point()
    if stored > BUDGET:
        raise ValueError(f"it stores {stored} numbers; the budget is {BUDGET}")
    if images.shape[1:] != real.shape:
        raise ValueError(f"its images are {tuple(images.shape[1:])}, not {real.shape}")
    space: dict[str, Any] = {n: tuple(about.get(n) or ()) for n in ("classes", "mean", "std")}
    made = DistilledSet(images.float(), labels, ipc=1, **space)
    check_fits(made, real)
    if float(made.images.abs().max()) > MOST_PIXEL:
        raise ValueError(f"a pixel is beyond {MOST_PIXEL:g} spreads of its channel")
    return made


def _at_most(path: Path, size: int) -> bytes:
    """The bytes of a plain file that is no link, even if it was exchanged a moment ago."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        data = file.read(size + 1)
    if len(data) > size:
        raise ValueError(f"it has more than {size} bytes")
    return data


def measure(team: str, made: DistilledSet, secret: Secret, public: Tensor, nets: int) -> Line:
    """Train `nets` ConvNets, and half as many of each secret network, on a team's set."""
    few = max(2, (nets + 1) // 2)
    own = evaluate(made, secret.real, nets=nets, seed=secret.seed)
    others = [
        evaluate(made, secret.real, nets=few, seed=secret.seed, network=name)
        for name in secret.networks
    ]
    variances = [own.std**2 / nets, sum(e.std**2 / few for e in others) / 4]
    return Line(
        team,
        _careful(own),
        sum(map(_careful, others)) / 2,
        sqrt(sum(variances)) / 2,
        copies(made.images, public),
    )


def _careful(judged: Evaluation) -> float:
    return judged.mean - judged.std


def copies(images: Tensor, public: Tensor) -> int:
    """How many images equal a public one up to a little noise.

    Distances are computed without the product of matrices, whose rounding would hide copies.
    """
    how = "donot_use_mm_for_euclid_dist"
    apart = torch.cdist(images.flatten(1), public.flatten(1), compute_mode=how)
    return int((apart.min(1).values < COPY * images[0].numel() ** 0.5).sum())


def ranked(lines: Sequence[Line], baselines: Mapping[str, float]) -> tuple[Line, ...]:
    """Best first; who is within two standard errors of the first of a rank shares it."""
    board: list[Line] = []
    first: Line | None = None
    for place, line in enumerate(sorted(lines, key=lambda x: (-x.final, x.team)), start=1):
        if first is None or first.final - line.final > 2 * sqrt(first.error**2 + line.error**2):
            first = replace(line, rank=place)
        board.append(replace(line, rank=first.rank, points=_points(line.final, baselines)))
    return tuple(board)


def _points(final: float, baselines: Mapping[str, float]) -> int | None:
    if not baselines:
        return None
    return max((p for name, p in STEPS.items() if final > baselines[name]), default=0)


def recorded_baselines() -> dict[str, float]:
    """The final score of each baseline, the mean over its recorded sets; empty without a record."""
    if not BASELINES.exists():
        return {}
    return {name: b["final"]["mean"] for name, b in load_json(BASELINES)["baselines"].items()}


def score(folder: Path, secret: Path, nets: int, out: Path) -> Iterator[str]:
    """Judge each submission and keep the board up to date; yields one line for each file."""
    if nets < 2:
        raise ValueError(f"nets must be at least 2, for a spread; got {nets}")
    hidden, public = Secret.read(secret), load("shapes").test_images
    files, refused = submissions(folder)
    yield from (f"refused {one_line(name)}: {why}" for name, why in refused.items())
    lines: list[Line] = []
    for team, path in files.items():
        try:
            lines.append(measure(team, read_submission(path, hidden.real), hidden, public, nets))
            yield f"{team}: {lines[-1].final:.1f}"
        except Exception as error:  # whatever a file provokes, the other teams are judged
            refused[path.name] = one_line(str(error).replace(str(path.parent), ""))
            yield f"refused {path.name}: {refused[path.name]}"
        told = {one_line(name): why for name, why in refused.items()}
        baselines = recorded_baselines()
        write(Board(ranked(lines, baselines), told, hidden.commitment, nets, baselines), out)
    if not files:
        write(Board((), {one_line(n): w for n, w in refused.items()}, hidden.commitment, nets), out)


def one_line(text: str, most: int = 200) -> str:
    """Foreign text that may stand on a page: one line, plain characters, nothing that marks up."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return re.sub(r"[|<>`\[\]*_\\]", "?", plain)[:most]


def write(board: Board, out: Path) -> None:
    """`board.json` for programs and `board.md` for people."""
    lines = [{**asdict(line), "final": line.final} for line in board.lines]
    save_json(out / "board.json", {**asdict(board), "lines": lines})
    write_bytes(out / "board.md", page(board).encode())


def page(board: Board) -> str:
    """The board as a Markdown page."""
    rows = [
        f"| {x.rank} | {x.team} | {x.final:.1f} ± {x.error:.1f} | {x.own:.1f} | {x.other:.1f} | "
        f"{'-' if x.points is None else x.points} | {x.copies or ''} |"
        for x in board.lines
    ]
    refused = [f"- {name}: {why}" for name, why in board.refused.items()]
    return "\n".join(
        [
            "# Distill under a budget: the board",
            "",
            "| Rank | Team | Final ± standard error | ConvNet | Secret networks | Points "
            "| Copied test images |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "Each score is mean minus spread of test accuracy in percent, over "
            f"{board.nets} ConvNets and as many secret networks; final is the mean of the two. "
            "Teams that lie within two standard errors of the first of a rank share it.",
            "",
            f"SHA-256 of the secret: `{board.commitment}`",
            *(["", "Refused:", "", *refused] if refused else []),
            "",
        ]
    )
