"""The claims ledger as one HTML element with a filter, and rows of it as forest plots.

The element needs no kernel and no outside host; without JavaScript its tables are whole, and the
filter is not there.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from math import isnan

import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure

from ddlib.experiment.claims import Row
from ddlib.experiment.claims import ledger as recorded_claims
from ddlib.experiment.verdicts import KINDS, UNTRIED, VERDICTS
from ddlib.plots.marks import forest
from ddlib.plots.page import script, style
from ddlib.plots.style import SMALL, Look, closed, legend_below, panels

LOOKS = {
    "released": Look("released claim", "#0072B2", "o"),
    "control": Look("control", "#009E73", "s"),
    "own": Look("our own finding", "#D55E00", "D"),
}
HEADS = {  # of the columns; a table of what was not released has other ones
    "claim": "claim", "released": "released", "ours": "ours [95 %]", "size": "ours : released",
    "decided": "BH 5 %", "verdict": "verdict",
}  # fmt: skip
OTHER_HEADS = {k: v for k, v in HEADS.items() if k != "released"} | {"size": "at most"}


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
    names = HEADS if rows[0].kind == "released" else OTHER_HEADS
    heads = "".join(f'<th scope="col">{head}</th>' for head in names.values())
    body = "".join(_line(row, names) for row in rows)
    return (
        f"<table><caption>{html.escape(title)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _line(row: Row, names: Mapping[str, str]) -> str:
    """A row of the table; its source and what our run does differently open with a click."""
    about = " ".join(
        f"{name}: {html.escape(text)}."
        for name, text in (("Source", row.source), ("Our run", row.differences))
        if text
    )
    cells = {
        "claim": f"{html.escape(row.claim)}<details><summary>chapter {row.chapter.lstrip('0')}, "
        f"{row.scale} scale</summary><p>{about}</p></details>",
        "released": html.escape(row.released),
        "ours": row.here,
        "size": row.size,
        "decided": "" if isnan(row.p_value) else ("yes" if row.decided else "no"),
        "verdict": f"<b>{row.verdict}</b>",
    }
    labelled = "".join(
        f'<td class="{name}" data-head="{head}">{cells[name]}</td>' for name, head in names.items()
    )
    return (
        f'<tr data-kind="{row.kind}" data-verdict="{row.verdict}" data-chapter="{row.chapter}">'
        f"{labelled}</tr>"
    )


# ---- as figures -----------------------------------------------------------------------------


def effects(*parts: tuple[str, Mapping[str, str], tuple[float, float]]) -> Figure:
    """Claims of the ledger with their intervals: a panel for each of `parts`.

    A part has its unit, the names of its claims by id, and where its axis ends; longer intervals
    run off it. A black line marks the released number.
    """
    rows = {row.id: row for row in recorded_claims()}
    heights = [len(names) + 1.5 for _, names, _ in parts]
    figure, axes = panels(rows=len(parts), height=0.2 * sum(heights) + 0.5, height_ratios=heights)
    for axis, (unit, names, ends) in zip(axes, parts, strict=True):
        mine = {id: rows[id] for id in names}
        known = {id: row.ours for id, row in mine.items() if row.ours is not None}
        forest(
            axis,
            pd.DataFrame(
                {"id": i, "kind": mine[i].kind, "mean": o.mean, "low": o.low, "high": o.high}
                for i, o in known.items()
            ),
            "id", "kind", names=names, looks=LOOKS,
        )  # fmt: skip
        for y, row in enumerate(mine[i] for i in known):
            if row.ratio is not None and row.ours is not None and row.ratio.mean:
                size = row.ours.mean / row.ratio.mean
                axis.plot([size, size], [y - 0.35, y + 0.35], color="black", linewidth=2)
        axis.set_xlim(*ends)
        axis.set_title(unit, fontsize=SMALL, loc="left")
    if any(rows[id].ratio is not None for _, names, _ in parts for id in names):
        axes[0].plot([], [], color="black", linewidth=2, label="released size")
    legend_below(figure)
    return closed(figure)
