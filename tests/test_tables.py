"""The tables of the run-times page: the last run with Colab's versions, and the repeats."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ddlib import tables
from ddlib.files import load_json, save_json
from ddlib.results import RECORDED

VERSIONS = ("torch", "numpy", "matplotlib", "ipython", "ipywidgets", "python")
MADE = {
    "date": "2026-01-02",
    "published": "2026-01-01",
    "device": "CPU",
    "versions": {name: "1.0" for name in VERSIONS},
    "moved": {},
    "added": {"ddlib": "0.1.0", "tyro": "1.2"},
    "checks": {"setup cell, twice": True, "live control": True},
    "seconds": {"a.ipynb": 12.4, "b.ipynb": 3.0},
}


def rows(folder: Path, **changes: Any) -> dict[str, str]:
    """The table of a record with these changes, by its first column."""
    save_json(folder / "benchmarks" / "colab.json", {**MADE, **changes})
    lines = tables.colab(folder).data.splitlines()
    return dict(line.strip("| ").split(" | ") for line in lines if line.startswith("| "))


def test_says_when_it_was_never_run(tmp_path: Path) -> None:
    assert "Not run yet" in tables.colab(tmp_path).data


def test_a_good_run_shows_seconds_and_additions(tmp_path: Path) -> None:
    assert rows(tmp_path) == {
        "what": "outcome",
        "packages that installing ddlib moved": "none",
        "packages that it added": "ddlib 0.1.0, tyro 1.2",
        "setup cell, twice": "passed",
        "live control": "passed",
        "a.ipynb": "12 s",
        "b.ipynb": "3 s",
    }
    first = tables.colab(tmp_path).data.splitlines()[0]
    assert "2026-01-02" in first
    assert "versions of 2026-01-01 (torch 1.0" in first


def test_failures_stay_visible(tmp_path: Path) -> None:
    shown = rows(
        tmp_path,
        moved={"numpy": "2.4.6"},
        checks={"live control": False},
        seconds={"a.ipynb": None, "b.ipynb": 0.2},
    )
    assert shown["packages that installing ddlib moved"] == "numpy 2.4.6"
    assert shown["live control"] == "**failed**"
    assert shown["a.ipynb"] == "**failed**"
    assert shown["b.ipynb"] == "0 s"


def test_the_record_holds_no_path_of_the_machine_that_made_it() -> None:
    path = RECORDED / "benchmarks" / "colab.json"
    if not path.exists():
        pytest.skip("no record of a run with Colab's versions; `make colab-check` makes one")
    load_json(path)  # whole, and not edited by hand
    assert "file:" not in path.read_text()
    assert str(Path.home()) + "/" not in path.read_text()


def test_repeats_say_by_device_how_long_they_took_and_how_they_agree(tmp_path: Path) -> None:
    one = {"seconds": 312.0, "claims": 9, "sign": 8, "verdict": 5, "opposed": 1, "commit": "c"}
    for device, name in (("cpu", "CPU, 2 threads"), ("cuda", "a GPU")):
        made = one | {"device": name, "date": "2026-01-02"}
        path = tmp_path / "benchmarks" / f"repeats-{device}.json"
        save_json(path, {"bias": made, "mixing": made})
    first, second = tables.repeats(tmp_path).data.split("\n\n**")
    assert second.splitlines()[0] == "a GPU, 2026-01-02**"
    lines = first.splitlines()
    assert lines[0] == "**CPU, 2 threads, 2026-01-02**"
    assert lines[4:] == ["| mixing | 5.2 | 9 | 8 | 5 | 1 |", "| bias | 5.2 | 9 | 8 | 5 | 1 |"]


def test_released_sets_stand_with_what_their_makers_found(tmp_path: Path) -> None:
    assert "Not judged yet" in tables.released(tmp_path).data
    recipe = {"epochs": 301, "batch": 256, "lr": 0.01, "weight_decay": 5e-4, "drop_after": 151}
    one = {
        "path": "a/b.pt", "theirs": "42.2", "named": "Recipe", "recipe": recipe, "source": "there",
        "sha256": "f" * 64, "accuracies": [40.0, 42.0],
    }  # fmt: skip
    begun = {**one, "path": "a/c.pt", "accuracies": [40.0]}
    record = {"sets": {"one": one, "begun": begun}, "commit": "abc", "device": "CPU"}
    save_json(tmp_path / "benchmarks" / "released.json", record)
    text = tables.released(tmp_path).data
    assert "| `a/b.pt` | 301 epochs, batch 256," in text
    assert "| 42.2 | 41.00 ± 1.41 (networks: 2) | `ffffffffffffffff…` |" in text
    assert "c.pt" not in text  # one network has no spread yet


def test_the_check_counts_sets() -> None:
    nan = float("nan")
    made = {"distance": nan, "correlation": nan, "outside": nan, "last_quarter": nan, "hours": 1.0}
    rows = [
        {"method": tag, "accuracy": level, "gain": level - 20, "share": 50.0, **made}
        for tag, level in (("dm", 30.0), ("dm", 32.0), ("random", 20.0))
    ]
    (dm, random) = tables.distilled(pd.DataFrame(rows)).data.splitlines()[2:]
    assert dm.startswith("| distribution matching | 2 | 31.0 ± 1.4 | 11.0 ± 1.4 | 50 ± 0 | – |")
    assert random.startswith("| random | 1 | 20.0 | 0.0 | 50 | – |")
