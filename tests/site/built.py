"""Where the built book lies."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"


def pages() -> list[str]:
    """Every built page, relative to the site's root; index.html only leads to the first one."""
    paths = sorted(path.relative_to(HTML) for path in HTML.rglob("*.html"))
    return [str(p) for p in paths if p.parts[0] != "_static" and str(p) != "index.html"]
