"""Sphinx directive: a figure of an executed chapter, with its text alternative.

    ```{chapter-figure} foundations/03_coresets c03-14
    ```

names the chapter and the id of a cell. A cell that is not there, or has no picture or no text
alternative, is an error, so that a deck never shows what the book does not.
"""

import base64
from hashlib import sha256
from pathlib import Path

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

EXECUTED = Path(__file__).parents[2] / "_build" / "executed" / "book"


def figure(
    chapter: str, cell_id: str, folder: Path = EXECUTED
) -> tuple[bytes, str]:
    """The picture that a cell drew, and its alternative."""
    path = folder / f"{chapter}.ipynb"
    if not path.exists():
        raise ValueError(
            f"there is no executed chapter {chapter}; run `make book` first"
        )
    cells = {
        cell.id: cell for cell in nbformat.read(path, as_version=4).cells
    }
    if cell_id not in cells:
        raise ValueError(f"chapter {chapter} has no cell {cell_id}")
    alt = (
        cells[cell_id]
        .metadata.get("mystnb", {})
        .get("image", {})
        .get("alt")
    )
    pictures = [
        o.data["image/png"]
        for o in cells[cell_id].get("outputs", [])
        if "image/png" in o.get("data", {})
    ]
    if not pictures or not alt:
        raise ValueError(
            f"cell {cell_id} of chapter {chapter} has no figure with a text alternative"
        )
    return base64.b64decode(pictures[0]), alt


def title(path: Path) -> str:
    """The first heading of a chapter."""
    first: NotebookNode = nbformat.read(path, as_version=4).cells[0]
    return first.source.strip().splitlines()[0].lstrip("# ")


class ChapterFigure(SphinxDirective):
    """Puts the figure on a slide, and below it the chapter it comes from."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        chapter, cell_id = self.arguments
        try:
            picture, alt = figure(chapter, cell_id)
        except ValueError as error:
            raise self.error(str(error)) from None
        self.env.note_dependency(str(EXECUTED / f"{chapter}.ipynb"))
        name = f"{sha256(picture).hexdigest()[:16]}.png"
        folder = Path(self.env.srcdir) / "static" / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture)
        source = nodes.paragraph(
            "", title(EXECUTED / f"{chapter}.ipynb"), classes=["source"]
        )
        return [nodes.image(uri=f"static/figures/{name}", alt=alt), source]


def setup(app: Sphinx) -> dict[str, bool]:
    """Adds the directive."""
    app.add_directive("chapter-figure", ChapterFigure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
