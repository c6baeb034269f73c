"""Print the built book and the decks: python -m book.printed.

All pages become one document, in the order of `_toc.yml`, and headless Chromium prints it: with a
contents page, page numbers, links that lead within the document, and the picture of each slider in
place of its control. `_build/book.pdf`, and `_build/slides/NN.pdf` for each deck.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pikepdf
import yaml
from book.address import repository
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
MOST_BYTES = 25_000_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--allow-file-access-from-files",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
USELESS = (
    "script, input, button, select, .headerlink, .prev-next-footer, "
    ".dd-slider .names[hidden], iframe, video"
)
STYLE = """
@page { size: A4; margin: 18mm 16mm 20mm; }
body { font: 10pt/1.45 Georgia, serif; color: #111; }
h1, h2, h3, h4 { font-family: Helvetica, Arial, sans-serif; break-after: avoid; line-height: 1.2; }
section.page { break-before: page; }
h1.part { break-before: page; }
img, svg { max-width: 100%; height: auto; max-height: 200mm; }
figure, .cell_output, table, pre { break-inside: avoid; }
pre { font-size: 7.6pt; white-space: pre-wrap; background: #f6f6f6; padding: 2mm; }
table { border-collapse: collapse; font-size: 8.5pt; }
td, th { border-bottom: 0.3pt solid #999; padding: 1mm 2mm; text-align: left; vertical-align: top; }
a { color: #0b4a8f; text-decoration: none; }
details.hide { display: none; }
.contents ul { list-style: none; padding: 0; }
.contents li { margin: 1mm 0; display: flex; align-items: baseline; }
.contents .dots { flex: 1; border-bottom: 0.6pt dotted #999; margin: 0 2mm; }
.contents .number { min-width: 3em; text-align: right; }
.dd-slider .pixels { image-rendering: pixelated; width: 100%; }
.dd-slider .curves svg { width: 45%; }
"""
MATH = (
    'window.MathJax = {"options": {"processHtmlClass": '
    '"tex2jax_process|mathjax_process|math|output_area"}}'
)
FOOTER = (
    '<div style="font-size:8px;width:100%;text-align:center">'
    '<span class="pageNumber"></span></div>'
)


def parts() -> Iterator[tuple[str, list[str]]]:
    """The parts of the book with their pages, in order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    yield "", [toc["root"]]
    for part in toc["parts"]:
        yield part["caption"], [c["file"] for c in part["chapters"]]


def anchor(page: str, fragment: str = "") -> str:
    """The name of a place within the one document."""
    return "--".join([page.replace("/", "-"), fragment]).rstrip("-")


def chapter(page: str, known: set[str], html: Path = HTML) -> Tag:
    """The text of one page: names made unique, links within the document, pictures by their files."""
    path = html / f"{page}.html"
    article = BeautifulSoup(path.read_text("utf-8"), "html.parser").find(
        "article"
    )
    for tag in article.select(USELESS):
        tag.decompose()
    for tag in article.find_all(id=True):
        tag["id"] = anchor(page, tag["id"])
    for tag in article.find_all("img"):
        if not urlsplit(tag["src"]).scheme:
            tag["src"] = (
                (path.parent / unquote(tag["src"])).resolve().as_uri()
            )
    for tag in article.find_all("a", href=True):
        tag["href"] = within(page, tag["href"], known)
    article.name, article["class"] = "section", ["page"]
    article["id"] = anchor(page)
    return article


def within(page: str, link: str, known: set[str]) -> str:
    """A link to another page of the book becomes one to its place in the document."""
    parts = urlsplit(link)
    if parts.scheme:
        return link
    target = page
    if parts.path:
        steps: list[str] = []
        for step in (
            PurePosixPath(page).parent / unquote(parts.path)
        ).parts:
            steps = steps[:-1] if step == ".." else [*steps, step]
        target = "/".join(steps).removesuffix(".html")
    if target not in known:
        # What no reader of paper has beside it.
        return f"https://github.com/{repository(ROOT)}/blob/main/{target}"
    return f"#{anchor(target, parts.fragment)}"


def heading(article: Tag) -> str:
    """The title of a page."""
    return article.find("h1").get_text().strip("# \n")


def document(
    html: Path = HTML, numbers: Mapping[str, int] | None = None
) -> str:
    """The whole book as one HTML page; `numbers` are the sheets on which its pages begin."""
    numbers = numbers or {}
    known = {page for _, pages in parts() for page in pages}
    missing = sorted(p for p in known if not (html / f"{p}.html").is_file())
    if missing:
        raise ValueError(
            f"there is no built page {missing[0]}; run `make book` first"
        )
    contents, body = [], []
    for caption, pages in parts():
        if caption:
            contents.append(f"<h3>{caption}</h3>")
        contents.append("<ul>")
        for page in pages:
            article = chapter(page, known, html)
            contents.append(
                f'<li><a href="#{anchor(page)}">{heading(article)}</a>'
                f'<span class="dots"></span>'
                f'<span class="number">{numbers.get(anchor(page), "")}</span></li>'
            )
            body.append(str(article))
        contents.append("</ul>")
    styles = "".join(
        f'<link rel="stylesheet" href="{p.as_uri()}">'
        for p in html.glob("_static/pygments.css")
    )
    math = next(html.glob("_static/mathjax/tex-chtml.js"), None)
    loader = f"<script>{MATH}</script>" + (
        f'<script src="{math.as_uri()}"></script>'
        if math is not None
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Dataset Distillation</title>{styles}<style>{STYLE}</style>"
        f"</head><body><h1>Dataset Distillation</h1>"
        f'<nav class="contents"><h2>Contents</h2>{"".join(contents)}</nav>'
        f"{''.join(body)}{loader}</body></html>"
    )


def sheets(book: pikepdf.Pdf) -> dict[str, int]:
    """The sheet, counted from 1, on which each named place of a PDF stands."""
    number = {page.objgen: i for i, page in enumerate(book.pages, start=1)}
    return {
        name.lstrip("/"): number[place[0].objgen]
        for name, place in book.Root.Dests.items()
    }


def print_book(browser: Browser, source: Path, target: Path) -> None:
    """Print twice, because only the first print tells what stands in the contents."""
    numbers: dict[str, int] = {}
    for _ in range(2):
        source.write_text(document(numbers=numbers), "utf-8")
        print_page(
            browser,
            source.as_uri(),
            target,
            prefer_css_page_size=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            outline=True,
            tagged=True,
        )
        with pikepdf.open(target, allow_overwriting_input=True) as book:
            numbers = sheets(book)
            # What screen readers need is half of the file unless it is packed.
            packed = pikepdf.ObjectStreamMode.generate
            book.save(target, object_stream_mode=packed)


def print_page(
    browser: Browser, url: str, target: Path, **how: object
) -> None:
    """One PDF, as soon as the math is set."""
    page = browser.new_page()
    page.goto(url, wait_until="load", timeout=300_000)
    page.wait_for_function(
        "() => window.MathJax?.startup?.promise?.then(() => true) ?? true",
        timeout=300_000,
    )
    page.wait_for_timeout(500)
    page.pdf(path=target, print_background=True, **how)
    page.close()


def main() -> None:
    """Print the book, then each deck."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("error: Chromium is missing: apt-get install chromium")
    source, target = (
        ROOT / "_build" / "book.html",
        ROOT / "_build" / "book.pdf",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=FLAGS
        )
        try:
            print_book(browser, source, target)
        except ValueError as error:
            sys.exit(f"error: {error}")
        for deck in sorted((HTML / "slides").glob("[0-9][ab].html")):
            print_page(
                browser,
                f"{deck.as_uri()}?print-pdf",
                ROOT / "_build" / "slides" / f"{deck.stem}.pdf",
                prefer_css_page_size=True,
            )
        browser.close()
    size = target.stat().st_size
    print(f"{target}  {size / 1e6:.1f} MB")
    if size > MOST_BYTES:
        sys.exit(f"error: the book has more than {MOST_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
