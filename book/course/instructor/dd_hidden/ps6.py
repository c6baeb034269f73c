"""One claim, one objection: a prediction that was made before, one control, an honest verdict."""

from hashlib import sha256

import torch
from ddlib.seeds import generator
from scipy import stats

from dd_hidden.judge import Ask, Item, close

SETTINGS = {
    "data": "shapes",
    "method": "kcenter",
    "ipc": 10,
    "network": "convnet",
    "lr": 0.01,
}


def reference(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of Student's t for the mean."""
    error = stats.sem(values)
    low, high = stats.t.interval(
        0.95, len(values) - 1, sum(values) / len(values), error
    )
    return float(low), float(high)


def public(ask: Ask) -> bool:
    commitment = sha256(b"salt\nherding wins").hexdigest()
    low, high = ask("interval", [1.0, 2.0, 3.0])
    return (
        ask("sealed", "herding wins", "salt", commitment) is True
        and close(low, 2 - 2.484138, 1e-5)
        and close(high, 2 + 2.484138, 1e-5)
        and ask("verdict", 1.0, 2.0, 0.5) == "found"
    )


def hash_(ask: Ask) -> bool:
    """A prediction that was changed afterwards does not fit what was handed in."""
    texts = ("k-center loses by 5 points", "k-center wins by 5 points", "")
    for text in texts:
        before = sha256(f"s4lt\n{text}".encode()).hexdigest()
        for told in texts:
            if ask("sealed", told, "s4lt", before) is not (told == text):
                return False
    return (
        ask(
            "sealed",
            texts[0],
            "",
            sha256(f"s4lt\n{texts[0]}".encode()).hexdigest(),
        )
        is False
    )


def interval(ask: Ask) -> bool:
    rng = generator("ps6")
    for n in (3, 5, 12):
        values = torch.randn(n, generator=rng, dtype=torch.double).tolist()
        found, expected = ask("interval", values), reference(values)
        if not all(
            close(f, e, 1e-5) for f, e in zip(found, expected, strict=True)
        ):
            return False
    return True


def one_change(ask: Ask) -> bool:
    """A control changes one thing, exactly one."""
    cases = {
        False: [
            {},
            {"ipc": 1, "lr": 0.1},
            {"network": "vgg11", "method": "random"},
        ],
        True: [{"ipc": 1}, {"method": "random"}],
    }
    return all(
        ask("one_change", SETTINGS, {**SETTINGS, **changes}) is answer
        for answer, list_ in cases.items()
        for changes in list_
    )


def verdict(ask: Ask) -> bool:
    """An interval across zero is open, unless it is so narrow that it bounds the effect."""
    cases = {
        (0.2, 3.0): "found", (-3.0, -0.2): "found", (-0.4, 0.3): "bounded", (-0.4, 2.0): "open",
        (-2.0, 0.1): "open",
    }  # fmt: skip
    return all(
        ask("verdict", *ends, 0.5) == expected
        for ends, expected in cases.items()
    )


ITEMS = {
    "public": Item(5, "the checks above", public),
    "hash": Item(2, "the prediction is the one that was handed in", hash_),
    "interval": Item(2, "the interval", interval),
    "one_change": Item(1, "the control changes one thing", one_change),
    "verdict": Item(2, "found, bounded or open", verdict),
}
