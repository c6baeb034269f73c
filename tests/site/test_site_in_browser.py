"""Every page of the built book in a real browser with the network off."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from built import HTML
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response, expect

MEGABYTE = 1_000_000
MATH_DONE = "() => window.MathJax?.startup?.promise?.then(() => true) ?? true"


@dataclass
class Visit:
    """One page in the browser, and what it did while loading."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def open(self, url: str) -> None:
        """Loads the page and waits until its math is set."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda response: self.responses.append(response))
        self.page.goto(url, wait_until="load")
        self.page.wait_for_function(MATH_DONE)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@pytest.fixture(scope="module")
def visit(browser: Browser, site: str, path: str) -> Iterator[Visit]:
    """The page at `path`, loaded once for all tests, in a browser with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    visit = Visit(context.new_page())
    visit.open(f"{site}/{path}")
    yield visit
    context.close()


def test_nothing_leaves_the_machine(visit: Visit, site: str) -> None:
    local = (site, "data:", "blob:")
    assert [url for url in visit.requests if not url.startswith(local)] == []


def test_no_error_in_the_console(visit: Visit) -> None:
    assert visit.errors == []


def test_images_load_and_have_alt_text(visit: Visit) -> None:
    """Where no alt text is given, Sphinx writes the file's path, which says nothing."""
    broken, silent = visit.page.evaluate(
        """async () => {
            const images = [...document.querySelectorAll("img")];
            for (const image of images) {
                image.loading = "eager";
                await image.decode().catch(() => {});
            }
            const says = (image) => image.alt.trim().split("/").pop();
            return [
                images.filter((image) => image.naturalWidth === 0),
                images.filter((image) => image.src.endsWith(says(image))),
            ].map((list) => list.map((image) => image.src.slice(0, 80)));
        }"""
    )
    assert broken == []
    assert silent == [], "alt text of a code figure: cell metadata mystnb: {image: {alt: ...}}"


def test_math_is_set(visit: Visit) -> None:
    page = visit.page
    assert page.locator(".math").count() == page.locator(".math mjx-container").count()
    assert page.locator("mjx-merror").count() == 0


def test_fits_on_a_phone(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert width <= 390


def transferred(response: Response) -> int:
    """Bytes on the way to a reader: web hosts compress what gains by it."""
    body = response.body()
    return min(len(body), len(gzip.compress(body)))


def test_weighs_little(visit: Visit, path: str) -> None:
    limit = 1 if path == "book/intro.html" else 3
    assert sum(map(transferred, visit.responses)) <= limit * MEGABYTE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(visit: Visit, scheme: str) -> None:
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    expect(visit.page.locator("html")).to_have_attribute("data-theme", scheme)
    violations = [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in Axe().run(visit.page).response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert violations == []


def seen_and_heard(slider: Locator) -> list[str]:
    """A slider's picture, its text alternative and its caption."""
    return slider.evaluate(
        "s => [s.querySelector('img').src, s.querySelector('img').alt, s.innerText]"
    )


def test_sliders_move_by_keyboard_and_mouse(visit: Visit) -> None:
    for slider in visit.page.locator(".dd-slider").all():
        handle = slider.locator("input[type=range]")
        handle.press("Home")
        first = seen_and_heard(slider)
        handle.press("ArrowRight")
        second = seen_and_heard(slider)
        box = handle.bounding_box()
        handle.click(position={"x": 0.95 * box["width"], "y": box["height"] / 2})
        last = seen_and_heard(slider)
        assert all(a != b != c for a, b, c in zip(first, second, last, strict=True))


def test_explorers_follow_keyboard_mouse_and_method(visit: Visit) -> None:
    for explorer in visit.page.locator(".dd-explorer").all():
        says, choose = explorer.locator("output"), explorer.locator("select")
        images, chosen = explorer.get_by_role("radio"), explorer.locator("[aria-checked=true]")
        lists = "e => [...e.querySelectorAll('ol')].map(list => list.innerText)"
        expect(explorer.locator("[role=radio][tabindex='0']")).to_have_count(1)
        first, seen = says.inner_text(), explorer.evaluate(lists)
        chosen.press("ArrowRight")
        expect(images.nth(1)).to_be_focused()
        expect(says).not_to_have_text(first)
        assert explorer.evaluate(lists) != seen
        images.last.click()
        expect(images.last).to_have_attribute("aria-checked", "true")
        expect(chosen).to_have_count(1)
        before = says.inner_text()
        choose.select_option(index=1)
        expect(says).not_to_have_text(before)
        chosen.press("Home")
        choose.select_option(index=0)
        expect(says).to_have_text(first)


def test_comparisons_sort_and_filter(visit: Visit) -> None:
    for table in visit.page.locator(".dd-compare").all():
        numbers = "rows => rows.map(r => +r.cells[2].dataset.value)"
        button, rows = table.locator("th button").nth(2), table.locator("tbody tr")
        button.press("Enter")
        up = rows.evaluate_all(numbers)
        button.click()
        assert rows.evaluate_all(numbers) == sorted(up, reverse=True) == up[::-1]
        table.locator("select[name=ipc]").select_option("10")
        shown = table.locator("tbody tr:visible")
        assert 0 < shown.count() < rows.count()
        assert set(shown.evaluate_all("rows => rows.map(r => r.dataset.ipc)")) == {"10"}


def test_search_finds_a_page(browser: Browser, site: str) -> None:
    visit = Visit(browser.new_page())
    visit.open(f"{site}/search.html?q=distillation")
    visit.page.wait_for_selector("#search-results li a", timeout=5000)
    assert visit.errors == []


def test_reads_from_disk_without_a_server(browser: Browser) -> None:
    visit = Visit(browser.new_page())
    visit.open(next(iter(HTML.glob("book/methods/*.html"))).as_uri())
    assert visit.errors == []
    assert visit.page.locator("mjx-container").count() > 0
