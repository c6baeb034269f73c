"""`python -m ddlib distill | evaluate | record | study | repeat | score`: from the command line."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import torch
import tyro

import ddlib
from ddlib.distillation import Method
from ddlib.experiment import asking
from ddlib.memory import keep_freed_memory
from ddlib.own import Network, import_here
from ddlib.presets import DATASETS, METHODS
from ddlib.queue import overview, run_queue
from ddlib.recording import record_cell
from ddlib.score import score
from ddlib.sources import data_folder

HELP = {  # one line for each method of the list
    "random": "random real images",
    "herding": "real images whose mean feature is that of their class",
    "kcenter": "real images that lie close to all others",
    "dm": "distribution matching",
    "dc": "gradient matching",
    "dsa": "gradient matching with augmentation",
    "mtt": "trajectory matching",
    "bptt": "meta-model matching, backpropagation through training",
}


def any_method() -> Any:
    """A subcommand for each method that is known, own ones included, with one line of help."""
    kinds = {tag: getattr(make, "func", make) for tag, make in METHODS.items()}
    return Union[  # noqa: UP007
        tuple(
            Annotated[
                kind,
                tyro.conf.subcommand(
                    tag, constructor=METHODS[tag], description=HELP.get(tag, _first_line(kind))
                ),
            ]
            for tag, kind in kinds.items()
        )
    ]


def _first_line(kind: Any) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]


def real_data(data: str, device: str, size: int) -> ddlib.ImageData:
    """A dataset by name or file, or a folder of class folders, whose images get `size` pixels."""
    if Path(data).expanduser().is_dir():
        return ddlib.load_folder(data, size=size, device=device)
    return ddlib.load(data, device)


@dataclass(frozen=True, kw_only=True)
class Distill:
    """Distill a dataset and save the set."""

    method: Method
    out: Path  # where the set goes; the run resumes from OUT.checkpoint after a kill
    data: str = "digits"  # a dataset's name, an .npz file, or a folder of folders of images
    size: int = 32  # pixels to which a folder's images are resized; named datasets keep theirs
    seed: int = 0
    device: str = ddlib.device_for("fast")
    compiled: bool | None = None  # None: if the run takes minutes

    def run(self) -> None:
        real = real_data(self.data, self.device, self.size)
        checkpoint = self.out.with_name(self.out.name + ".checkpoint")
        if self.method.steps:
            expected = ddlib.estimate(
                real, self.method, self.seed, checkpoint.parent, compiled=self.compiled
            )
            print(f"{expected} on top of Python and torch", file=sys.stderr)
        made = ddlib.distill(
            real, self.method, seed=self.seed, checkpoint=checkpoint, compiled=self.compiled
        )
        print(made.save(self.out), f"{len(made.images)} images, {made.meta['seconds']} s")
        checkpoint.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Train fresh networks on a saved set and print their test accuracy."""

    path: Annotated[Path, tyro.conf.Positional]
    data: str = "digits"  # the dataset the set stands for: a name, an .npz file, or a folder
    protocol: str = "plain"  # plain or augmented
    nets: int = 5
    network: str = "convnet"  # a name, or your own as module:function
    device: str = ddlib.device_for("fast")
    compiled: bool | None = None  # None: if one network takes minutes

    def run(self) -> None:
        made = ddlib.DistilledSet.load(self.path)
        real = real_data(self.data, self.device, made.images.shape[-1])
        how: dict[str, Any] = {"network": self.network, "compiled": self.compiled}
        print(ddlib.evaluate(made, real, self.protocol, self.nets, **how))


@dataclass(frozen=True, kw_only=True)
class Record:
    """Make the results the book shows, cell by cell; what is recorded already is left alone.

    More sets or networks join those that are recorded. Interrupted, the same command goes on
    where it stopped and loses at most a minute.
    """

    profile: Literal["fast", "laptop", "full"] = "laptop"
    methods: tuple[str, ...] = tuple(METHODS)
    ipcs: tuple[int, ...] = (10, 1, 50)
    protocols: tuple[str, ...] = ("plain", "augmented")
    sets: int = 2  # distilled sets, seeds 0, 1, ...
    nets: int = 5  # networks for each set, seeds 0, 1, ...
    note: str = ""  # what the provenance says about the data file
    work: Path = data_folder() / "work"  # checkpoints and unfinished evaluations
    queue: bool = False  # instead: the long runs, in order of value, one process a core
    minutes: float | None = None  # of the queue; then everything is saved
    dry_run: bool = False  # only show the queue and its expected core-hours

    def run(self) -> None:
        keep_freed_memory()
        if self.dry_run:
            print(overview())
            return
        if self.queue:
            torch.set_num_threads(1)
            run_queue(self.work, self.note, self.minutes)
            return
        real = ddlib.load(DATASETS[self.profile], ddlib.device_for(self.profile))
        for ipc in self.ipcs:
            for tag in self.methods:
                record_cell(
                    real, tag, ipc, self.profile, protocols=self.protocols, sets=self.sets,
                    nets=self.nets, work=self.work, note=self.note,
                )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Study:
    """Run the experiments of the study's questions on the recorded sets, and keep what they find.

    Interrupted, the same command goes on where it stopped.
    """

    questions: Annotated[tuple[str, ...], tyro.conf.Positional] = asking.questions()
    profile: Literal["fast", "laptop", "full"] = "laptop"
    note: str = ""  # what the provenance says about the data file
    work: Path = data_folder() / "work"  # parts that are finished

    def run(self) -> None:
        keep_freed_memory()
        for question in self.questions:
            made = asking.study(question, self.profile, work=self.work, note=self.note)
            print(made.name, f"{(made.provenance or {})['seconds']:.0f} s", flush=True)


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Repeat the experiments of the study's questions with fewer networks, in minutes each.

    Prints every claim as the book recorded it and as it came out here. Changes nothing in the book.
    """

    questions: Annotated[tuple[str, ...], tyro.conf.Positional] = asking.questions()
    profile: Literal["laptop", "colab"] = "laptop"  # colab: CIFAR-10 as it is, on a GPU
    work: Path = data_folder() / "work"  # parts that are finished, and what was found

    def run(self) -> None:
        # Loads what draws figures, which no other command needs.
        from ddlib.experiment.claims import accord, beside

        keep_freed_memory()
        for question in self.questions:
            if self.profile != "laptop" and asking.takes_a_record_apart(question):
                print(f"{question}: takes a record apart, which {self.profile} does not have")
                continue
            made = asking.repeat(question, self.profile, work=self.work)
            pairs = beside(made)
            for book, here in pairs:
                print(book.claim)
                print(f"    book {book.here}: {book.verdict}; here {here.here}: {here.verdict}")
            same, seconds = accord(pairs), (made.provenance or {})["seconds"]
            print(
                f"{question}: {seconds / 60:.0f} min, {same['claims']} claims, "
                f"{same['sign']} of the same sign, {same['verdict']} judged alike, "
                f"{same['opposed']} opposed",
                flush=True,
            )


@dataclass(frozen=True, kw_only=True)
class Score:
    """Judge the course's project: a folder of TEAM.safetensors, a secret; writes the board.

    A file that is refused gets one line, and the others are judged.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    secret: Path  # a text file; its SHA-256 is published before, the file itself after the course
    nets: int = 10  # networks of each kind
    out: Path = Path(".")  # where board.json and board.md go

    def run(self) -> None:
        for line in score(self.folder, self.secret, self.nets, self.out):
            print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. `--import MODULE` anywhere loads a module that registers methods."""
    try:
        _command(sys.argv[1:] if arguments is None else arguments).run()
    except FileNotFoundError as error:
        sys.exit(f"error: there is no file {error.filename or error}")
    except (ValueError, OSError, ModuleNotFoundError, ddlib.DivergenceError) as error:
        sys.exit(f"error: {error}")


def _command(arguments: Sequence[str]) -> Any:
    rest = _without_imports(arguments)
    Distill.__annotations__["method"] = any_method()  # which may have grown since
    commands: dict[str, Callable[..., Any]] = {
        "distill": Distill, "evaluate": Evaluate, "record": Record, "study": Study,
        "repeat": Repeat, "score": Score,
    }  # fmt: skip
    marks = tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes
    with networks_by_name():
        return tyro.extras.subcommand_cli_from_dict(
            commands,
            args=rest,
            prog="python -m ddlib",
            description=__doc__,
            config=(*marks, tyro.conf.CascadeSubcommandArgs),  # options in any order
        )


def _without_imports(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--import MODULE`, after importing what they name."""
    rest, given = [], iter(arguments)
    for argument in given:
        if argument == "--import":
            import_here(next(given, ""))
        elif argument.startswith("--import="):
            import_here(argument.removeprefix("--import="))
        else:
            rest.append(argument)
    return rest


def networks_by_name() -> tyro.constructors.ConstructorRegistry:
    """How a command line writes a network: its name, or module:function."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def _(info: tyro.constructors.PrimitiveTypeInfo) -> Any:
        if info.type != Network:
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="NAME",
            instance_from_str=lambda words: words[0],
            is_instance=lambda value: isinstance(value, str),
            str_from_instance=lambda value: [value],
        )

    return registry


if __name__ == "__main__":
    main()
