"""The recorded methods as a table that sorts and filters: it opens without a kernel."""

import html
from collections.abc import Mapping, Sequence

from IPython.display import HTML

from ddlib.compare import Row
from ddlib.evaluation import PROTOCOLS
from ddlib.names import SCALES
from ddlib.plots.page import script, style
from ddlib.plots.style import LOOKS

# What a row holds under a heading: a value to sort by (None: unknown) and the text shown.
Cell = tuple[str | int | float | None, str]


def comparison(found: Sequence[Row]) -> HTML:
    """The rows as a table that sorts by a press on a heading and filters, without a kernel.

    Without JavaScript it is the same table, complete and in the order of `found`.
    """
    profiles = {row.profile for row in found}
    if len(profiles) != 1:
        raise ValueError(f"results of different scales do not share a table: {sorted(profiles)}")
    (profile,) = profiles
    key = f"dd-compare-{profile}"
    heads = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in _cells(found[0]))
    lines = "".join(
        f'<tr data-tag="{row.tag}" data-ipc="{row.ipc}">{_line(row)}</tr>' for row in found
    )
    choices = _choice("ipc", "Images per class", {str(r.ipc): str(r.ipc) for r in found})
    choices += _choice("tag", "Method", {r.tag: LOOKS[r.tag].label for r in found})
    caption = (
        f"{SCALES[profile]}. Test accuracy in percent, mean ± standard deviation over n "
        "networks; each protocol has its own column."
    )
    return HTML(
        f'<div class="dd-compare" id="{key}">{style("comparison", key)}'
        f'<div class="filters" hidden>{choices}<span role="status"></span></div>'
        f'<div class="box" role="region" aria-label="Comparison of methods" tabindex="0">'
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div></div>"
        f"{script('comparison', key)}"
    )


def _cells(row: Row) -> dict[str, Cell]:
    """One row of the table by heading; each protocol has its own column."""
    label = LOOKS[row.tag].label
    cells: dict[str, Cell] = {"method": (label, label), "images per class": _number(row.ipc)}
    for protocol in PROTOCOLS:
        r = row.results.get(protocol)
        shown = f"{r.mean:.1f} ± {r.std:.1f} ({r.n})" if r else "–"
        cells[f"accuracy, {protocol} (n)"] = (r.mean if r else None, shown)
    cells["updates"] = _number(row.steps)
    cells["seconds to distill"] = _number(None if row.seconds is None else round(row.seconds))
    cells["memory, MiB"] = _number(row.memory)
    cells["floats stored"] = _number(row.floats)
    cells["labels"] = (row.labels, row.labels)
    return cells


def _number(value: int | None) -> Cell:
    return value, "–" if value is None else f"{value:,}"


def _line(row: Row) -> str:
    (_, label), *others = _cells(row).values()
    dot = f'<i aria-hidden="true" style="background:{LOOKS[row.tag].color}"></i>'
    first = f'<th scope="row" data-value="{label}">{dot}{html.escape(label)}</th>'
    return first + "".join(
        f'<td data-value="{"" if value is None else value}">{html.escape(text)}</td>'
        for value, text in others
    )


def _choice(name: str, label: str, options: Mapping[str, str]) -> str:
    """A labeled list to filter by; the empty value lets every row pass."""
    listed = "".join(f'<option value="{k}">{html.escape(v)}</option>' for k, v in options.items())
    every = f'<select name="{name}"><option value="">all</option>{listed}</select>'
    return f"<label>{label} {every}</label>"
