"""Draws `front.png`, the figure on the first page, from the recorded distilled set."""

from pathlib import Path

import ddlib
from ddlib import show

RUN = "cifar10x16-dm-ipc10"


def main() -> None:
    trace = ddlib.load_trace(RUN)
    first, last = (
        frame.unflatten(0, (10, -1))[:, :3].flatten(0, 1)
        for frame in trace.frames[[0, -1]]
    )
    panels = {
        "real photographs, averaged to 16×16 pixels": first / 255,
        "the same images after distribution matching": last / 255,
    }
    figure = show.images(panels, trace.classes)
    figure.savefig(Path(__file__).with_name("front.png"), dpi=140)


if __name__ == "__main__":
    main()
