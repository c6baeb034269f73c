"""The ledger: verdicts follow their rules, and each is recomputed here from the raw records."""

import json
import re
from pathlib import Path
from statistics import fmean, stdev

import nbformat
import pytest

from ddlib.claims import VERDICTS, corrections, judge_effect, judge_level, judge_order, ledger
from ddlib.results import RECORDED, Result
from ddlib.studies import findings, load_study

ROOT = Path(__file__).parents[1]


def result(*accuracies: float, dataset: str = "cifar10", tag: str = "dm") -> Result:
    return Result(dataset, tag, 10, "dc", "full", {}, (accuracies,), (1.0,), {})


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
    [(3.0, "reproduced"), (1.0, "not reached"), (-1.0, "not reached"), (-3.0, "contradicted")],
)
def test_an_order_needs_more_than_two_standard_errors(gain: float, verdict: str) -> None:
    low, high = result(29.0, 31.0), result(29.0 + gain, 31.0 + gain)  # error of the difference 1.41
    assert judge_order(high, low) == verdict


@pytest.mark.parametrize(
    ("values", "published", "verdict"),
    [
        ((2.0, 4.0), None, "reproduced"),  # mean 3, standard error 1
        ((2.0, 4.0), 6.0, "reproduced"),
        ((2.0, 4.0), 6.1, "weaker"),
        ((0.0, 4.0), None, "not reached"),
        ((-4.0, 0.0), None, "not reached"),
        ((-4.0, -2.0), 6.0, "contradicted"),
        ((0.1,), None, "reproduced"),
        ((0.0,), None, "not reached"),
    ],
)
def test_an_effect_needs_the_claimed_sign_and_half_the_size(
    values: tuple[float, ...], published: float | None, verdict: str
) -> None:
    assert judge_effect(values, published) == verdict


def test_recorded_results_change_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text((RECORDED / "claims.json").read_text())
    assert {row.verdict for row in ledger(folder=tmp_path)} == {"not tried"}
    result(48.0, 49.0).save(tmp_path)
    rows = {row.id: row for row in ledger(folder=tmp_path)}
    assert rows["dm-ipc10-dc"].verdict == "reproduced"
    assert rows["dm-ipc10-dc"].ours == "48.5 ± 0.7 (n = 2)"
    assert rows["random-ipc10-dc"].verdict == "not tried"


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
    error = (stdev(better) ** 2 / len(better) + stdev(worse) ** 2 / len(worse)) ** 0.5
    gain = (fmean(better) - fmean(worse)) / error
    return "reproduced" if gain > 2 else "contradicted" if gain < -2 else "not reached"


def expected_effect(claim: dict) -> str:
    """The same for a study: how far the mean of a finding is above zero."""
    if not (RECORDED / "studies" / f"{claim['study']}.safetensors").exists():
        return "not tried"
    values = findings(load_study(claim["study"]))[claim["finding"]]
    mean = sum(values) / len(values)
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0
    if abs(mean) <= 2 * error:
        return "not reached"
    if mean < 0:
        return "contradicted"
    return "weaker" if mean < (claim["published"] or 0) / 2 else "reproduced"


def test_corrections_say_what_was_mended_and_where_to_see_it() -> None:
    for row in corrections():
        assert set(row) == {"chapter", "released", "mended", "shown"}
        assert all(row.values()), row


def test_every_verdict_follows_from_the_recorded_numbers() -> None:
    claims = json.loads((RECORDED / "claims.json").read_text())["claims"]
    rows = {row.id: row.verdict for row in ledger()}
    assert rows == {claim["id"]: expected(claim) for claim in claims}
    assert len(rows) == len(claims), "two claims share an id"
    assert set(rows.values()) <= set(VERDICTS)


def test_prose_types_in_no_measured_percentage() -> None:
    typed = re.compile(r"\d+\.\d+\s*(?:%|percent|±)|±\s*\d")
    pages = [p for p in (ROOT / "book").rglob("*.md")] + [ROOT / "README.md"]
    texts = {p: p.read_text() for p in pages}
    for path in (ROOT / "book").rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts[path] = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    found = {str(p): typed.findall(text) for p, text in texts.items() if typed.search(text)}
    assert found == {}
