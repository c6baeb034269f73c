"""The decks of the course in a real browser with the network off, and what must not be there."""

import re

import pytest
from built import HTML, ROOT
from playwright.sync_api import Browser

from book.course.release import REGION, master, names

DECKS = sorted(p.stem for p in (ROOT / "book/course/slides").glob("[0-9][ab].md"))
MATH_DONE = "() => window.MathJax?.startup?.promise?.then(() => true) ?? true"
SLIDES = """() => Reveal.getSlides().map(slide => {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    return {
        title: slide.querySelector('h1, h2')?.innerText ?? '',
        bottom: Math.max(...[...slide.querySelectorAll('*')].map(
            e => e.closest('aside.notes, mjx-container *') ? 0
                : e.getBoundingClientRect().bottom)),
        right: Math.max(...[...slide.querySelectorAll('*')].map(
            e => e.closest('aside.notes, mjx-container *') ? 0
                : e.getBoundingClientRect().right)),
        notes: Boolean(slide.querySelector('aside.notes')?.innerText ?? ''),
        broken: [...slide.querySelectorAll('img')].filter(
            i => !i.complete || !i.naturalWidth || i.alt.length < 20).map(i => i.src),
    };
})"""


@pytest.mark.parametrize("deck", DECKS)
def test_a_deck_opens_offline_and_fits(browser: Browser, site: str, deck: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}/slides/{deck}.html", wait_until="load")
    page.wait_for_function(MATH_DONE)
    page.wait_for_function("() => window.Reveal?.isReady()")
    slides = page.evaluate(SLIDES)
    page.close()
    assert len(slides) >= 15
    assert [s["title"] for s in slides if s["bottom"] > 720 or s["right"] > 1280] == []
    assert [s["title"] for s in slides if not s["notes"]] == []
    assert [s["broken"] for s in slides if s["broken"]] == []
    assert [url for url in requests if not url.startswith((site, "data:"))] == []
    assert errors == []


def test_the_site_links_to_the_decks(site: str) -> None:
    page = (HTML / "book/course/syllabus.html").read_text("utf-8")
    assert set(re.findall(r"slides/(\d[ab])\.html", page)) == set(DECKS)


def test_no_solution_is_anywhere_on_the_site(site: str) -> None:
    """Not on a page, not in a download, not in the sources that Sphinx keeps."""
    regions = [m[0] for n in names() for c in master(n).cells for m in REGION.finditer(c.source)]
    lines = {line.strip() for region in regions for line in region.splitlines()[1:-1]}
    secret = {line for line in lines if len(line) > 40}
    assert len(secret) > 40  # there is something to look for
    kinds = {".html", ".txt", ".md", ".ipynb", ".js", ".py"}
    files = [p for p in HTML.rglob("*") if p.suffix in kinds]
    assert any(p.name == "ps1.ipynb" for p in files)
    for path in files:
        content = path.read_text("utf-8", errors="replace")
        assert not re.search("BEGIN SOLUTION|dd_hidden", content), path
        assert [line for line in secret if line in content] == [], path
