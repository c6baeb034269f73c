"""The syllabus adds up, the decks keep their form, the questions can be imported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from book.course.chapter_figure import figure
from book.course.export import export
from ddlib.files import load_json
from ddlib.results import RECORDED

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "book" / "course"
INSTRUCTOR = COURSE / "instructor"
DECKS = sorted(p for p in (COURSE / "slides").glob("*.md") if p.stem != "index")


def text(name: str) -> str:
    return (COURSE / name).read_text("utf-8")


def table(page: str, head: str) -> list[list[str]]:
    """The rows of the table whose head begins so."""
    block = page[page.index(head) :].split("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]
    ]


def chapter_minutes() -> dict[int, int]:
    rows = table(text("teaching.md"), "| | Chapter | Reading and running")
    return {int(row[0]): int(row[2]) for row in rows}


def test_minutes_add_up() -> None:
    *weeks, total = table(text("syllabus.md"), "| Week | Class |")
    numbers = [[int(cell) for cell in row[1:]] for row in weeks]
    assert all(sum(row[:-1]) == row[-1] for row in numbers)
    assert [sum(column) for column in zip(*numbers, strict=True)] == [int(c) for c in total[1:]]
    assert f"That is {round(int(total[-1]) / 60)} hours" in text("syllabus.md")
    assert {row[0] for row in numbers} == {180}


def test_reading_takes_as_long_as_the_chapters_say() -> None:
    minutes = chapter_minutes()
    weeks = table(text("syllabus.md"), "| Week | Session A")
    loads = table(text("syllabus.md"), "| Week | Class |")
    for week, load in zip(weeks, loads[:-1], strict=True):
        chosen = re.findall(r"\d+", re.sub(r"\([^)]*\)", "", week[3]))
        assert sum(minutes[int(n)] for n in chosen) == int(load[2]), week[0]


def test_the_trial_of_week_1_shows_what_was_recorded() -> None:
    page = text("teaching.md")
    record = load_json(RECORDED / "benchmarks" / "trial.json")
    rows = {
        name: [
            ", ".join(f"{seconds:.0f}" for seconds in found["seconds"]),
            *(f"{found[key]:.0f}" for key in ("processor", "words", "lines")),
        ]
        for name, found in record["notebooks"].items()
    }
    shown = table(page, "| | Running, seconds")
    assert {row[0]: row[1:] for row in shown} == rows
    assert f"set-up cell took {record['setup_seconds']:.0f} seconds" in page.replace("\n", " ")
    for name in ("torch", "numpy"):
        assert f"{name} {record['versions'][name]}" in page


def test_sessions_and_the_other_formats_add_up() -> None:
    page = text("syllabus.md")
    parts = re.search(
        r"question (\d+) minutes, lecture (\d+), lab (\d+), exit question (\d+)", page
    )
    assert parts
    assert sum(map(int, parts.groups())) == 90
    *rows, total = table(page, "| Part | Minutes |")
    assert sum(int(row[1]) for row in rows) == int(total[1]) == 90
    for day in table(page, "| Day | Morning"):
        assert int(day[4]) == 180 + 60 + 120
    *rows, total = table(page, "| Part | Points |")
    assert sum(int(row[1]) for row in rows) == int(total[1]) == 100


def test_every_session_has_a_deck_and_a_lab() -> None:
    named = set(re.findall(r"slides/(\w+)\.html", text("syllabus.md"))) - {"index"}
    labs = {row[0].lower() for row in table(text("syllabus.md"), "| Session | Lab |")}
    assert {deck.stem for deck in DECKS} == named == labs
    assert len(DECKS) == 12


@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.stem)
def test_a_deck_has_15_to_20_slides_each_with_a_note_and_papers(deck: Path) -> None:
    slides = re.split(r"^##? ", deck.read_text("utf-8"), flags=re.MULTILINE)[1:]
    talk = [slide for slide in slides if not slide.startswith("Papers")]
    assert 15 <= len(talk) <= 20
    assert [s.splitlines()[0] for s in slides if s.count("{revealjs-notes}") != 1] == []
    cited = "footcite" in deck.read_text("utf-8")
    assert cited == slides[-1].startswith("Papers")


@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.stem)
def test_no_result_is_typed_on_a_slide(deck: Path) -> None:
    assert re.findall(r"\d+\.\d+|\d+ ?%|±", deck.read_text("utf-8")) == []


def test_a_figure_that_is_not_there_fails(tmp_path: Path) -> None:
    for chapter, cell, why in (
        ("foundations/99_nothing", "x", "no executed chapter"),
        ("foundations/03_coresets", "nowhere", "has no cell nowhere"),
        ("foundations/03_coresets", "c03-00", "has no figure with a text alternative"),
    ):
        with pytest.raises(ValueError, match=why):
            figure(chapter, cell)


def questions() -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """The GIFT file, parsed: title, question, and for each answer its mark, text and feedback."""
    source = (INSTRUCTOR / "concept_questions.gift").read_text("utf-8")
    source = re.sub(r"^//.*\n", "", source, flags=re.MULTILINE)
    plain = r"(?:\\[~=#{}:]|[^~=#{}:\\])"
    answer = rf"\s*([=~])({plain}+)#({plain}+)"
    entry = rf"::({plain}+)::({plain}+)\{{((?:{answer})+)\s*\}}\s*"
    assert re.fullmatch(rf"\s*(?:{entry})+", source), "something stands there that is no question"
    return [(m[1], m[2].strip(), re.findall(answer, m[3])) for m in re.finditer(entry, source)]


def test_concept_questions_can_be_imported() -> None:
    found = questions()
    assert len(found) == 20
    for _, _, answers in found:
        assert [mark for mark, _, _ in answers].count("=") == 1
        assert len(answers) == 3


def test_the_page_asks_the_same_questions_and_answers_none() -> None:
    page = re.sub(r"\s+", " ", text("concept_questions.md"))
    for _, question, answers in questions():
        parts = [question, *(answer for _, answer, _ in answers)]
        unmarked = [re.sub(r"\\(.)", r"\1", part).strip() for part in parts]
        assert all(part in page for part in unmarked)
        for _, _, why in answers:
            assert re.sub(r"\\(.)", r"\1", why).strip() not in page


def test_export_makes_one_commit_with_everything(tmp_path: Path) -> None:
    assert export(tmp_path / "private") > 15
    git = ["git", "-C", str(tmp_path / "private")]
    log = subprocess.run([*git, "log", "--oneline"], capture_output=True, text=True, check=True)
    assert len(log.stdout.splitlines()) == 1
    stored = subprocess.run([*git, "ls-files"], capture_output=True, text=True, check=True).stdout
    assert {"dd_hidden/ps1.py", "source/ps6/ps6.ipynb", "rubrics.md"} <= set(stored.splitlines())
    assert "__pycache__" not in stored


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["export.py"], "name one new folder"),
        (["export.py", str(ROOT)], "exists and is not an empty folder"),
        (["instructor/grade.py"], "name the course's folder"),
        (["instructor/grade.py", "/nowhere"], "there is no folder"),
    ],
)
def test_a_bad_command_is_one_line(command: list[str], why: str) -> None:
    run = [sys.executable, str(COURSE / command[0]), *command[1:]]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(rf"error: .*{why}.*\n", done.stderr)


def test_without_a_container_nothing_is_graded(tmp_path: Path) -> None:
    (tmp_path / "submitted").mkdir()
    run = [sys.executable, str(INSTRUCTOR / "grade.py"), str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("error: no container runtime answers")
    assert len(done.stderr.splitlines()) == 1
