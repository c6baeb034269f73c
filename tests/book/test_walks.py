"""The walks through the house are diffs: each applies to the package, and what it adds runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ddlib

WALKS = Path(__file__).parents[2] / "book" / "reference" / "walks"
BENCH = """
from ddlib.experiment.asking import ask, bench_for, part
from ddlib.experiment.claims import findings, values_of
"""
RUNS = {  # what a reader would do next, and what it prints
    "new_method": (
        "import ddlib; from ddlib.methods.brightest import Brightest\n"
        "made = ddlib.distill(ddlib.load('digits'), Brightest(ipc=2))\n"
        "print(len(made.images), made.meta['method']['tag'])",
        "20 brightest",
    ),
    "new_control": (
        BENCH + "from ddlib.questions.mixing.experiment import CONTROLS, Run, score\n"
        "run = Run(bench_for('mixing', 'fast'), 'bptt', 0, 2)\n"
        "print('mislabeled' in part('mixing').PLANS['record'].controls.conditions)\n"
        "print(0 < float(score(run, 'mislabeled')['accuracy']) < 100)",
        "True\nTrue",
    ),
    "new_question": (
        BENCH + "plan = part('light').PLANS['fast'].__class__(methods=('dm',), nets=1)\n"
        "record = ask('light', bench_for('light', 'fast'), plan)\n"
        "print(len(record.table), len(values_of(findings(record), contrast='cost', method='dm')))",
        "4 2",
    ),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to build on."""
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(
        Path(ddlib.__file__).parent, root / "ddlib", ignore=shutil.ignore_patterns("__pycache__")
    )
    return root


def files(root: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in root.rglob("*") if p.suffix in (".py", ".json")}


@pytest.mark.parametrize("walk", RUNS)
def test_a_walk_changes_one_place_and_runs(package: Path, walk: str) -> None:
    before = files(package)
    subprocess.run(["git", "apply", str(WALKS / f"{walk}.diff")], cwd=package, check=True)
    changed = [p for p, content in files(package).items() if before.get(p) != content]
    assert len({p.parent for p in changed}) == 1
    assert len(changed) == 1 or walk == "new_question"
    script, said = RUNS[walk]
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=package, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(package), "TQDM_DISABLE": "1"},
    )  # fmt: skip
    assert told.stdout.strip() == said


def test_every_walk_is_taken() -> None:
    assert {path.stem for path in WALKS.glob("*.diff")} == set(RUNS)
