"""Cells: a file each, made once, resumed after a kill, the same under every executor."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ddlib.experiment.cells import Cell, collect
from ddlib.files import DamagedFileError
from ddlib.seeds import generator


def noisy(i: int, *needed: dict[str, Tensor]) -> dict[str, Tensor | float]:
    """A number, an array, and what the cells that it needs found."""
    draws = torch.rand(5, generator=generator(i))
    return {"mean": draws.mean() + sum(n["mean"] for n in needed), "draws": draws}


def some(n: int = 4) -> list[Cell]:
    return [Cell({"method": "dm", "network": i}, partial(noisy, i)) for i in range(n)]


def same(one, other) -> bool:
    columns = [c for c in one if c not in ("seconds", "draws")]
    arrays = all(torch.equal(a, b) for a, b in zip(one["draws"], other["draws"], strict=True))
    return one[columns].equals(other[columns]) and arrays


def test_a_table_has_a_row_for_each_cell_and_keeps_arrays_beside() -> None:
    table = collect(some(3))
    assert table["network"].tolist() == [0, 1, 2]
    assert table["mean"].tolist() == [noisy(i)["mean"].item() for i in range(3)]
    assert torch.equal(table["draws"][2], noisy(2)["draws"])
    assert (table["seconds"] >= 0).all()


def test_labels_that_some_cells_lack_stay_whole_numbers() -> None:
    cells = [Cell({"set": 1}, lambda: {"x": 1.5}), Cell({"network": 3}, lambda: {"y": 2})]
    table = collect(cells)
    assert table["set"].tolist()[0] == 1
    assert str(table["set"].dtype) == str(table["network"].dtype) == "Int64"
    assert table["x"].isna().tolist() == [False, True]


def test_each_cell_is_made_once_and_another_one_costs_itself(tmp_path: Path) -> None:
    calls: list[int] = []

    def work(i: int) -> dict[str, float]:
        calls.append(i)
        return {"value": i / 3}

    cells = [Cell({"network": i}, partial(work, i)) for i in range(3)]
    first = collect(cells[:2], tmp_path)
    again = collect(cells, tmp_path)
    assert calls == [0, 1, 2]
    assert again["value"].tolist()[:2] == first["value"].tolist() == [0, 1 / 3]
    assert again["seconds"].tolist()[:2] == first["seconds"].tolist()
    assert sorted(p.name.split("-")[0] for p in tmp_path.iterdir()) == ["0", "1", "2"]


@pytest.mark.parametrize("change", ["labels", "on", "needs"])
def test_a_cell_is_made_anew_when_what_it_depends_on_is_another(
    tmp_path: Path, change: str
) -> None:
    def cell(network: int = 0, rate: float = 0.1, needed: int = 0) -> Cell:
        need = Cell({"path": needed}, partial(noisy, needed))
        return Cell({"network": network}, partial(noisy, 7), {"rate": rate}, (need,))

    other = {"labels": {"network": 1}, "on": {"rate": 0.2}, "needs": {"needed": 1}}[change]
    collect([cell()], tmp_path)
    before = {p.name for p in tmp_path.iterdir()}
    collect([cell(**other)], tmp_path)
    assert len({p.name for p in tmp_path.iterdir()} - before) == (2 if change == "needs" else 1)


def test_what_a_cell_needs_is_made_first_and_only_if_missing(tmp_path: Path) -> None:
    path = Cell({"part": "path"}, partial(noisy, 0))
    cells = [Cell({"step": i}, partial(noisy, i), needs=(path,)) for i in (1, 2)]
    table = collect(cells, tmp_path)
    assert table["mean"][0] == pytest.approx(float(noisy(1)["mean"] + noisy(0)["mean"]))
    assert len(list(tmp_path.iterdir())) == 3, "what both need is made once"
    (tmp_path / f"{path.name}.safetensors").unlink()
    collect(cells, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "finished cells need nothing any more"


def test_two_cells_with_the_same_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two cells have the same labels: \{.method.: .dm."):
        collect([*some(1), *some(1)])


def test_a_damaged_cell_is_named_and_refused(tmp_path: Path) -> None:
    (cell,) = some(1)
    collect([cell], tmp_path)
    path = tmp_path / f"{cell.name}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedFileError, match=cell.name):
        collect([cell], tmp_path)


def die_at(i: int, number: int) -> dict[str, float]:
    if i == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": float(i)}


def test_a_killed_run_loses_one_cell(tmp_path: Path) -> None:
    script = (
        "import sys; from functools import partial; from pathlib import Path\n"
        "from ddlib.experiment.cells import Cell, collect; from test_cells import die_at\n"
        "cells = [Cell({'network': i}, partial(die_at, i, 2)) for i in range(4)]\n"
        "collect(cells, Path(sys.argv[1]))"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env={**os.environ, "PYTHONPATH": paths}
    )
    assert run.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    cells = [Cell({"network": i}, partial(die_at, i, -1)) for i in range(4)]
    assert collect(cells, tmp_path)["value"].tolist() == [0, 1, 2, 3]


def with_needs() -> list[Cell]:
    path = Cell({"part": "path"}, partial(noisy, 0))
    return [Cell({"step": i}, partial(noisy, i), needs=(path,)) for i in range(1, 5)]


def test_processes_find_what_one_process_finds(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert same(collect(with_needs(), tmp_path, pool), collect(with_needs()))
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.filterwarnings("ignore")  # of a cluster that is started and stopped
def test_a_cluster_finds_what_one_process_finds(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = collect(with_needs(), tmp_path, client.get_executor())
    assert same(found, collect(with_needs()))
