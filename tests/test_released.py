"""Released sets: the layouts of the field, in files made here, and files that mean harm."""

import io
import os
import pickle
import resource
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import toy_data

import ddlib
from ddlib.files import ForeignFileError, load_tensors
from ddlib.sources import read_npz

pytestmark = pytest.mark.usefixtures("unchecked")
IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(3).repeat_interleave(2)
LOGITS = 3 * torch.randn(6, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def real() -> ddlib.ImageData:
    return toy_data((4, 4, 4), 3)


@pytest.fixture
def white(real: ddlib.ImageData) -> ddlib.ImageData:
    return replace(real, whitening="ZCA, eps 0.1", mean=(0.0,) * 3, std=(1.0,) * 3)


# ---- the layouts ----------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["dc", "dsa", "dm"])
@pytest.mark.parametrize("new", [True, False])
def test_results_of_several_experiments(
    real: ddlib.ImageData, tmp_path: Path, layout: str, new: bool
) -> None:
    path = tmp_path / "res_DC.pt"
    content = {
        "data": [[IMAGES, CLASSES], [-IMAGES, CLASSES]],
        "accs_all_exps": {"ConvNet": [np.float64(42.0), np.float32(41.0)]},
    }
    torch.save(content, path, _use_new_zipfile_serialization=new)
    first = ddlib.read_released(path, layout, real)
    second = ddlib.read_released(path, layout, real, experiment=1)
    assert torch.equal(first.images, IMAGES)
    assert torch.equal(second.images, -IMAGES)
    assert torch.equal(first.labels, CLASSES)
    assert (first.ipc, first.lr, first.mean) == (2, None, real.mean)
    assert first.meta["released"] == "res_DC.pt"
    with pytest.raises(ValueError, match="experiment must be from 0 to 1; got 2"):
        ddlib.read_released(path, layout, real, experiment=2)


@pytest.mark.parametrize("name", ["images.pt", "images_best.pt", "images_4000.pt"])
def test_a_file_for_each_part(white: ddlib.ImageData, tmp_path: Path, name: str) -> None:
    torch.save(IMAGES.clone().requires_grad_(), tmp_path / name)
    torch.save(LOGITS, tmp_path / name.replace("images", "labels"))
    torch.save(torch.tensor(0.0184), tmp_path / name.replace("images", "lr"))
    torch.save(torch.zeros(6, 3, 8, 8), tmp_path / "images_zca_4000.pt")  # pixels, not the set
    path = tmp_path / name if "4000" in name else tmp_path
    with pytest.warns(UserWarning, match="labels are logits in the file, and distributions by"):
        made = ddlib.read_released(path, "datm", white, space="whitened")
    assert torch.equal(made.images, IMAGES)
    torch.testing.assert_close(made.labels, LOGITS.softmax(1))
    assert made.lr == pytest.approx(0.0184)
    assert "softmax" in made.meta["labels"]
    assert made.whitening == white.whitening


@pytest.mark.parametrize("last", [True, False])
def test_arrays_of_kernel_methods(white: ddlib.ImageData, tmp_path: Path, last: bool) -> None:
    images, targets = IMAGES.numpy(), np.eye(3, dtype="float32")[CLASSES] - 1 / 3
    names = ("image", "label") if last else ("images", "labels")
    given = images.transpose(0, 2, 3, 1) if last else images
    np.savez(tmp_path / "set.npz", **dict(zip(names, (given, targets), strict=True)), k=3.7)
    with pytest.warns(UserWarning, match="by adding 1/3 here"):
        made = ddlib.read_released(tmp_path / "set.npz", "frepo", white, space="whitened")
    assert torch.equal(made.images, IMAGES)
    torch.testing.assert_close(made.labels, torch.eye(3)[CLASSES], atol=1e-6, rtol=0)


def test_learned_targets_are_cut_off_at_zero(white: ddlib.ImageData, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=IMAGES.numpy(), labels=LOGITS.numpy())
    with pytest.warns(UserWarning, match="then cutting off at zero"):
        made = ddlib.read_released(tmp_path / "set.npz", "rfad", white, space="whitened")
    expected = (LOGITS + 1 / 3).clamp(min=0)
    torch.testing.assert_close(made.labels, expected / expected.sum(1, keepdim=True))


def test_distributions_stay_as_they_are(real: ddlib.ImageData, tmp_path: Path) -> None:
    torch.save({"data": [[IMAGES, LOGITS.softmax(1)]]}, tmp_path / "res.pt")
    made = ddlib.read_released(tmp_path / "res.pt", "dc", real)
    torch.testing.assert_close(made.labels, LOGITS.softmax(1))
    assert made.meta["labels"] == "distributions"


def test_the_space_is_asked_for(
    real: ddlib.ImageData, white: ddlib.ImageData, tmp_path: Path
) -> None:
    np.savez(tmp_path / "set.npz", images=IMAGES.numpy(), labels=CLASSES.numpy())
    read = lambda data, **more: ddlib.read_released(tmp_path / "set.npz", "rfad", data, **more)  # noqa: E731
    with pytest.raises(ValueError, match="give space='standardized' or space='whitened'"):
        read(real)
    with pytest.raises(
        ValueError, match=r"the set is whitened, and toy is not: .*whitening\(real\)"
    ):
        read(real, space="whitened")
    with pytest.raises(ValueError, match=r"the set is standardized, and toy is not: .*before"):
        read(white, space="standardized")
    assert torch.equal(read(real, space="standardized").images, IMAGES)


def in_data(content: Any) -> Callable[[Path], None]:
    return lambda path: torch.save({"data": content}, path)


WRONG = {
    "no list": (lambda path: torch.save({"images": IMAGES}, path), "no list 'data'"),
    "an empty list": (in_data([]), "no list 'data'"),
    "three parts": (in_data([[IMAGES, CLASSES, CLASSES]]), "pairs of images and labels"),
    "text": (in_data([["images", "labels"]]), "a str where a tensor should be"),
    "sparse": (in_data([[IMAGES.to_sparse(), CLASSES]]), "a Tensor where a tensor should be"),
    "one number as many": (
        in_data([[torch.zeros(1).expand(6, 3, 8, 8), CLASSES]]), "claims 1152 numbers",
    ),
    "complex": (in_data([[IMAGES.to(torch.complex64), CLASSES]]), "real numbers"),
    "other size": (in_data([[IMAGES[..., :4], CLASSES]]), "those of toy (3, 8, 8)"),
    "flat": (in_data([[IMAGES.flatten(1), CLASSES]]), "those of toy (3, 8, 8)"),
    "other classes": (in_data([[IMAGES, torch.zeros(6, 5)]]), "6 images and 3 classes"),
    "one label too few": (in_data([[IMAGES, CLASSES[1:]]]), "6 images and 3 classes"),
    "a class too many": (in_data([[IMAGES, CLASSES + 1]]), "from 0 to 2"),
    "half a class": (in_data([[IMAGES, CLASSES / 2]]), "whole numbers"),
    "nan": (in_data([[IMAGES / 0, CLASSES]]), "6 of 6"),
    "not of torch": (lambda path: path.write_bytes(b"images"), "cannot be read as a file of torch"),
    "a truncated file": (
        lambda path: (in_data([[IMAGES, CLASSES]])(path), os.truncate(path, 2000)),
        "cannot be read",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(("write", "words"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_said(
    real: ddlib.ImageData, tmp_path: Path, write: Callable[[Path], None], words: str
) -> None:
    write(tmp_path / "res.pt")
    with pytest.raises(ValueError, match=r".") as error:
        ddlib.read_released(tmp_path / "res.pt", "dc", real)
    assert words in str(error.value)


def test_what_is_missing_is_said(white: ddlib.ImageData, tmp_path: Path) -> None:
    read = lambda path: ddlib.read_released(path, "mtt", white, space="whitened")  # noqa: E731
    with pytest.raises(ValueError, match=r"neither images\.pt nor images_best\.pt"):
        read(tmp_path)
    torch.save(IMAGES, tmp_path / "images.pt")
    with pytest.raises(ValueError, match=r"needs its labels beside it, in labels\.pt"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ddlib.read_released(tmp_path / "nowhere.pt", "dc", replace(white, whitening=None))
    with pytest.raises(ValueError, match="unknown layout 'idc'; choose one of: dc, dsa"):
        ddlib.read_released(tmp_path, "idc", white)


# ---- files that mean harm -------------------------------------------------------------------


class Call:
    """Unpickling it would ask the system for a folder."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("sprung",)


class Trap:
    """Unpickling it would call a function with a path: it would make that file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def trap_in_pt(path: Path, sprung: Path) -> None:
    torch.save({"data": [[IMAGES, CLASSES]], "more": Trap(sprung)}, path)


def trap_in_old_pt(path: Path, sprung: Path) -> None:
    content = {"data": [[IMAGES, CLASSES]], "more": Trap(sprung)}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def trap_as_pickle(path: Path, sprung: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(sprung)))


def system_call(path: Path, sprung: Path) -> None:
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(sprung).encode() + b"'\ntR.")


def trap_in_npz(path: Path, sprung: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, images=np.array([Trap(sprung)] * 6, dtype=object), labels=CLASSES)


TRAPS = {
    f.__name__: f for f in (trap_in_pt, trap_in_old_pt, trap_as_pickle, system_call, trap_in_npz)
}
READERS: dict[str, Callable[[Path, ddlib.ImageData], object]] = {
    "released, pt": lambda path, real: ddlib.read_released(path, "dc", real),
    "released, npz": lambda path, real: ddlib.read_released(
        path, "rfad", real, space="standardized"
    ),
    "set": lambda path, real: ddlib.DistilledSet.load(path),
    "dataset": lambda path, real: read_npz(path),
    "checkpoint": lambda path, real: ddlib.distill(
        real, ddlib.DistributionMatching(ipc=1, steps=1), checkpoint=path
    ),
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_code_of_a_file_is_run(
    real: ddlib.ImageData, tmp_path: Path, trap: Callable, read: Callable
) -> None:
    path, sprung = tmp_path / "file", tmp_path / "sprung"
    trap(path, sprung)
    with pytest.raises(ValueError, match="file"):
        read(path, real)
    assert not sprung.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_a_pickle_asks_for_is_named(real: ddlib.ImageData, tmp_path: Path) -> None:
    for name, new in (("new.pt", True), ("old.pt", False)):
        torch.save([Call()], tmp_path / name, _use_new_zipfile_serialization=new)
        with pytest.raises(
            ForeignFileError, match=rf"{name} asks for \w+\.mkdir, which is neither"
        ):
            ddlib.read_released(tmp_path / name, "dc", real)


@cache
def zeros() -> bytes:
    """An archive with an array of 256 MiB, a thousandth of that in size: seconds to make."""
    file = io.BytesIO()
    np.savez_compressed(file, images=np.zeros(2**28, dtype=np.uint8))
    return file.getvalue()


def bomb_npz(path: Path) -> None:
    path.write_bytes(zeros())


def bomb_pt(path: Path) -> None:
    """One that looks as torch wrote it, down to the names."""
    torch.save({"data": [[IMAGES, CLASSES]]}, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file/data/9", bytes(2**27))


def header_of_terabytes(path: Path) -> None:
    """An array that claims far more numbers than follow."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in (
            "images",
            "labels",
            *(f"{s}_{k}" for s in ("train", "test") for k in ("images",)),
        ):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": "<f4", "fortran_order": False, "shape": (2**30, 3, 64, 64)}
                )


def long_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**31) + b"{" + b" " * 1000)


def long_header_in_a_long_file(path: Path) -> None:
    """The file is as long as it says, but nothing of it is on the disk."""
    path.write_bytes(struct.pack("<Q", 2**31) + b"{")
    os.truncate(path, 2**31 + 100)


def paths_as_names(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../sprung.npy", "/sprung.npy", "..\\sprung.npy"):
            archive.writestr(name, b"x" * 100)


def deep_json(path: Path) -> None:
    header = b'{"__metadata__":{"meta":"' + b"[" * 100_000 + b'","sha256":"0"}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header)


HARM = {
    f.__name__: f
    for f in (
        bomb_npz, bomb_pt, header_of_terabytes, long_header, long_header_in_a_long_file,
        paths_as_names, deep_json,
    )
}  # fmt: skip


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Two gigabytes beyond what the process has: more would fail."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**31, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_file_fills_the_memory_or_writes_elsewhere(
    real: ddlib.ImageData, tmp_path: Path, harm: Callable, read: Callable
) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "file"
    harm(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="file"):
        read(path, real)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB: 256 MiB
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "file"]


def test_names_with_paths_stay_names(tmp_path: Path) -> None:
    from ddlib.files import save_tensors

    path = save_tensors(tmp_path / "here", {"../../sprung": torch.zeros(1)}, {})
    assert list(load_tensors(path)[0]) == ["../../sprung"]
    assert [p.name for p in tmp_path.iterdir()] == ["here"]
    for name in ("../../etc/passwd", "..", "a/b", "/etc/passwd"):
        with pytest.raises(ValueError, match="nothing recorded under the name"):
            ddlib.load_recorded(name)
