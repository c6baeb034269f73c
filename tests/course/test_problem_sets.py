"""Solutions get all points, stubs and tricks none, and each wrong answer loses what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from dd_hidden.apart import Failed, student
from dd_hidden.judge import items, verdicts
from dd_hidden.notebooks import answer
from grade import must_be_passed_by_its_master
from nbformat import NotebookNode
from wrong_answers import WRONG

from book.course.release import (
    BLANK,
    REGION,
    RELEASES,
    STUB,
    about,
    master,
    names,
    released,
    text,
)

INSTRUCTOR = Path(__file__).parents[2] / "book" / "course" / "instructor"
NAMES = names()
CASES = [(name, what) for name in WRONG for what in WRONG[name]]
HOSTILE = '''
import builtins, sys, types

class Any(float):
    """Equal to everything."""
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    __hash__ = float.__hash__
    def __sub__(self, other): return Any(0.0)
    __rsub__ = __add__ = __abs__ = __sub__

fake = types.ModuleType("dd_hidden")
fake.__getattr__ = lambda name: lambda *a, **k: True
for name in ["dd_hidden", "dd_hidden.judge", *(f"dd_hidden.ps{i}" for i in range(1, 7))]:
    sys.modules[name] = fake
builtins.isinstance = lambda *a: True
builtins.abs = lambda x: 0.0
torch.allclose = lambda *a, **k: True
torch.equal = lambda *a, **k: True

def whatever(*a, **k): return Any(0.0)

'''
FUNCTIONS = {
    "ps1": ("flip_rate", "choose_fairly"), "ps2": ("cover",), "ps3": ("moment_loss",),
    "ps4": ("step_gradient",), "ps5": ("comparable", "ranking"),
    "ps6": ("sealed", "interval", "one_change", "verdict"),
}  # fmt: skip


def solution(name: str) -> str:
    return answer(master(name), name)


def failed(name: str, source: str) -> set[str]:
    return {item for item, passed in verdicts(name, source).items() if not passed}


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes_every_item(name: str) -> None:
    assert failed(name, solution(name)) == set()


@pytest.mark.parametrize(("name", "what"), CASES)
def test_a_wrong_answer_fails_exactly_the_items_that_it_should(name: str, what: str) -> None:
    wrong, source = WRONG[name][what], solution(name)
    for right, mistake in wrong.changes.items():
        assert right in source, f"the solution has no {right!r}"
        source = source.replace(right, mistake)
    assert failed(name, source) == wrong.fails


@pytest.mark.parametrize("name", NAMES)
def test_a_set_has_four_wrong_answers(name: str) -> None:
    assert len(WRONG[name]) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_the_stub_and_a_hostile_notebook_get_no_points(name: str) -> None:
    every = set(items(name))
    assert failed(name, answer(released(master(name)), name)) == every
    tricks = "\n".join(f"{function} = whatever" for function in FUNCTIONS[name])
    assert failed(name, solution(name).split("def ")[0] + HOSTILE + tricks) == every


def test_answers_that_run_away_or_die_are_no_answers() -> None:
    for source, why in {
        "import os\ndef f(): os._exit(0)": "no answer",
        "def f(): raise NotImplementedError": "NotImplementedError",
        "def f(): return 'x' * 10**7": "no answer",
        "def f(): return f": "TypeError",
        "def f(:": "SyntaxError",
        "g = 1": "KeyError",
    }.items():
        with pytest.raises(Failed, match=why):
            student(source)("f")


def test_an_endless_answer_is_stopped() -> None:
    with pytest.raises(Failed, match="no answer"):
        student("def f():\n    while True: pass", cpu=1)("f")


def test_an_answer_that_writes_to_every_open_file_harms_nobody() -> None:
    source = (
        "import os\ndef f():\n    for i in range(64):\n"
        "        try: os.write(i, b'xx')\n        except OSError: pass"
    )
    with pytest.raises(Failed, match="no answer"):
        student(source)("f")
    assert student("def f(): return 1")("f") == 1


def test_a_grader_that_cannot_run_answers_grades_nobody() -> None:
    """Here every answer dies before it begins, as in a container that lacks a right."""
    ask = "from grade import *; must_be_passed_by_its_master('ps1')"
    folders = os.pathsep.join([str(INSTRUCTOR), *sys.path])
    env = {**os.environ, "PYTHONPATH": folders, "DD_GRADE_USER": "no number"}
    run = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True)
    assert "ValueError: the master of ps1 does not pass public here" in run.stderr
    must_be_passed_by_its_master("ps1")


def test_what_comes_back_is_plain() -> None:
    source = "class F(float):\n    def __eq__(self, o): return True\ndef f(): return [F(2), True]"
    value = student(source)("f")
    assert value == [2.0, True]
    assert [type(v) for v in value] == [float, bool]


@pytest.mark.parametrize("name", NAMES)
def test_points_add_up(name: str) -> None:
    cells = {about(c).grade_id: about(c) for c in master(name).cells if about(c).get("grade")}
    points = {key: cell.points for key, cell in cells.items()}
    person = {"claim": 2, "evidence": 3, "objection": 3}
    automatic = {key: item.points for key, item in items(name).items()}
    assert points == {f"{name}-{k}": v for k, v in {**automatic, **person}.items()}
    assert automatic["public"] == 5
    assert sum(points.values()) == 20


@pytest.mark.parametrize("name", NAMES)
def test_the_release_is_the_master_without_solutions(name: str) -> None:
    stored = (RELEASES / f"{name}.ipynb").read_text("utf-8")
    assert stored == text(released(master(name))), "run python book/course/release.py"


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_fails_with_nothing_but_not_implemented(name: str) -> None:
    space: dict = {}
    exec(answer(released(master(name)), name), space)
    for function in FUNCTIONS[name]:
        arguments = range(space[function].__code__.co_argcount)
        with pytest.raises(NotImplementedError):
            space[function](*arguments)


@pytest.mark.parametrize("name", NAMES)
def test_public_checks_reject_the_stub_and_take_the_solution(name: str) -> None:
    checks = {about(c).get("grade_id"): c.source for c in master(name).cells}[f"{name}-public"]
    exec(solution(name) + "\n\n" + checks, {})
    with pytest.raises(NotImplementedError):
        exec(answer(released(master(name)), name) + "\n\n" + checks, {})
    for what, wrong in WRONG[name].items():
        if "public" in wrong.fails:
            source = solution(name)
            for right, mistake in wrong.changes.items():
                source = source.replace(right, mistake)
            assert source != solution(name), what
            with pytest.raises(AssertionError):
                exec(source + "\n\n" + checks, {})


def solution_lines(notebook: NotebookNode) -> set[str]:
    """Lines of solutions that are long enough to be nobody else's."""
    regions = [m[0] for c in notebook.cells for m in REGION.finditer(c.source)]
    lines = {line.strip() for region in regions for line in region.splitlines()[1:-1]}
    return {line for line in lines if len(line) > 40}


@pytest.mark.parametrize("name", NAMES)
def test_no_solution_and_no_hidden_test_leaks(name: str) -> None:
    """Neither into releases, nor into anything of the book but the teachers' folder."""
    secret = solution_lines(master(name))
    assert len(secret) > 5
    book = Path(RELEASES).parents[1]
    public = [
        path
        for path in book.rglob("*")
        if path.suffix in {".ipynb", ".md", ".py", ".txt"} and "instructor" not in path.parts
    ]
    assert RELEASES / f"{name}.ipynb" in public
    for path in public:
        content = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            cells = nbformat.reads(content, as_version=4).cells
            content = "\n".join(cell.source for cell in cells)
        assert [line for line in secret if line in content] == [], path
        if path.name != "release.py":
            assert not re.search("BEGIN (SOLUTION|HIDDEN)|dd_hidden", content), path


@pytest.mark.parametrize("name", NAMES)
def test_a_release_asks_for_words_and_leaves_room(name: str) -> None:
    cells = nbformat.read(RELEASES / f"{name}.ipynb", as_version=4).cells
    assert sum(cell.source == BLANK for cell in cells) == 3
    assert any(STUB in cell.source for cell in cells)
    assert all(not cell.get("outputs") for cell in cells)
