"""The examples in docstrings run, and the small formulas have one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import ddlib

MODULES = [
    module.name
    for module in pkgutil.walk_packages(ddlib.__path__, "ddlib.")
    if not module.name.endswith("__main__")
]
# What a reader may check by hand: every statistic, and what methods and questions measure by.
FORMULAS = {
    "ddlib.experiment.statistics": {
        "bound",
        "by_sets",
        "components",
        "decided",
        "paired",
        "ratio",
        "set_means",
        "summary",
        "upper_bound",
    },
    "ddlib.methods.distribution": {"mean_feature_distance"},
    "ddlib.methods.gradient": {"gradient_distance", "row_distance"},
    "ddlib.methods.trajectory": {"trajectory_distance"},
    "ddlib.training": {"cross_entropy"},
}
# Measures of the questions, wherever they live.
MEASURES = {"alike", "association", "gap", "rank_correlation", "settled", "smoothed", "tau"}


def examples(name: str) -> dict[str, doctest.DocTest]:
    """The examples of a module by the name of the function they stand in."""
    module = importlib.import_module(name)
    found = {}
    for label, value in vars(module).items():
        here = getattr(value, "__module__", None) == name
        if here and (inspect.isclass(value) or inspect.isroutine(value)) and value.__doc__:
            test = doctest.DocTestParser().get_doctest(
                inspect.cleandoc(value.__doc__), vars(module), label, name, 0
            )
            if test.examples:
                found[label] = test
    return found


EXAMPLES = {name: found for name in MODULES if (found := examples(name))}
ALL = [pytest.param(t, id=f"{m}.{label}") for m, ts in EXAMPLES.items() for label, t in ts.items()]


@pytest.mark.parametrize("example", ALL)
def test_an_example_gives_what_it_says(example: doctest.DocTest) -> None:
    said: list[str] = []
    doctest.DocTestRunner().run(example, out=said.append)
    assert said == []


@pytest.mark.parametrize("module", FORMULAS)
def test_a_formula_has_an_example(module: str) -> None:
    assert FORMULAS[module] <= set(EXAMPLES[module])


def test_measures_of_questions_have_an_example() -> None:
    assert set().union(*EXAMPLES.values()) >= MEASURES
