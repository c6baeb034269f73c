"""A record comes back as it went: numbers to the last bit, names, gaps, and arrays in rows."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from ddlib.experiment.records import Record, load_record
from ddlib.files import DamagedFileError


def record(**changes: object) -> Record:
    table = pd.DataFrame(
        {
            "method": ["dm", "mtt", "mtt", None],
            "set": pd.array([0, 0, 1, None], dtype="Int64"),
            "step": [0, 10, 20, 30],
            "accuracy": [0.1, 1 / 3, float("nan"), 4.0],
            "along": [torch.arange(3.0), None, torch.ones(3), None],
            "ragged": [torch.arange(2), torch.arange(3), None, None],
        }
    )
    made = Record("toys", "digits", {"nets": 2}, table, {"picture": torch.rand(2, 2)})
    return replace(made, **changes)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    made = record(profile="laptop", provenance={"seconds": 1.5})
    made.save(tmp_path)
    read = load_record("digits-toys", tmp_path)
    plain = ["method", "set", "step", "accuracy"]
    pd.testing.assert_frame_equal(read.table[plain], made.table[plain])
    for name in ("along", "ragged"):
        for one, other in zip(read.table[name], made.table[name], strict=True):
            assert (one is None) == (other is None)
            assert one is None or (torch.equal(one, other) and one.dtype == other.dtype)
    assert torch.equal(read.arrays["picture"], made.arrays["picture"])
    for name in ("question", "dataset", "settings", "profile", "provenance"):
        assert getattr(read, name) == getattr(made, name), name


def test_rows_are_picked_by_label() -> None:
    rows = record().rows(method="mtt")
    assert rows["step"].tolist() == [10, 20]
    assert "along" in rows
    assert rows["set"].dtype == "int64", "no gap is left, so it is a plain number again"
    assert "accuracy" not in record().rows(method="mtt", step=20)
    assert len(record().rows()) == 4


def test_an_unknown_label_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no method 'dsa' in digits-toys; there are: dm, mtt"):
        record().rows(method="dsa")


def test_a_tampered_record_is_named_and_refused(tmp_path: Path) -> None:
    path = record().save(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedFileError, match=str(path)):
        load_record("digits-toys", tmp_path)


def test_an_unknown_record_lists_what_there_is(tmp_path: Path) -> None:
    record().save(tmp_path)
    with pytest.raises(ValueError, match="'digits-toy'; there are: digits-toys"):
        load_record("digits-toy", tmp_path)


def test_the_scale_is_the_profile_or_the_data_of_the_question() -> None:
    assert record(profile="laptop").scale == "laptop"
    assert record(profile="laptop", dataset="shapes").scale == "shapes"
