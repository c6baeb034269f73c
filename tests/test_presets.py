"""Presets: the published settings, and messages that list what there is."""

from dataclasses import asdict

import pytest
import torch

import ddlib
from ddlib.data import NAMES
from ddlib.presets import DATASETS, METHODS, preset


@pytest.mark.parametrize("profile", DATASETS)
@pytest.mark.parametrize("tag", METHODS)
def test_every_method_has_settings_in_every_profile(tag: str, profile: str) -> None:
    method = preset(tag, 10, profile)
    assert (method.tag, method.ipc) == (tag, 10)
    assert DATASETS[profile] in NAMES


def test_full_distribution_matching_is_the_published_one() -> None:
    """Zhao & Bilen, WACV 2023. The precision is ours."""
    published = {
        "steps": 20_000, "batch_real": 256, "lr": 1.0, "momentum": 0.5, "augment": True,
        "init": "real", "network": "convnet",
    }  # fmt: skip
    assert asdict(preset("dm", 10, "full")) == {"ipc": 10, "precision": "bfloat16", **published}
    assert preset("dm", 100, "full").lr == 10.0


@pytest.mark.parametrize(("ipc", "outer", "epochs"), [(1, 1, 1), (10, 10, 50), (50, 50, 10)])
@pytest.mark.parametrize(("tag", "init"), [("dc", "noise"), ("dsa", "real")])
def test_full_gradient_matching_is_the_published_one(
    tag: str, init: str, ipc: int, outer: int, epochs: int
) -> None:
    """Zhao et al., ICLR 2021, and Zhao & Bilen, ICML 2021: 1000 networks. The precision is ours."""
    published = {
        "steps": 1000 * outer, "outer": outer, "inner_epochs": epochs, "inner_lr": 0.01,
        "batch": 256, "batch_real": 256, "lr": 0.1, "momentum": 0.5, "augment": tag == "dsa",
        "init": init, "network": "convnet",
    }  # fmt: skip
    assert asdict(preset(tag, ipc, "full")) == {"ipc": ipc, "precision": "bfloat16", **published}


def test_unknown_names_list_the_valid_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ValueError,
        match="unknown method 'dd'; "
        "choose one of: random, herding, kcenter, dm, dc, dsa, mtt, bptt",
    ):
        preset("dd", 10)
    message = "unknown profile 'huge'; choose one of: fast, laptop, colab, full"
    with pytest.raises(ValueError, match=message):
        preset("dm", 10, "huge")
    monkeypatch.setenv("DDLIB_PROFILE", "huge")
    with pytest.raises(ValueError, match=message):
        ddlib.profile()


@pytest.mark.parametrize(("given", "profile"), [(None, "fast"), ("", "fast"), ("colab", "colab")])
def test_profile_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: str | None, profile: str
) -> None:
    monkeypatch.delenv("DDLIB_PROFILE", raising=False)
    if given is not None:
        monkeypatch.setenv("DDLIB_PROFILE", given)
    assert ddlib.profile() == profile


@pytest.mark.parametrize(
    ("gpu", "given", "says"), [(True, None, True), (True, "laptop", False), (False, None, False)]
)
def test_who_has_a_gpu_and_has_not_chosen_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gpu: bool,
    given: str | None,
    says: bool,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.delenv("DDLIB_PROFILE", raising=False)
    if given:
        monkeypatch.setenv("DDLIB_PROFILE", given)
    ddlib.profile()
    assert ('PROFILE = "colab"' in capsys.readouterr().out) == says


def test_every_profile_runs_on_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert ddlib.device_for("full") == ddlib.device_for("laptop") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert ddlib.device_for("full") == ddlib.device_for("fast") == "cuda"
