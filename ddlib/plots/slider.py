"""The slider through a distillation, and the live control for those who run the notebook."""

import html
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np
from IPython.display import HTML, display

from ddlib.pictures import png
from ddlib.plots.page import script, style
from ddlib.plots.sets import images
from ddlib.plots.style import LOOKS
from ddlib.results import Trace


def slider(trace: Trace, tag: str) -> HTML:
    """Images, loss and accuracy move together; works in a page without a kernel or a network.

    One self-contained `<figure>`; the trace's name makes its id, and `tag` the color of its curves.
    """
    key = "dd-" + "".join(c if c.isalnum() else "-" for c in trace.name)
    frames = [_frame(trace, i) for i in range(len(trace.steps))]
    curves = _curves(trace, LOOKS[tag].color, frames)
    last = len(frames) - 1
    first = frames[last]
    names = "".join(f"<span>{html.escape(name)}</span>" for name in trace.classes)
    return HTML(
        f'<figure class="dd-slider" id="{key}">{style("slider", key)}'
        f'<div class="names" aria-hidden="true">{names}</div>'
        f'<img class="pixels" alt="{first["alt"]}" src="data:image/png;base64,{first["png"]}">'
        f'<input type="range" min="0" max="{last}" value="{last}" step="1" '
        f'aria-label="Step of the distillation" aria-valuetext="{first["caption"]}">'
        f'<figcaption><output aria-live="polite">{first["caption"]}</output></figcaption>'
        f'<div class="curves" aria-hidden="true">{curves}</div></figure>'
        f"{script('slider', key, frames)}"
    )


def control(trace: Trace) -> Any:
    """The same as a live `ipywidgets` control, for those who run the notebook."""
    import ipywidgets

    def draw(step: int) -> None:
        i = trace.steps.index(step)
        display(images({captions(trace)[i]: trace.frames[i] / 255}, trace.classes))

    choose = ipywidgets.SelectionSlider(options=list(trace.steps), value=trace.steps[-1])
    return ipywidgets.interactive(draw, step=choose)


def captions(trace: Trace) -> list[str]:
    """One line for each snapshot: step, loss, accuracy with its spread."""
    lines = []
    for step, loss, runs in zip(trace.steps, trace.losses, trace.accuracies, strict=True):
        start = "before the first step" if step == 0 else f"loss {loss:.3g}"
        spread = f" ± {stdev(runs):.1f}" if len(runs) > 1 else ""
        accuracy = f"test accuracy {fmean(runs):.1f}{spread} % (n = {len(runs)})"
        lines.append(f"Step {step} of {trace.steps[-1]}: {start}, {accuracy}")
    return lines


def _frame(trace: Trace, i: int) -> dict[str, Any]:
    caption = captions(trace)[i]
    alt = f"{caption}. {len(trace.frames[i])} synthetic images, one column for each class."
    return {
        "png": png(trace.frames[i], len(trace.classes)),
        "caption": caption,
        "alt": alt,
        "dots": [],
    }


def _curves(trace: Trace, color: str, frames: Sequence[dict[str, Any]]) -> str:
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
