"""`pytest tests/benchmarks`: our seconds in the table, the yardstick's and the ratio below it.

Not a part of `make test`: nothing here fails because a machine is slow.
"""

import measure
import pytest
from pytest_benchmark.fixture import BenchmarkFixture


class Reported:
    """A timer that shows the seconds which the measured processes reported of themselves."""

    total = 0.0

    def __call__(self) -> float:
        return self.total


REPORTED = Reported()


@pytest.mark.benchmark(timer=REPORTED)
@pytest.mark.parametrize("name", measure.COMPARISONS)
def test_ours_beside_the_straightforward_one(
    name: str, benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    device, pairs = measure.best_device(), []

    def one_pair() -> None:
        pairs.append(measure.run_pair(name, device))
        REPORTED.total += pairs[-1][1]["seconds"]

    benchmark.pedantic(one_pair, rounds=measure.PAIRS)
    found = measure.compare(name, pairs)
    benchmark.extra_info.update(found)
    with capsys.disabled():
        print("\n" + measure.line(found))


@pytest.mark.benchmark(timer=REPORTED)
@pytest.mark.parametrize("name", measure.ALONE)
def test_what_a_reader_waits_for(name: str, benchmark: BenchmarkFixture) -> None:
    runs = []

    def once() -> None:
        runs.append(measure.run_case(name, measure.best_device()))
        REPORTED.total += runs[-1]["seconds"]

    benchmark.pedantic(once, rounds=measure.PAIRS)
    benchmark.extra_info.update(measure.summary(runs))


@pytest.mark.benchmark(timer=REPORTED)
@pytest.mark.parametrize("package", measure.IMPORTS)
def test_import(package: str, benchmark: BenchmarkFixture) -> None:
    def once() -> None:
        REPORTED.total += measure.import_seconds(package)

    benchmark.pedantic(once, rounds=measure.PAIRS)
