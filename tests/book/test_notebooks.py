"""Every notebook of the book keeps the form that its readers and the tools rely on."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from book.address import repository
from book.execute import EXECUTED, ROOT, notebooks

SETUP = f"""\
# @title Set-up: installs ddlib where it is missing (Colab), moves nothing else
import importlib.util

if importlib.util.find_spec("ddlib") is None:
    %pip install -q "ddlib @ git+https://github.com/{repository(ROOT)}@main"
import ddlib"""
HIDDEN = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
MACHINE_PATH = re.compile(r"(?:^|[\s\"'(=])(?:/(?:home|root|Users|tmp|work|content)/|[A-Z]:\\)")

pytestmark = pytest.mark.parametrize("name", notebooks(ROOT))


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def code_cells(path: Path) -> list[NotebookNode]:
    """The code cells of a notebook."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_is_stored_without_outputs(name: str) -> None:
    for cell in code_cells(ROOT / name):
        if "keep_output" not in tags(cell):
            assert not cell.outputs, cell.source
            assert cell.execution_count is None, cell.source


def test_begins_with_setup_and_parameters(name: str) -> None:
    setup, parameters = code_cells(ROOT / name)[:2]
    assert setup.source == SETUP
    assert tags(setup) - {"remove-cell"} == {"setup", "hide-input"}
    assert parameters.source == "PROFILE = ddlib.profile()"
    assert tags(parameters) - {"remove-cell"} == {"parameters"}


def test_what_is_not_read_is_folded(name: str) -> None:
    """On the page by a tag, in Colab as a form: set-up, settings, checks and solutions."""
    for cell in code_cells(ROOT / name):
        marked = tags(cell) & {"setup"} or re.search(r"^SETTINGS = \{", cell.source, re.MULTILINE)
        exercise = {tag.split("-")[0] for tag in tags(cell)} & {"check", "solution"}
        if marked or exercise:
            assert tags(cell) & {"hide-input", "hide-cell"}, cell.source[:200]
            assert cell.metadata.get("cellView") == "form", cell.source[:200]


def test_chapters_carry_their_number(name: str) -> None:
    cells = nbformat.read(ROOT / name, as_version=4).cells
    (title,) = re.findall(r"^# (.*)", cells[0].source, re.MULTILINE)
    number = re.match(r"(\d\d)_", Path(name).name)
    assert title.startswith(f"{int(number[1])}. ") if number else not title[0].isdigit()


def test_sections_are_numbered_without_a_gap(name: str) -> None:
    cells = nbformat.read(ROOT / name, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = [int(number) for number in re.findall(r"^## (\d+)\. ", prose, re.MULTILINE)]
    assert found == list(range(1, len(found) + 1))
    for mentioned in re.findall(
        r"\bsections? (\d+)", re.sub(r"\[[^]]*\]\([^)]*\), section \d+", "", prose)
    ):
        assert not found or int(mentioned) <= len(found), f"there is no section {mentioned}"


def test_visible_code_is_short(name: str) -> None:
    for cell in code_cells(ROOT / name):
        if not tags(cell) & HIDDEN:
            assert cell.source.count("\n") < 40, cell.source[:200]


def test_code_lines_fit_the_page(name: str) -> None:
    for cell in code_cells(ROOT / name)[1:]:  # the install line of the setup cell holds an address
        assert [line for line in cell.source.splitlines() if len(line) > 88] == []


def test_names_no_place_on_one_machine(name: str) -> None:
    for cell in nbformat.read(ROOT / name, as_version=4).cells:
        assert MACHINE_PATH.search(cell.source) is None, cell.source[:200]


def test_figures_have_alt_text(name: str) -> None:
    if not (EXECUTED / name).exists():
        reason = f"{name} is not executed; run `make book`"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    for cell in code_cells(EXECUTED / name):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert alt.strip(), f"no mystnb: image: alt in the metadata of\n{cell.source[:200]}"
