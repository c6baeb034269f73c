"""Method, protocol and their interaction: parts add up, noise is known, results are the records."""

from pathlib import Path

import pytest
import torch

import ddlib
from ddlib.questions.transfer import figures, protocols
from ddlib.results import Result


def test_parts_of_an_accuracy_add_up() -> None:
    y = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    w = protocols.two_way(y)
    whole = w.mean + w.method[:, None] + w.protocol + w.interaction
    assert torch.allclose(whole, y.mean(2))
    assert torch.allclose(w.interaction.sum(0), torch.zeros(2, dtype=torch.float64))
    parts = sum(size**2 for size in w.sizes.values())
    assert parts == pytest.approx(float((y.mean(2) - w.mean).square().mean()))


def test_luck_of_the_sets_alone_explains_an_interaction_of_noise() -> None:
    draws = torch.Generator().manual_seed(2)
    found = []
    for _ in range(400):
        luck = torch.randn(6, 1, 2, generator=draws)  # a good set is good under both protocols
        y = torch.arange(6.0)[:, None, None] + luck + 0.5 * torch.randn(6, 2, 2, generator=draws)
        w = protocols.two_way(y)
        found.append((w.sizes["interaction"] ** 2, w.noise**2))
    measured, expected = torch.tensor(found).mean(0)
    assert float(measured / expected) == pytest.approx(1, abs=0.1)


def test_recorded_results_are_taken_by_protocol() -> None:
    tags, y = protocols.by_protocol("cifar10x16", 10)
    result = ddlib.load_result("cifar10x16-bptt-ipc10-augmented")
    assert y.shape == (8, 2, 2)
    assert y[tags.index("bptt"), 1].tolist() == pytest.approx(
        [sum(a) / len(a) for a in result.accuracies], rel=1e-5
    )


def test_a_method_with_fewer_sets_than_the_others_waits(tmp_path: Path) -> None:
    whole = ((40.0, 42.0), (47.0, 47.0))
    for tag, accuracies in (("dm", whole), ("mtt", whole[:1]), ("random", whole)):
        for protocol in ("plain", "augmented"):
            Result("toy", tag, 1, protocol, "fast", {}, accuracies, (1.0,), {}).save(tmp_path)
    tags, y = protocols.by_protocol("toy", 1, folder=tmp_path)
    assert tags == ("dm", "random")
    assert y.tolist() == [[[41, 47], [41, 47]]] * 2


def test_two_protocols_shows_gains_over_random() -> None:
    y = torch.tensor([[[20.0, 22], [30, 32]], [[27, 28], [35, 36]]])  # method, protocol, set
    axis = figures.two_protocols({10: (("random", "dm"), y)}, "laptop").axes[0]
    assert axis.lines[0].get_xdata().tolist() == [6, 7], "dm; random images are the zero"
    assert axis.lines[0].get_ydata().tolist() == [4, 5]


def test_parts_are_those_of_the_distilled_sets() -> None:
    """A size with one distilled method cannot be taken apart."""
    draws = torch.Generator().manual_seed(0)
    y = 30 + torch.randn(3, 2, 2, generator=draws)
    tables = {1: (("random", "dm", "bptt"), y), 50: (("random", "dm"), y[:2])}
    axis = figures.protocol_parts(tables, "laptop").axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["1 per class"]
    parts = protocols.two_way(y[1:])
    drawn = {float(x) for line in axis.lines for x in line.get_xdata()}
    assert {*parts.sizes.values(), parts.noise} <= drawn
