"""Problem sets for students, made from the masters: python book/course/release.py.

A release has stubs in place of the solutions and is what nbgrader's `generate_assignment` makes,
stored without needing nbgrader. With `--check` nothing is written, and a release that is out of
step is named.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

HERE = Path(__file__).parent
SOURCE, RELEASES = HERE / "instructor" / "source", HERE / "problem_sets"
REGION = re.compile(
    r"( *)### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL
)
STUB = "raise NotImplementedError"
BLANK = "*Write here.*"


def names() -> list[str]:
    """The problem sets that have a master, in order."""
    return sorted(path.name for path in SOURCE.iterdir() if path.is_dir())


def master(name: str) -> NotebookNode:
    """The notebook with the solutions."""
    return nbformat.read(SOURCE / name / f"{name}.ipynb", as_version=4)


def about(cell: NotebookNode) -> NotebookNode:
    """What nbgrader knows of a cell; nothing for a cell that is the student's own."""
    return cell.metadata.get("nbgrader", NotebookNode())


def released(notebook: NotebookNode) -> NotebookNode:
    """The same notebook with every solution taken out."""
    for cell in notebook.cells:
        if about(cell).get("solution"):
            stub = STUB if cell.cell_type == "code" else BLANK
            cell.source = REGION.sub(
                lambda found, stub=stub: found[1] + stub, cell.source
            )
    return notebook


def text(notebook: NotebookNode) -> str:
    """A notebook as it is stored."""
    return nbformat.writes(notebook) + "\n"


def main() -> None:
    """Writes the releases, or names those that are old."""
    old = []
    for name in names():
        path, new = RELEASES / f"{name}.ipynb", text(released(master(name)))
        if not path.exists() or path.read_text("utf-8") != new:
            old.append(str(path.relative_to(HERE)))
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(new, "utf-8")
    if old:
        print(*old, sep="\n")
    sys.exit(bool(old) and "--check" in sys.argv)


if __name__ == "__main__":
    main()
