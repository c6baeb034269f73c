"""Whatever comes to the border: a `ValueError` that names the thing, or something that works.

Inputs are drawn by hypothesis, more than 300 in all. What is accepted must have the properties
that all code behind the border relies on; what is refused must be refused by the border itself,
in one sentence, and must leave no file behind.
"""

import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import toy_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import ddlib
from ddlib.checks import TOLERANCE
from ddlib.evaluation import check_fits
from ddlib.networks import build
from ddlib.sources import read_npz

pytestmark = pytest.mark.usefixtures("unchecked")
REAL = toy_data((6, 6, 6), 3)
MADE = ddlib.DistilledSet.of(REAL, REAL.train_images[:6], torch.arange(3).repeat(2))


def inputs(count: int) -> Callable[[Callable], Callable]:
    """So many examples, the same in every run."""
    return settings(
        max_examples=count, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def works_or_says(make: Callable[[], Any], *names: str) -> Any:
    """What was made, or None where it was refused in a sentence that has one of `names`."""
    try:
        return make()
    except ValueError as error:
        said = str(error)
        assert len(said) > 20, "a sentence"
        assert any(name in said for name in names), said
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        assert "ddlib" in place.tb_frame.f_code.co_filename, "refused by ddlib, not by what it uses"
        return None


# ---- data and sets --------------------------------------------------------------------------

SIZES = st.integers(0, 9)
TYPES = (
    (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.uint8,
     torch.bool, torch.complex64)
)  # fmt: skip
SPOILS = st.sampled_from((None, None, float("nan"), float("inf"), -float("inf"), 1e30, 300.0))


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    """Images as they should be, or with something about them that is not."""
    shape = (18, 3, 8, 8)
    if draw(st.sampled_from((False, False, True))):
        known = st.sampled_from([(18, 8, 8, 3), (18, 3, 8, 9), (3, 8, 8), (18, 1, 8, 8)])
        shape = draw(known | st.lists(SIZES, max_size=5).map(tuple))
    values = torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 9))))
    spoil = draw(SPOILS)
    if spoil is not None and values.numel():
        values.view(-1)[draw(st.integers(0, values.numel() - 1))] = spoil
    values = values.to(draw(st.sampled_from((torch.float32,) * 6 + TYPES)))
    return draw(st.sampled_from((*[values] * 8, values.tolist(), None)))


@st.composite
def labels(draw: st.DrawFn) -> Any:
    n = draw(st.sampled_from((18, 18, 6, 17, 0)))
    rows = torch.arange(n) % draw(st.sampled_from((3, 3, 2, 5)))
    soft = torch.randn(n, draw(st.sampled_from((3, 3, 4)))).mul(draw(st.sampled_from((1, 9))))
    kind = draw(
        st.sampled_from(("hard", "hard", "soft", "logits", "nan", "column", "list", "float"))
    )
    made = {
        "hard": rows, "soft": soft.softmax(1), "logits": soft, "nan": soft / 0,
        "column": rows[:, None],
        "list": rows.tolist(), "float": rows.float(),
    }  # fmt: skip
    return (
        made[kind].to(draw(st.sampled_from((torch.int64, torch.int8))))
        if kind == "hard"
        else made[kind]
    )


NUMBERS = st.sampled_from((0.5, 0.25, 0.0, -1.0, float("nan"), float("inf"), "0.5", None))
CHANNELS = (
    st.just((0.5,) * 3)
    | st.lists(NUMBERS, max_size=4).map(tuple)
    | st.sampled_from((0.5, None, "x"))
)
CLASSES = st.just(("a", "b", "c")) | st.lists(
    st.sampled_from(("a", "b", "c", "", 1, None)), max_size=4
).map(tuple) | st.sampled_from(("abc", ("a", "b", "c", "d")))  # fmt: skip
NAMES = st.sampled_from(("toy", "toy", "", "..", "a/b", "a\\b", "\0", None, 7))
NAMED = (
    "images",
    "labels",
    "classes",
    "mean",
    "std",
    "spreads",
    "class",
    "name",
    "distributions",
    "lr",
)


def sound(images: torch.Tensor, of: Any) -> None:
    assert images.dtype == torch.float32
    assert images.ndim == 4
    assert images.shape[1] == len(of.mean) == len(of.std)
    assert images.shape[2] == images.shape[3]
    assert bool(images.isfinite().all())
    assert all(s > 0 for s in of.std)
    assert len(set(of.classes)) == len(of.classes) >= 2


FIELDS = ("name", "train_images", "train_labels", "mean", "std", "classes")


@inputs(120)
@given(
    name=NAMES, train_images=tensors(), train_labels=labels(), mean=CHANNELS, std=CHANNELS,
    classes=CLASSES, which=st.sets(st.sampled_from((*FIELDS, *["train_images"] * 4)), max_size=2),
)  # fmt: skip
def test_data(which: set[str], **changes: Any) -> None:
    changes = {key: changes[key] for key in which}
    real = works_or_says(lambda: replace(REAL, **changes), *NAMED)
    if real:
        sound(real.train_images, real)
        assert real.train_labels.bincount(minlength=len(real.classes)).min() > 0
        assert "\n" not in repr(real)


RATES = st.sampled_from(
    (None, 0.1, 0.0, -1.0, float("nan"), float("inf"), "fast", torch.tensor(0.1))
)


@inputs(120)
@given(
    images=tensors(),
    labels=labels(),
    lr=RATES,
    classes=CLASSES,
    which=st.sampled_from((1, 1, 1, 2, 2, 3, 4, 8, 15)),
)
def test_sets(which: int, **changes: Any) -> None:
    changes = {key: value for i, (key, value) in enumerate(changes.items()) if which >> i & 1}
    made = works_or_says(lambda: replace(MADE, **changes), *NAMED)
    if not made:
        return
    sound(made.images, made)
    if made.labels.is_floating_point():
        assert float((made.labels.sum(1) - 1).abs().max()) <= TOLERANCE
    with tempfile.TemporaryDirectory() as folder:
        path = made.save(Path(folder) / "set")
        assert torch.equal(ddlib.DistilledSet.load(path).images, made.images)
    works_or_says(lambda: check_fits(made, REAL), "the set")


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    shape = draw(
        st.sampled_from(
            [(12, 8, 8, 3), (12, 3, 8, 8), (12, 8, 8), (12, 8, 9, 3), (12, 8, 8, 8), (8, 8)]
        )
        | st.lists(SIZES, max_size=5).map(tuple)
    )
    kind = draw(
        st.sampled_from(["u1", "u1", "f8", "f4", "i8", "U3", "c8", "b1", ">u2", ">f4", "f2"])
    )
    top = draw(st.sampled_from((1, 1, 255, 1e6)))
    values = np.random.default_rng(draw(st.integers(0, 9))).uniform(0, top, shape)
    if draw(st.booleans()) and values.size:
        values.flat[0] = draw(st.sampled_from((0, np.nan, np.inf, -1)))
    with np.errstate(all="ignore"):
        made = values.astype(kind)
    return draw(st.sampled_from((made, made, made.tolist())))


ARRAY_LABELS = st.sampled_from(
    (
        np.arange(12) % 3, (np.arange(12) % 3).astype("u1"), ["a", "b", "c"] * 4, np.arange(12) / 3,
        np.eye(12), [], [None] * 12, np.arange(12) - 3, 10**12 * np.arange(12), [0, 1],
        [[0], [1, 2]],
        torch.arange(12) % 3, [True, False] * 6, "abc",
    )
)  # fmt: skip
TESTS = st.sampled_from(
    (0.2, 0.5, 0, 1, -1, float("nan"), "x", None, (np.zeros((2, 8, 8, 3), "u1"), [0, 1]), (1,))
)


@inputs(100)
@given(arrays(), ARRAY_LABELS, st.none() | CLASSES, TESTS, NAMES)
def test_arrays(images: Any, labels: Any, classes: Any, test: Any, name: Any) -> None:
    make = lambda: ddlib.ImageData.from_arrays(images, labels, classes, test=test, name=name)  # noqa: E731
    real = works_or_says(make, *NAMED, "numbers", "pixels", "channels", "share", "test")
    if real:
        sound(real.train_images, real)


# ---- folders --------------------------------------------------------------------------------


def picture(mode: str, size: tuple[int, int], kind: str) -> bytes:
    file = BytesIO()
    Image.new(mode, size, 1 if mode in ("1", "L", "P", "I;16", "F", "I") else None).save(file, kind)
    return file.getvalue()


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Pictures, pictures that were cut short or changed, and other things."""
    mode, kind = draw(st.sampled_from(
        [("RGB", "png"), ("L", "png"), ("RGBA", "png"), ("LA", "png"), ("P", "gif"),
         ("CMYK", "jpeg"),
         ("I;16", "png"), ("F", "tiff"), ("1", "bmp"), ("RGB", "webp")]
    ))  # fmt: skip
    content = picture(mode, draw(st.sampled_from(((4, 4), (1, 9), (30, 7)))), kind)
    harm = draw(st.sampled_from(("none", "none", "none", "cut", "flip", "text", "empty")))
    if harm == "cut":
        content = content[: draw(st.integers(0, len(content)))]
    if harm == "flip":
        place = draw(st.integers(0, len(content) - 1))
        content = (
            content[:place]
            + bytes([content[place] ^ draw(st.integers(1, 255))])
            + content[place + 1 :]
        )
    return {"text": b"no picture", "empty": b""}.get(harm, content)


PLACES = st.sampled_from(
    ("a/1.png", "a/2.png", "b/1.png", "b/2.png", "train/a/1.png", "train/b/1.png", "test/a/1.png",
     "val/b/2", "a/.DS_Store", "b/Thumbs.db", "a/in/1.png", ".git/x", "loose.png")
)  # fmt: skip


@inputs(80)
@given(st.dictionaries(PLACES, files(), max_size=9), st.sampled_from((8, 8, 8, 1, 0, -3, 2.5, "8")))
def test_folders(content: dict[str, bytes], size: Any) -> None:
    with tempfile.TemporaryDirectory() as home:
        for place, data in {"a/0.png": picture("RGB", (4, 4), "png"), **content}.items():
            (Path(home) / place).parent.mkdir(parents=True, exist_ok=True)
            (Path(home) / place).write_bytes(data)
        before = sorted(Path(home).rglob("*"))
        real = works_or_says(lambda: ddlib.load_folder(home, size=size), home, "size", "class")
        assert sorted(Path(home).rglob("*")) == before
        if real:
            sound(real.train_images, real)


# ---- files ----------------------------------------------------------------------------------


def a_file(kind: str) -> bytes:
    file = BytesIO()
    if kind == "pt":
        torch.save({"data": [[torch.zeros(6, 3, 8, 8), torch.arange(6) % 3]]}, file)
    elif kind == "npz":
        np.savez(file, images=np.zeros((6, 3, 8, 8), "f4"), labels=np.arange(6) % 3)
    else:
        with tempfile.TemporaryDirectory() as folder:
            return MADE.save(Path(folder) / "set").read_bytes()
    return file.getvalue()


CONTENTS = {kind: a_file(kind) for kind in ("pt", "npz", "set")}
READERS = {
    "pt": lambda path: ddlib.read_released(path, "dm", REAL),
    "npz": lambda path: ddlib.read_released(path, "frepo", REAL, space="standardized"),
    "set": ddlib.DistilledSet.load,
    "data": read_npz,
    "network": lambda path: build(f"{path}:net", (3, 8, 8), 3),
    "checkpoint": lambda path: ddlib.distill(
        REAL, ddlib.DistributionMatching(ipc=1, steps=1), checkpoint=path
    ),
}


@inputs(120)
@given(
    st.sampled_from(sorted(CONTENTS)),
    st.sampled_from(sorted(READERS)),
    st.sampled_from(("none", "cut", "flip", "flip", "header", "noise", "joined")),
    st.integers(0, 10**9),
    st.integers(1, 255),
)
def test_files(kind: str, reader: str, harm: str, place: int, byte: int) -> None:
    content = CONTENTS[kind]
    at = place % len(content)
    content = {
        "none": content,
        "cut": content[:at],
        "flip": content[:at] + bytes([content[at] ^ byte]) + content[at + 1 :],
        "header": struct.pack("<Q", place) + content[8:],
        "noise": np.random.default_rng(place).bytes(at),
        "joined": content[:at] + CONTENTS["npz" if kind == "pt" else "pt"],
    }[harm]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        works_or_says(lambda: READERS[reader](path), str(path), "file")
        assert [p.name for p in Path(folder).iterdir()] == ["file"]
        assert path.read_bytes() == content


@inputs(40)
@given(
    st.dictionaries(st.sampled_from(("images", "labels", "train_images", "../x", "")), arrays()),
    st.booleans(),
)
def test_archives_of_other_arrays(content: dict[str, Any], packed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        with zipfile.ZipFile(
            path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        ) as archive:
            for name, array in content.items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, np.array(array), allow_pickle=False)
        for reader in ("npz", "data"):
            works_or_says(lambda: READERS[reader](path), str(path))  # noqa: B023
        assert [p.name for p in Path(folder).iterdir()] == ["file"]


NETWORKS = st.sampled_from(
    ("convnet", "vgg11", "", ":", "a:", ":b", "convnet-d99", "convnet-d-1", "os:sep")
)


@inputs(40)
@given(
    NETWORKS | st.text(max_size=9) | st.sampled_from((None, 3, torch.nn.ReLU(), dict, len)),
    SIZES,
    SIZES,
)
def test_networks(network: Any, height: int, width: int) -> None:
    works_or_says(lambda: build(network, (3, height, width), 4), "network", "pixels", "images")
