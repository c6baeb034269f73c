"""The images of all methods side by side, class by class: opens without a kernel or a script."""

import html
from collections.abc import Mapping

from IPython.display import HTML

from ddlib.distilled import DistilledSet
from ddlib.pictures import png
from ddlib.plots.page import style
from ddlib.plots.style import LOOKS


def gallery(sets: Mapping[str, DistilledSet], per_class: int = 5) -> HTML:
    """The first images of every set, one fold for each class: opens without a kernel or a script.

    `sets` are named by the tags of their methods.
    """
    names = next(iter(sets.values())).classes
    pixels = {t: s.pixels().unflatten(0, (len(names), -1))[:, :per_class] for t, s in sets.items()}
    key = "dd-classes"
    folds = ""
    for c, name in enumerate(names):
        figures = ""
        for tag, images in pixels.items():
            label, shown = LOOKS[tag].label, (images[c] * 255).round().byte()
            alt = html.escape(f"Class {name}, {label}: the first {len(shown)} images of the class")
            figures += (
                f'<figure><img class="pixels" alt="{alt}" '
                f'src="data:image/png;base64,{png(shown, len(shown))}">'
                f'<figcaption aria-hidden="true">{html.escape(label)}</figcaption></figure>'
            )
        opened = "" if c else " open"
        folds += (
            f'<details name="{key}"{opened}><summary>{html.escape(name)}</summary>'
            f'<div class="grid">{figures}</div></details>'
        )
    return HTML(f'<div class="dd-classes" id="{key}">{style("gallery", key)}{folds}</div>')
