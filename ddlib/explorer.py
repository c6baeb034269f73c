"""The influence explorer: one HTML element, no kernel, no outside host.

Choose a method and one of its images, with mouse or arrow keys, and see the test images that it
helps and harms most.
"""

import html
import json
from collections.abc import Mapping, Sequence

from jaxtyping import UInt8
from torch import Tensor

from ddlib.instruments.influences import averaged
from ddlib.slider import png
from ddlib.studies import Study

STYLE = """
#{id} .all{{display:grid;grid-template-columns:repeat({columns},1fr);gap:2px;max-width:34rem}}
#{id} .names{{display:grid;grid-template-columns:repeat({columns},1fr);gap:2px;max-width:34rem;
font-size:.54rem;text-align:center;overflow:hidden}}
#{id} .names span{{overflow:hidden}}
#{id} i{{display:block;aspect-ratio:1;image-rendering:pixelated;background-repeat:no-repeat}}
#{id} [role=radio]{{padding:1px;border:2px solid transparent;background:none;cursor:pointer;
min-width:0}}
#{id} [role=radio][aria-checked=true]{{border-color:currentColor}}
#{id} [role=radio]:focus-visible{{outline:3px solid #E69F00;outline-offset:0}}
#{id} select{{font:inherit;padding:.2rem;color:var(--pst-color-text-base,CanvasText);
background:var(--pst-color-background,Canvas)}}
#{id} button{{color:inherit}}
#{id} .chosen{{display:flex;gap:1rem;align-items:center;margin:.8rem 0}}
#{id} .chosen i{{flex:none;width:6rem}}
#{id} ol{{list-style:none;margin:0 0 .8rem;padding:0;display:grid;gap:.4rem;
grid-template-columns:repeat(auto-fill,minmax(4.6rem,1fr))}}
#{id} li{{font-size:.72rem;line-height:1.3;margin:0}}
#{id} li b,#{id} li span{{display:block}}
#{id} .side{{margin:.4rem 0;font-weight:bold}}
@media(max-width:600px){{#{id} .names span{{writing-mode:vertical-rl;transform:rotate(180deg);
justify-self:center;line-height:1.2}}#{id} .all,#{id} .names{{gap:0}}}}
"""
# Cuts pictures out of one sheet for each method and one of test images. Of the buttons only the
# chosen one is in the tab order; arrow keys move along rows and columns, Home and End to the ends.
SCRIPT = """
(() => {
  const root = document.getElementById(ID), data = DATA, wide = data.columns;
  const grid = root.querySelector(".all"), pick = root.querySelector("select");
  const cut = (box, sheet, across, down, column, row) => {
    box.style.backgroundImage = `url(data:image/png;base64,${sheet})`;
    const size = (n) => (100 * (n * (data.side + 1) - 1)) / data.side + "%";
    box.style.backgroundSize = `${size(across)} ${size(down)}`;
    const at = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0) + "%";
    box.style.backgroundPosition = `${at(column, across)} ${at(row, down)}`;
  };
  const name = (j) => `${Math.floor(j / wide) + 1} of class ${data.classes[j % wide]}`;
  const number = (x, digits) => (x < 0 ? "\\u2212" : "+") + Math.abs(x).toFixed(digits);
  const list = (side, entries) => {
    const box = root.querySelector("." + side);
    box.replaceChildren(...entries.map(([t, change, spreads, alike]) => {
      const item = document.createElement("li"), image = document.createElement("i");
      const label = document.createElement("b");
      cut(image, data.tests, data.testColumns, data.testRows,
          Math.floor(t / data.testRows), t % data.testRows);
      label.textContent = data.classes[Math.floor(t / data.testRows) % wide];
      const lines = [`${number(change, 2)}`, `${number(spreads, 1)} s`, `${alike} of ${data.nets}`];
      item.append(image, label, ...lines.map((line) => {
        const span = document.createElement("span");
        span.textContent = line;
        return span;
      }));
      return item;
    }));
    return entries.map((e) => data.classes[Math.floor(e[0] / data.testRows)]);
  };
  const count = (names) => {
    const found = {};
    names.forEach((n) => { found[n] = (found[n] || 0) + 1; });
    return Object.entries(found).sort((a, b) => b[1] - a[1])
      .map(([n, c]) => `${c} of class ${n}`).join(", ");
  };
  const buttons = Array.from({length: wide * data.rows}, (_, j) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", "Image " + name(j));
    button.append(document.createElement("i"));
    button.addEventListener("click", () => show(j));
    return button;
  });
  const show = (j, focus) => {
    const method = data.methods[pick.value];
    buttons.forEach((b, i) => {
      b.setAttribute("aria-checked", i === j);
      b.tabIndex = i === j ? 0 : -1;
      cut(b.firstChild, method.sheet, wide, data.rows, i % wide, Math.floor(i / wide));
    });
    if (focus) buttons[j].focus();
    const row = Math.floor(j / wide);
    cut(root.querySelector(".chosen i"), method.sheet, wide, data.rows, j % wide, row);
    const entry = method.images[(j % wide) * data.rows + row];
    const helped = count(list("helped", entry[0]));
    const harmed = count(list("harmed", entry[1]));
    root.querySelector("output").textContent =
      `${method.label}, image ${name(j)}. Of the test images it helps most: ${helped}. ` +
      `Of those it harms most: ${harmed}.`;
  };
  const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide};
  grid.addEventListener("keydown", (e) => {
    const j = buttons.indexOf(document.activeElement), last = buttons.length - 1;
    let to = e.key === "Home" ? 0 : e.key === "End" ? last : j + moves[e.key];
    if (j < 0 || Number.isNaN(to)) return;
    e.preventDefault();
    show((to + buttons.length) % buttons.length, true);
  });
  grid.append(...buttons);
  pick.addEventListener("change", () =>
    show(buttons.findIndex((b) => b.getAttribute("aria-checked") === "true")));
  show(0);
})();
"""


def explorer_html(
    study: Study,
    sets: Mapping[str, UInt8[Tensor, "n c h w"]],
    classes: Sequence[str],
    labels: Mapping[str, str],
) -> str:
    """The explorer of an influence study as one self-contained `<figure>`.

    `sets` are the images by source that were left out, class after class; `labels` names sources.
    """
    key = "dd-explorer-" + study.dataset
    data = json.dumps(_data(study, sets, classes, labels), separators=(",", ":"))
    script = SCRIPT.replace("ID", json.dumps(key)).replace("DATA", data)
    options = "".join(f'<option value="{t}">{html.escape(labels[t])}</option>' for t in sets)
    names = "".join(f"<span>{html.escape(name)}</span>" for name in classes)
    return (
        f'<figure class="dd-explorer" id="{key}">'
        f"<style>{STYLE.format(id=key, columns=len(classes))}</style>"
        f"<p><label>Method: <select>{options}</select></label></p>"
        f'<div class="names" aria-hidden="true">{names}</div>'
        f'<div class="all" role="radiogroup" aria-label="Images of the set, one column for each '
        f'class; move with the arrow keys"></div>'
        f'<div class="chosen"><i aria-hidden="true"></i><output aria-live="polite"></output></div>'
        f'<p class="side">Helps most</p><ol class="helped"></ol>'
        f'<p class="side">Harms most</p><ol class="harmed"></ol>'
        f"<figcaption>Under each test image: its class; how much its loss rises (+) or falls (−) "
        f"when the chosen image is left out, on average over {averaged(study.settings['nets'])} "
        f"networks; the same in units of s, the spread over all images of the set; in how many of "
        f"these networks the sign is the same. "
        f"The pool: {len(study.axes['shown'])} test images.</figcaption>"
        f"<noscript>Without scripts the images cannot be chosen here; the figures of this chapter "
        f"show a few of them.</noscript></figure><script>{script}</script>"
    )


def _data(
    study: Study,
    sets: Mapping[str, UInt8[Tensor, "n c h w"]],
    classes: Sequence[str],
    labels: Mapping[str, str],
) -> dict:
    """All that the script shows. Test images stand in one column of their sheet for each class."""
    wide, tests = len(classes), study.arrays["thumbnails"]
    return {
        "columns": wide,
        "side": tests.shape[-1],  # pixels of one picture; in a sheet there is one between two
        "rows": len(study.axes["image"]) // wide,
        "classes": list(classes),
        "tests": png(tests, wide),
        "testColumns": wide,
        "testRows": len(tests) // wide,
        "nets": averaged(study.settings["nets"]),
        "methods": {
            tag: {
                "label": labels[tag],
                "sheet": png(pixels, wide),
                "images": entries(study, tag),
            }
            for tag, pixels in sets.items()
        },
    }


def entries(study: Study, tag: str) -> list:
    """For each image, helped and harmed: test image, mean change, in spreads, networks alike."""
    where = [study.axes["test"].index(row) for row in study.axes["shown"]]
    change = study.pick("influence", source=tag)[:, where].float()
    spread = change.std(0)
    found = []
    rows, alike = (study.pick(k, source=tag).tolist() for k in ("listed", "alike"))
    for j, sides in enumerate(rows):
        entry = []
        for side, places in enumerate(sides):
            values = [
                [t, round(v := float(change[j, t]), 3), round(v / float(spread[t]), 1), n]
                for t, n in zip(places, alike[j][side], strict=True)
            ]
            entry.append(values)
        found.append(entry)
    return found
