"""Transfer: every set meets every network, gains are taken within a network, parts add up."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from helpers import Killed, assert_same_arrays, killed_after, toy_data

import ddlib
from ddlib import show
from ddlib.analysis import transfer
from ddlib.instruments.gains import (
    agreement,
    clipping_helps,
    costs,
    gains,
    kept,
    orders,
    rate_helps,
    tau,
)
from ddlib.networks import NETWORKS, build
from ddlib.questions.shared.pixels import clipped as clip
from ddlib.show.looks import GRAY
from ddlib.studies import Keeper, Study, at_once
from ddlib.training import Recipe

SETTINGS = transfer.Settings(
    widths=("convnet-half",), norms=("convnet-none",), others=("vit-narrow",),
    tuned=("vit-narrow",), clipped=("convnet-none",), sources=("random", "dm", "mtt"),
    few=("random", "dm"), sets=2, nets=2, test=20, held_out=5, more=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(transfer.PROTOCOLS, "plain", Recipe(epochs=4))
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
    for i in (0, 1):
        clipped = clip(SETS["mtt"][i])
        own = transfer.measure("convnet-none", clipped, 0.01, [2 * i, 2 * i + 1], test)
        where = {"clipped": "convnet-none", "distilled": "mtt", "set": i}
        assert torch.equal(study.pick("clipped", **where), own["accuracy"])
        assert float(clipped.pixels().min()) >= 0
        assert torch.allclose(clipped.images, clipped.images.clamp(-2, 2)), "0.5 / 0.25 from mean"


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


def test_strict_is_the_protocol_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def higher(real: object, settings: transfer.Settings, network: str) -> dict:
        return {"score": torch.arange(float(len(settings.rates)))}

    monkeypatch.setattr(transfer, "_try_rates", higher)
    study = transfer.run(REAL, SETS, SETTINGS)
    test = REAL.test_images[:20], REAL.test_labels[:20]
    assert study.pick("rate").tolist() == [0.01, 0.01, 0.05, 0.01]
    for i in (0, 1):
        own = transfer.measure("vit-narrow", SETS["dm"][i], 0.01, [2 * i, 2 * i + 1], test)
        where = {"network": "vit-narrow", "set": i}
        assert torch.equal(study.pick("strict", few="dm", **where), own["accuracy"])
        assert torch.equal(study.pick("strict_fit", few="dm", **where), own["fit"])
        assert not torch.equal(study.pick("accuracy", source="dm", **where), own["accuracy"])
    same = study.pick("accuracy", network="convnet", source="dm")
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
    """Accuracies by network, source and set; the second network seed is two points better."""
    settings = replace(
        SETTINGS, widths=(), norms=("convnet-none",), others=("vit-narrow",),
        sources=("random", "herding", "dm", "bptt"), few=("random", "dm"),
    )  # fmt: skip
    axes = {
        "network": settings.networks, "source": settings.sources, "few": settings.few,
        "set": (0, 1), "net": (0, 1), "clipped": settings.clipped,
        "distilled": settings.distilled,
    }  # fmt: skip
    strict = torch.tensor([[[20.0, 1], [30, 2]], [[20, 3], [22, 4]], [[10, 5], [11, 9]]])
    arrays = {
        "accuracy": accuracy[..., None] + torch.tensor([0, 2.0]),
        "ceiling": ceiling[:, None] + torch.tensor([-1.0, 1]),
        "strict": strict[..., None] + torch.tensor([0, 2.0]),
        "clipped": torch.tensor([[[25.0, 24], [12, 10]]])[..., None] + torch.tensor([0, 3.0]),
    }
    dims = {name: transfer.DIMS[name] for name in arrays}
    return Study("transfer", "toy", transfer.asdict(settings), axes, dims, arrays)


ACCURACY = torch.tensor(
    [  # network, source, set
        [[20.0, 30], [23, 33], [30, 40], [40, 50]],
        [[20, 20], [21, 23], [22, 24], [15, 15]],
        [[10, 20], [14, 20], [20, 25], [12, 21]],
    ]
)
CEILING = torch.tensor([46.0, 31, 36])  # a room of 20, 10 and 20


def test_readings_by_hand() -> None:
    found = study(ACCURACY, CEILING)
    assert gains(found)[0, 2:].tolist() == [[[10, 10], [10, 10]], [[20, 20], [20, 20]]]
    assert gains(found)[2, :, :, 1].tolist() == [[0, 0], [4, 0], [10, 5], [2, 1]]
    assert kept(found)[1, 1].tolist() == [[10, 10], [30, 30]]
    assert kept(found)[0, 2].tolist() == [[50, 50], [50, 50]]
    assert agreement(found).tolist() == [[1, -1, -1], [-1, 1, 1], [-1, 1, 1]]
    assert rate_helps(found).tolist() == [[[[10 - 1] * 2, [5 - 4] * 2]]]
    assert clipping_helps(found)[0].tolist() == [[[3, 4], [0, 1]], [[-3, -2], [-5, -4]]]


def test_findings_by_hand() -> None:
    numbers = transfer.findings(study(ACCURACY, CEILING))
    assert numbers["dm-norms"] == (2, 2, 4, 4), "one value for each set and network seed"
    assert numbers["bptt-others"] == (2, 2, 1, 1)
    assert numbers["herding-others"] == (4, 4, 0, 0)
    assert numbers["distilled-vit-narrow"] == (6, 6, 3, 3), "the mean of both distilled sets"
    assert numbers["distilled-convnet"] == (15, 15, 15, 15)
    assert numbers["chosen-lead-others"] == (4 - 6, 4 - 6, -3, -3)
    assert numbers["same-order"] == (-1, -1), "one value for each network"
    dm, bptt, herding = (50 - 30, 50 - 37.5), (100 + 50, 100 - 7.5), (15 - 20, 15 - 10)
    assert numbers["unrolled-lose-more"] == (bptt[0] - dm[0], bptt[1] - dm[1])
    distilled = [(dm[i] + bptt[i]) / 2 - herding[i] for i in (0, 1)]
    assert numbers["distilled-lose-more"] == pytest.approx(distilled)
    assert numbers["norm-costs"] == pytest.approx((75 + 15, 75 + 15, 75 + 5, 75 + 5))
    assert "architecture-costs" not in numbers, "no other architecture with the norm of a ConvNet"
    assert numbers["clipping-helps"] == (0, 1, -2.5, -1.5)
    assert "random-norms" not in numbers


def test_costs_compare_networks_that_differ_in_one_thing() -> None:
    made = study(ACCURACY, CEILING)
    vgg = replace(made, axes=made.axes | {"network": ("convnet", "convnet-none", "vgg11-narrow")})
    share = kept(made)
    assert torch.equal(costs(made)["norm"], share[:1] - share[1:2])
    assert torch.equal(costs(vgg)["norm"], share[:1] - share[1:2])
    assert torch.equal(costs(vgg)["architecture"], share[:1] - share[2:]), "the VGG: home's norm"
    group = replace(
        made,
        axes=made.axes | {"network": ("resnet18-batch", "convnet-none", "convnet-batch")},
        settings=made.settings | {"home": "convnet-batch"},
    )
    assert torch.equal(costs(group)["architecture"], share[2:] - share[:1])


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


def test_narrow_networks_are_about_as_large_as_the_convnet() -> None:
    size = {n: sum(p.numel() for p in build(n, (3, 16, 16), 10).parameters()) for n in NETWORKS}
    for name in (n for n in NETWORKS if n.endswith("-narrow")):
        assert size["convnet"] < size[name] < 2.5 * size["convnet"]
    assert size["convnet-half"] < size["convnet"] < size["convnet-double"]


def test_the_table_prints_mean_and_spread_of_each_gain() -> None:
    made = study(ACCURACY, CEILING)
    axis = show.gain_table(made).axes[0]
    found = {t.get_position(): t.get_text() for t in axis.texts}
    assert len(found) == 9
    assert found[1, 0] == "+10.0 ± 0.0"
    assert found[0, 1] == "+2.0 ± 1.2", "gains of 1, 1, 3 and 3 points"
    assert [t.get_text() for t in axis.get_yticklabels()] == list(SETTINGS.networks[:3])
    assert "n = 4 (sets: 2, networks for each: 2)" in axis.get_xlabel()


def test_groups_of_networks_are_parted() -> None:
    """Home, another norm, another architecture: one row of each here."""
    made = study(ACCURACY, CEILING)
    table, runs = (draw(made).axes[0].lines for draw in (show.gain_table, show.gain_runs))
    assert [line.get_ydata()[0] for line in table] == [0.5, 1.5]
    gray = [line.get_ydata()[0] for line in runs if line.get_color() == GRAY]
    assert gray == [0.5, 1.5]


@pytest.mark.parametrize("draw", ["gain_runs", "kept_runs"])
def test_every_run_is_a_point_at_its_network(draw: str) -> None:
    made = study(ACCURACY, CEILING)
    axis = getattr(show, draw)(made).axes[0]
    points = {
        (round(float(x), 3), round(float(y)))
        for line in axis.lines
        if line.get_marker() != "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    values = made.pick("accuracy") if draw == "gain_runs" else kept(made)[:, 1:]
    wanted = {
        (round(x, 3), row) for row, some in enumerate(values) for x in some.flatten().tolist()
    }
    assert points == wanted
    hollow = [line for line in axis.lines if line.get_markerfacecolor() == "none"]
    drawn = [x for line in hollow for x in line.get_xdata()]
    assert drawn == pytest.approx(values[:, :, 1].flatten().tolist()), "the second set of each"
