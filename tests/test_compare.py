"""The comparison: rows that follow from the records, and elements that hold all of them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib import compare, plots
from ddlib.files import save_json
from ddlib.results import Result

PROVENANCE = {"command": "python -m ddlib record"}


def a_result(tag: str, protocol: str, **settings: object) -> Result:
    accuracies = ((40.0, 42.0), (47.0, 47.0))
    seconds = (1200.0, 1300.0)
    return Result("toy", tag, 1, protocol, "fast", settings, accuracies, seconds, PROVENANCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Records of two methods; random images under one protocol only, and no set of theirs."""
    for protocol in ("plain", "augmented"):
        a_result("dm", protocol, steps=7).save(tmp_path)
    a_result("random", "plain").save(tmp_path)
    made = ddlib.distill(toy_data(channels=3), ddlib.RandomSelection(ipc=1))
    made.save(tmp_path / "sets" / "toy-dm-ipc1.safetensors")
    save_json(tmp_path / "benchmarks" / "memory-toy.json", {"mib": {"dm-ipc1": 321}})
    return tmp_path


def test_rows_follow_from_the_records(folder: Path) -> None:
    chosen, distilled = compare.rows("toy", folder)
    assert (chosen.tag, chosen.seconds, chosen.steps, chosen.floats) == ("random", None, None, None)
    assert list(chosen.results) == ["plain"]
    assert (distilled.seconds, distilled.steps, distilled.labels) == (1250.0, 7, "hard")
    assert distilled.floats == 3 * 3 * 8 * 8
    assert (chosen.memory, distilled.memory) == (None, 321)
    assert distilled.results["augmented"].mean == 44.0


def test_soft_labels_and_a_learned_rate_are_stored_too() -> None:
    made = ddlib.distill(toy_data(), ddlib.RandomSelection(ipc=2))
    pixels = 6 * 2 * 8 * 8
    assert compare.floats_stored(made) == pixels
    soft = replace(made, labels=torch.full((6, 3), 1 / 3), lr=0.01)
    assert compare.floats_stored(soft) == pixels + 6 * 3 + 1


def test_the_table_holds_every_row_without_a_script(folder: Path) -> None:
    page = plots.comparison(compare.rows("toy", folder)).data.split("<script>")[0]
    assert page.count("<tr data-tag=") == 2
    assert page.count("44.0 ± 3.6 (4)") == 3
    assert 'data-value="1250">1,250<' in page, "sorts by the number, shows it for reading"
    heads = re.findall(r'<th scope="col">(.*?)</th>', page)
    assert sum("accuracy" in h for h in heads) == 2, "two protocols never share a column"
    assert "button" not in page.split("</style>")[1], "no dead button"
    assert 'class="filters" hidden' in page


def test_what_is_unknown_sorts_by_nothing(folder: Path) -> None:
    page = plots.comparison(compare.rows("toy", folder)[:1]).data
    assert page.count('data-value="">–<') == 5  # augmented, updates, seconds, memory, floats


def test_two_scales_do_not_share_a_table(folder: Path) -> None:
    found = compare.rows("toy", folder)
    with pytest.raises(ValueError, match="different scales"):
        plots.comparison([found[0], replace(found[1], profile="full")])


def test_classes_show_every_set_with_a_text_alternative() -> None:
    made = ddlib.distill(toy_data(channels=3), ddlib.RandomSelection(ipc=2))
    page = plots.gallery({"random": made, "dm": made}, per_class=1).data
    assert page.count("<details") == 3
    alts = re.findall(r'alt="(.*?)"', page)
    assert alts[1] == "Class a, distribution matching: the first 1 images of the class"
    assert len(alts) == 6


def test_shipped_elements_stay_small() -> None:
    found = compare.rows()
    assert len(plots.comparison(found).data) < 50_000
    tags = [row.tag for row in found if row.ipc == 10]
    sets = {tag: ddlib.load_recorded(f"cifar10x16-{tag}-ipc10") for tag in tags}
    assert len(plots.gallery(sets).data) < 500_000
