"""What we now know and the verdicts of chapters say what the ledger says: by claim, with numbers.

A sentence ends in a comment with the claims that it rests on, and behind each the numbers that it
quotes of it. The word that opens the sentence is that of their verdicts.
"""

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from book.execute import ROOT
from ddlib.experiment.claims import Row, ledger

PAGE = ROOT / "book" / "beyond" / "what_we_know.ipynb"
WORDS = {
    "Found": {"reproduced", "partly", "contradicted", "found", "reversed"},
    "Bounded": {"bounded", "not reproduced"},
    "Open": {"open"},
}
CHAPTERS = [*ROOT.glob("book/study/09_*.ipynb"), *ROOT.glob("book/study/1[0-2]_*.ipynb")]
SENTENCE = re.compile(r"^- \*\*(Found|Bounded|Open)\.\*\* (.*) <!-- (.*) -->$", re.MULTILINE)
NOTHING = re.compile(r"^- \*\*(Found|Bounded|Open)\.\*\* Nothing: (?:(?!<!--).)*$", re.MULTILINE)
CELLS = nbformat.read(PAGE, as_version=4).cells
SENTENCES = [found for cell in CELLS for found in SENTENCE.findall(cell.source)]


def prose(page: Path) -> str:
    """The text cells of a page."""
    cells = nbformat.read(page, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


VERDICTS = [found for page in CHAPTERS for found in SENTENCE.findall(prose(page))]


@cache
def rows() -> dict[str, Row]:
    return {row.id: row for row in ledger()}


def known(row: Row, digits: int) -> set[str]:
    """The numbers that a sentence may quote of a row, without their sign."""
    values = [row.most, row.beside]
    if row.ours is not None:
        values.append(row.ours.mean)
        if row.ratio is not None:
            values.append(row.ours.mean / row.ratio.mean)  # the released one
    return {f"{abs(value):.{digits}f}" for value in values}


@pytest.mark.parametrize(("word", "text", "claims"), SENTENCES + VERDICTS)
def test_a_sentence_says_what_its_claims_say(word: str, text: str, claims: str) -> None:
    quoted = set()
    for claim in claims.split(", "):
        name, *numbers = claim.split()
        assert rows()[name].verdict in WORDS[word], name
        for number in numbers:
            assert number in known(rows()[name], len(number.split(".")[1])), claim
            quoted.add(number)
    assert set(re.findall(r"\d+\.\d+", text)) == quoted, "a number without its claim"


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_the_verdict_of_a_chapter_is_three_sentences(page: Path) -> None:
    text = prose(page).split("## Verdict")[1].split("\n## ")[0]
    words = re.findall(r"^- \*\*(\w+)\.\*\*", text, re.MULTILINE)
    assert words == ["Found", "Bounded", "Open"]
    assert len(SENTENCE.findall(text)) + len(NOTHING.findall(text)) == 3, "one names no claims"


def test_each_question_has_one_figure_and_three_sentences() -> None:
    assert [word for word, _, _ in SENTENCES] == ["Found", "Bounded", "Open"] * 4
    drawn = [cell.source for cell in CELLS if "plots.effects(" in cell.source]
    assert len(drawn) == 4
    named = {name for source in drawn for name in re.findall(r'"([a-z0-9-]+)": ', source)}
    assert named <= set(rows())


def test_no_code_is_in_sight() -> None:
    for cell in CELLS:
        assert cell.cell_type == "markdown" or {"remove-cell", "remove-input"} & {
            *cell.metadata.tags
        }
