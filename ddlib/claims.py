"""The claims ledger: what papers and this book claim, and what our recorded runs say about it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from ddlib.names import LABELS
from ddlib.results import RECORDED, Result, load_result, recorded
from ddlib.studies import Study, findings, load_study

VERDICTS = ("reproduced", "weaker", "not reached", "contradicted", "not tried")
WEAKER = 5.0  # points below a published level that still count as the same effect, but weaker
CONFIDENCE = 0.95  # of the interval that must not hold zero before a difference counts


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


def ledger(chapter: str | None = None, folder: Path = RECORDED) -> list[Row]:
    """All claims, or those of one chapter, each with the verdict of the recorded results."""
    content = _content(folder)
    claims = [c for c in content["claims"] if chapter in (None, c["chapter"])]
    names = set(recorded("results", folder))
    read = cache(partial(_findings, folder))  # many claims stand on one study
    rules = {"level": _level, "order": _order, "effect": partial(_effect, read)}
    rows = [rules[c["kind"]](c, content["sources"][c["source"]], names, folder) for c in claims]
    doubts = (content["unverified"].get(c["source"]) for c in claims)
    return [_marked(row, doubt) for row, doubt in zip(rows, doubts, strict=True)]


def _content(folder: Path) -> dict[str, Any]:
    """The ledger as it is kept: claims, corrections, sources, and which of these are unverified."""
    return json.loads((folder / "claims.json").read_text(encoding="utf-8"))


def _marked(row: Row, doubt: str | None) -> Row:
    """Say beside a published number that it could not be checked."""
    return replace(row, published=f"{row.published} ({doubt})") if doubt else row


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
    a, b = better.std**2 / better.n, worse.std**2 / worse.n
    freedom = (a + b) ** 2 / (a**2 / (better.n - 1) + b**2 / (worse.n - 1))
    return _direction(*_around(better.mean - worse.mean, sqrt(a + b), freedom))


def _level(claim: Mapping[str, Any], source: str, names: set[str], folder: Path) -> Row:
    _, tag, ipc, protocol = claim["result"].split("-")
    spread = "" if claim["spread"] is None else f" ± {claim['spread']}"
    ours, verdict, scale = "not tried", "not tried", "full"
    if claim["result"] in names:
        result = load_result(claim["result"], folder)
        ours, scale = _number(result), result.profile
        verdict = judge_level(result, claim["published"], claim["tolerance"])
    text = f"{LABELS[tag]}, ipc {ipc.removeprefix('ipc')}, protocol {protocol}"
    return Row(
        claim["id"], claim["chapter"], text, f"{claim['published']}{spread}", ours, scale,
        claim["differences"], source, verdict,
    )  # fmt: skip


def _order(claim: Mapping[str, Any], source: str, names: set[str], folder: Path) -> Row:
    ours, verdict, scale = "not tried", "not tried", "laptop"
    protocol = claim["better"].rsplit("-", 1)[1]
    if {claim["better"], claim["worse"]} <= names:
        better, worse = (load_result(claim[k], folder) for k in ("better", "worse"))
        ours, scale = f"{_number(better)} against {_number(worse)}", better.profile
        verdict = judge_order(better, worse)
    return Row(
        claim["id"], claim["chapter"], f"{claim['says']}, protocol {protocol}", "higher", ours,
        scale, "smaller images, network and budget", source, verdict,
    )  # fmt: skip


def judge_effect(values: Sequence[float], published: float | None) -> str:
    """Reproduced: Student's 95 percent interval of the mean of `values` lies above zero.

    Weaker: so it does, but the mean is less than half of what was `published`. One value alone has
    no interval, and reaches nothing.
    """
    if len(values) < 2:
        return "not reached"
    mean = fmean(values)
    verdict = _direction(*interval(values))
    small = published is not None and mean < published / 2
    return "weaker" if verdict == "reproduced" and small else verdict


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 percent interval of the mean of independent values, lower end first."""
    n = len(values)
    return _around(fmean(values), stdev(values) / sqrt(n), float(n - 1))


def _around(mean: float, error: float, freedom: float) -> tuple[float, float]:
    """The interval of a mean, given its standard error."""
    half = student.ppf((1 + CONFIDENCE) / 2, freedom) * error
    return mean - half, mean + half


def _direction(low: float, high: float) -> str:
    """Is a quantity that should be positive told apart from zero?"""
    if low > 0:
        return "reproduced"
    return "contradicted" if high < 0 else "not reached"


def _findings(folder: Path, name: str) -> tuple[dict[str, tuple[float, ...]], str] | None:
    """What a recorded study found and at which scale; None if it is not recorded."""
    if name not in recorded("studies", folder):
        return None
    study = load_study(name, folder)
    return findings(study), study.scale


def _effect(
    read: Callable[[str], tuple[dict[str, tuple[float, ...]], str] | None],
    claim: Mapping[str, Any],
    source: str,
    names: set[str],
    folder: Path,
) -> Row:
    """A claim about a study's finding: as claimed, it is positive."""
    ours, verdict, scale = "not tried", "not tried", "laptop"
    known = read(claim["study"])
    if known:
        values, scale = known[0][claim["finding"]], known[1]
        verdict = judge_effect(values, claim["published"])
        spread = f" ± {stdev(values):.{claim['digits']}f}" if len(values) > 1 else ""
        ours = f"{fmean(values):.{claim['digits']}f}{spread} (n = {len(values)})"
    published = "above zero" if claim["published"] is None else str(claim["published"])
    return Row(
        claim["id"], claim["chapter"], claim["says"], published, ours, scale,
        claim["differences"], source, verdict,
    )  # fmt: skip


def beside(study: Study, folder: Path = RECORDED) -> list[tuple[Row, Row]]:
    """The claims about a study's question: each row as recorded, and as this study decides it."""
    content = _content(folder)
    found = findings(study)
    about = (c for c in content["claims"] if c.get("study", "").endswith(f"-{study.question}"))
    mine = [c for c in about if found.get(c["finding"])]  # a small study may lack some
    reads = cache(partial(_findings, folder)), lambda name: (found, study.scale)
    return [
        tuple(_effect(read, c, content["sources"][c["source"]], set(), folder) for read in reads)
        for c in mine
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


def corrections(chapter: str | None = None, folder: Path = RECORDED) -> list[dict[str, str]]:
    """What released code does other than its paper or figure says, and what shows it."""
    return [c for c in _content(folder)["corrections"] if chapter in (None, c["chapter"])]


def _number(result: Result) -> str:
    return f"{result.mean:.1f} ± {result.std:.1f} (n = {result.n})"
