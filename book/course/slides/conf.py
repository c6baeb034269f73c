"""Decks of the course, beside the book: `make slides`."""

project = "Dataset Distillation"
extensions = [
    "myst_parser",
    "sphinx_revealjs",
    "sphinxcontrib.bibtex",
    "sphinx-mathjax-offline",
    "chapter_figure",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_footnote_transition = False
suppress_warnings = ["myst.footnote"]  # those that bibtex defines later
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
revealjs_style_theme = "white"
revealjs_static_path = ["static"]
revealjs_css_files = ["deck.css"]
revealjs_script_conf = {
    "width": 1280,
    "height": 720,
    "hash": True,
    "center": False,
    "slideNumber": True,
    "transition": "none",
    "pdfSeparateFragments": False,
}
revealjs_script_plugins = [
    {"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}
]
exclude_patterns = ["static"]
