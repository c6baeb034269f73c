"""The printed book: every page once, in order; links lead within it."""

import re
import shutil
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import sync_playwright

from book.printed import FLAGS, anchor, chapter, document, parts, print_page, sheets, within

KNOWN = {"book/intro", "book/methods/04_dm", "book/reference/glossary"}
PAGE = """<html><body><article class="bd-article"><section id="top">
<h1>4. Matching<a class="headerlink" href="#top">#</a></h1>
<p><a href="../reference/glossary.html#ipc">ipc</a> <a href="#top">up</a>
<a href="https://example.org/x">away</a> <a href="../../_downloads/a.ipynb">file</a></p>
<figure class="dd-slider"><img class="pixels" alt="Step 9" src="data:image/png;base64,AA==">
<input type="range"><figcaption><output>Step 9</output></figcaption></figure>
<img alt="plot" src="../../_images/plot.png"><script>run()</script></section></article></body>
</html>
"""


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("../intro.html", "#book-intro"),
        ("../reference/glossary.html#ipc", "#book-reference-glossary--ipc"),
        ("#top", "#book-methods-04_dm--top"),
        ("https://example.org/x", "https://example.org/x"),
    ],
)
def test_links_lead_within_the_document(link: str, target: str) -> None:
    assert within("book/methods/04_dm", link, KNOWN) == target


def test_a_page_keeps_its_pictures_and_loses_its_controls(tmp_path: Path) -> None:
    path = tmp_path / "book" / "methods" / "04_dm.html"
    path.parent.mkdir(parents=True)
    path.write_text(PAGE)
    found = chapter("book/methods/04_dm", KNOWN, tmp_path)
    assert found["id"] == anchor("book/methods/04_dm")
    assert found.find("section")["id"] == "book-methods-04_dm--top"
    assert [tag["alt"] for tag in found.find_all("img")] == ["Step 9", "plot"]
    assert found.find_all("img")[1]["src"] == (tmp_path / "_images/plot.png").as_uri()
    assert "Step 9" in found.find("figcaption").get_text()
    assert found.select("input, script, .headerlink") == []


def test_all_pages_stand_in_the_order_of_the_contents(tmp_path: Path) -> None:
    pages = [page for _, some in parts() for page in some]
    for page in pages:
        path = tmp_path / f"{page}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<article><h1>{page}</h1></article>")
    text = document(tmp_path)
    ids = re.findall(r'<section class="page" id="([^"]+)"|id="([^"]+)"', text)
    assert [a or b for a, b in ids] == [anchor(page) for page in pages]
    linked = re.findall(r'<li><a href="#([^"]+)"', text)
    assert linked == [anchor(page) for page in pages]
    numbered = document(tmp_path, {anchor(pages[1]): 24})
    assert re.findall(r'class="number">(\d*)<', numbered)[:3] == ["", "24", ""]


def test_a_place_is_on_the_sheet_where_it_is_printed(tmp_path: Path) -> None:
    source, printed = tmp_path / "a.html", tmp_path / "a.pdf"
    links = "".join(f'<a href="#{i}">{i}</a>' for i in "abc")
    body = "".join(f'<h1 id="{i}" style="break-before: page">{i}</h1>' for i in "abc")
    source.write_text(links + body)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        print_page(browser, source.as_uri(), printed)
        browser.close()
    with pikepdf.open(printed) as book:
        assert sheets(book) == {"a": 2, "b": 3, "c": 4}


def test_a_book_that_is_not_built_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no built page \S+; run `make book` first$"):
        document(tmp_path)
