"""Marks and widgets: what is drawn lies where its numbers are, named, readable, and kept apart."""

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from ddlib import plots
from ddlib.experiment.statistics import by_sets, summary
from ddlib.names import LABELS
from ddlib.plots import marks, page
from ddlib.plots.style import LOOKS, WIDTH, Look, finish, legend_below, panels

TAGS = ("random", "bptt", "dm", "dc", "mtt", "mean")


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def table() -> pd.DataFrame:
    """Accuracies of six methods: five sets, three networks, two conditions, two sizes."""
    draw, rows = np.random.default_rng(0), []
    for i, method in enumerate(TAGS):
        for s, n, size in np.ndindex(5, 3, 2):
            condition = ("alone", "10 real")[size]
            rows.append((method, s, n, condition, 10**size, 30 + 4 * i + draw.normal()))
    names = ["method", "set", "network", "condition", "size", "accuracy"]
    return pd.DataFrame(rows, columns=names)


def drawn(axis: Axes, look: Look) -> list[tuple[list[float], list[float]]]:
    """The points of all lines in the color of a look."""
    lines = [line for line in axis.lines if to_hex(line.get_color()) == look.color.lower()]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in lines]


def test_a_strip_shows_every_value_and_the_mean_in_its_row(table: pd.DataFrame) -> None:
    _, (axis,) = panels()
    marks.strip(axis, table, "accuracy", "condition")
    values = table[(table["method"] == "dm") & (table["condition"] == "10 real")]["accuracy"]
    _, _, _, (points, at), (mean, _) = drawn(axis, LOOKS["dm"])
    assert points == values.tolist()
    assert mean == [pytest.approx(values.mean())]
    assert all(round(y) == 1 for y in at)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["alone", "10 real"]


def test_lines_join_the_means(table: pd.DataFrame) -> None:
    _, (axis,) = panels()
    marks.lines(axis, table, "size", "accuracy", spread="points", each=("set", "network"))
    found = drawn(axis, LOOKS["mtt"])
    means = table[table["method"] == "mtt"].groupby("size")["accuracy"].mean()
    assert found[-1] == ([1, 10], pytest.approx(means.tolist()))
    assert len(found) == 15 + 1 + 1, "a pale line a run, all points, and the mean"


def test_a_band_is_a_standard_deviation_wide(table: pd.DataFrame) -> None:
    _, (axis,) = panels()
    few = table[table["method"] == "dm"]
    marks.lines(axis, few, "size", "accuracy", spread="band")
    (band,) = axis.collections
    height = np.ptp(band.get_paths()[0].vertices[:, 1][band.get_paths()[0].vertices[:, 0] == 1])
    assert height == pytest.approx(2 * few[few["size"] == 1]["accuracy"].std())


def test_a_forest_opens_the_marker_of_what_is_not_told_apart(table: pd.DataFrame) -> None:
    _, (axis,) = panels()
    marks.forest(axis, summary(table, ["method"], "accuracy"), null=30.0)
    interval = by_sets(table[table["method"] == "dm"], "accuracy")
    assert drawn(axis, LOOKS["dm"])[1][0] == pytest.approx([interval.low, interval.high])
    faces = [(to_hex(m.get_color()), to_hex(m.get_markerfacecolor())) for m in axis.lines]
    face = dict(faces)  # of the line drawn last, the mean
    assert face[LOOKS["random"].color.lower()] == "#ffffff"
    assert face[LOOKS["bptt"].color.lower()] == LOOKS["bptt"].color.lower()


def test_a_matrix_says_its_numbers_readably() -> None:
    _, (axis,) = panels()
    values = np.array([[-4.0, 0.0], [np.nan, 4.0]])
    text = [["-4", "0"], ["–", "4"]]
    image = marks.matrix(axis, values, ["a", "b"], ["c", "d"], text=text, center=0.0)
    assert image.get_clim() == (-4, 4)
    found = {t.get_text(): (t.get_position(), t.get_color()) for t in axis.texts}
    assert found["4"] == ((1, 1), "white")
    assert found["0"] == ((1, 0), "black")
    assert found["–"] == ((0, 1), "black")


def test_a_sheet_has_a_column_for_each_class() -> None:
    _, (axis,) = panels()
    marks.sheet(axis, torch.rand(6, 3, 4, 4), ["a", "b", "c"])
    assert axis.images[0].get_array().shape == (2 * 5 - 1, 3 * 5 - 1, 3)
    assert axis.get_xticks() == pytest.approx([14 / 6, 14 / 2, 14 * 5 / 6])
    assert not marks.upright(["automobile"] * 10, 7.0)
    assert marks.upright(["automobile"] * 10, WIDTH)


def _strip(axis: Axes, table: pd.DataFrame) -> None:
    marks.strip(axis, table, "accuracy", "condition")


def _lines(axis: Axes, table: pd.DataFrame) -> None:
    marks.lines(axis, table, "size", "accuracy", spread="band")


def _forest(axis: Axes, table: pd.DataFrame) -> None:
    marks.forest(axis, summary(table, ["method"], "accuracy"))


Mark = Callable[[Axes, pd.DataFrame], None]
SERIES = pytest.mark.parametrize("mark", [_strip, _lines, _forest])


@SERIES
def test_seven_series_are_too_many(mark: Mark, table: pd.DataFrame) -> None:
    seventh = table[table["method"] == "dm"].assign(method="dsa")
    _, (axis,) = panels()
    with pytest.raises(ValueError, match="7 series on one axis; a reader can follow 6"):
        mark(axis, pd.concat([table, seventh]))


@SERIES
def test_a_method_of_the_readers_own_has_a_look_and_its_tag_as_its_name(
    mark: Mark, table: pd.DataFrame
) -> None:
    figure, (axis,) = panels()
    mark(axis, table.replace({"method": {"dm": "mine", "dc": "hers"}}))
    legend_below(figure)
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    named = dict(zip(names, legend.legend_handles, strict=True))
    assert {"mine", "hers"} < set(named)
    assert named["mine"].get_marker() != named["hers"].get_marker()


def test_a_series_without_a_look_among_those_given_is_named(table: pd.DataFrame) -> None:
    _, (axis,) = panels()
    few = {tag: LOOKS[tag] for tag in TAGS if tag != "dm"}
    with pytest.raises(ValueError, match="no look for 'dm'; there is one for: random, bptt"):
        marks.strip(axis, table, "accuracy", looks=few)


def test_points_are_means_of_sets_and_a_line_is_their_interval() -> None:
    _, (axis,) = panels()
    given = pd.DataFrame({
        "method": "dm", "set": [0, 0, 1, 1, 2], "network": [0, 1, 0, 1, 0],
        "value": [1.0, 3.0, 2.0, 4.0, 4.0],
    })  # fmt: skip
    marks.over_sets(axis, given)
    drawn = [list(line.get_xdata()) for line in axis.lines if len(line.get_xdata())]
    half = 4.302653 / 3**0.5  # Student's t of two degrees of freedom, spread 1
    assert drawn == [[2, 3, 4], [3], pytest.approx([3 - half, 3 + half])]
    assert axis.get_xlim()[0] > 3 - half, "the axis grew for an interval"


@SERIES
def test_the_legend_names_every_color(mark: Mark, table: pd.DataFrame) -> None:
    figure, (axis,) = panels()
    mark(axis, table)
    legend_below(figure)
    (legend,) = figure.legends
    named = {to_hex(handle.get_color()) for handle in legend.legend_handles}
    used = {to_hex(line.get_color()) for line in axis.lines} - {"#777777"}
    assert used == named
    assert [t.get_text() for t in legend.get_texts()] == [LABELS[tag] for tag in TAGS]


def pixels_on_a_phone(figure: Figure) -> list[float]:
    """The heights of all letters where the figure is 350 pixels wide."""
    shown = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    return [350 * t.get_fontsize() / 72 / figure.get_figwidth() for t in shown]


@SERIES
def test_letters_are_readable_on_a_phone_and_fit(mark: Mark, table: pd.DataFrame) -> None:
    figure, (axis,) = panels()
    mark(axis, table)
    legend_below(figure)
    finish(figure, [axis], "laptop")
    assert min(pixels_on_a_phone(figure)) >= 8
    figure.draw_without_rendering()
    box, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0
    assert box.x1 <= whole.x1


def test_drawing_changes_nothing_for_others(table: pd.DataFrame) -> None:
    before = dict(plt.rcParams)
    figure, (axis,) = panels()
    _strip(axis, table)
    finish(figure, [axis], "laptop")
    assert dict(plt.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["slider", "explorer", "comparison", "gallery"])
def test_a_style_file_reaches_its_own_element_alone(name: str) -> None:
    rules = re.sub(r"@media[^{]*\{(.*?\})\s*\}", r"\1", page.static(f"{name}.css"), flags=re.S)
    selectors = [s.strip() for rule in re.findall(r"([^{}]+)\{", rules) for s in rule.split(",")]
    assert len(selectors) > 3
    assert [s for s in selectors if not s.startswith("#ID ")] == []
    assert "#ID" not in page.style(name, "some-key")


def test_a_script_gets_its_element_and_data_that_cannot_end_it() -> None:
    data = {"caption": "</script><b>"}
    made = page.script("slider", "some-key", data)
    assert made.count("</script>") == 1
    given = re.search(r'getElementById\("some-key"\), (.*)\);</script>', made)
    assert given
    assert json.loads(given.group(1)) == data


def test_every_static_file_ships_and_is_used() -> None:
    found = {f.name for f in (files("ddlib.plots") / "static").iterdir()}
    scripts = {f"{name}.js" for name in ("slider", "explorer", "comparison", "ledger")}
    assert found == scripts | {
        f"{name}.css" for name in ("slider", "explorer", "comparison", "ledger", "gallery")
    }


def test_effects_of_the_ledger_have_a_row_each_and_the_released_size() -> None:
    names = {"mixing-dip-bptt": "a dip", "mixing-noise-bptt": "noise"}
    figure = plots.effects(("points", names, (-6.0, 12.0)))
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a dip", "noise"]
    assert axis.get_xlim() == (-6, 12)
    lines = [line.get_xydata().tolist() for line in axis.lines if line.get_color() == "black"]
    released = [ends for ends in lines if ends]  # the other one is for the legend
    assert released == [[[pytest.approx(8.9), -0.35], [pytest.approx(8.9), 0.35]]]
    (legend,) = figure.legends
    assert "released size" in [text.get_text() for text in legend.get_texts()]
