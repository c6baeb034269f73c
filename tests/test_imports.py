"""Data flow one way through ddlib: who may import whom, and who may draw."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import ddlib

ROOT = Path(ddlib.__file__).parent
# From top to bottom; a module imports from its own layer and from those above. What is in none of
# them is the engine: data, networks, methods, the loop, the judge and their records.
LAYERS = ("engine", "experiment", "questions", "plots", "figures")
DOORS = {"__main__", "show", "tables"}  # stand at the bottom, where readers come in
DRAWING = {"matplotlib", "IPython", "ipywidgets"}


def name_of(path: Path) -> str:
    """The dotted name of a module below ddlib; that of ddlib itself is empty."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix("__init__").removesuffix(".")


MODULES = {name_of(path): path for path in ROOT.rglob("*.py")}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, also within its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(path: Path) -> set[str]:
    """The modules of ddlib that a file imports."""
    names = {name.removeprefix("ddlib.") for name in imported(path) if name.startswith("ddlib.")}
    return {name for name in names if name in MODULES}


def layer(module: str) -> int:
    first, last = module.split(".")[0], module.split(".")[-1]
    if first in DOORS or (first == "questions" and last == "figures"):
        return LAYERS.index("figures")
    return LAYERS.index(first) if first in LAYERS else 0


def question(module: str) -> str | None:
    """The question whose folder a module lies in; what several share is none."""
    parts = module.split(".")
    return parts[1] if parts[0] == "questions" and len(parts) > 1 and parts[1] != "shared" else None


def tops(module: str) -> set[str]:
    """The packages that a module imports."""
    return {name.split(".")[0] for name in imported(MODULES[module])}


def test_imports_go_one_way() -> None:
    wrong = {(m, n) for m, path in MODULES.items() for n in below(path) if layer(n) > layer(m)}
    assert wrong == set()


def test_imports_go_in_no_circle() -> None:
    graph = {name: below(path) - {name} for name, path in MODULES.items() if name}
    assert len([*TopologicalSorter(graph).static_order()]) >= len(graph)


def test_no_question_imports_another() -> None:
    links = {(question(m), question(n)) for m, path in MODULES.items() for n in below(path)}
    assert {(a, b) for a, b in links if a and b and a != b} == set()


def test_plots_know_no_question() -> None:
    plots = [m for m in MODULES if m.split(".")[0] == "plots"]
    assert plots
    assert {(m, n) for m in plots for n in below(MODULES[m]) if question(n)} == set()


def test_nothing_above_the_plots_draws() -> None:
    above = [m for m in MODULES if layer(m) < LAYERS.index("plots")]
    assert {m: drawn for m in above if (drawn := tops(m) & DRAWING)} == {}


def test_the_engine_makes_no_tables() -> None:
    assert [m for m in MODULES if layer(m) == 0 and "pandas" in tops(m)] == []
