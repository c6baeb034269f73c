"""What is graded in a submitted notebook, and how nbgrader is told the verdict."""

from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dd_hidden.judge import verdicts

MOST_BYTES = 2**20


def about(cell: NotebookNode) -> NotebookNode:
    """What nbgrader knows of a cell; nothing for a cell that is the student's own."""
    return cell.metadata.get("nbgrader", NotebookNode())


def read(path: Path) -> NotebookNode:
    """A submitted notebook; `ValueError` with the one thing that is wrong with the file."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is not a plain file")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"it has more than {MOST_BYTES} bytes; clear the outputs"
        )
    try:
        notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        raise ValueError(
            f"it is no notebook ({type(error).__name__})"
        ) from None
    return notebook


def mended(submitted: NotebookNode, master: NotebookNode) -> NotebookNode:
    """Cells that an editor stripped of what nbgrader knows get it back, by their first line."""
    known = {about(cell).get("grade_id") for cell in submitted.cells}
    lost = {
        first_line(cell): about(cell)
        for cell in master.cells
        if about(cell).get("grade_id", None) not in known | {None}
    }
    for cell in submitted.cells:
        if not about(cell) and first_line(cell) in lost:
            cell.metadata["nbgrader"] = lost.pop(first_line(cell))
    return submitted


def first_line(cell: NotebookNode) -> str:
    """What a cell begins with."""
    return cell.source.strip().partition("\n")[0]


def answer(notebook: NotebookNode, name: str) -> str:
    """What is graded: the imports of the set, and the student's answer cell."""
    wanted = {f"{name}-imports", f"{name}-answer"}
    return "\n\n".join(
        c.source
        for c in notebook.cells
        if about(c).get("grade_id") in wanted
    )


def with_verdicts(notebook: NotebookNode, name: str) -> NotebookNode:
    """An item that is not passed ends in an error, which nbgrader counts as no points."""
    found = verdicts(name, answer(notebook, name))
    for cell in notebook.cells:
        if about(cell).get("grade") and cell.cell_type == "code":
            passed = found.get(
                about(cell).grade_id.removeprefix(f"{name}-"), False
            )
            cell.outputs = [] if passed else [_failure()]
    return notebook


def _failure() -> NotebookNode:
    return nbformat.v4.new_output(
        "error", ename="NotPassed", evalue="not passed", traceback=[]
    )


def preprocessor() -> Any:
    """For nbgrader, in place of its `Execute`: no code of a student runs beside the verdict."""
    from nbgrader.preprocessors import NbGraderPreprocessor

    class JudgeApart(NbGraderPreprocessor):
        def preprocess(
            self, nb: NotebookNode, resources: Any
        ) -> tuple[NotebookNode, Any]:
            return with_verdicts(
                nb, resources["nbgrader"]["assignment"]
            ), resources

    return JudgeApart
