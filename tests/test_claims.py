"""The ledger: verdicts follow their rules, and each is recomputed here from the raw records."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean

import nbformat
import pandas as pd
import pytest
from scipy.stats import sem, ttest_ind
from scipy.stats import t as student

from ddlib.experiment.claims import (
    VERDICTS,
    accord,
    beside,
    corrections,
    findings,
    interval,
    judge_effect,
    judge_level,
    judge_order,
    ledger,
    values_of,
)
from ddlib.experiment.records import Record, load_record
from ddlib.results import RECORDED, Result

ROOT = Path(__file__).parents[1]


def result(*accuracies: float, dataset: str = "cifar10", tag: str = "dm") -> Result:
    return Result(dataset, tag, 10, "augmented", "full", {}, (accuracies,), (1.0,), {})


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [
        (55.0, "reproduced"),
        (48.0, "reproduced"),
        (47.9, "weaker"),
        (44.0, "weaker"),
        (43.9, "not reached"),
    ],
)
def test_a_level_is_judged_by_how_far_it_falls_short(mean: float, verdict: str) -> None:
    assert judge_level(result(mean - 1, mean + 1), published=49.0, tolerance=1.0) == verdict


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(6.1, "reproduced"), (6.0, "not reached"), (-6.0, "not reached"), (-6.1, "contradicted")],
)
def test_an_order_needs_an_interval_without_zero(gain: float, verdict: str) -> None:
    low, high = result(29.0, 31.0), result(29.0 + gain, 31.0 + gain)
    # Standard error of the difference: sqrt 2. Two degrees of freedom: 4.303 times that is 6.085.
    assert judge_order(high, low) == verdict


def test_an_order_of_uneven_spreads_has_the_freedom_of_welch() -> None:
    steady, loose = result(*[30.0, 30.02] * 5), result(28.0, 32.0)
    # Nearly all of the error, 2.0, comes from two networks: one degree of freedom, 12.71 errors.
    assert judge_order(result(*[54.0, 54.02] * 5), loose) == "not reached"
    assert judge_order(result(*[57.0, 57.02] * 5), loose) == "reproduced"
    assert judge_order(result(*[31.0, 31.02] * 5), steady) == "reproduced"


@pytest.mark.parametrize(
    ("values", "published", "verdict"),
    [
        ((2.0, 3.0, 4.0), None, "reproduced"),  # 3, interval of 4.303 / sqrt 3 = 2.48 either way
        ((2.0, 3.0, 4.0), 6.0, "reproduced"),
        ((2.0, 3.0, 4.0), 6.1, "weaker"),
        ((1.4, 2.4, 3.4), None, "not reached"),
        ((-3.4, -2.4, -1.4), None, "not reached"),
        ((-4.0, -3.0, -2.0), 6.0, "contradicted"),
        ((2.0, 4.0), None, "not reached"),  # two values: 12.7 standard errors
        ((99.0,), None, "not reached"),
    ],
)
def test_an_effect_needs_the_claimed_sign_and_half_the_size(
    values: tuple[float, ...], published: float | None, verdict: str
) -> None:
    assert judge_effect(values, published) == verdict


def test_interval_is_students() -> None:
    values = (2.0, 3.0, 4.0, 9.0)
    known = student.interval(0.95, 3, fmean(values), sem(values))
    assert interval(values) == pytest.approx(known)


def test_recorded_results_change_the_verdict(tmp_path: Path) -> None:
    assert {row.verdict for row in ledger(folder=tmp_path)} == {"not tried"}
    result(48.0, 49.0).save(tmp_path)
    rows = {row.id: row for row in ledger(folder=tmp_path)}
    assert rows["dm-ipc10-augmented"].verdict == "reproduced"
    assert rows["dm-ipc10-augmented"].ours == "48.5 ± 0.7 (n = 2)"
    assert rows["random-ipc10-augmented"].verdict == "not tried"


def raw(name: str) -> list[float] | None:
    """A recorded result's accuracies, read without the package."""
    path = RECORDED / "results" / f"{name}.json"
    if not path.exists():
        return None
    return [a for one_set in json.loads(path.read_text())["accuracies"] for a in one_set]


def expected(claim: dict) -> str:
    """The verdict by the rules printed on the ledger page, computed from the raw file."""
    if claim["kind"] == "level":
        runs = raw(claim["result"])
        if runs is None:
            return "not tried"
        short = claim["published"] - fmean(runs)
        return (
            "reproduced"
            if short <= claim["tolerance"]
            else "weaker"
            if short <= 5
            else "not reached"
        )
    if claim["kind"] == "effect":
        return expected_effect(claim)
    better, worse = raw(claim["better"]), raw(claim["worse"])
    if better is None or worse is None:
        return "not tried"
    interval = ttest_ind(better, worse, equal_var=False).confidence_interval(0.95)
    return (
        "reproduced" if interval.low > 0 else "contradicted" if interval.high < 0 else "not reached"
    )


@cache
def found_in(name: str) -> pd.DataFrame:
    return findings(load_record(name))


def expected_effect(claim: dict) -> str:
    """The same for a question: how far the mean of a finding is above zero."""
    values = values_of(found_in(claim["record"]), **claim["where"])
    if len(values) < 2:
        return "not reached"  # nothing says how uncertain it is
    mean, half = fmean(values), student.ppf(0.975, len(values) - 1) * sem(values)
    if mean - half > 0:
        return "weaker" if mean < (claim["published"] or 0) / 2 else "reproduced"
    return "contradicted" if mean + half < 0 else "not reached"


def test_a_number_that_nobody_checked_says_so() -> None:
    for row in ledger():
        assert ("unverified" in row.published) == ("not checked by us" in row.source), row.id


def test_corrections_say_what_was_mended_and_where_to_see_it() -> None:
    for row in corrections():
        assert set(row) == {"chapter", "released", "mended", "shown"}
        assert all(row.values()), row


def effects() -> list[dict]:
    """The claims about questions, read from their files."""
    found = []
    for path in (ROOT / "ddlib" / "questions").glob("*/claims.json"):
        own = json.loads(path.read_text())
        found += [{"kind": "effect", "record": own["record"], **c} for c in own["claims"]]
    return found


def test_every_verdict_follows_from_the_recorded_numbers() -> None:
    claims = json.loads((RECORDED / "claims.json").read_text())["claims"] + effects()
    rows = {row.id: row.verdict for row in ledger()}
    assert rows == {claim["id"]: expected(claim) for claim in claims}
    assert len(rows) == len(claims), "two claims share an id"
    assert set(rows.values()) <= set(VERDICTS)


def times(record: Record, factor: float) -> Record:
    """A record whose findings are all so many times as large."""
    values = [c for c in record.table if record.table[c].dtype == "float64"]
    return replace(record, table=record.table.assign(**(factor * record.table[values])))


def test_a_repeat_is_judged_by_the_same_rules_beside_the_record() -> None:
    record = load_record("cifar10x16-mixing")
    weak = times(record, 0.5)
    pairs = beside(weak)
    assert [row.id for row, _ in pairs] == [here.id for _, here in pairs]
    rows = {row.id: row for row in ledger()}
    assert all(book == rows[book.id] for book, _ in pairs)
    mine = {c["id"]: c for c in effects() if c["record"] == record.name}
    assert {book.id for book, _ in pairs} == set(mine)
    found = findings(record)
    for _, here in pairs:
        claim = mine[here.id]
        mean = fmean(values_of(found, **claim["where"]))
        assert here.ours.split()[0] == f"{mean / 2:.{claim['digits']}f}"
    assert any(here.verdict == "weaker" for book, here in pairs if book.verdict == "reproduced")
    same = sum(book.verdict == here.verdict for book, here in pairs)
    shown = [[float(row.ours.split()[0]) for row in pair] for pair in pairs]
    sign = len(mine) - sum(book > 0 and here == 0 for book, here in shown)  # half of little is 0.0
    assert accord(pairs) == {"claims": len(mine), "sign": sign, "verdict": same, "opposed": 0}
    assert same < len(mine)
    against = beside(times(record, -1))
    decided = [
        book for book, _ in pairs if book.verdict in ("reproduced", "weaker", "contradicted")
    ]
    rounded_away = sum(float(book.ours.split()[0]) == 0 for book, _ in pairs)
    assert accord(against)["sign"] == rounded_away < 3
    assert accord(against)["opposed"] == len(decided) > 0
    assert beside(replace(weak, dataset="cifar10")) == pairs, "the question decides, not the data"


def test_prose_types_in_no_measured_percentage() -> None:
    typed = re.compile(r"\d+\.\d+\s*(?:%|percent|±)|±\s*\d")
    asked = "concept_questions.md", "ps1.ipynb"  # numbers made up for a question, to be doubted
    pages = [p for p in (ROOT / "book").rglob("*.md")] + [ROOT / "README.md"]
    texts = {p: p.read_text() for p in pages}
    for path in (ROOT / "book").rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts[path] = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    found = {str(p): typed.findall(t) for p, t in texts.items() if p.name not in asked}
    assert {p: numbers for p, numbers in found.items() if numbers} == {}
