"""The influence explorer: one HTML element, no kernel, no outside host.

Choose a method and one of its images, with mouse or arrow keys, and see the test images that it
helps and harms most.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.display import HTML
from jaxtyping import UInt8
from torch import Tensor

from ddlib.pictures import png
from ddlib.plots.page import script, style

# A test image by its place in the pool, how much its loss changes, the same in spreads, and in how
# many networks the sign is the same.
Effect = tuple[int, float, float, int]
Sides = tuple[Sequence[Effect], Sequence[Effect]]  # helped most, harmed most


@dataclass(frozen=True)
class Explored:
    """A set in the explorer: its images, class after class, and what each does."""

    label: str
    pixels: UInt8[Tensor, "n c h w"]
    effects: Sequence[Sides]


def explorer(
    key: str,
    sets: Mapping[str, Explored],
    tests: UInt8[Tensor, "t c h w"],
    classes: Sequence[str],
    nets: int,
) -> HTML:
    """The sets by tag, and a pool of test images, class after class; numbers are over `nets`.

    One self-contained `<figure>` with the id `key`.
    """
    options = "".join(
        f'<option value="{t}">{html.escape(s.label)}</option>' for t, s in sets.items()
    )
    names = "".join(f"<span>{html.escape(name)}</span>" for name in classes)
    return HTML(
        f'<figure class="dd-explorer" id="{key}" style="--columns: {len(classes)}">'
        f"{style('explorer', key)}"
        f"<p><label>Method: <select>{options}</select></label></p>"
        f'<div class="names" aria-hidden="true">{names}</div>'
        f'<div class="all" role="radiogroup" aria-label="Images of the set, one column for each '
        f'class; move with the arrow keys"></div>'
        f'<div class="chosen"><i aria-hidden="true"></i><output aria-live="polite"></output></div>'
        f'<p class="side">Helps most</p><ol class="helped"></ol>'
        f'<p class="side">Harms most</p><ol class="harmed"></ol>'
        f"<figcaption>Under each test image: its class; how much its loss rises (+) or falls (−) "
        f"when the chosen image is left out, on average over {nets} networks; the same in units of "
        f"s, the spread over all images of the set; in how many of these networks the sign is the "
        f"same. The pool: {len(tests)} test images.</figcaption>"
        f"<noscript>Without scripts the images cannot be chosen here; the figures of this chapter "
        f"show a few of them.</noscript></figure>"
        f"{script('explorer', key, _data(sets, tests, classes, nets))}"
    )


def _data(
    sets: Mapping[str, Explored],
    tests: UInt8[Tensor, "t c h w"],
    classes: Sequence[str],
    nets: int,
) -> dict[str, Any]:
    """All that the script shows. Test images stand in one column of their sheet for each class."""
    wide = len(classes)
    return {
        "columns": wide,
        "side": tests.shape[-1],  # pixels of one picture; in a sheet there is one between two
        "rows": len(next(iter(sets.values())).pixels) // wide,
        "classes": list(classes),
        "tests": png(tests, wide),
        "testColumns": wide,
        "testRows": len(tests) // wide,
        "nets": nets,
        "methods": {
            tag: {"label": one.label, "sheet": png(one.pixels, wide), "images": one.effects}
            for tag, one in sets.items()
        },
    }
