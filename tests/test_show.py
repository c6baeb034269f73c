"""Figures, slider and tables: what they say must follow from the data they are given."""

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from ddlib import show, tables
from ddlib.methods.distribution import mean_feature_distance
from ddlib.pictures import arranged
from ddlib.plots.slider import captions
from ddlib.results import Result, Trace

PROVENANCE = {
    "command": "python -m ddlib record --note 'a b' --ipcs 1",
    "seeds": {"sets": [0], "networks": [0, 1]},
    "commit": "abc",
    "device": "CPU",
    "versions": {"torch": "2"},
    "seconds": 12.0,
    "peak_memory_mib": 100,
    "date": "2026-01-01",
    "data": "",
}


@pytest.fixture
def trace() -> Trace:
    frames = torch.randint(0, 256, (3, 4, 3, 5, 5), dtype=torch.uint8)
    runs = ((20.0, 22.0), (30.0, 34.0), (40.0, 40.0))
    nan = float("nan")
    return Trace(
        "a run",
        (0, 5, 20),
        (nan, 2.0, 0.5),
        runs,
        "plain",
        "fast",
        ("cat", "dog"),
        frames,
        PROVENANCE,
    )


@pytest.fixture
def result() -> Result:
    return Result("cifar10", "dm", 10, "augmented", "full", {}, ((40.0, 42.0),), (1.0,), PROVENANCE)


def test_captions_state_step_loss_accuracy_and_n(trace: Trace) -> None:
    first, second, _ = captions(trace)
    assert first == "Step 0 of 20: before the first step, test accuracy 21.0 ± 1.4 % (n = 2)"
    assert second == "Step 5 of 20: loss 2, test accuracy 32.0 ± 2.8 % (n = 2)"


def test_sheet_keeps_every_pixel_in_its_class_column(trace: Trace) -> None:
    drawn = np.asarray(arranged(trace.frames[0], classes=2))
    assert drawn.shape == (2 * 6 - 1, 2 * 6 - 1, 3)
    dog_two = trace.frames[0][3].permute(1, 2, 0).numpy()  # images lie class after class
    assert (drawn[6:, 6:] == dog_two).all()
    assert (drawn[5] == 255).all()


def test_slider_holds_every_frame_and_starts_at_the_last(trace: Trace) -> None:
    html = show.slider(trace, "dm").data
    frames = json.loads(re.search(r"(\[.*\])\);</script>", html).group(1))
    for frame, pixels, caption in zip(frames, trace.frames, captions(trace), strict=True):
        image = Image.open(io.BytesIO(base64.b64decode(frame["png"])))
        assert (np.asarray(image) == np.asarray(arranged(pixels, 2))).all()
        assert frame["caption"] == caption
        assert frame["alt"].startswith(caption)
    assert f'src="data:image/png;base64,{frames[-1]["png"]}"' in html
    heights = [frame["dots"][1][1] for frame in frames]
    assert heights == sorted(heights, reverse=True), "accuracy rises, so its dot must rise"
    assert not re.search(r"(?:src|href)=\"https?:", html)


def test_slider_is_the_same_each_time(trace: Trace) -> None:
    assert show.slider(trace, "dm").data == show.slider(trace, "dm").data


def test_control_draws_the_chosen_snapshot(trace: Trace) -> None:
    control = show.control(trace)
    chooser = control.children[0]
    assert chooser.value == 20
    assert list(chooser.options) == [0, 5, 20]
    chooser.value = 5  # runs the drawing function; an error would surface in its output
    assert not [o for o in control.out.outputs if o["output_type"] == "error"]


def test_scales_do_not_share_a_figure(result: Result) -> None:
    small = replace(result, profile="laptop", dataset="cifar10x16")
    with pytest.raises(ValueError, match=r"different scales.*full.*laptop"):
        show.accuracy_by_ipc([result, small])


def test_chart_shows_mean_and_spread_at_their_place(result: Result) -> None:
    figure = show.accuracy_by_ipc([result, replace(result, ipc=50, accuracies=((60.0, 64.0),))])
    line = figure.axes[0].lines[0]
    assert line.get_ydata().tolist() == [41.0, 62.0]
    assert "full scale" in figure.get_suptitle()
    assert plt.get_fignums() == [], "a figure left open would be shown twice"


def test_source_is_the_package_source() -> None:
    shown = show.source(mean_feature_distance).data
    assert shown.startswith("```python\ndef mean_feature_distance(")
    assert "(target - mean_features(embed, synthetic)).square().sum()" in shown


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: 1, "Correct."),
        (lambda: 2, "Not yet: one is wanted"),
        (lambda: 1 / 0, "Your code stopped with ZeroDivisionError: division by zero"),
    ],
)
def test_attempt_tells_the_reader_what_the_check_found(
    answer, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(given) -> None:
        assert given() == 1, "one is wanted"

    show.attempt(check, answer)
    assert capsys.readouterr().out.splitlines()[0].startswith(said)


def test_provenance_names_what_made_the_result(result: Result) -> None:
    line = tables.provenance(result).data
    for part in (
        "full scale",
        "`python -m ddlib record --ipcs 1`",
        "sets: 1, networks for each: 2",
        "abc",
        "12 s",
    ):
        assert part in line


def test_ledger_tables_mix_neither_scales_nor_kinds() -> None:
    laptop, full = tables.claims("04").data.split("*Nobody has run these yet. Full scale")
    level = "| herding, ipc 10, protocol augmented |"
    assert laptop.startswith("*Released. Laptop scale")
    assert level in full, "what nobody ran comes last"
    assert "beats" not in full
    assert "beats" in laptop
    assert level not in laptop
    released, controls, own = tables.claims("13").data.split("\n\n*")
    heads = (part.splitlines()[0] for part in (released[1:], controls, own))
    assert [head.split(".")[0] for head in heads] == ["Released", "Controls", "Our own findings"]
    assert "| ours : released |" in released
    assert "released" not in controls.splitlines()[2]


def test_passing_prefers_the_readers_function(capsys: pytest.CaptureFixture[str]) -> None:
    def check(answer: Callable[[], int]) -> None:
        assert answer() == 2

    assert show.passing(check, one := lambda: 2, lambda: 2) is one
    for bad in (lambda: 3, lambda: 1 / 0):
        assert show.passing(check, bad, one) is one
    said = capsys.readouterr().out.splitlines()
    assert said == ["(with your own function)"] + 2 * ["(with the function of the solution)"]
