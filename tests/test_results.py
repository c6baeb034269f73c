"""Recorded results: numbers that come back as they were, each with a full provenance."""

import json
import math
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.data import NAMES
from ddlib.evaluation import PROTOCOLS, Evaluation
from ddlib.files import DamagedFileError, load_tensors
from ddlib.presets import DATASETS, METHODS
from ddlib.results import Result, Trace, recorded

PROVENANCE = {"command", "seeds", "commit", "device", "versions", "date", "seconds", "data"}


def a_result() -> Result:
    return Result(
        "toy", "dm", 1, "plain", "fast",
        settings={"ipc": 1, "steps": 4},
        accuracies=((40.0, 42.0), (47.0, 47.0)),
        distill_seconds=(1.5, 2.5),
        provenance={"command": "python -m ddlib record", "seeds": {"sets": [0, 1]}},
    )  # fmt: skip


def a_trace() -> Trace:
    method = ddlib.DistributionMatching(ipc=2, steps=4, batch_real=4)
    made = ddlib.distill(toy_data(channels=3), method, snapshots=3)
    measured = [Evaluation((float(i), i + 1.0), "plain") for i in range(3)]
    return Trace.of(made, measured, name="toy-dm-ipc2", profile="fast", per_class=1)


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    result = a_result()
    assert result.save(tmp_path) == tmp_path / "results" / "toy-dm-ipc1-plain.json"
    assert ddlib.load_result("toy-dm-ipc1-plain", tmp_path) == result


def test_mean_and_spread_are_over_all_networks_of_all_sets() -> None:
    result = a_result()
    assert (result.mean, result.n) == (44.0, 4)
    assert result.std == pytest.approx(math.sqrt((16 + 4 + 9 + 9) / 3))


def test_a_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    trace = a_trace()
    trace.save(tmp_path)
    back = ddlib.load_trace("toy-dm-ipc2", tmp_path)
    assert torch.equal(back.frames, trace.frames)
    assert back.accuracies == ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0))
    assert math.isnan(back.losses[0])
    same = ("name", "steps", "accuracies", "protocol", "profile", "classes", "provenance")
    assert [getattr(back, k) for k in same] == [getattr(trace, k) for k in same]
    assert back.losses[1:] == trace.losses[1:]


def test_frames_are_the_first_images_of_each_class_as_bytes() -> None:
    method = ddlib.DistributionMatching(ipc=2, steps=4, batch_real=4)
    made = ddlib.distill(toy_data(channels=3), method, snapshots=3)
    frames = a_trace().frames
    assert (frames.dtype, frames.shape) == (torch.uint8, (3, 3, 3, 8, 8))
    expected = (made.pixels(made.images[[0, 2, 4]]) * 255).round()
    assert torch.equal(frames[-1].float(), expected)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="under the name 'toy'; there are: none yet"):
        ddlib.load_result("toy", tmp_path)
    a_result().save(tmp_path)
    replace(a_result(), tag="random").save(tmp_path)
    with pytest.raises(ValueError, match="there are: toy-dm-ipc1-plain, toy-random-ipc1-plain"):
        ddlib.load_result("toy", tmp_path)
    for load in (ddlib.load_trace, ddlib.load_recorded):
        with pytest.raises(ValueError, match="nothing recorded under the name 'toy'"):
            load("toy", tmp_path)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = a_result().save(tmp_path)
    text = path.read_text()
    for changed in (text[:-30], text.replace("47.0", "74.0")):
        path.write_text(changed)
        with pytest.raises(DamagedFileError, match=r"toy-dm-ipc1-plain\.json is damaged"):
            ddlib.load_result("toy-dm-ipc1-plain", tmp_path)
    trace = a_trace().save(tmp_path)
    trace.write_bytes(trace.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match=r"toy-dm-ipc2\.safetensors is damaged"):
        ddlib.load_trace("toy-dm-ipc2", tmp_path)


# ---- what the package ships ------------------------------------------------------------------


def assert_full_provenance(provenance: dict) -> None:
    """Every question a reader may ask about a number has an answer."""
    assert provenance.keys() >= PROVENANCE
    assert provenance["command"].startswith("python -m ddlib record")
    assert provenance["versions"].keys() >= {"python", "torch", "numpy", "ddlib"}
    assert provenance["seeds"]["sets"]
    assert provenance["seeds"]["networks"]
    assert provenance["seconds"] > 0
    assert date.fromisoformat(provenance["date"]) >= date(2026, 1, 1)
    assert all(provenance[key] for key in ("commit", "device", "data"))


@pytest.mark.parametrize("name", recorded("results"))
def test_every_recorded_result_is_whole(name: str) -> None:
    result = ddlib.load_result(name)
    assert result.name == name
    assert result.dataset == DATASETS[result.profile]
    assert result.tag in METHODS
    assert result.protocol in PROTOCOLS
    assert result.settings["ipc"] == result.ipc
    seeds = result.provenance["seeds"]
    assert len(result.accuracies) == len(result.distill_seconds) == len(seeds["sets"])
    assert {len(one) for one in result.accuracies} == {len(seeds["networks"])}
    assert all(0 < accuracy < 100 for accuracy in result.flat)
    assert_full_provenance(dict(result.provenance))


@pytest.mark.parametrize("name", recorded("sets"))
def test_every_recorded_set_is_whole(name: str) -> None:
    made = ddlib.load_recorded(name)
    assert made.meta["dataset"] in NAMES
    assert name.startswith(f"{made.meta['dataset']}-{made.meta['method']['tag']}-ipc{made.ipc}")
    assert name.endswith(f"-seed{made.meta['seed']}" if made.meta["seed"] else f"-ipc{made.ipc}")
    assert len(made.images) == made.ipc * len(made.classes)
    assert made.labels.bincount().tolist() == [made.ipc] * len(made.classes)
    assert torch.isfinite(made.images).all()
    assert made.meta.keys() >= {"commit", "device", "versions", "seconds", "seed", "data"}


@pytest.mark.parametrize("name", recorded("traces"))
def test_every_recorded_trace_is_whole(name: str) -> None:
    trace = ddlib.load_trace(name)
    assert trace.name == name
    steps = [trace.steps, trace.losses, trace.accuracies, trace.frames]
    assert {len(one) for one in steps} == {len(trace.steps)}
    assert list(trace.steps) == sorted(set(trace.steps))
    assert trace.frames.dtype == torch.uint8
    assert name in recorded("sets")
    assert_full_provenance(dict(trace.provenance))


def test_the_package_stays_light() -> None:
    files = [f for f in (Path(ddlib.__file__).parent / "recorded").rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 20 * 2**20  # with the true sets: as planned
    assert {f.suffix for f in files} <= {".json", ".safetensors"}


def test_records_name_no_path_of_the_machine_that_made_them() -> None:
    for path in (Path(ddlib.__file__).parent / "recorded").rglob("*"):
        if path.suffix == ".safetensors":
            text = json.dumps(load_tensors(path)[1])
        elif path.suffix == ".json":
            text = path.read_text(encoding="utf-8")
        else:
            continue
        assert not re.search(r"[\s\"'=](?:/[a-z]+){2,}|[A-Z]:\\\\", text), path.name


def test_records_are_readable_text() -> None:
    for name in recorded("results"):
        path = Path(ddlib.__file__).parent / "recorded" / "results" / f"{name}.json"
        assert json.loads(path.read_text(encoding="utf-8"))["tag"] in METHODS
