"""The figure of what single photographs mean."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ddlib.experiment.records import Record
from ddlib.plots.style import finish, legend_below
from ddlib.questions.shared.arrays import named
from ddlib.questions.shared.figures import beside_chance

READ = {"start": "traits of the real image it began with", "measured": "traits of the image itself"}


def meaning(record: Record) -> Figure:
    """Does a photograph help what shares its traits? Points by class, one panel each reading."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 4.2), sharey=True, layout="constrained")
    names = named(record.rows(condition="association"), "trait")
    for axis, (read, title) in zip(axes, READ.items(), strict=True):
        beside_chance(axis, record, "trait", names, {"meaning": read})
        axis.set_title(title, fontsize=9)
    legend_below(figure)
    return finish(figure, list(axes), record.scale, record.settings["network"])
