"""The slider through a distillation: one HTML element, no kernel, no outside host."""

import base64
import html
import io
import json
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from ddlib.results import Trace

STYLE = (
    "#{id} img{{width:100%;image-rendering:pixelated;display:block}}"
    "#{id} input{{width:100%}}"
    "#{id} .names{{display:flex;font-size:.7rem}}"
    "#{id} .names span{{flex:1;text-align:center;overflow:hidden}}"
    "@media(max-width:600px){{#{id} .names span"
    "{{writing-mode:vertical-rl;transform:rotate(180deg);line-height:1.4}}}}"
    "#{id} .curves{{display:flex;flex-wrap:wrap;gap:1rem}}"
    "#{id} .curves svg{{flex:1;min-width:12rem;max-width:100%}}"
)
# Moves picture, caption, text alternative and the dots on both curves together.
SCRIPT = """
(() => {
  const root = document.getElementById(ID), data = DATA;
  const show = (i) => {
    const frame = data[i], image = root.querySelector("img");
    image.src = "data:image/png;base64," + frame.png;
    image.alt = frame.alt;
    root.querySelector("output").textContent = frame.caption;
    root.querySelector("input").setAttribute("aria-valuetext", frame.caption);
    root.querySelectorAll("circle").forEach((dot, j) => {
      dot.setAttribute("cx", frame.dots[j][0]);
      dot.setAttribute("cy", frame.dots[j][1]);
    });
  };
  root.querySelector("input").addEventListener("input", (e) => show(+e.target.value));
})();
"""


def slider_html(trace: Trace, tag_color: str) -> str:
    """The slider as one self-contained `<figure>`; the trace's name makes its element id."""
    key = "dd-" + "".join(c if c.isalnum() else "-" for c in trace.name)
    frames = [_frame(trace, i) for i in range(len(trace.steps))]
    curves = _curves(trace, tag_color, frames)
    last = len(frames) - 1
    first = frames[last]
    script = SCRIPT.replace("ID", json.dumps(key)).replace("DATA", json.dumps(frames))
    names = "".join(f"<span>{html.escape(name)}</span>" for name in trace.classes)
    return (
        f'<figure class="dd-slider" id="{key}"><style>{STYLE.format(id=key)}</style>'
        f'<div class="names" aria-hidden="true">{names}</div>'
        f'<img class="pixels" alt="{first["alt"]}" src="data:image/png;base64,{first["png"]}">'
        f'<input type="range" min="0" max="{last}" value="{last}" step="1" '
        f'aria-label="Step of the distillation" aria-valuetext="{first["caption"]}">'
        f'<figcaption><output aria-live="polite">{first["caption"]}</output></figcaption>'
        f'<div class="curves" aria-hidden="true">{curves}</div></figure>'
        f"<script>{script}</script>"
    )


def captions(trace: Trace) -> list[str]:
    """One line for each snapshot: step, loss, accuracy with its spread."""
    lines = []
    for step, loss, runs in zip(trace.steps, trace.losses, trace.accuracies, strict=True):
        start = "before the first step" if step == 0 else f"loss {loss:.3g}"
        spread = f" ± {stdev(runs):.1f}" if len(runs) > 1 else ""
        accuracy = f"test accuracy {fmean(runs):.1f}{spread} % (n = {len(runs)})"
        lines.append(f"Step {step} of {trace.steps[-1]}: {start}, {accuracy}")
    return lines


def sheet(frame: UInt8[Tensor, "n c h w"], classes: int) -> Image.Image:
    """Images laid out with one column for each class, a white pixel between neighbors."""
    n, c = frame.shape[:2]
    framed = F.pad(frame, (0, 1, 0, 1), value=255)
    h, w = framed.shape[2:]
    rows = framed.view(classes, n // classes, c, h, w).permute(1, 3, 0, 4, 2)
    pixels = rows.reshape(n // classes * h, classes * w, c)[:-1, :-1].numpy()
    return Image.fromarray(pixels.repeat(3, axis=2) if c == 1 else pixels)


def png(frame: UInt8[Tensor, "n c h w"], classes: int) -> str:
    """The `sheet` as a picture that a page can hold: PNG in base64."""
    file = io.BytesIO()
    sheet(frame, classes).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _frame(trace: Trace, i: int) -> dict[str, str | list]:
    caption = captions(trace)[i]
    alt = f"{caption}. {len(trace.frames[i])} synthetic images, one column for each class."
    return {
        "png": png(trace.frames[i], len(trace.classes)),
        "caption": caption,
        "alt": alt,
        "dots": [],
    }


def _curves(trace: Trace, color: str, frames: Sequence[dict]) -> str:
    """Two small curves, loss and accuracy over the snapshots; each frame learns its dots."""
    losses = np.log(trace.losses[1:])  # before the first step there is no loss
    means = np.array([fmean(a) for a in trace.accuracies])
    drawn = ""
    for title, values in (("loss (log scale)", losses), ("test accuracy", means)):
        points = _points(values, len(frames))
        for frame, point in zip(frames, [points[0], *points][-len(frames) :], strict=True):
            frame["dots"].append(point)
        line = " ".join(f"{x},{y}" for x, y in points)
        x, y = points[-1]
        drawn += (
            f'<svg viewBox="0 0 200 60"><text x="8" y="10" font-size="9" fill="currentColor">'
            f'{title}</text><polyline points="{line}" fill="none" stroke="{color}" '
            f'stroke-width="2"/><circle cx="{x}" cy="{y}" r="4" fill="{color}"/></svg>'
        )
    return drawn


def _points(values: np.ndarray, count: int) -> list[tuple[float, float]]:
    """Where the curve of the last of `count` snapshots runs in a box of 200 by 60 units."""
    across = np.linspace(8, 192, count)[-len(values) :]
    down = 52 - 36 * (values - values.min()) / max(np.ptp(values), 1e-9)
    return list(zip(across.round(1).tolist(), down.round(1).tolist(), strict=True))
