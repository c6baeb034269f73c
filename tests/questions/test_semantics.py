"""The semantics experiment: attributes, its parts against plain computations, findings."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from ddlib import DistributionMatching, ImageData, tables
from ddlib.data import shapes
from ddlib.ensemble import unflatten
from ddlib.experiment.asking import ask
from ddlib.experiment.bench import Bench
from ddlib.experiment.claims import values_of
from ddlib.experiment.records import Record, load_record
from ddlib.networks import build
from ddlib.plots import LOOKS
from ddlib.questions.semantics import experiment as semantics
from ddlib.questions.semantics import figures
from ddlib.questions.semantics.attributes import fidelity, known
from ddlib.questions.semantics.findings import findings
from ddlib.questions.semantics.single_images import TakenApart, reliability
from ddlib.questions.shared.permutation import association, likeness, permutation_test
from ddlib.questions.shared.pixels import border, pixels_of
from ddlib.questions.traits.findings import findings as of_traits
from ddlib.questions.traits.photographs import measure
from ddlib.seeds import generator
from ddlib.training import logits, train

SMALL = replace(
    semantics.RECORD,
    methods=("random", "dm"), ipc=3, sets=1, nets=2, steps=4, lr=0.1, shuffles=30, distill_steps=2,
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def real() -> ImageData:
    return shapes()


@pytest.fixture(scope="module")
def record(real: ImageData) -> Record:
    return ask("semantics", Bench(real, {}), SMALL)


def test_experts_of_trajectory_matching_learn_shapes_and_not_only_begin_to(real: ImageData) -> None:
    method = semantics.method_for("mtt", semantics.RECORD)
    net = build(method.network, real.shape, len(real.classes))
    for path in method.expert_paths(real):  # large steps: an expert may stumble at its last one
        answers = logits(net, unflatten(net, path), real.train_images)
        right = (answers.argmax(2) == real.train_labels).float().mean(1)
        assert right.max() > 0.6


def test_start_is_the_real_image_that_a_set_began_with(real: ImageData) -> None:
    random = semantics.distilled(CPU, SMALL, 0.0, "random", 1)
    assert torch.equal(random["images"], real.train_images[random["rows"]])
    first = DistributionMatching(ipc=3).initialize(real, 1)["images"]
    dm = semantics.distilled(CPU, SMALL, 0.0, "dm", 1)
    assert torch.equal(real.train_images[dm["rows"]], first)
    assert not torch.equal(dm["images"], first)


def test_a_set_is_made_once_for_all_that_is_asked_of_it() -> None:
    """Other networks on it cost no distillation; another number of its steps does."""

    def keys(plan: semantics.Plan) -> set[str]:
        made = semantics.cells(CPU, plan)
        return {cell.key for cell in made if cell.labels["condition"] == "set"}

    assert keys(replace(SMALL, steps=9, nets=1)) == keys(SMALL)
    assert not keys(replace(SMALL, distill_steps=3)) & keys(SMALL)


def test_association_is_what_retraining_and_attributes_say(record: Record, real: ImageData) -> None:
    """Class 2 of one set, without its helpers: train, leave out, correlate with shared colors."""
    made = semantics.distilled(CPU, SMALL, 0.0, "random", 0)
    net, images, labels = build("convnet-tiny", real.shape, 5), made["images"], made["labels"]
    rows, columns = (labels == 2).nonzero()[:, 0], real.test_labels == 2

    def losses(left: list[int], seed: int) -> torch.Tensor:
        theta = train(net, images[left], labels[left], SMALL.recipe, [seed])
        answers = logits(net, theta, real.test_images[columns])[0]
        return F.cross_entropy(answers, real.test_labels[columns], reduction="none")

    effect = torch.zeros(3, int(columns.sum()))
    for seed in range(2):
        everything = losses(list(range(15)), seed)
        for i, row in enumerate(rows.tolist()):
            effect[i] += losses([j for j in range(15) if j != row], seed) - everything

    def found(condition: str, column: str, **where: str) -> float:
        of = {"level": 0.0, "method": "random", "set": 0, "class": real.classes[2]}
        return record.rows(condition=condition, **of, **where)[column].item()

    colors = (real.attributes[k]["color"] for k in ("train", "test"))
    source, target = next(colors)[made["rows"][rows]].long(), next(colors)[columns].long()
    expected = association(effect, likeness(source, target))
    of_color = {"attribute": "color", "meaning": "start", "place": "own"}
    assert found("association", "association", **of_color) == pytest.approx(
        expected.item(), abs=2e-3
    )
    pixels = (pixels_of(real, x).flatten(1) for x in (images[rows], real.test_images[columns]))
    expected = association(effect, likeness(*pixels))
    assert found("pixels", "association") == pytest.approx(expected.item(), abs=2e-3)
    helps = found("helps", "helps", place="own")
    assert helps == pytest.approx(effect.mean().item() / 2, rel=1e-3, abs=1e-5)


def test_probe_reads_real_images_and_is_not_fooled_by_a_spurious_color(record: Record) -> None:
    probe, tied = semantics.probe(CPU), shapes(1.0, seed=2)
    read = record.rows(condition="probe")["agreement"].tolist()
    assert all(a > b for a, b in zip(read, (0.9, 0.9, 0.75, 0.95), strict=True))
    read = probe.read(tied, tied.test_images)
    assert (fidelity(read, known(tied.attributes["test"])) > 0.7).all()


def test_reliability_is_one_for_equal_starts_and_about_zero_for_noise(real: ImageData) -> None:
    noise = torch.randn(2, 16, 1000, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(15) // 3
    one = TakenApart(
        labels, torch.ones(15, 3, 2, 2), {}, noise[:1].repeat(2, 1, 1), torch.ones(2, 1000) > 0
    )
    assert reliability(one, real.test_labels) == pytest.approx(1)
    other = replace(one, losses=noise)
    assert abs(reliability(other, real.test_labels)) < 0.1


def test_border_is_the_mean_of_the_outermost_pixels() -> None:
    pixels = torch.zeros(1, 3, 4, 4)
    pixels[:, :, 1:3, 1:3] = 1
    pixels[0, 0, 0, 0] = 0.6
    assert border(pixels)[0].tolist() == pytest.approx([0.05, 0, 0])


def test_findings_of_a_made_up_record(record: Record) -> None:
    table = record.table.copy()
    held, dm = table["condition"] == "association", table["method"] == "dm"
    color, measured = table["attribute"] == "color", table["meaning"] == "measured"
    first, own = table["level"] == 0.0, table["place"] == "own"
    table.loc[held, "association"] = 0.0
    table.loc[held & first & color & measured & own, "association"] = 0.2  # random and dm
    table.loc[held & first & color & measured & own & dm, "association"] = 0.5
    table.loc[held & first & (table["meaning"] == "start"), "association"] = 9  # never judged
    other = held & ~first & color & measured & ~own & dm
    table.loc[other, "association"] = -0.25
    past = (table["condition"] == "past pixels") & first & dm & (table["attribute"] == "size")
    table.loc[past, "association"] = 0.7
    for worn, value in (("tied", 90.0), ("free", 20.0)):
        table.loc[~first & dm & (table["worn"] == worn), "accuracy"] = value
    expected = {
        ("meaning", "dm", "color"): (0.5,) * 5, ("meaning", "random", "color"): (0.2,) * 5,
        ("beyond", "dm", "color"): (0.3,) * 5, ("past pixels", "dm", "size"): (0.7,) * 5,
        ("meaning", "dm", "size"): (0,) * 5, ("spurious own", "dm", None): (0,) * 5,
        ("spurious other", "dm", None): (0.25,) * 5, ("shortcut", "dm", None): (70,) * 2,
    }  # fmt: skip

    def found(table: pd.DataFrame, contrast: str, method: str, attribute: str | None) -> tuple:
        where = {"contrast": contrast, "method": method}
        where |= {"attribute": attribute} if attribute else {}
        return values_of(findings(replace(record, table=table)), **where)

    for key, values in expected.items():
        assert found(table, *key) == pytest.approx(values), key
    table.loc[table.index[other][2:5], "association"] = float("nan")
    assert found(table, "spurious other", "dm", None) == (0.25,) * 2


@pytest.fixture
def photographs() -> Record:
    return load_record("cifar10x16-traits")


def beyond(record: Record, photographs: Record) -> Figure:
    return figures.beyond(record, photographs, of_traits(photographs))


@pytest.mark.parametrize("draw", [figures.meaning, beyond])
def test_figures_say_both_scales_and_leave_no_panel_empty(
    record: Record, photographs: Record, draw
) -> None:
    figure = draw(record, photographs)
    assert "drawn shapes" in figure.get_suptitle()
    assert "convnet-quarter" in figure.get_suptitle()
    assert all(axis.has_data() for axis in figure.axes)
    labels = [t.get_text() for t in figure.axes[1].get_yticklabels()]
    assert labels == [*measure(torch.rand(2, 3, 8, 8)), "cluster"]


def test_mean_of_each_method_is_drawn_where_it_was_found(
    record: Record, photographs: Record
) -> None:
    """And a pale point is the mean of a set over its classes."""
    axis = figures.meaning(record, photographs).axes[0]
    bold = [line for line in axis.lines if line.get_label() == LOOKS["dm"].label]
    where = {"level": 0.0, "method": "dm", "attribute": "color", "meaning": "measured"}
    found = record.rows(condition="association", place="own", **where)
    assert bold[0].get_xdata() == pytest.approx([found["association"].mean()])
    each = found.groupby("set")["association"].mean().tolist()
    pale = [list(line.get_xdata()) for line in axis.lines if line.get_alpha()]
    assert any(values == pytest.approx(each) for values in pale)


def test_sets_are_held_against_random_images(record: Record, photographs: Record) -> None:
    axis = beyond(record, photographs).axes[0]
    found = findings(record).query("contrast == 'beyond' and method == 'dm'")
    each = found.query("attribute == 'color'").groupby("set")["value"].mean().tolist()
    pale = [list(line.get_xdata()) for line in axis.lines if line.get_alpha()]
    assert any(values == pytest.approx(each) for values in pale)


def test_helped_images_are_drawn_in_three_blocks() -> None:
    images, most = torch.rand(2, 3, 16, 16), torch.rand(2, 4, 3, 16, 16)
    sheets = [a.images[0].get_array() for a in figures.helped(images, most, most).axes]
    assert [s.shape for s in sheets] == [(36, 18, 3), (36, 72, 3), (36, 72, 3)]
    assert torch.equal(torch.tensor(sheets[1][19:35, 55:71]), most[1, 3].permute(1, 2, 0))


def test_null_figures_count_small_p_values() -> None:
    figure = figures.p_values({"sound": [0.01, 0.2, 0.5, 0.9]}, "shapes")
    assert "25 % of 4 at most 0.05" in figure.axes[0].get_title()
    test = permutation_test([(torch.randn(4, 9), torch.randn(4, 9))], 50, generator(0))
    assert figures.shuffles(test, "shapes").axes[0].lines[0].get_xdata()[0] == test.value


def test_tables_say_that_the_record_is_one_of_shapes_and_not_of_full_scale() -> None:
    recorded = load_record("shapes-semantics")
    assert "drawn shapes" in tables.provenance(recorded).data
    line = next(x for x in tables.studies().data.splitlines() if x.startswith("| semantics"))
    laptop, full = line.split("|")[2:4]
    assert "recorded" in laptop
    assert "open" in full
