"""The claims ledger in a browser: a filter that hides rows, and tables whole without it."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ddlib import plots
from ddlib.experiment.claims import Row
from ddlib.experiment.statistics import Interval

OURS = Interval(2.4, 0.7, 4.1, 0.2, 2, 0.04)
ROWS = [
    Row("a", "10", "released", "BPTT & a dip", "8.9", "own sets", "the study", "laptop", 1,
        "partly", OURS, OURS.scaled(1 / 8.9), p_value=0.04),
    Row("b", "10", "control", "noise joins BPTT", "", "", "this book", "laptop", 1, "open", OURS),
    Row("c", "16", "own", "color in augmentation", "", "", "this book", "shapes", 1,
        "bounded", OURS, most=5.2, beside=69.3, p_value=0.4),
    Row("d", "04", "released", "herding", "31.6", "", "DSA", "full"),
]  # fmt: skip
HTML = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Claims</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f"<body><main><h1>Claims</h1>{plots.ledger('claims', ROWS).data}</main></body></html>"
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.set_content(HTML)
    yield page
    page.close()


def shown(page: Page) -> list[str]:
    """The claims that are visible, and the titles of their tables."""
    return [
        text.split("chapter")[0].strip()
        for text in page.locator("caption:visible, td.claim:visible").all_inner_texts()
    ]


def test_kinds_stand_apart_and_what_nobody_ran_comes_last(page: Page) -> None:
    found = shown(page)
    claims = ["BPTT & a dip", "noise joins BPTT", "color in augmentation", "herding"]
    assert found[1::2] == claims
    titles = [title.split(":")[0] for title in found[::2]]
    assert titles == ["Released", "Controls", "Our own findings", "Nobody has run these yet"]


def test_the_filter_is_used_with_the_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("bptt joins")
    assert shown(page)[1:] == ["noise joins BPTT"]
    expect(page.locator("output")).to_have_text("1 of 4 claims")
    page.keyboard.press("Enter")  # sends nothing anywhere
    assert shown(page)[1:] == ["noise joins BPTT"]
    page.get_by_role("button", name="All").press("Enter")
    expect(page.locator("output")).to_have_text("4 of 4 claims")
    assert len(shown(page)) == 8


@pytest.mark.parametrize(
    ("label", "option", "left"),
    [
        ("Kind", "Our own findings", ["color in augmentation"]),
        ("Verdict", "partly", ["BPTT & a dip"]),
        ("Chapter", "4", ["herding"]),
    ],
)
def test_a_choice_narrows_the_tables_down(
    page: Page, label: str, option: str, left: list[str]
) -> None:
    page.get_by_label(label).select_option(label=option)
    assert shown(page)[1:] == left


def test_the_source_opens_with_a_click(page: Page) -> None:
    source = page.locator("details p").first
    expect(source).to_be_hidden()
    page.locator("summary").first.click()
    expect(source).to_be_visible()
    expect(source).to_have_text("Source: the study. Our run: own sets.")


def test_a_phone_sees_each_number_under_its_name(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    heads = page.evaluate(
        "[...document.querySelectorAll('td.ours')]"
        ".map((cell) => getComputedStyle(cell, '::before').content)"
    )
    assert heads == ['"ours [95 %]: "'] * 4


def test_it_is_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [violation["id"] for violation in found] == []


def test_without_scripts_the_tables_are_whole(browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(HTML)
    assert len(shown(page)) == 8
    expect(page.locator("form")).to_be_hidden()
    context.close()
