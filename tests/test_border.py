"""What real inputs look like, and what is said to each: the kinds of trouble that users brought."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import toy_data
from PIL import Image

import ddlib
from ddlib import provenance
from ddlib.evaluation import Evaluation, balanced_accuracy, in_turn
from ddlib.files import ForeignFileError
from ddlib.training import Recipe
from ddlib.whiten import whitening

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture(autouse=True)
def short(protocols: Callable[..., None]) -> None:
    protocols(plain=Recipe(epochs=3))


def colored(channels: int = 3) -> ddlib.ImageData:
    return toy_data((6, 6, 6), channels)


def a_set(real: ddlib.ImageData, **changes: object) -> ddlib.DistilledSet:
    made = ddlib.distill(real, ddlib.RandomSelection(ipc=2))
    return replace(made, **changes)


# ---- data -----------------------------------------------------------------------------------


def spoiled(value: float) -> torch.Tensor:
    images = colored().train_images.clone()
    images[3, 0, 0, 0] = images[7, 2, 5, 5] = value
    return images


WRONG_DATA = {
    "nan": ({"train_images": spoiled(float("nan"))}, ("finite", "2 of 18", "training")),
    "infinite": ({"train_images": spoiled(float("-inf"))}, ("finite", "2 of 18", "nan_to_num")),
    "nan in the test": ({"test_images": torch.full((30, 3, 8, 8), float("nan"))}, ("test", "30")),
    "too large for half precision": (
        {"train_images": (1e5 * colored().train_images).half()}, ("finite", "18 of 18"),
    ),
    "channels last": ({"train_images": torch.zeros(18, 8, 8, 3)}, ("permute(0, 3, 1, 2)",)),
    "not square": ({"train_images": torch.zeros(18, 3, 8, 9)}, ("square", "8x9", "crop")),
    "splits of two sizes": ({"test_images": torch.zeros(30, 3, 4, 4)}, ("(3, 8, 8)", "(3, 4, 4)")),
    "a test in bytes": (
        {"test_images": 255 * torch.rand(30, 3, 8, 8)}, ("test images reach", "standardize both"),
    ),
    "an array": ({"train_images": np.zeros((18, 3, 8, 8))}, ("torch tensor", "from_arrays")),
    "no spread": ({"std": (0.2, 0.0, 0.2)}, ("above zero", "spread 1")),
    "a spread that is no number": ({"std": (0.2, float("nan"), 0.2)}, ("above zero",)),
    "a mean that is no number": ({"mean": (0.2, float("inf"), 0.2)}, ("finite",)),
    "a mean too few": ({"mean": (0.2, 0.2)}, ("2 means", "3")),
    "one number for all channels": ({"mean": 0.5}, ("one number for each channel",)),
    "one class": ({"classes": ("a",)}, ("two classes",)),
    "a name twice": ({"classes": ("a", "b", "a")}, ("distinct", "'a'")),
    "a text as classes": ({"classes": "abc"}, ("tuple of names",)),
    "a name with a path": ({"name": "../../toy"}, ("without slashes",)),
    "no name": ({"name": ""}, ("name",)),
    "labels as short integers": (
        {"train_labels": torch.zeros(18, dtype=torch.int16)}, ("labels.long()", "training labels"),
    ),
    "one-hot labels": ({"test_labels": torch.eye(30).long()}, ("argmax(1)", "test labels")),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), WRONG_DATA.values(), ids=WRONG_DATA)
def test_data_say_what_is_wrong_with_them(change: dict, words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        replace(colored(), **change)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_converted_once_and_work(dtype: torch.dtype) -> None:
    images = colored().train_images.to(dtype)
    real = replace(colored(), train_images=images, test_images=colored().test_images.to(dtype))
    assert real.train_images.dtype == real.test_images.dtype == torch.float32
    assert torch.equal(real.train_images, images.float())
    made = ddlib.distill(real, ddlib.DistributionMatching(ipc=1, steps=2, batch_real=2))
    assert ddlib.evaluate(made, real, nets=1).n == 1


# ---- arrays ---------------------------------------------------------------------------------


def some_bytes(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("last", [True, False])
def test_arrays_in_either_layout_are_the_same_data(last: bool) -> None:
    images, labels = some_bytes(20, 8, 8, 3), np.arange(20) % 2
    given = images if last else images.transpose(0, 3, 1, 2)
    real = ddlib.ImageData.from_arrays(given, labels, ("cat", "dog"), test=0.2, name="pets")
    assert (real.name, real.shape, real.classes) == ("pets", (3, 8, 8), ("cat", "dog"))
    assert (len(real.train_images), len(real.test_images)) == (16, 4)
    std, mean = torch.std_mean(real.train_images, dim=(0, 2, 3))
    torch.testing.assert_close((mean, std), (torch.zeros(3), torch.ones(3)), atol=1e-5, rtol=0)
    scale, shift = (torch.tensor(v)[:, None, None] for v in (real.std, real.mean))
    back = torch.cat([real.train_images, real.test_images]) * scale + shift
    seen = {tuple(row) for row in (back * 255).round().byte().flatten(1)[:, :9].tolist()}
    first = torch.from_numpy(images).permute(0, 3, 1, 2).flatten(1)[:, :9].tolist()
    assert seen == {tuple(row) for row in first}


def test_floats_gray_16_bits_and_names_come_in_too() -> None:
    gray, names = some_bytes(12, 8, 8), ["cat", "dog", "emu"] * 4
    eight = ddlib.ImageData.from_arrays(gray, names)
    assert (eight.shape, eight.classes) == ((1, 8, 8), ("cat", "dog", "emu"))
    halves = ddlib.ImageData.from_arrays(gray / 255, names)
    sixteen = ddlib.ImageData.from_arrays(gray.astype(np.uint16) * 257, names)
    for other in (halves, sixteen):
        torch.testing.assert_close(other.train_images, eight.train_images)
    pair = ddlib.ImageData.from_arrays(gray, names, test=(gray[:3], ["emu", "emu", "cat"]))
    assert pair.test_labels.tolist() == [2, 2, 0]
    assert len(pair.train_images) == 12


def test_a_channel_that_never_changes_is_kept() -> None:
    images = some_bytes(12, 8, 8, 3)
    images[..., 1] = 77
    real = ddlib.ImageData.from_arrays(images, np.arange(12) % 2)
    assert real.std[1] == 1
    assert bool((real.train_images[:, 1].abs() < 1e-5).all())


PAIR = some_bytes(8, 8, 8, 3), np.arange(8) % 2
WRONG_ARRAYS = {
    "floats up to 255": ((PAIR[0].astype(float), PAIR[1]), ("from 0 to 1", "Divide")),
    "signed integers": ((PAIR[0].astype(np.int32), PAIR[1]), ("uint8 or uint16", "int32")),
    "not square": ((PAIR[0][:, :5], PAIR[1]), ("square",)),
    "one image": ((PAIR[0][0], PAIR[1][:1]), ("square",)),
    "two axes": ((PAIR[0][0, 0], PAIR[1]), ("(n, h, w)",)),
    "words": ((np.full((8, 8, 8), "x"), PAIR[1]), ("must be numbers",)),
    "float labels": ((PAIR[0], PAIR[1] / 2), ("whole numbers or names", "float64")),
    "one-hot labels": ((PAIR[0], np.eye(8)), ("argmax(1)",)),
    "an unknown name": ((PAIR[0], ["cat"] * 7 + ["cow"], ("cat", "dog")), ("'cow'",)),
    "a gap in the numbers": ((PAIR[0], 2 * PAIR[1]), ("class '1' has no training image",)),
    "a number of an account": ((PAIR[0], 10**12 * PAIR[1]), ("count from 0", "np.unique")),
    "a label too few": ((PAIR[0], PAIR[1][1:]), ("each of 8 images",)),
}


@pytest.mark.parametrize(("given", "words"), WRONG_ARRAYS.values(), ids=WRONG_ARRAYS)
def test_arrays_say_what_is_wrong_with_them(given: tuple, words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        ddlib.ImageData.from_arrays(*given)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("share", [0, 1, -0.1, 2, float("nan"), "half"])
def test_a_share_that_is_none_is_refused(share: object, pets: Path) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ddlib.ImageData.from_arrays(*PAIR, test=share)
    with pytest.raises(ValueError, match="between 0 and 1"):
        ddlib.load_folder(pets, test_fraction=share)


# ---- folders --------------------------------------------------------------------------------


def photograph(level: int) -> Image.Image:
    return Image.fromarray(np.full((12, 12, 3), level, "uint8"))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Four images of each of two classes."""
    for name, level in (("cat", 40), ("dog", 200)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(4):
            photograph(level + i).save(tmp_path / "pets" / name / f"{i}.png")
    return tmp_path / "pets"


def test_what_systems_leave_in_folders_is_passed_over(pets: Path) -> None:
    (pets / "cat" / ".DS_Store").write_bytes(b"x")
    (pets / "dog" / "Thumbs.db").write_bytes(b"x")
    (pets / ".ipynb_checkpoints").mkdir()
    (pets / "__MACOSX").mkdir()
    (pets / "README.txt").write_text("beside the classes")
    real = ddlib.load_folder(pets, size=8)
    assert real.classes == ("cat", "dog")
    assert len(real.train_images) + len(real.test_images) == 8


@pytest.mark.parametrize("second", ["test", "val"])
def test_train_and_test_are_splits(pets: Path, second: str) -> None:
    (pets / "train").mkdir()
    for name in ("cat", "dog"):
        (pets / name).rename(pets / "train" / name)
    (pets / second / "dog").mkdir(parents=True)
    photograph(250).save(pets / second / "dog" / "late.png")
    real = ddlib.load_folder(pets, size=8)
    assert (real.name, real.classes) == ("pets", ("cat", "dog"))
    assert (len(real.train_images), real.test_labels.tolist()) == (8, [1])
    (pets / second / "emu").mkdir()
    with pytest.raises(ValueError, match=r"emu is a class without training images.*cat"):
        ddlib.load_folder(pets)


def test_folders_in_folders_are_named(pets: Path) -> None:
    (pets / "cat" / "more").mkdir()
    with pytest.raises(ValueError, match=r"cat is a class and holds a folder, more"):
        ddlib.load_folder(pets)
    (pets / "cat").rename(pets.parent / "cat")
    (pets / "dog").rename(pets.parent / "dog")
    (pets / "train" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds train/, and no test/ or val/ beside it"):
        ddlib.load_folder(pets)


def test_a_tilde_is_the_home_folder(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pets.parent))
    assert ddlib.load_folder("~/pets", size=8).name == "pets"
    monkeypatch.chdir(pets)
    assert ddlib.load_folder(".", size=8).name == "pets"


TOP = np.zeros((8, 8, 3), np.uint8)
TOP[:4] = (250, 120, 10)


def save_turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    Image.fromarray(TOP[::-1].copy()).save(path.with_suffix(".png"), exif=exif)


def save_cmyk(path: Path) -> None:
    Image.fromarray(TOP).convert("CMYK").save(path.with_suffix(".tif"))


def save_palette(path: Path) -> None:
    Image.fromarray(TOP).quantize(4).save(path.with_suffix(".png"))


def save_hidden_colors(path: Path) -> None:
    """What is transparent has a color of its own, which nobody sees."""
    pixels = np.dstack([TOP, np.full((8, 8), 255, np.uint8)])
    pixels[2, 2] = (0, 0, 255, 0)
    Image.fromarray(pixels).save(path.with_suffix(".png"))


KINDS = {
    "turned": save_turned,
    "cmyk": save_cmyk,
    "palette": save_palette,
    "transparent": save_hidden_colors,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_photograph_looks_as_a_viewer_shows_it(tmp_path: Path, kind: str) -> None:
    for name, save in (("plain", None), (kind, KINDS[kind])):
        (tmp_path / name).mkdir()
        for i in range(2):
            path = tmp_path / name / str(i)
            save(path) if save else Image.fromarray(TOP).save(path.with_suffix(".png"))
    real = ddlib.load_folder(tmp_path, size=8)
    of = lambda name: real.train_images[real.train_labels == real.classes.index(name)][0]  # noqa: E731
    shown = ddlib.DistilledSet.of(real, of(kind)[None], torch.tensor([0])).pixels()[0]
    expected = torch.from_numpy(TOP / 255).permute(2, 0, 1).float()
    if kind == "transparent":
        expected[:, 2, 2] = 1  # the white ground
    torch.testing.assert_close(shown, expected, atol=0.05, rtol=0)


def test_16_bits_and_fractions_are_pixels_too(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for i in range(2):
        Image.fromarray((65535 * ramp).astype(np.uint16)).save(tmp_path / "a" / f"{i}.png")
        Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "b" / f"{i}.tif")
    real = ddlib.load_folder(tmp_path, size=8)
    shown = real.train_images * real.std[0] + real.mean[0]
    expected = torch.from_numpy(ramp).float().expand(2, 3, 8, 8)
    torch.testing.assert_close(shown, expected, atol=0.01, rtol=0)
    Image.fromarray(1000 * ramp.astype(np.float32)).save(tmp_path / "b" / "0.tif")
    with pytest.raises(ValueError, match=r"0\.tif as an image.*neither 16-bit"):
        ddlib.load_folder(tmp_path)


# ---- sets -----------------------------------------------------------------------------------

LOGITS = 5 * torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
WRONG_SETS = {
    "logits": ({"labels": LOGITS}, ("softmax", "distributions")),
    "rows that sum to zero": (
        {"labels": torch.eye(3).repeat(2, 1) - 1 / 3},
        ("below zero", "sums"),
    ),
    "nan labels": ({"labels": torch.full((6, 3), float("nan"))}, ("distributions",)),
    "a pixel that is no number": ({"images": torch.full((6, 3, 8, 8), float("nan"))}, ("6 of 6",)),
    "rate zero": ({"lr": 0.0}, ("lr must be", "above zero")),
    "rate nan": ({"lr": float("nan")}, ("lr must be",)),
    "rate below zero": ({"lr": -0.1}, ("lr must be",)),
    "rate as text": ({"lr": "0.1"}, ("lr must be",)),
}


@pytest.mark.parametrize(("change", "words"), WRONG_SETS.values(), ids=WRONG_SETS)
def test_sets_say_what_is_wrong_with_them(change: dict, words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        a_set(colored(), **change)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_sets_and_data_are_one_line_and_a_picture(channels: int) -> None:
    real = colored(channels)
    for shown in (real, a_set(real), a_set(real, labels=LOGITS.softmax(1))):
        assert "\n" not in repr(shown)
        assert len(repr(shown)) < 200
        assert 'src="data:image/png;base64,' in shown._repr_html_()
        assert "columns: a, b, c" in shown._repr_html_()
    assert (
        repr(real)
        == f"ImageData('toy', 3 classes, 18 training and 30 test images of {channels}x8x8)"
    )
    assert (
        repr(a_set(real)) == f"DistilledSet('random', 'toy', 6 images of {channels}x8x8, 3 classes)"
    )


# ---- judging --------------------------------------------------------------------------------


def moved(real: ddlib.ImageData, **space: object) -> ddlib.ImageData:
    return replace(real, **space)


def test_a_set_of_another_pixel_space_is_not_scored() -> None:
    real = colored()
    spaces = {"means": {"mean": (0.25,) * 3}, "spreads": {"std": (0.125,) * 3}}
    for word, space in spaces.items():
        with pytest.raises(ValueError, match=f"another pixel space: its channel {word}"):
            ddlib.evaluate(a_set(replace(real, **space)), real)
    rounded = replace(real, mean=(0.50001,) * 3)
    assert ddlib.evaluate(a_set(rounded), real, nets=1).n == 1


def test_a_whitened_set_is_scored_in_its_own_space_alone(tmp_path: Path) -> None:
    real = replace(colored(), mean=(0.0,) * 3, std=(1.0,) * 3)
    white = whitening(real).apply(real)
    made = a_set(white)
    again = ddlib.DistilledSet.load(made.save(tmp_path / "white"))
    assert again.whitening == white.whitening == "ZCA, eps 0.1"
    assert ddlib.evaluate(again, white, nets=1).n == 1
    for one, other in (
        (again, real),
        (a_set(real), white),
        (made, whitening(real, 0.5).apply(real)),
    ):
        with pytest.raises(ValueError, match="another pixel space: its whitening is"):
            ddlib.evaluate(one, other)


def test_classes_in_another_order_are_told() -> None:
    turned = replace(a_set(colored()), classes=("b", "a", "c"))
    with pytest.raises(ValueError, match=r"not those of toy in this order: \('b', 'a', 'c'\)"):
        ddlib.evaluate(turned, colored())


def test_uneven_test_classes_are_told_with_the_balanced_accuracy() -> None:
    real = colored()
    rows = torch.cat([(real.test_labels == c).nonzero()[:n, 0] for c, n in enumerate((8, 4, 2))])
    uneven = replace(real, test_images=real.test_images[rows], test_labels=real.test_labels[rows])
    found = ddlib.evaluate(a_set(real), uneven, nets=2)
    assert len(found.balanced) == 2
    assert "balanced over uneven test classes" in str(found)
    assert ddlib.evaluate(a_set(real), real, nets=1).balanced is None


def test_balanced_accuracy_is_the_mean_over_classes() -> None:
    labels = torch.tensor([0, 0, 0, 0, 2, 2])
    right = torch.tensor([[True, True, True, False, False, True], [True] * 4 + [False] * 2])
    torch.testing.assert_close(balanced_accuracy(right, labels), torch.tensor([62.5, 50.0]))


def test_one_network_has_no_spread() -> None:
    assert str(Evaluation((43.0,), "plain")) == "43.0 % (n = 1, protocol 'plain')"
    both = str(Evaluation((40.0, 46.0), "plain", (30.0, 30.0)))
    assert both.endswith("balanced over uneven test classes 30.0 ± 0.0 %")


def test_workers_get_the_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    turns = [in_turn(torch.device("cuda"), i).index for i in range(5)]
    assert turns == [0, 1, 2, 0, 1]
    assert in_turn(torch.device("cpu"), 4) == torch.device("cpu")


# ---- checkpoints and files ------------------------------------------------------------------

METHOD = ddlib.DistributionMatching(ipc=1, steps=2, batch_real=2)
OTHERS: dict[str, tuple[str, Callable[[ddlib.ImageData], ddlib.ImageData]]] = {
    "images": ("the images of the data are others",
               lambda real: replace(real, train_images=2 * real.train_images)),
    "labels": ("the labels of the data are others",
               lambda real: replace(real, train_labels=(real.train_labels + 1) % 3)),
    "classes": ("the classes of the data are others",
                lambda real: replace(real, classes=("x", "y", "z"))),
    "space": ("the pixel space of the data are others", lambda real: replace(real, std=(0.5,) * 3)),
}  # fmt: skip


@pytest.mark.parametrize(("words", "change"), OTHERS.values(), ids=OTHERS)
def test_a_checkpoint_belongs_to_its_data(tmp_path: Path, words: str, change: Callable) -> None:
    path = tmp_path / "run"
    ddlib.distill(colored(), METHOD, checkpoint=path)
    with pytest.raises(ValueError, match=f"run belongs to another run: {words}. Name another"):
        ddlib.distill(change(colored()), METHOD, checkpoint=path)
    moved_test = replace(colored(), test_images=colored().test_images * 0.5)
    ddlib.distill(moved_test, METHOD, checkpoint=path)  # a method never sees the test images


def test_a_checkpoint_says_which_setting_differs(tmp_path: Path) -> None:
    path = tmp_path / "run"
    ddlib.distill(colored(), METHOD, checkpoint=path)
    with pytest.raises(ValueError, match=r"seed is 0 there and 3 here; lr is 1\.0 there and 2\.0"):
        ddlib.distill(colored(), replace(METHOD, lr=2.0), seed=3, checkpoint=path)


def test_an_older_checkpoint_is_refused_in_words(tmp_path: Path) -> None:
    from ddlib.files import load_tensors, save_tensors

    path = tmp_path / "run"
    ddlib.distill(colored(), METHOD, checkpoint=path)
    tensors, about = load_tensors(path)
    del about["data"]
    save_tensors(path, tensors, about)
    with pytest.raises(ValueError, match="written by an earlier version, which did not note"):
        ddlib.distill(colored(), METHOD, checkpoint=path)
    a_set(colored()).save(path)
    with pytest.raises(ValueError, match="run is a distilled set or a record, and no checkpoint"):
        ddlib.distill(colored(), METHOD, checkpoint=path)


def write_foreign(path: Path) -> dict[str, Path]:
    """Good files that something else wrote."""
    import pickle

    from safetensors.torch import save_file

    files = {
        name: path / name
        for name in (
            "new.pt",
            "old.pt",
            "x.pkl",
            "x.npz",
            "x.npy",
            "x.png",
            "x.safetensors",
            "x.json",
        )
    }
    content = {"images": torch.zeros(2, 3, 4, 4)}
    torch.save(content, files["new.pt"])
    torch.save(content, files["old.pt"], _use_new_zipfile_serialization=False)
    files["x.pkl"].write_bytes(pickle.dumps([1, 2]))
    np.savez(files["x.npz"], images=np.zeros(3))
    np.save(files["x.npy"], np.zeros(3))
    photograph(9).save(files["x.png"])
    save_file(content, files["x.safetensors"])
    files["x.json"].write_text('{"a": 1}')
    return files


WORDS = {
    "new.pt": "a file of torch.save", "old.pt": "an old file of torch",
    "x.pkl": "a Python pickle",
    "x.npz": "a NumPy archive", "x.npy": "a NumPy array", "x.png": "a PNG image",
    "x.safetensors": "a safetensors file", "x.json": "a JSON file",
}  # fmt: skip


@pytest.mark.parametrize("name", WORDS)
def test_a_foreign_file_is_named_for_what_it_is(tmp_path: Path, name: str) -> None:
    path = write_foreign(tmp_path)[name]
    with pytest.raises(ForeignFileError, match=f"{re.escape(name)} is {WORDS[name]}") as error:
        ddlib.DistilledSet.load(path)
    assert "DistilledSet.of" in str(error.value)
    assert not {"damaged", "delete"} & set(str(error.value).lower().split())


def test_a_run_without_installing_keeps_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(provenance, "version", missing)
    made = ddlib.distill(colored(), METHOD)
    assert made.meta["versions"]["ddlib"] is None
