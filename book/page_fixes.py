"""Sphinx extension that mends two things in the pages Sphinx writes."""

from docutils import nodes
from sphinx.application import Sphinx

MATH = (nodes.math, nodes.math_block)


def drop_idle_mathjax(
    app: Sphinx,
    page: str,
    template: str,
    context: dict,
    doctree: nodes.document | None,
) -> None:
    """A page without math does not load MathJax.

    Sphinx counts the math of all pages below a page as its own, so that the first page
    would always load it.
    """
    if doctree is None or not any(
        isinstance(node, MATH) for node in doctree.findall()
    ):
        scripts, mathjax = context["script_files"], app.config.mathjax_path
        context["script_files"] = [
            s for s in scripts if mathjax not in str(s.filename)
        ]


def name_list_items(
    app: Sphinx,
    page: str,
    template: str,
    context: dict,
    doctree: nodes.document | None,
) -> None:
    """Entries of a bibliography are list items; the role they come with is obsolete."""
    body = context.get("body", "")
    context["body"] = body.replace(
        'role="doc-biblioentry"', 'role="listitem"'
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Runs after the extensions that add scripts."""
    app.connect("html-page-context", drop_idle_mathjax, priority=900)
    app.connect("html-page-context", name_list_items)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
