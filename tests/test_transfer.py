"""Transfer: every set meets every network, gains are taken within a network, parts add up."""

from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after, toy_data

import ddlib
from ddlib import show
from ddlib.analysis import protocols, transfer
from ddlib.instruments.gains import agreement, clipping_helps, gains, kept, orders, rate_helps, tau
from ddlib.instruments.pixels import clipped as clip
from ddlib.networks import NETWORKS, build
from ddlib.results import Result, load_result
from ddlib.studies import Keeper, Study, at_once
from ddlib.training import Recipe

SETTINGS = transfer.Settings(
    widths=("convnet-half",), norms=("convnet-none",), others=("vit-narrow",),
    tuned=("vit-narrow",), clipped=("convnet-none",), sources=("random", "dm", "mtt"),
    few=("random", "dm"), sets=2, nets=2, test=20, held_out=5, more=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(transfer.PROTOCOLS, "study", Recipe(epochs=4))
    monkeypatch.setattr(transfer, "IPC", 2)


REAL = toy_data((12, 10, 11))


def made(seed: int) -> ddlib.DistilledSet:
    rows = REAL.class_rows[0][:, 2 * seed : 2 * seed + 2].flatten()
    return ddlib.DistilledSet.of(REAL, 4 * REAL.train_images[rows], REAL.train_labels[rows])


SETS = {tag: [made(i), made(i + 1)] for i, tag in enumerate(("random", "dm", "mtt"))}


def test_every_cell_is_a_fresh_network_on_its_own_set() -> None:
    study = transfer.run(REAL, SETS, SETTINGS)
    test = REAL.test_images[:20], REAL.test_labels[:20]
    for network in ("convnet-half", "convnet-none"):
        own = transfer.measure(network, SETS["mtt"][1], 0.01, [2, 3], test)
        where = {"network": network, "source": "mtt", "set": 1}
        assert torch.equal(study.pick("accuracy", **where), own["accuracy"])
        assert torch.equal(study.pick("fit", **where), own["fit"])
    clipped = clip(SETS["mtt"][0])
    own = transfer.measure("convnet-none", clipped, 0.01, [0, 1], test)["accuracy"]
    assert torch.equal(study.pick("clipped", clipped="convnet-none", distilled="mtt"), own)
    assert float(clipped.pixels().min()) >= 0
    assert torch.allclose(clipped.images, clipped.images.clamp(-2, 2)), "0.5 / 0.25 from the mean"


def test_a_rate_is_chosen_on_training_images_and_only_where_asked() -> None:
    study = transfer.run(REAL, SETS, SETTINGS)
    blind = replace(REAL, test_labels=(REAL.test_labels + 1) % 3)
    other = transfer.run(blind, SETS, SETTINGS)
    assert torch.equal(study.pick("rate"), other.pick("rate"))
    assert not torch.equal(study.pick("accuracy"), other.pick("accuracy"))
    scores = study.pick("held_out", network="vit-narrow")
    assert float(study.pick("rate", network="vit-narrow")) == SETTINGS.rates[int(scores.argmax())]
    assert study.pick("held_out", network="convnet").isnan().all()
    assert float(study.pick("rate", network="convnet")) == 0.01


@pytest.mark.parametrize("profile", transfer.SETTINGS)
def test_settings_name_networks_that_exist(profile: str) -> None:
    settings = transfer.SETTINGS[profile]
    assert {*settings.tuned, *settings.clipped} <= {*settings.networks}
    assert {*settings.networks} <= {*NETWORKS}


def test_strict_is_the_protocol_itself() -> None:
    study = transfer.run(REAL, SETS, SETTINGS)
    test = REAL.test_images[:20], REAL.test_labels[:20]
    own = transfer.measure("vit-narrow", SETS["dm"][0], 0.01, [0, 1], test)["accuracy"]
    assert torch.equal(study.pick("strict", network="vit-narrow", few="dm"), own)
    same = study.pick("accuracy", network="convnet", source="dm", set=0)
    assert torch.equal(study.pick("strict", network="convnet", few="dm"), same)


def test_a_killed_run_goes_on_and_finds_the_same(tmp_path: Path) -> None:
    whole = transfer.run(REAL, SETS, SETTINGS)
    asked: list[str] = []
    with pytest.raises(Killed):
        transfer.run(REAL, SETS, SETTINGS, killed_after(Keeper(tmp_path, {}), 8, asked))
    assert_same_arrays(transfer.run(REAL, SETS, SETTINGS, Keeper(tmp_path, {})), whole)
    assert len(list(tmp_path.rglob("*.safetensors"))) == len(set(asked) | keys_of(SETTINGS))


def keys_of(settings: transfer.Settings) -> set[str]:
    """The names of all parts."""
    keys = []

    def note(key: str, make: object) -> dict:
        keys.append(key)
        return at_once(key, make)

    transfer.run(REAL, SETS, settings, note)
    return set(keys)


def study(accuracy: torch.Tensor, ceiling: torch.Tensor) -> Study:
    settings = replace(
        SETTINGS, widths=(), norms=("convnet-none",), others=("vit-narrow",),
        sources=("random", "dm", "bptt"), nets=1,
    )  # fmt: skip
    axes = {
        "network": settings.networks, "source": settings.sources, "few": settings.few,
        "set": (0, 1), "net": (0,), "clipped": settings.clipped, "distilled": settings.distilled,
    }  # fmt: skip
    strict = torch.tensor([[20.0, 30], [20, 22], [10, 11]])[:, :, None]
    arrays = {
        "accuracy": accuracy[..., None], "ceiling": ceiling[:, None], "strict": strict,
        "clipped": torch.tensor([[25.0, 12.0]])[..., None],
    }  # fmt: skip
    dims = {name: transfer.DIMS[name] for name in arrays}
    return Study("transfer", "toy", transfer.asdict(settings), axes, dims, arrays)


ACCURACY = torch.tensor(
    [  # network, source, set
        [[20.0, 30], [30, 40], [40, 50]],
        [[20, 20], [22, 24], [15, 15]],
        [[10, 20], [20, 25], [12, 21]],
    ]
)


def test_readings_by_hand() -> None:
    found = study(ACCURACY, torch.tensor([45.0, 30, 35]))
    assert gains(found)[0].tolist() == [[0, 0], [10, 10], [20, 20]]
    assert gains(found)[2].tolist() == [[0, 0], [10, 5], [2, 1]]
    assert kept(found)[:, 1].tolist() == [50, 30, 37.5]
    assert kept(found)[:, 2].tolist() == [100, -50, 7.5]
    assert agreement(found).tolist() == [[1, -1, -1], [-1, 1, 1], [-1, 1, 1]]
    assert rate_helps(found).tolist() == [[10 - 1]]
    assert clipping_helps(found).tolist() == [[25 - 22, 12 - 15]]
    numbers = transfer.findings(found)
    assert numbers["dm-norms"] == (3,)
    assert numbers["bptt-others"] == (1.5,)
    assert numbers["unrolled-lose-more"] == (150 - 20, 92.5 - 12.5)
    assert numbers["same-order"] == (-1, -1)
    assert numbers["clipping-helps"] == (3, -3)


def test_tau_counts_pairs_and_chance_is_centered() -> None:
    draws = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 7, generator=draws)
    agree = [1 if (a[i] - a[j]) * (b[i] - b[j]) > 0 else -1 for i, j in combinations(range(7), 2)]
    assert tau(a, b) == pytest.approx(sum(agree) / len(agree))
    assert tau(a, a.exp()) == 1
    assert tau(a, -a) == -1
    chance = orders(4)
    assert len(chance) == 24
    assert float(chance.mean()) == pytest.approx(0, abs=1e-6)
    assert int((chance == 1).sum()) == 1


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
    result = ddlib.load_result("cifar10x16-bptt-ipc10-dc")
    assert y.shape == (8, 2, 2)
    assert y[tags.index("bptt"), 1].tolist() == pytest.approx(
        [sum(a) / len(a) for a in result.accuracies], rel=1e-5
    )


def test_a_method_with_fewer_sets_than_the_others_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ((40.0, 42.0), (47.0, 47.0))
    for tag, accuracies in (("dm", whole), ("mtt", whole[:1]), ("random", whole)):
        for protocol in ("study", "dc"):
            Result("toy", tag, 1, protocol, "fast", {}, accuracies, (1.0,), {}).save(tmp_path)
    monkeypatch.setattr(protocols, "RECORDED", tmp_path)
    monkeypatch.setattr(protocols, "load_result", partial(load_result, folder=tmp_path))
    tags, y = protocols.by_protocol("toy", 1)
    assert tags == ("dm", "random")
    assert y.tolist() == [[[41, 47], [41, 47]]] * 2


def test_narrow_networks_are_about_as_large_as_the_convnet() -> None:
    size = {n: sum(p.numel() for p in build(n, (3, 16, 16), 10).parameters()) for n in NETWORKS}
    for name in (n for n in NETWORKS if n.endswith("-narrow")):
        assert size["convnet"] < size[name] < 2.5 * size["convnet"]
    assert size["convnet-half"] < size["convnet"] < size["convnet-double"]


def test_the_table_prints_each_gain_in_its_cell() -> None:
    figure = show.gain_table(study(ACCURACY, torch.tensor([45.0, 30, 35])))
    axis = figure.axes[0]
    found = {t.get_position(): t.get_text() for t in axis.texts}
    assert found == {
        (0, 0): "+10.0", (1, 0): "+20.0", (0, 1): "+3.0", (1, 1): "-5.0", (0, 2): "+7.5",
        (1, 2): "+1.5",
    }  # fmt: skip
    assert [t.get_text() for t in axis.get_yticklabels()] == list(SETTINGS.networks[:3])


def test_every_run_is_a_point() -> None:
    made = study(ACCURACY, torch.tensor([45.0, 30, 35]))
    axis = show.gain_runs(made).axes[0]
    points = [x for line in axis.lines if line.get_marker() != "None" for x in line.get_xdata()]
    assert sorted(points) == sorted(ACCURACY.flatten().tolist())


def test_two_protocols_shows_leads_over_random() -> None:
    y = torch.tensor([[[20.0, 22], [30, 32]], [[27, 28], [35, 36]]])  # method, protocol, set
    axis = show.two_protocols({10: (("random", "dm"), y)}, "laptop").axes[0]
    assert axis.lines[1].get_xdata().tolist() == [6, 7]
    assert axis.lines[1].get_ydata().tolist() == [4, 5]
