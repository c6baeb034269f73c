"""Files: whole or not at all, refused if a single bit differs, never pickled."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.files import (
    DamagedFileError,
    load_json,
    load_tensors,
    save_json,
    save_tensors,
    write_bytes,
)

TENSORS = {
    "images": torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0)),
    "labels": torch.tensor([2, 0, 1]),
    "half": torch.tensor(0.5, dtype=torch.float16),
}
META = {"name": "toy", "numbers": [1, 2.5], "none": None, "text": "± ü", "nested": {"seed": 3}}


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: what a full disk does to a write, for one process."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    tensors, meta = load_tensors(save_tensors(tmp_path / "here", TENSORS, META))
    assert meta == META
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    path = save_json(tmp_path / "here.json", META)
    assert load_json(path) == META
    assert "± ü" in path.read_text(encoding="utf-8")


def test_equal_content_makes_equal_files(tmp_path: Path) -> None:
    turned = dict(reversed(TENSORS.items())), dict(reversed(META.items()))
    paths = [save_tensors(tmp_path / str(i), TENSORS, META) for i in range(10)]
    paths.append(save_tensors(tmp_path / "turned", *turned))
    assert len({path.read_bytes() for path in paths}) == 1


def test_no_file_is_a_pickle(tmp_path: Path) -> None:
    content = save_tensors(tmp_path / "here", TENSORS, META).read_bytes()
    assert content[8:9] == b"{"  # safetensors: eight bytes of length, then a JSON header
    length = int.from_bytes(content[:8], "little")
    assert len(content) == 8 + length + 3 * 2 * 4 * 4 * 4 + 3 * 8 + 2  # and then bare numbers


Load = Callable[[Path], Any]


def written(folder: Path) -> dict[str, tuple[Path, Load]]:
    """One file of each kind, and what reads it."""
    real = toy_data()
    made = ddlib.DistilledSet.of(real, real.train_images[:3], real.train_labels[:3])
    return {
        "tensors": (save_tensors(folder / "some.safetensors", TENSORS, META), load_tensors),
        "json": (save_json(folder / "some.json", META), load_json),
        "set": (made.save(folder / "set.safetensors"), ddlib.DistilledSet.load),
    }


every_file = pytest.mark.parametrize("kind", ["tensors", "json", "set"])


@every_file
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, kind: str, share: float) -> None:
    path, load = written(tmp_path)[kind]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DamagedFileError, match=f"{re.escape(str(path))} is damaged"):
        load(path)


def as_text(loaded: object) -> str:
    """Everything that was read, so that a difference anywhere shows."""
    torch.set_printoptions(precision=10, threshold=10**6)
    text = str(loaded)
    torch.set_printoptions(profile="default")
    return text


@every_file
def test_one_changed_byte_never_changes_what_is_read(tmp_path: Path, kind: str) -> None:
    path, load = written(tmp_path)[kind]
    content, expected = path.read_bytes(), as_text(load(path))
    places = [*range(0, len(content), 7), len(content) // 2]
    read = 0
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with suppress(DamagedFileError):
            assert as_text(load(path)) == expected
            read += 1
    assert read <= len(places) / 100


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '"text"', '{"name": 1}', "{", "\ufeff{}"])
def test_other_json_is_not_mistaken_for_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DamagedFileError, match=r"other\.json is damaged"):
        load_json(path)


def test_a_number_edited_by_hand_is_noticed(tmp_path: Path) -> None:
    path = save_json(tmp_path / "here.json", {"accuracy": 48.9})
    path.write_text(path.read_text().replace("48.9", "84.9"))
    with pytest.raises(DamagedFileError, match="does not match its checksum"):
        load_json(path)


def save_set(path: Path) -> None:
    real = toy_data((40, 40, 40))
    ddlib.DistilledSet.of(real, real.train_images, real.train_labels).save(path)


def save_checkpoint(path: Path) -> None:
    method = ddlib.DistributionMatching(ipc=4, steps=1, batch_real=4)
    ddlib.distill(toy_data(), method, checkpoint=path)


WRITERS: Mapping[str, Callable[[Path], object]] = {
    "bytes": lambda path: write_bytes(path, bytes(50_000)),
    "tensors": lambda path: save_tensors(path, {"zeros": torch.zeros(20_000)}, {}),
    "json": lambda path: save_json(path, {"numbers": list(range(20_000))}),
    "set": save_set,
    "checkpoint": save_checkpoint,
}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@every_writer
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, write: Callable) -> None:
    path = tmp_path / "here"
    message = "cannot write .*here: .*; nothing was left half-written"
    with room_for(4096), pytest.raises(OSError, match=message):
        write(path)
    assert list(tmp_path.iterdir()) == []


@every_writer
def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path: Path, write: Callable) -> None:
    path = save_json(tmp_path / "elsewhere" / "here", META)
    if write is not save_checkpoint:  # which would read it first
        with room_for(4096), pytest.raises(OSError, match="nothing was left half-written"):
            write(path)
    assert load_json(path) == META
    assert [p.name for p in path.parent.iterdir()] == ["here"]


@every_writer
def test_a_folder_that_cannot_be_is_named(tmp_path: Path, write: Callable) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write .*here: "):
        write(tmp_path / "file" / "here")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failing_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    """Also when it is not the disk that fails, but Ctrl-C."""
    from ddlib.files import write_with

    def interrupted(file: object) -> None:
        file.write(b"the first half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_with(tmp_path / "here", interrupted)
    assert list(tmp_path.iterdir()) == []
