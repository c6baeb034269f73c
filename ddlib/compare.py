"""All recorded methods side by side: one row for each, and a table that needs no kernel."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from IPython.display import HTML

from ddlib.analysis.evaluation import PROTOCOLS
from ddlib.distilled import DistilledSet
from ddlib.files import load_json
from ddlib.presets import METHODS
from ddlib.results import (
    RECORDED,
    Result,
    load_recorded,
    load_result,
    recorded,
    result_name,
    set_name,
)
from ddlib.show import LOOKS, SCALES


@dataclass(frozen=True)
class Row:
    """What is recorded about one method at one number of images per class.

    `seconds` are the mean over sets. They are None for chosen images: most were chosen with
    features that another set had paid for. `floats` is None where the set itself is not shipped.
    `memory` is the peak of the method alone in MiB, beyond packages and data, if it was measured.
    """

    tag: str
    ipc: int
    profile: str
    results: Mapping[str, Result]  # by protocol
    steps: int | None  # updates of the images
    seconds: float | None
    memory: int | None
    floats: int | None
    labels: str  # hard or soft


def rows(dataset: str = "cifar10x16", folder: Path = RECORDED) -> list[Row]:
    """Every method and budget that is recorded for `dataset`, in the order of the methods."""
    names, sets = set(recorded("results", folder)), set(recorded("sets", folder))
    path = folder / "benchmarks" / f"memory-{dataset}.json"
    memory = load_json(path)["mib"] if path.exists() else {}
    found = []
    for tag in METHODS:
        for ipc in (1, 10, 50):
            mine = {p: result_name(dataset, tag, ipc, p) for p in PROTOCOLS}
            results = {p: load_result(n, folder) for p, n in mine.items() if n in names}
            if results:
                name = set_name(dataset, tag, ipc)
                made = load_recorded(name, folder) if name in sets else None
                found.append(_row(tag, results, made, memory.get(f"{tag}-ipc{ipc}")))
    return found


def _row(
    tag: str, results: Mapping[str, Result], made: DistilledSet | None, memory: int | None
) -> Row:
    first = next(iter(results.values()))
    steps = first.settings.get("steps")  # real images that were chosen have none
    seconds = fmean(s for r in results.values() for s in r.distill_seconds)
    return Row(
        tag=tag,
        ipc=first.ipc,
        profile=first.profile,
        results=results,
        steps=steps,
        seconds=None if steps is None else seconds,
        memory=memory,
        floats=None if made is None else floats_stored(made),
        labels="soft" if first.settings.get("soft_labels") else "hard",
    )


def floats_stored(made: DistilledSet) -> int:
    """Numbers that a set holds: its pixels, its labels if they are soft, a learned rate."""
    labels = made.labels.numel() if made.labels.is_floating_point() else 0
    return made.images.numel() + labels + (made.lr is not None)


# ---- a table that sorts and filters ---------------------------------------------------------

# Heading, and what a row holds there: a value to sort by (None: unknown) and the text shown.
Cell = tuple[str | int | float | None, str]

TABLE_STYLE = """
#{id} .box{{overflow-x:auto;border:1px solid var(--pst-color-border,#888)}}
#{id} table{{display:table;width:100%;margin:0;border-collapse:collapse;font-size:.75rem}}
#{id} caption{{caption-side:bottom;padding:.4rem;text-align:left;color:inherit}}
#{id} th,#{id} td{{padding:.3rem;text-align:right;white-space:nowrap;background:none;
color:inherit;border-bottom:1px solid var(--pst-color-border,#888)}}
#{id} thead th{{white-space:normal;vertical-align:bottom}}
#{id} tr>:first-child{{text-align:left;position:sticky;left:0;
background:var(--pst-color-background,Canvas)}}
#{id} tbody th{{font-weight:inherit}}
#{id} i{{display:inline-block;width:.7em;height:.7em;margin-right:.4em;border-radius:50%}}
#{id} button{{all:unset;cursor:pointer;font-weight:bold;text-decoration:underline dotted}}
#{id} button:focus-visible,#{id} .box:focus-visible{{outline:2px solid currentColor}}
#{id} [aria-sort=ascending] button::after{{content:" ▲"}}
#{id} [aria-sort=descending] button::after{{content:" ▼"}}
#{id} select{{font:inherit;padding:.2rem;color:var(--pst-color-text-base,CanvasText);
background:var(--pst-color-background,Canvas)}}
#{id} .filters{{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;margin-bottom:.5rem;
font-size:.85rem}}
#{id} .filters[hidden]{{display:none}}
"""
# The page holds the whole table; the script adds the buttons and shows the filters. A second
# press of a button turns the order around, and a cell without a value stays at the end.
TABLE_SCRIPT = """
(() => {
  const root = document.getElementById(ID), body = root.querySelector("tbody");
  const rows = [...body.rows], heads = [...root.querySelectorAll("thead th")];
  const filters = [...root.querySelectorAll("select")];
  const says = root.querySelector("[role=status]");
  const value = (row, i) => {
    const v = row.cells[i].dataset.value;
    return v === "" || isNaN(v) ? v : +v;
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((h) => h.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort((a, b) => {
        const [x, y] = [value(a, i), value(b, i)];
        if (x === "" || y === "") return (x === "") - (y === "");
        return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
      });
      body.append(...rows);
    });
  });
  const filter = () => {
    rows.forEach((row) => {
      row.hidden = filters.some((f) => f.value && row.dataset[f.name] !== f.value);
    });
    says.textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length + " rows";
  };
  filters.forEach((f) => f.addEventListener("change", filter));
  root.querySelector(".filters").hidden = false;
  filter();
})();
"""


def table(found: Sequence[Row]) -> HTML:
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
        f'<div class="dd-compare" id="{key}"><style>{TABLE_STYLE.format(id=key)}</style>'
        f'<div class="filters" hidden>{choices}<span role="status"></span></div>'
        f'<div class="box" role="region" aria-label="Comparison of methods" tabindex="0">'
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div></div>"
        f"<script>{TABLE_SCRIPT.replace('ID', json.dumps(key))}</script>"
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
