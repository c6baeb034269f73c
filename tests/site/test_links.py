"""What can be checked in the pages' text: links lead somewhere, and tables are tables."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from built import HTML, ROOT, redirects

from book.address import repository

COLAB = f"https://colab.research.google.com/github/{repository(ROOT)}/blob/main/"


@cache
def parsed(page: Path) -> BeautifulSoup:
    """A page of the built site."""
    return BeautifulSoup(page.read_text("utf-8"), "html.parser")


def links(page: Path) -> set[str]:
    """What a page links to or loads."""
    tags = parsed(page).find_all(True)
    return {tag[name] for tag in tags for name in ("href", "src") if tag.get(name)}


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether the file exists, and the anchor in it."""
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file():
        return False
    if not parts.fragment or target.suffix != ".html":
        return True
    return parsed(target).find(id=unquote(parts.fragment)) is not None


def test_internal_links_lead_somewhere(site: str, path: str) -> None:
    page = HTML / path
    internal = [link for link in links(page) if not urlsplit(link).scheme]
    assert [link for link in sorted(internal) if not leads_somewhere(page, link)] == []


def test_colab_buttons_name_notebooks(site: str, path: str) -> None:
    buttons = [link for link in links(HTML / path) if "colab.research" in link]
    assert buttons or not (ROOT / path).with_suffix(".ipynb").exists()
    assert [button for button in buttons if not (ROOT / button.removeprefix(COLAB)).is_file()] == []


def test_no_table_is_shown_as_its_source(site: str, path: str) -> None:
    text = "".join(tag.get_text() for tag in parsed(HTML / path).select("article p"))
    assert "|—" not in text  # the line below a table's head, as typography makes it


@pytest.mark.parametrize(("old", "new"), redirects().items())
def test_old_addresses_lead_to_their_chapter(site: str, old: str, new: str) -> None:
    page = HTML / old
    (refresh,) = parsed(page).select('meta[http-equiv="refresh"]')
    assert refresh["content"].split("url=")[1] == new
    heading = parsed(page.parent / new).find("h1").get_text()
    assert Path(old).stem[3:].split("_")[0] in heading.lower().replace("-", "_")
