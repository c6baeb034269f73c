"""Every question through the same door: asked, kept, resumed, saved, read back, by any executor."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest
import small
import torch
from torch import Tensor

from ddlib.experiment import asking
from ddlib.experiment.claims import findings
from ddlib.experiment.records import Record, load_record

QUESTIONS = asking.questions()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where cells are kept."""
    return tmp_path_factory.mktemp("cells")


@pytest.fixture(scope="module", params=QUESTIONS)
def record(request: pytest.FixtureRequest, folder: Path) -> Record:
    question = request.param
    plan = small.PLANS[question]
    return asking.ask(question, small.bench(question), plan, folder=folder / question)


def kept_cells(folder: Path) -> list[Path]:
    """Files of cells; what a distillation prepares for itself lies beside them."""
    prepared = ("expert-", "checkpoint")
    return sorted(p for p in folder.iterdir() if not any(word in p.name for word in prepared))


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Equal to the last bit, arrays and gaps included."""
    assert sorted(one) == sorted(other)
    for name in one:
        for a, b in zip(one[name], other[name], strict=True):
            if isinstance(a, Tensor):
                assert torch.equal(a.nan_to_num(), b.nan_to_num()), name
            else:
                assert (pd.isna(a) and pd.isna(b)) or a == b, name


def test_every_question_is_asked_here() -> None:
    assert set(small.PLANS) == set(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_can_be_recorded_and_repeated(question: str) -> None:
    plans = asking.part(question).PLANS
    assert {"fast", "laptop", "record", "full"} == set(plans) - {"colab"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_claim_names_a_finding_of_the_record(question: str) -> None:
    claims = asking.claims_of(asking.FOLDER / question / "claims.json")
    found = findings(load_record(claims["record"]))
    for claim in claims["claims"]:
        rows = found
        for column, label in claim["where"].items():
            rows = rows[rows[column] == label]
        assert len(rows), claim["id"]


def test_a_record_is_read_back_and_says_the_same(record: Record, tmp_path: Path) -> None:
    record.save(tmp_path)
    again = load_record(record.name, tmp_path)
    assert_same(again.table, record.table)
    assert again.settings == record.settings
    assert_same(findings(again), findings(record))


def test_a_run_that_stopped_goes_on_and_ends_alike(record: Record, folder: Path) -> None:
    question = record.question
    files = kept_cells(folder / question)
    assert files
    for path in files[:: max(1, len(files) // 5)]:
        path.unlink()
    plan = small.PLANS[question]
    again = asking.ask(question, small.bench(question), plan, folder=folder / question)
    assert_same(again.table, record.table)
    # What only finished cells needed is not made again; what is made has its old name.
    assert set(kept_cells(folder / question)) <= set(files), "a cell was looked for elsewhere"


def test_processes_find_the_same(record: Record) -> None:
    question, plan = record.question, small.PLANS[record.question]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        again = asking.ask(question, small.bench(question), plan, executor=pool)
    assert_same(again.table, record.table)
    for name, array in record.arrays.items():
        assert torch.equal(again.arrays[name], array), name
