"""Where the built book lies."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"


def redirects() -> dict[str, str]:
    """The old addresses of pages that moved, each with its new one beside it."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    return {f"{old}.html": new for old, new in config["sphinx"]["config"]["redirects"].items()}


def pages() -> list[str]:
    """Every built page, relative to the site's root, but those that only lead to another one."""
    paths = sorted(path.relative_to(HTML) for path in HTML.rglob("*.html"))
    leading = {"index.html", *redirects()}
    other = {"_static", "slides"}  # the decks have tests of their own
    return [str(p) for p in paths if p.parts[0] not in other and str(p) not in leading]
