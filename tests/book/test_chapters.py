"""Chapters 1 to 8 keep what a reader relies on: terms, symbols, the time told, old addresses."""

import re
from pathlib import Path, PurePosixPath

import nbformat
import pytest
import yaml

from book.execute import ROOT, notebooks

CHAPTERS = [name for name in notebooks(ROOT) if re.match(r"0[1-8]_", Path(name).name)]
LINK = re.compile(r"\]\(<?#([^)>]+)>?\)")
ROLE = re.compile(r"\{term\}`(?:[^`<]* <)?([^`<>]+)>?`")  # where a function has the same name
GREEK = ("beta", "ell", "eta", "lambda", "mu", "sigma", "Sigma", "theta", "varphi")
HOURS = 10

# Where the prose of a chapter says what a symbol of its formulas means.
MEANINGS = {
    "01": {
        "S": "the small set with its labels",
        "A": "the weights that training on $S$ reaches",
        "theta": "random initial weights",
        "L": "the loss of a network",
        "E": "Average over initial weights",
        "k": "With $k$ classes",
        "ipc": "**images per class**",
    },
    "02": {
        "SE": "standard error",
        "sigma": "the standard deviation over networks is $\\sigma$",
        "n": "the mean over $n$ of them",
    },
    "03": {
        "mu": "Let $\\mu$ be the mean",
        "varphi": "**feature map** $\\varphi$",
        "x": "turns an image $x$ into",
        "N": "all $N$ images of a class",
        "m": "a set $S$ of $m$ images",
        "S": "a set $S$ of $m$ images",
        "i": "images $x_i$ whose own mean",
        "t": "The $t$-th choice",
        "Sigma": "the sum of the features chosen so far",
        "T": "the updates of $T$ steps",
        "w": "With $w_t = w_{t-1}",
        "r": "coverage radius",
    },
    "04": {
        "MMD": "maximum mean discrepancy",
        "P": "two distributions $P$ and $Q$",
        "Q": "two distributions $P$ and $Q$",
        "E": "in place of the expectation over $\\theta$",
        "theta": "random parameters $\\theta$",
        "varphi": "$\\varphi_\\theta$ are features with random parameters",
        "x": "$x$ and $s$ are drawn from $P$ and $Q$",
        "s": "$x$ and $s$ are drawn from $P$ and $Q$",
        "S": "$S_c$ the synthetic images of that class",
        "B": "$B_c$ be a batch of real images",
        "c": "real images of class $c$",
        "L": "the loss is",
    },
    "05": {
        "theta": "random weights $\\theta_0$",
        "eta": "the **learning rate**",
        "T": "takes $T$ steps of size $\\eta$",
        "t": "steps of size $\\eta$",
        "g": "the gradient $g$ of the loss",
        "h": "the two gradients $g$ and $h$",
        "D": "the distance $D$",
        "c": "For each class $c$",
        "l": "layer $l$",
        "r": "row $r$",
    },
    "06": {
        "theta": "the expert's parameters after epoch $t$",
        "t": "after epoch $t$",
        "eta": "a learning rate $\\eta$",
        "g": "the gradient $g(\\theta_i, S)$ of each step",
        "S": "the synthetic images $S$",
        "N": "takes $N$ steps",
        "i": "after $i$ of them it is at $\\theta_i$",
        "M": "its goal lies $M$ epochs ahead",
        "L": "The loss of trajectory matching",
    },
    "07": {
        "S": "the synthetic images $S$",
        "E": "The expectation says",
        "theta": "random start $\\theta_0$",
        "N": "for $N$ steps",
        "eta": "learning rate $\\eta$",
        "ell": "$\\ell$ is the loss on $S$",
        "i": "the **state** before step $i$",
        "L": "For a loss $L(z_N)$",
        "s": "one pixel $s$",
        "g": "$g$ for the derivative of the inner loss",
        "t": "With $t = \\tanh(\\theta s)$",
        "a": "**[adjoint](#adjoint)** of that state, $a_i",
        "z": "Let $z_i$ be the **state**",
        "F": "z_{i+1} = F_i(z_i, S)",
        "d": "its derivative with respect to a state",
        "j": "each training image $j$",
        "k": "a few **bases** $b_1",
        "b": "a few **bases** $b_1",
        "B": "\\dots, b_B$",
        "c": "a short list of coefficients",
    },
    "08": {
        "mu": "$\\mu_c$ is the mean feature vector",
        "c": "of class $c$",
        "S": "for synthetic images $S$",
        "g": "$g_{clr}$ is row $r$",
        "l": "of layer $l$",
        "r": "is row $r$",
        "theta": "$\\theta^*_t$ is an expert",
        "N": "after $N$ steps of training",
        "t": "after $t$ epochs",
        "M": "$M$ epochs ahead",
        "L": "$L_{\\text{real}}$ is the loss on real images",
        "v": "the sample variance $v_m$",
        "s": "method $m$ has $s_m$ sets",
    },
}


def prose(name: str) -> str:
    """The text cells of a notebook, one below the other."""
    cells = nbformat.read(ROOT / name, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def glossary() -> set[str]:
    """The terms to which `[word](#term)` leads; Sphinx finds them by their small letters only."""
    text = (ROOT / "book/reference/glossary.md").read_text("utf-8")
    (entries,) = re.findall(r"```\{glossary\}\n(.*?)```", text, re.DOTALL)
    return set(re.findall(r"^([^\sA-Z][^A-Z\n]*)$", entries, re.MULTILINE))


def symbols(formula: str) -> set[str]:
    """The letters of a formula; words in `\\mathrm` count as one letter."""
    words = set(re.findall(r"\\mathrm\{(\w+)\}", formula))
    bare = re.sub(r"\\(?:text|mathrm)\{[^}]*\}", " ", formula)
    greek = {word for word in re.findall(r"\\([A-Za-z]+)", bare) if word in GREEK}
    return words | greek | set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", bare)))


def formulas(text: str) -> list[str]:
    """What stands between double dollars, and the math in tables."""
    shown = re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL)
    rows = re.findall(r"^\|.*\|$", text, re.MULTILINE)
    return shown + [part for row in rows for part in re.findall(r"\$([^$]+)\$", row)]


@pytest.mark.parametrize("name", CHAPTERS)
def test_links_to_terms_lead_to_the_glossary(name: str) -> None:
    targets = {*LINK.findall(prose(name)), *ROLE.findall(prose(name))}
    assert targets <= glossary()
    assert len(targets) >= 5


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_term_in_bold_leads_to_the_glossary(name: str) -> None:
    terms = glossary()
    bold = {b.lower() for b in re.findall(r"\*\*([^*\[\]{}]+)\*\*", prose(name))}
    assert [b for b in sorted(bold) if b in terms or b.removesuffix("s") in terms] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_symbols_are_defined_in_the_prose(name: str) -> None:
    text, meanings = prose(name), MEANINGS[Path(name).name[:2]]
    used = set().union(*(symbols(formula) for formula in formulas(text)))
    assert used == set(meanings)
    assert {symbol: said for symbol, said in meanings.items() if said not in text} == {}


def test_foundations_and_methods_take_less_than_ten_hours() -> None:
    told = [re.findall(r"\*\*Time:\*\* (\d+) minutes of reading", prose(n)) for n in CHAPTERS]
    assert [len(minutes) for minutes in told] == [1] * 8
    assert sum(int(minutes) for (minutes,) in told) <= 60 * HOURS


def test_old_addresses_lead_to_pages_that_are_there() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    pages = {str(PurePosixPath(name).with_suffix("")) for name in notebooks(ROOT)}
    moved = config["sphinx"]["config"]["redirects"]
    assert moved
    for old, new in moved.items():
        target = PurePosixPath(old).parent / new.removesuffix(".html")
        assert old not in pages, f"{old} is a page again; its redirect would hide it"
        assert str(target) in pages, f"{old} leads to {target}, which is no page"
        assert old.split("_", 1)[1] == target.name.split("_", 1)[1]
