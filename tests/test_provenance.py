"""Where a number came from, and the one call that tunes memory."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ddlib
from ddlib import provenance


def run_git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of code in a project's root; the functions believe they live in it."""
    folder = tmp_path / "root" / "package"
    folder.mkdir(parents=True)
    (folder / "code.py").write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(folder / "provenance.py"))
    return folder


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_commit_is_marked_when_code_differs_from_it(package: Path) -> None:
    assert provenance.commit() is None  # not a checkout
    root = package.parent
    run_git(root, "init", "-q")
    run_git(root, "add", ".")
    run_git(root, "commit", "-qm", "first")
    head = run_git(root, "rev-parse", "HEAD")
    assert provenance.commit() == head[:12]
    (package / "notes.txt").write_text("not code")
    run_git(root, "add", ".")
    assert provenance.commit() == head[:12]
    (package / "code.py").write_text("x = 2\n")
    assert provenance.commit() == head[:12] + "+"


def test_commit_is_unknown_without_git(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package.parent / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None


def test_a_repository_around_an_installed_package_is_not_ours(package: Path) -> None:
    """`site-packages` may lie inside a reader's own repository, whose commit says nothing."""
    (package.parent.parent / ".git").mkdir()
    assert provenance.commit() is None


def test_versions_and_device_are_named() -> None:
    found = provenance.provenance("cpu")
    assert found["versions"]["python"] == platform.python_version()
    assert found["device"].startswith("CPU, ")
    assert found["device"].endswith(f", {torch.get_num_threads()} threads")


STATUS = Path("/proc/self/status")


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux to say it a second way")
def test_peak_memory_is_in_mebibytes() -> None:
    line = next(one for one in STATUS.read_text().splitlines() if one.startswith("VmHWM:"))
    assert provenance.peak_memory_mib("cpu") == pytest.approx(int(line.split()[1]) / 1024, rel=0.02)


def test_memory_advice_is_taken_by_glibc_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Library:
        def __init__(self, name: None) -> None: ...

        def mallopt(self, option: int, value: int) -> int:
            asked.append(option)
            return 1

    monkeypatch.setattr("ctypes.CDLL", Library)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1"))
    assert not ddlib.keep_freed_memory()
    assert asked == []
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    assert ddlib.keep_freed_memory()
    assert sorted(asked) == [-3, -2, -1]


@pytest.mark.parametrize("work", [["--work", "/some/where"], ["--work=/some/where"], []])
def test_the_command_leaves_out_where_unfinished_work_lay(
    work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ddlib", "record", *work, "--note", "two words"])
    assert provenance.command_line() == "python -m ddlib record --note 'two words'"
