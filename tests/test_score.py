"""The project's judge: hostile files cost one line each, the same secret gives the same board."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

import pytest
import torch
from safetensors.torch import save_file

import ddlib
from ddlib import score as judge
from ddlib.__main__ import main
from ddlib.files import load_json, save_tensors
from ddlib.score import Line, Secret, copies, one_line, ranked, read_submission, submissions
from ddlib.training import Recipe

REAL = ddlib.load("shapes")
SECRET = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, unchecked: None, protocols: Callable[..., None]) -> None:
    """Two steps of training on few networks that take no time."""
    protocols(plain=Recipe(epochs=2))
    monkeypatch.setattr(judge, "HIDDEN_NETWORKS", ("convnet-tiny", "convnet-tiny-d2"))


@pytest.fixture
def room(tmp_path: Path) -> tuple[Path, Path]:
    """A folder for submissions and a secret."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.txt").write_text(SECRET)
    return tmp_path / "in", tmp_path / "secret.txt"


def submit(path: Path, **changes: object) -> None:
    """A good set of ten images, with changes that `DistilledSet` itself would not allow."""
    rows = REAL.class_rows[0][:, :2].flatten()
    tensors = {"images": REAL.train_images[rows], "labels": REAL.train_labels[rows]}
    about = {"classes": REAL.classes, "mean": REAL.mean, "std": REAL.std}
    for name, value in changes.items():
        if isinstance(value, torch.Tensor):
            tensors[name] = value
        else:
            about[name] = value  # type: ignore[assignment]
    save_tensors(path, tensors, about)


def with_pixel(value: float) -> torch.Tensor:
    images = REAL.train_images[:10].clone()
    images[3, 0, 2, 2] = value
    return images


def tampered(path: Path) -> None:
    submit(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickle": (lambda p: p.write_bytes(pickle.dumps(Bomb())), "Python pickle"),
    "torchsave": (lambda p: torch.save({"images": 1}, p), "torch.save"),
    "huge": (lambda p: p.write_bytes(b"x" * 2**21), "at most 1048576 are allowed"),
    "link": (lambda p: p.symlink_to("/etc/hostname"), "it is a link"),
    "folder": (lambda p: p.mkdir(), "not a plain file"),
    "pipe": (os.mkfifo, "not a plain file"),
    "tampered": (tampered, "does not match its checksum"),
    "foreign": (lambda p: save_file({"images": torch.zeros(1)}, p), "did not write"),
    "toomany": (
        lambda p: submit(p, images=torch.zeros(51, 3, 16, 16), labels=torch.arange(51) % 5),
        "the budget is 38400",
    ),
    "softlabels": (
        lambda p: submit(p, images=torch.zeros(50, 3, 16, 16), labels=torch.full((50, 5), 0.2)),
        "stores 38650 numbers",
    ),
    "nan": (lambda p: submit(p, images=with_pixel(float("nan"))), "finite"),
    "beyond": (lambda p: submit(p, images=with_pixel(101.0)), "beyond 100 spreads"),
    "logits": (lambda p: submit(p, labels=torch.randn(10, 5)), "label"),
    "classes": (lambda p: submit(p, classes=("a\n| b", "c", "d", "e", "f")), "classes"),
    "space": (lambda p: submit(p, mean=(0.0, 0.0, 0.0)), "another pixel space"),
    "shape": (lambda p: submit(p, images=torch.zeros(10, 3, 8, 8)), "its images are"),
    "extra": (lambda p: submit(p, more=torch.zeros(3)), "and no others"),
    "number": (lambda p: submit(p, classes=7), "int"),
    "empty": (lambda p: p.touch(), "damaged"),
}


def test_each_bad_file_is_one_line_and_the_rest_goes_on(
    room: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, secret = room
    for name, (make, _) in BAD.items():
        make(folder / f"{name}.safetensors")
    submit(folder / "good.safetensors")
    submit(folder / "zebras.safetensors", lr=1e9)
    for name in ("Loud.safetensors", "..safetensors", "-x.safetensors", "a b\n.safetensors"):
        submit(folder / name)
    (folder / "notes.txt").write_text("hello")
    submit(folder / "twice.safetensors")
    submit(folder / "Twice.safetensors")
    main(["score", str(folder), "--secret", str(secret), "--nets", "2", "--out", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    board = load_json(tmp_path / "board.json")
    assert {line["team"] for line in board["lines"]} == {"good", "zebras"}
    for name, (_, why) in BAD.items():
        assert why in board["refused"][f"{name}.safetensors"], name
    refused = [line for line in lines if line.startswith("refused ")]
    assert len(refused) == len(board["refused"]) == len(BAD) + 4 + 1 + 2
    assert len(lines) == len(refused) + 2
    assert not (tmp_path / "exploded").exists()
    assert not any(gettempdir() in line for line in lines), "a path of this machine"
    page = (tmp_path / "board.md").read_text()
    assert all(one_line(name) in page for name in board["refused"])


def test_the_same_secret_gives_the_same_board_and_another_one_another(
    room: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, secret = room
    submit(folder / "good.safetensors")
    boards = []
    for i, text in enumerate((SECRET, SECRET, SECRET[::-1])):
        secret.write_text(text)
        list(judge.score(folder, secret, 2, tmp_path / str(i)))
        boards.append((tmp_path / str(i) / "board.json").read_text())
    assert boards[0] == boards[1]
    assert json.loads(boards[0])["lines"] != json.loads(boards[2])["lines"]
    assert SECRET not in boards[0]
    assert "convnet-tiny" not in boards[0], "the networks stay secret"


def test_a_secret_changes_the_test_images_and_nothing_else(room: tuple[Path, Path]) -> None:
    drawn = Secret.read(room[1]).real
    assert torch.equal(drawn.train_images, REAL.train_images)
    assert (drawn.mean, drawn.std) == (REAL.mean, REAL.std)
    assert drawn.test_images.shape == REAL.test_images.shape
    assert copies(drawn.test_images[:50], REAL.test_images) == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda folder, secret: secret.write_text("short"), "the secret in .* is too short"),
        (lambda folder, secret: secret.unlink(), "there is no file .*secret.txt"),
        (lambda folder, secret: folder.rmdir(), "there is no folder"),
    ],
)
def test_a_bad_command_is_one_line(
    room: tuple[Path, Path], change: Callable[[Path, Path], None], why: str, tmp_path: Path
) -> None:
    change(*room)
    with pytest.raises(SystemExit, match=rf"^error: {why}[^\n]*$"):
        main(["score", str(room[0]), "--secret", str(room[1]), "--out", str(tmp_path)])


def test_one_network_has_no_spread(room: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nets must be at least 2"):
        next(judge.score(*room, 1, tmp_path))


def test_an_empty_folder_gives_an_empty_board(room: tuple[Path, Path], tmp_path: Path) -> None:
    assert list(judge.score(*room, 2, tmp_path)) == []
    assert load_json(tmp_path / "board.json")["lines"] == []


def test_a_team_that_sends_nothing_wrong_is_read_as_it_was_sent(room: tuple[Path, Path]) -> None:
    submit(room[0] / "good.safetensors", lr=5.0, meta={"anything": "|"})
    (path,) = submissions(room[0])[0].values()
    made = read_submission(path, REAL)
    assert torch.equal(made.images, REAL.train_images[REAL.class_rows[0][:, :2].flatten()])
    assert (made.lr, dict(made.meta)) == (None, {})


def test_copies_are_seen_through_a_little_noise() -> None:
    noise = 0.02 * torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    copied = torch.cat([REAL.test_images[:5] + noise, REAL.train_images[:45]])
    assert copies(copied, REAL.test_images) == 5


def test_ranks_are_shared_within_two_standard_errors_of_the_first() -> None:
    finals = {"a": 60.0, "b": 59.0, "c": 56.0, "d": 58.0}
    lines = [Line(team, final, final, 1.0) for team, final in finals.items()]
    found = {x.team: x.rank for x in ranked(lines, {})}
    assert found == {"a": 1, "b": 1, "d": 1, "c": 4}  # 2 * sqrt(2) = 2.8
    assert {x.points for x in ranked(lines, {})} == {None}


def test_points_are_given_for_passing_a_baseline() -> None:
    baselines = {"random": 40.0, "herding": 50.0, "dm": 55.0, "bptt": 60.0}
    lines = [Line(str(f), f, f, 0.1) for f in (40.0, 41.0, 59.0, 61.0)]
    assert [x.points for x in ranked(lines, baselines)] == [12, 9, 3, 0]


def test_each_baseline_that_earns_points_beats_the_one_before() -> None:
    finals = [judge.recorded_baselines()[name] for name in judge.STEPS]
    assert finals == sorted(finals)


def test_the_rules_show_the_recorded_baselines() -> None:
    rules = Path(__file__).parents[1] / "book" / "course" / "capstone" / "rules.md"
    lines = [line for line in rules.read_text("utf-8").splitlines() if line.count("±") == 3]
    recorded = load_json(judge.BASELINES)["baselines"].values()
    cells = [
        " | ".join(
            f"{one[k]['mean']:.1f} ± {one[k]['spread']:.1f}" for k in ("own", "other", "final")
        )
        for one in sorted(recorded, key=lambda one: one["final"]["mean"])
    ]
    assert [line.split(" | ", 1)[1].rsplit(" | ", 1)[0] for line in lines] == cells


def test_spread_lowers_a_score(room: tuple[Path, Path]) -> None:
    submit(room[0] / "good.safetensors")
    made = read_submission(room[0] / "good.safetensors", REAL)
    hidden = Secret.read(room[1])
    line = judge.measure("good", made, hidden, REAL.test_images, 3)
    own = ddlib.evaluate(made, hidden.real, nets=3, seed=hidden.seed)
    assert line.own == own.mean - own.std
    assert line.error > 0
    assert replace(line, own=0.0).final == line.other / 2
