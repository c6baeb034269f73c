"""The claims ledger: what papers and this book claim, and what the recorded runs say about it.

A claim about a question is data, kept beside the question: `where` names its contrast, method and
condition in the table of findings, and `beside`, if it has one, the effect that a null is held
against. Questions are looked up by name; this module knows none of them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddlib.experiment import asking, verdicts
from ddlib.experiment.records import FOLDER, Record, load_record
from ddlib.experiment.statistics import Interval, bound, decided, estimate, welch
from ddlib.names import LABELS
from ddlib.results import RECORDED, Result, load_result, recorded

if TYPE_CHECKING:
    import pandas as pd

Claim = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of the ledger, recomputed from the recorded results each time it is read."""

    id: str
    chapter: str
    kind: str
    claim: str
    released: str  # a number, a direction, or nothing
    differences: str
    source: str
    scale: str
    digits: int = 1
    verdict: str = verdicts.UNTRIED
    ours: Interval | None = None
    ratio: Interval | None = None  # ours : released
    most: float = nan  # the bound of a null
    beside: float = nan  # the effect that it is held against
    p_value: float = nan
    decided: bool = False  # by Benjamini and Hochberg, among all rows of the ledger

    @property
    def here(self) -> str:
        """Ours in words: mean, interval, and how many sets it counts."""
        if self.ours is None:
            return verdicts.UNTRIED
        if self.ours.n < 2:
            return f"{_text(self.ours.mean, self.digits)}, one set"
        return f"{_with_ends(self.ours, self.digits)}, {self.ours.n} sets"

    @property
    def size(self) -> str:
        """How large that is: as a share of what was released, or at most, beside an effect."""
        if self.ratio is not None:
            return _with_ends(self.ratio, 2) if self.ratio.n > 1 else _text(self.ratio.mean, 2)
        if isnan(self.most) or isnan(self.beside) or self.verdict in ("found", "reversed"):
            return ""
        return f"at most {_text(self.most, self.digits)} on {_text(self.beside, self.digits)}"


def _text(value: float, digits: int) -> str:
    return f"{value + 0.0:.{digits}f}".replace("-", "−")


def _with_ends(found: Interval, digits: int) -> str:
    mean, low, high = (_text(x, digits) for x in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]"


# ---- the ledger -----------------------------------------------------------------------------


def ledger(chapter: str | None = None, folder: Path = RECORDED) -> list[Row]:
    """All claims, or those of one chapter, each with the verdict of what `folder` holds."""
    claims, names = _content()["claims"], set(recorded("results", folder))
    load = partial(load_result, folder=folder)
    rows = [
        _of_record(claim, folder) if "where" in claim else _of_results(claim, names, load)
        for claim in claims
    ]
    return [row for row in _decided(rows) if chapter in (None, row.chapter)]


def _decided(rows: list[Row]) -> list[Row]:
    """The rows with the decision of Benjamini and Hochberg among those that have an interval."""
    tried = [row.id for row in rows if not isnan(row.p_value)]
    kept = dict(zip(tried, decided([r.p_value for r in rows if r.id in set(tried)]), strict=True))
    return [replace(row, decided=kept.get(row.id, False)) for row in rows]


@cache
def _content() -> dict[str, Any]:
    """The whole ledger as it is kept: claims, corrections, sources, and which are unverified."""
    whole = json.loads((RECORDED / "claims.json").read_text(encoding="utf-8"))
    for question in asking.questions():
        own = asking.claims_of(asking.FOLDER / question / "claims.json")
        about = {"question": question} | {key: own[key] for key in ("record", "chapter")}
        whole["claims"] += [about | claim for claim in own["claims"]]
        whole["corrections"] += [{"chapter": own["chapter"], **c} for c in own["corrections"]]
    return whole


Load = Callable[[str], Result]


def _of_results(claim: Claim, names: set[str], load: Load) -> Row:
    """The line of a claim about results: an accuracy or an order."""
    if "result" in claim:
        return _level(claim, load(claim["result"]) if claim["result"] in names else None)
    both = {claim["better"], claim["worse"]} <= names
    return _order(claim, *((load(claim[k]) for k in ("better", "worse")) if both else ()))


def _plain(claim: Claim, /, **more: Any) -> Row:
    """A line that nobody has tried."""
    content, source = _content(), claim.get("source", "book")
    number, doubt = claim.get("released"), content["unverified"].get(source)
    released = "" if claim["kind"] != "released" else str(number or "above zero")
    about = {
        "id": claim["id"], "chapter": claim["chapter"], "kind": claim["kind"],
        "claim": claim.get("says", ""), "released": released, "scale": "laptop",
        "differences": claim.get("differences", ""), "source": content["sources"][source],
        "digits": claim.get("digits", 1),
    } | more  # fmt: skip
    return Row(**about | ({"released": f"{about['released']} ({doubt})"} if doubt else {}))


def judge(claim: Claim, found: "pd.DataFrame", scale: str) -> Row:
    """The line of a claim about what a question `found`: as claimed, it is positive."""
    mine = rows_of(found, **claim["where"])
    ours, row = estimate(mine, "value"), _plain(claim, scale=scale)
    row = replace(row, ours=ours, p_value=ours.p_value)
    if number := claim.get("released"):
        ratio = ours.scaled(1 / number)
        return replace(row, ratio=ratio, verdict=verdicts.of_size(ratio))
    if claim["kind"] == "released":
        return replace(row, verdict=verdicts.of_sign(ours))
    if "beside" not in claim:
        return replace(row, verdict=verdicts.of_finding(ours))
    beside = float(rows_of(found, **claim["beside"])["value"].mean())
    most = bound(mine, "value", interval=estimate)
    verdict = verdicts.of_finding(ours, most, beside)
    return replace(row, most=most, beside=beside, verdict=verdict)


def _level(claim: Claim, result: Result | None) -> Row:
    """A released accuracy. Its size is the gain over `zero`: chance, or released random images."""
    _, method, ipc, protocol = claim["result"].split("-")
    spread = f" ± {claim['spread']}" if claim["spread"] else ""
    text = f"{LABELS[method]}, ipc {ipc.removeprefix('ipc')}, protocol {protocol}"
    row = _plain(claim, claim=text, scale="full", released=f"{claim['released']}{spread}")
    if result is None:
        return row
    table, zero = _table(result), claim["zero"]
    gain = (table["accuracy"] - zero) / (claim["released"] - zero)
    ratio = estimate(table.assign(value=gain), "value")
    return replace(
        row, scale=result.profile, ours=estimate(table, "accuracy"), ratio=ratio,
        p_value=ratio.p_value, verdict=verdicts.of_size(ratio),
    )  # fmt: skip


def _table(result: Result) -> "pd.DataFrame":
    """The accuracies of a result, a row for each network on each set."""
    import pandas as pd  # as whatever draws figures, loaded where it is needed

    rows = [
        {"set": s, "network": i, "accuracy": a}
        for s, each in enumerate(result.accuracies)
        for i, a in enumerate(each)
    ]
    return pd.DataFrame(rows)


def _order(claim: Claim, better: Result | None = None, worse: Result | None = None) -> Row:
    """One method above another; their sets have no partners."""
    protocol = claim["better"].rsplit("-", 1)[1]
    differences = "smaller images, network and budget"
    row = _plain(claim, claim=f"{claim['says']}, protocol {protocol}", differences=differences)
    if better is None or worse is None:
        return row
    ours = welch(_table(better), _table(worse), "accuracy")
    verdict = verdicts.of_sign(ours)
    return replace(row, scale=better.profile, ours=ours, p_value=ours.p_value, verdict=verdict)


# ---- what a question found ------------------------------------------------------------------


def rows_of(found: "pd.DataFrame", **where: str) -> "pd.DataFrame":
    """The rows of one finding, by contrast and labels.

    >>> import pandas as pd
    >>> found = pd.DataFrame({"contrast": ["gain", "gain"], "method": ["dm", "mtt"],
    ...                       "set": 0, "network": 0, "value": [9.0, 7.0]})
    >>> rows_of(found, contrast="gain", method="mtt")["value"].tolist()
    [7.0]
    """
    for column, label in where.items():
        found = found[found[column] == label]
    return found


def values_of(found: "pd.DataFrame", **where: str) -> tuple[float, ...]:
    """The values of one finding, set after set and network after network."""
    rows = rows_of(found, **where)
    order = [column for column in ("network", "set") if column in rows]
    return tuple(rows.sort_values(order, kind="stable")["value"].tolist())


def findings(record: Record) -> "pd.DataFrame":
    """What a record says: a row for each contrast, its labels, and each set and network."""
    return asking.part(record.question, "findings").findings(record)


def _of_record(claim: Claim, folder: Path) -> Row:
    """The line of a claim about a record in `folder`."""
    path = folder / FOLDER / f"{claim['record']}.safetensors"
    if not path.exists():
        return _plain(claim)
    return _lines_of(path, path.stat().st_mtime_ns)[claim["id"]]


@cache
def _lines_of(path: Path, written: int) -> dict[str, Row]:
    """All lines about a record that was `written` then, by claim: judged once a process."""
    record = load_record(path.stem, path.parents[1])
    found = findings(record)
    mine = [claim for claim in _content()["claims"] if claim.get("record") == path.stem]
    return {claim["id"]: judge(claim, found, record.scale) for claim in mine}


def beside(made: Record, folder: Path = RECORDED) -> list[tuple[Row, Row]]:
    """The claims about a question: each row as recorded, and as `made` decides it."""
    found, book = findings(made), {row.id: row for row in ledger(folder=folder)}
    mine = [claim for claim in _content()["claims"] if claim.get("question") == made.question]
    tried = [claim for claim in mine if len(rows_of(found, **claim["where"]))]  # small: some lack
    here = _decided([judge(claim, found, made.scale) for claim in tried])
    return [(book[row.id], row) for row in here]


def accord(pairs: Sequence[tuple[Row, Row]]) -> dict[str, int]:
    """Of claims `beside` each other: how many; how often of one sign, of one verdict, opposed."""
    words = [{book.verdict, here.verdict} for book, here in pairs]
    return {
        "claims": len(pairs),
        "sign": sum(_positive(book) == _positive(here) for book, here in pairs),
        "verdict": sum(len(both) == 1 for both in words),
        "opposed": sum(bool(both & verdicts.FOR and both & verdicts.AGAINST) for both in words),
    }


def _positive(row: Row) -> bool:
    return row.ours is not None and row.ours.mean > 0


def corrections(chapter: str | None = None) -> list[dict[str, str]]:
    """What released code does other than its paper or figure says, and what shows it."""
    return [c for c in _content()["corrections"] if chapter in (None, c["chapter"])]
