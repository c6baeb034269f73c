"""The claims ledger: what papers and this book claim, and what the recorded runs say about it.

A claim about a question is data, kept beside the question: `where` names its contrast, method and
condition in the table of findings. Questions are looked up by name; this module knows none of them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from scipy.stats import t as student
from scipy.stats import ttest_ind

from ddlib.experiment import asking
from ddlib.experiment.records import FOLDER, Record, load_record
from ddlib.names import LABELS
from ddlib.results import RECORDED, Result, load_result, recorded

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = ("reproduced", "weaker", "not reached", "contradicted", "not tried")
WEAKER = 5.0  # points below a published level that still count as the same effect, but weaker
CONFIDENCE = 0.95  # of the interval that must not hold zero before a difference counts
Values = tuple[float, ...]
Read = Callable[[Mapping[str, Any]], tuple[Values, str] | None]  # of a claim: values and scale


@dataclass(frozen=True)
class Row:
    """One line of the ledger, recomputed from the recorded results each time it is read."""

    id: str
    chapter: str
    claim: str
    published: str
    ours: str
    scale: str
    differences: str
    source: str
    verdict: str


# ---- the rules ------------------------------------------------------------------------------


def judge_level(result: Result, published: float, tolerance: float) -> str:
    """Reproduced: our mean is at least the published level, or below it by `tolerance` at most."""
    short = published - result.mean
    if short <= tolerance:
        return "reproduced"
    return "weaker" if short <= WEAKER else "not reached"


def judge_order(better: Result, worse: Result) -> str:
    """Reproduced: Welch's 95 percent interval of the difference lies above zero.

    It counts every network; networks trained on one set share its luck, so it is too narrow where
    sets differ.
    """
    found = ttest_ind(better.flat, worse.flat, equal_var=False).confidence_interval(CONFIDENCE)
    return _direction(found.low, found.high)


def judge_effect(values: Sequence[float], published: float | None) -> str:
    """Reproduced: Student's 95 percent interval of the mean of `values` lies above zero.

    Weaker: so it does, but the mean is less than half of what was `published`. One value alone has
    no interval, and reaches nothing.
    """
    if len(values) < 2:
        return "not reached"
    verdict = _direction(*interval(values))
    small = published is not None and fmean(values) < published / 2
    return "weaker" if verdict == "reproduced" and small else verdict


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 percent interval of the mean of independent values, lower end first."""
    n, mean = len(values), fmean(values)
    half = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * stdev(values) / sqrt(n)
    return mean - half, mean + half


def _direction(low: float, high: float) -> str:
    """Is a quantity that should be positive told apart from zero?"""
    if low > 0:
        return "reproduced"
    return "contradicted" if high < 0 else "not reached"


# ---- the ledger -----------------------------------------------------------------------------


def ledger(chapter: str | None = None, folder: Path = RECORDED) -> list[Row]:
    """All claims, or those of one chapter, each with the verdict of what `folder` holds."""
    content, names = _content(), set(recorded("results", folder))
    claims = [c for c in content["claims"] if chapter in (None, c["chapter"])]
    read, load = _reader(folder), partial(load_result, folder=folder)
    rows = [_row(claim, content, names, load, read) for claim in claims]
    doubts = (content["unverified"].get(c["source"]) for c in claims)
    return [_marked(row, doubt) for row, doubt in zip(rows, doubts, strict=True)]


@cache
def _content() -> dict[str, Any]:
    """The whole ledger as it is kept: claims, corrections, sources, and which are unverified."""
    whole = json.loads((RECORDED / "claims.json").read_text(encoding="utf-8"))
    for question in asking.questions():
        own = asking.claims_of(asking.FOLDER / question / "claims.json")
        about = {"kind": "effect", "question": question}
        about |= {key: own[key] for key in ("record", "chapter")}
        whole["claims"] += [about | claim for claim in own["claims"]]
        whole["corrections"] += [{"chapter": own["chapter"], **c} for c in own["corrections"]]
    return whole


def _marked(row: Row, doubt: str | None) -> Row:
    """Say beside a published number that it could not be checked."""
    return replace(row, published=f"{row.published} ({doubt})") if doubt else row


Load = Callable[[str], Result]


def _row(claim: Mapping[str, Any], content: Any, names: set[str], load: Load, read: Read) -> Row:
    """The line of one claim, by the rule of its kind."""
    if claim["kind"] == "effect":
        return _effect(claim, content, read)
    rule = {"level": _level, "order": _order}[claim["kind"]]
    return rule(claim, content, names, load)


def _level(claim: Mapping[str, Any], content: Any, names: set[str], load: Load) -> Row:
    _, method, ipc, protocol = claim["result"].split("-")
    spread = "" if claim["spread"] is None else f" ± {claim['spread']}"
    ours, verdict, scale = "not tried", "not tried", "full"
    if claim["result"] in names:
        result = load(claim["result"])
        ours, scale = _number(result), result.profile
        verdict = judge_level(result, claim["published"], claim["tolerance"])
    text = f"{LABELS[method]}, ipc {ipc.removeprefix('ipc')}, protocol {protocol}"
    return Row(
        claim["id"], claim["chapter"], text, f"{claim['published']}{spread}", ours, scale,
        claim["differences"], content["sources"][claim["source"]], verdict,
    )  # fmt: skip


def _order(claim: Mapping[str, Any], content: Any, names: set[str], load: Load) -> Row:
    ours, verdict, scale = "not tried", "not tried", "laptop"
    protocol = claim["better"].rsplit("-", 1)[1]
    if {claim["better"], claim["worse"]} <= names:
        better, worse = load(claim["better"]), load(claim["worse"])
        ours, scale = f"{_number(better)} against {_number(worse)}", better.profile
        verdict = judge_order(better, worse)
    return Row(
        claim["id"], claim["chapter"], f"{claim['says']}, protocol {protocol}", "higher", ours,
        scale, "smaller images, network and budget", content["sources"][claim["source"]], verdict,
    )  # fmt: skip


def _effect(claim: Mapping[str, Any], content: Any, read: Read) -> Row:
    """A claim about what a question found: as claimed, it is positive."""
    ours, verdict, scale = "not tried", "not tried", "laptop"
    known = read(claim)
    if known:
        values, scale = known
        verdict = judge_effect(values, claim["published"])
        spread = f" ± {stdev(values):.{claim['digits']}f}" if len(values) > 1 else ""
        ours = f"{fmean(values):.{claim['digits']}f}{spread} (n = {len(values)})"
    published = "above zero" if claim["published"] is None else str(claim["published"])
    return Row(
        claim["id"], claim["chapter"], claim["says"], published, ours, scale,
        claim["differences"], content["sources"][claim["source"]], verdict,
    )  # fmt: skip


def _number(result: Result) -> str:
    return f"{result.mean:.1f} ± {result.std:.1f} (n = {result.n})"


# ---- what a question found ------------------------------------------------------------------


def values_of(found: "pd.DataFrame", **where: str) -> Values:
    """The values of one finding, by contrast and labels, set after set and network after network.

    >>> import pandas as pd
    >>> found = pd.DataFrame({"contrast": ["gain", "gain"], "method": ["dm", "mtt"],
    ...                       "set": 0, "network": 0, "value": [9.0, 7.0]})
    >>> values_of(found, contrast="gain", method="mtt")
    (7.0,)
    """
    for column, label in where.items():
        found = found[found[column] == label]
    order = [column for column in ("network", "set") if column in found]
    return tuple(found.sort_values(order, kind="stable")["value"].tolist())


def findings(record: Record) -> "pd.DataFrame":
    """What a record says: a row for each contrast, its labels, and each set and network."""
    return asking.part(record.question, "findings").findings(record)


def _reader(folder: Path) -> Read:
    """Values of claims from the records in `folder`."""

    def read(claim: Mapping[str, Any]) -> tuple[Values, str] | None:
        path = folder / FOLDER / f"{claim['record']}.safetensors"
        if not path.exists():
            return None
        found, scale = _found_in(path, path.stat().st_mtime_ns)
        return values_of(found, **claim["where"]), scale

    return read


@cache
def _found_in(path: Path, written: int) -> tuple["pd.DataFrame", str]:
    """The findings and the scale of a record that was `written` then: computed once a process."""
    record = load_record(path.stem, path.parents[1])
    return findings(record), record.scale


def beside(made: Record, folder: Path = RECORDED) -> list[tuple[Row, Row]]:
    """The claims about a question: each row as recorded, and as `made` decides it."""
    content, found = _content(), findings(made)
    mine = [c for c in content["claims"] if c.get("question") == made.question]
    each = {claim["id"]: values_of(found, **claim["where"]) for claim in mine}
    read = _reader(folder)

    def here(claim: Mapping[str, Any]) -> tuple[Values, str]:
        return each[claim["id"]], made.scale

    return [
        (_effect(claim, content, read), _effect(claim, content, here))
        for claim in mine
        if each[claim["id"]]  # a small study may lack some
    ]


def accord(pairs: Sequence[tuple[Row, Row]]) -> dict[str, int]:
    """Of claims `beside` each other: how many; how often of one sign, of one verdict, opposed."""
    signs = [[float(row.ours.split()[0]) > 0 for row in pair] for pair in pairs]
    verdicts = [(book.verdict, here.verdict) for book, here in pairs]
    held = {"reproduced", "weaker"}
    return {
        "claims": len(pairs),
        "sign": sum(book == here for book, here in signs),
        "verdict": sum(book == here for book, here in verdicts),
        "opposed": sum("contradicted" in v and bool(held & {*v}) for v in verdicts),
    }


def corrections(chapter: str | None = None) -> list[dict[str, str]]:
    """What released code does other than its paper or figure says, and what shows it."""
    return [c for c in _content()["corrections"] if chapter in (None, c["chapter"])]
