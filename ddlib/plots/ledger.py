"""The claims ledger as one HTML element: tables that are read as they are, and a filter over them.

No kernel and no outside host; without JavaScript the tables are whole, and the filter is not there.
"""

import html
from collections.abc import Iterable, Sequence
from math import isnan

from IPython.display import HTML

from ddlib.experiment.claims import Row
from ddlib.experiment.verdicts import KINDS, UNTRIED, VERDICTS
from ddlib.plots.page import script, style

HEADS = {
    "claim": "claim",
    "released": "released",
    "ours": "ours [95 %], sets",
    "size": "ours : released, or at most",
    "decided": "BH 5 %",
    "verdict": "verdict",
}


def ledger(key: str, rows: Sequence[Row]) -> HTML:
    """The rows by kind, and those that nobody has run last: one `<figure>` with the id `key`."""
    tried = [row for row in rows if row.verdict != UNTRIED]
    parts = {title: [row for row in tried if row.kind == kind] for kind, title in KINDS.items()}
    parts["Nobody has run these yet"] = [row for row in rows if row.verdict == UNTRIED]
    tables = "".join(_table(title, some) for title, some in parts.items() if some)
    return HTML(
        f'<figure class="dd-ledger" id="{key}">{style("ledger", key)}{_filter(rows)}{tables}'
        f"</figure>{script('ledger', key)}"
    )


def _filter(rows: Sequence[Row]) -> str:
    """What narrows the tables down; the script shows it."""
    verdicts = dict.fromkeys(word for words in VERDICTS.values() for word in words)
    known = {row.verdict for row in rows}
    kinds = {kind: title.split(":")[0] for kind, title in KINDS.items()}
    chapters = sorted({row.chapter for row in rows})
    return (
        '<form role="search" aria-label="Claims" hidden>'
        '<label>Search <input type="search" name="words"></label>'
        + _choice("kind", "Kind", kinds.items())
        + _choice("verdict", "Verdict", ((word, word) for word in verdicts if word in known))
        + _choice("chapter", "Chapter", ((c, c.lstrip("0")) for c in chapters))
        + '<button type="reset">All</button> <output aria-live="polite"></output></form>'
    )


def _choice(name: str, label: str, options: Iterable[tuple[str, str]]) -> str:
    each = "".join(
        f'<option value="{value}">{html.escape(text)}</option>' for value, text in options
    )
    return (
        f'<label>{label} <select name="{name}"><option value="">all</option>{each}</select></label>'
    )


def _table(title: str, rows: Sequence[Row]) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS.values())
    body = "".join(map(_line, rows))
    return (
        f"<table><caption>{html.escape(title)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _line(row: Row) -> str:
    """A row of the table; its source and what our run does differently open with a click."""
    about = " ".join(
        f"{name}: {html.escape(text)}."
        for name, text in (("Source", row.source), ("Our run", row.differences))
        if text
    )
    cells = {
        "claim": f"{html.escape(row.claim)}<details><summary>chapter {row.chapter.lstrip('0')}, "
        f"{row.scale} scale</summary>{about}</details>",
        "released": html.escape(row.released),
        "ours": row.here,
        "size": row.size,
        "decided": "" if isnan(row.p_value) else ("yes" if row.decided else "no"),
        "verdict": f"<b>{row.verdict}</b>",
    }
    labelled = "".join(
        f'<td class="{name}" data-head="{HEADS[name]}">{text}</td>' for name, text in cells.items()
    )
    return (
        f'<tr data-kind="{row.kind}" data-verdict="{row.verdict}" data-chapter="{row.chapter}">'
        f"{labelled}</tr>"
    )
