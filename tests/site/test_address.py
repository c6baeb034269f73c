"""The repository's address stands in one place, and everything else follows."""

import re
import shutil
from pathlib import Path

import pytest
from built import ROOT

from book.address import out_of_step, repository

BADGE = re.compile(r"https://colab\.research\.google\.com/github/([^/]+/[^/]+)/blob/main/([^)\s]+)")


def copy_of_sources(folder: Path) -> Path:
    """The files that carry the address, in a folder of their own."""
    for name in ("_config.yml", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "book", folder / "book")
    return folder


def test_every_file_names_the_address_in_the_config() -> None:
    files = [str(path.relative_to(ROOT)) for path in out_of_step(ROOT)]
    assert files == [], "run `make address`"


def test_a_fork_moves_with_one_edit(tmp_path: Path) -> None:
    root = copy_of_sources(tmp_path)
    old, new = repository(root), "some-course/its.book"
    config = root / "_config.yml"
    config.write_text(config.read_text("utf-8").replace(old, new), "utf-8")
    corrected = out_of_step(root)
    expected = {root / "README.md", root / "CITATION.cff", *(root / "book").rglob("*.ipynb")}
    assert expected <= set(corrected)
    for path, text in corrected.items():
        assert old not in text
        assert new in text
        path.write_text(text, "utf-8")
    assert out_of_step(root) == {}


def test_another_host_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_config.yml").write_text("repository: {url: https://example.org/a/b}")
    with pytest.raises(ValueError, match="not https://github"):
        repository(tmp_path)


def test_badges_in_the_readme_name_notebooks() -> None:
    badges = BADGE.findall((ROOT / "README.md").read_text("utf-8"))
    assert badges
    for name, notebook in badges:
        assert name == repository(ROOT)
        assert (ROOT / notebook).is_file()
