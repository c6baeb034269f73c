"""The manipulation check, on records made up so that every column is known."""

from pathlib import Path

import pandas as pd
import pytest

from ddlib.experiment.check import manipulation_check
from ddlib.files import save_json
from ddlib.plots import LOOKS
from ddlib.plots.check import effect_and_distance


def record(folder: Path, tag: str, seed: int, final: float, **looks: float) -> None:
    moved = {"correlation": 0.5, "distance": 1.5, "outside": 0.25}
    accuracies = {"final": {"plain": [final - 1, final + 1]}}
    accuracies |= {name.replace("_", " "): {"plain": [level]} for name, level in looks.items()}
    content = {
        "dataset": "toy", "method": {"tag": tag, "steps": 10}, "seed": seed, "moved": moved,
        "accuracies": accuracies, "distill_seconds": 1800.0,
    }  # fmt: skip
    save_json(folder / "results" / f"toy-{tag}-{seed}.json", content)


def test_every_column_is_what_it_says(tmp_path: Path) -> None:
    record(tmp_path, "random", 0, 20.0)
    record(tmp_path, "random", 1, 24.0)
    record(tmp_path, "dm", 0, 29.7, start=23.0, three_quarters=29.5)
    table = manipulation_check(tmp_path).set_index(["method", "seed"])
    dm = table.loc[("dm", 0)]
    assert dm.gain == pytest.approx(7.7)  # over the mean of both random sets
    assert dm.share == pytest.approx(50)  # of 15.4
    assert dm.last_quarter == pytest.approx(0.2)
    assert dm.start == 23
    assert (dm.correlation, dm.distance, dm.outside, dm.hours) == (0.5, 1.5, 25, 0.5)
    assert dm.networks == 2
    random = table.loc[("random", 1)]
    assert random.gain == pytest.approx(2)
    assert random[["share", "start", "last_quarter", "correlation"]].isna().all()


def test_nothing_recorded_is_an_empty_table(tmp_path: Path) -> None:
    assert manipulation_check(tmp_path).empty


def test_an_effect_stands_where_its_set_has_moved_to() -> None:
    found = pd.DataFrame({
        "method": ["random", "dm", "dm", "dm", "mtt"], "set": [0, 0, 0, 1, 0],
        "value": [5.0, 1.0, 3.0, -1.0, 7.0],
    })  # fmt: skip
    check = pd.DataFrame({
        "method": ["random", "dm", "dm", "mtt"], "seed": [0, 0, 1, 0],
        "distance": [float("nan"), 0.4, 0.6, float("nan")], "gain": [0.0, 8.8, 9.4, 9.0],
    })  # fmt: skip
    figure = effect_and_distance(found, check, "points", "laptop")
    points = {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in figure.axes[0].lines
    }
    assert points[LOOKS["dm"].label] == ([0.4, 0.6], [2.0, -1.0]), "a point for each set"
    assert points[LOOKS["random"].label] == ([0.0], [5.0]), "chosen images have not moved"
    assert LOOKS["mtt"].label not in points, "its distance is not known"
    assert [text.get_text() for text in figure.axes[0].texts] == ["+9"], "what dm teaches"
