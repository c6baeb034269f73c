"""`python -m ddlib distill | evaluate | record | study | repeat`: from the command line."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

import ddlib
from ddlib.memory import keep_freed_memory
from ddlib.presets import DATASETS, METHODS
from ddlib.recording import record_cell
from ddlib.sources import data_folder
from ddlib.studies import OF_A_RECORD, QUESTIONS, record_study, repeat_study

AnyMethod = (
    Annotated[ddlib.RandomSelection, tyro.conf.subcommand("random")]
    | Annotated[ddlib.Herding, tyro.conf.subcommand("herding")]
    | Annotated[ddlib.KCenter, tyro.conf.subcommand("kcenter")]
    | Annotated[ddlib.DistributionMatching, tyro.conf.subcommand("dm")]
    | Annotated[ddlib.GradientMatching, tyro.conf.subcommand("dc")]
    | Annotated[
        ddlib.GradientMatching,
        tyro.conf.subcommand("dsa", constructor=METHODS["dsa"]),
    ]
    | Annotated[ddlib.TrajectoryMatching, tyro.conf.subcommand("mtt")]
    | Annotated[ddlib.BPTT, tyro.conf.subcommand("bptt")]
)


def real_data(data: str, device: str, size: int) -> ddlib.ImageData:
    """A dataset by name, or a folder of class folders, whose images get `size` pixels a side."""
    if Path(data).is_dir():
        return ddlib.load_folder(data, size=size, device=device)
    return ddlib.load(data, device)


@dataclass(frozen=True, kw_only=True)
class Distill:
    """Distill a dataset and save the set."""

    method: AnyMethod
    out: Path  # where the set goes; the run resumes from OUT.checkpoint after a kill
    data: str = "digits"  # a dataset's name, or a folder with one folder of images per class
    size: int = 32  # pixels to which a folder's images are resized; named datasets keep theirs
    seed: int = 0
    device: str = ddlib.device_for("fast")

    def run(self) -> None:
        real = real_data(self.data, self.device, self.size)
        checkpoint = self.out.with_name(self.out.name + ".checkpoint")
        if self.method.steps:
            expected = ddlib.estimate(real, self.method, self.seed, checkpoint.parent)
            print(f"{expected} on top of Python and torch", file=sys.stderr)
        made = ddlib.distill(real, self.method, seed=self.seed, checkpoint=checkpoint)
        print(made.save(self.out), f"{len(made.images)} images, {made.meta['seconds']} s")
        checkpoint.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Train fresh networks on a saved set and print their test accuracy."""

    path: Annotated[Path, tyro.conf.Positional]
    data: str = "digits"  # the dataset the set stands for
    protocol: str = "plain"  # plain or augmented
    nets: int = 5
    network: str = "convnet"
    device: str = ddlib.device_for("fast")

    def run(self) -> None:
        made = ddlib.DistilledSet.load(self.path)
        real = real_data(self.data, self.device, made.images.shape[-1])
        print(ddlib.evaluate(made, real, self.protocol, self.nets, network=self.network))


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
    note: str = ""  # what the passport says about the data file
    work: Path = data_folder() / "work"  # checkpoints and unfinished evaluations

    def run(self) -> None:
        keep_freed_memory()
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

    questions: Annotated[tuple[str, ...], tyro.conf.Positional] = QUESTIONS
    profile: Literal["fast", "laptop", "full"] = "laptop"
    note: str = ""  # what the passport says about the data file
    work: Path = data_folder() / "work"  # parts that are finished

    def run(self) -> None:
        keep_freed_memory()
        for question in self.questions:
            made = record_study(question, self.profile, work=self.work, note=self.note)
            print(made.name, f"{made.provenance['seconds']:.0f} s", flush=True)


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Repeat the experiments of the study's questions with fewer networks, in minutes each.

    Prints every claim as the book recorded it and as it came out here. Changes nothing in the book.
    """

    questions: Annotated[tuple[str, ...], tyro.conf.Positional] = QUESTIONS
    profile: Literal["laptop", "colab"] = "laptop"  # colab: CIFAR-10 as it is, on a GPU
    work: Path = data_folder() / "work"  # parts that are finished, and what was found

    def run(self) -> None:
        # Loads what draws figures, which no other command needs.
        from ddlib.experiment.claims import accord, beside

        keep_freed_memory()
        for question in self.questions:
            if self.profile != "laptop" and question in OF_A_RECORD:
                print(f"{question}: takes a record apart, which {self.profile} does not have")
                continue
            made = repeat_study(question, self.profile, work=self.work)
            pairs = beside(made)
            for book, here in pairs:
                print(book.claim)
                print(f"    book {book.ours}: {book.verdict}; here {here.ours}: {here.verdict}")
            same = accord(pairs)
            print(
                f"{question}: {made.provenance['seconds'] / 60:.0f} min, {same['claims']} claims, "
                f"{same['sign']} of the same sign, {same['verdict']} judged alike, "
                f"{same['opposed']} opposed",
                flush=True,
            )


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = tyro.extras.subcommand_cli_from_dict(
        {
            "distill": Distill,
            "evaluate": Evaluate,
            "record": Record,
            "study": Study,
            "repeat": Repeat,
        },
        args=arguments,
        prog="python -m ddlib",
        description=__doc__,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    try:
        chosen.run()
    except (ValueError, OSError, ModuleNotFoundError, ddlib.DivergenceError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
