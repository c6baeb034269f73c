"""The rules of the ledger: from an interval to a word, two-sided, and counted in sets.

A null is never a success: what zero cannot be told from is `bounded` or `open`, or of a released
effect `not reproduced`. One set alone has no interval and leaves everything open.
"""

from math import inf, isnan

from ddlib.experiment.statistics import Interval

KINDS = {
    "released": "Released: a number, a picture or a statement of others, under its source",
    "control": "Controls: does a released claim hold where something else could explain it?",
    "own": "Our own findings: what this book asked",
}
UNTRIED = "not tried"
VERDICTS = {  # of each kind, the clearest first
    "released": ("reproduced", "partly", "not reproduced", "contradicted", "open", UNTRIED),
    "control": ("found", "reversed", "bounded", "open", UNTRIED),
    "own": ("found", "reversed", "bounded", "open", UNTRIED),
}
FOR, AGAINST = {"reproduced", "partly", "found"}, {"contradicted", "reversed"}
SAME = 0.8, 1.25  # of a released size: within a quarter of it, up and down
SMALL = 0.25  # of an effect: what is added to it at most, if a null counts as bounded


def of_size(ratio: Interval) -> str:
    """The verdict on a released number, by the interval of ours : released.

    Above zero it is reproduced if the interval holds 1 or lies within 0.8 to 1.25, and partly, of
    another size, if it does neither. Below zero it is contradicted. Around zero it is not
    reproduced if all of it lies below 0.8, and open if not.

    As the interval is symmetric, what is reproduced is more than half as large as released.
    """
    low, high = ratio.low, ratio.high
    if isnan(low):
        return "open"
    if high < 0:
        return "contradicted"
    if low <= 0:
        return "not reproduced" if high < SAME[0] else "open"
    return "reproduced" if low <= 1 <= high or SAME[0] <= low <= high <= SAME[1] else "partly"


def of_sign(found: Interval) -> str:
    """The verdict on a released direction without a number, which as claimed is positive."""
    if found.low > 0:
        return "reproduced"
    return "contradicted" if found.high < 0 else "open"


def of_finding(found: Interval, most: float = inf, beside: float = 0.0) -> str:
    """The verdict on a control or a finding of ours, which as claimed is positive.

    Found, or reversed, if the interval excludes zero. Bounded if it does not, and the effect is, by
    two one-sided tests, at `most` a quarter of the one that it stands `beside`.
    """
    if found.low > 0:
        return "found"
    if found.high < 0:
        return "reversed"
    return "bounded" if most <= SMALL * abs(beside) else "open"
