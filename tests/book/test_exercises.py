"""The checks of the exercises are checked: the solution passes, stub and wrong answers fail.

A check may use names of its notebook's first four code cells, and no others.
"""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from _pytest.capture import CaptureFixture

from book.execute import ROOT, notebooks, tags

ANSWERS = Path(__file__).parent / "wrong_answers"


def cells(name: str) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(ROOT / name, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(name: str, tag: str) -> str:
    return next(cell.source for cell in cells(name) if tag in tags(cell))


def exercises() -> list[tuple[str, int]]:
    """Every exercise of the book: its notebook and its number."""
    found = []
    for name in notebooks(ROOT):
        numbers = [t.split("-")[1] for c in cells(name) for t in tags(c) if t.startswith("check-")]
        found += [(name, int(number)) for number in numbers]
    return found


def namespace(name: str, number: int) -> dict[str, Any]:
    """What a reader has when the exercise begins: the opening cells and the check."""
    names: dict[str, Any] = {}
    exec("import ddlib", names)
    for cell in cells(name)[1:4]:
        exec(cell.source, names)
    exec(tagged(name, f"check-{number}"), names)
    return names


def wrong_answers(name: str, number: int) -> dict[str, Callable]:
    path = ANSWERS / f"{Path(name).stem}.py"
    spec = importlib.util.spec_from_file_location("wrong_answers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {k: v for k, v in vars(module).items() if k.startswith(f"wrong_{number}_")}


def turned_down(check: Callable, answer: Callable) -> str | None:
    """What the check says to a wrong answer; nothing if it accepts it."""
    try:
        check(answer)
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("name", "number"), exercises())
def test_solution_passes_and_stub_fails(
    name: str, number: int, capsys: CaptureFixture[str]
) -> None:
    names = namespace(name, number)
    exec(tagged(name, f"solution-{number}"), names)
    exec(tagged(name, f"exercise-{number}"), names)
    solved, stub = capsys.readouterr().out.splitlines()[-2:]
    assert solved == "Correct."
    assert stub.startswith("Not tried yet")


@pytest.mark.parametrize(("name", "number"), exercises())
def test_plausible_wrong_answers_fail(name: str, number: int) -> None:
    check = namespace(name, number)[f"check_{number}"]
    wrong = wrong_answers(name, number)
    assert len(wrong) >= 2, "an exercise needs two wrong answers that its check turns down"
    said = {title: turned_down(check, answer) for title, answer in wrong.items()}
    assert [title for title, message in said.items() if not message] == [], "accepted, or no hint"
    assert len(set(said.values())) >= 2, "the check tells its wrong answers the same"


def test_chapters_have_three_exercises() -> None:
    chapters = [n for n in notebooks(ROOT) if Path(n).name[:2].isdigit()]
    assert len(chapters) >= 17
    counts = {n: sum(name == n for name, _ in exercises()) for n in chapters}
    assert all(count >= 3 for count in counts.values()), counts


def test_the_minutes_for_teachers_are_those_of_the_chapters() -> None:
    text = (ROOT / "book/course/teaching.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\d\d) \| .*\| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    expected = []
    for name in sorted(notebooks(ROOT), key=lambda n: Path(n).name):
        if not Path(name).name[:2].isdigit():
            continue
        found = nbformat.read(ROOT / name, as_version=4).cells
        prose = "\n".join(cell.source for cell in found if cell.cell_type == "markdown")
        (reading,) = re.findall(r"\*\*Time:\*\* (\d+) minutes", prose)
        minutes = re.findall(r"^### Exercise .*, (\d+) minutes\)$", prose, re.MULTILINE)
        expected.append((Path(name).name[:2], reading, str(sum(map(int, minutes)))))
    assert told == expected
