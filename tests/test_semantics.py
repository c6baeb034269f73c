"""The semantics experiment: attributes, its parts against plain computations, resume, findings."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import Killed, assert_same_arrays, killed_after

from ddlib import DistributionMatching, ImageData, show, tables
from ddlib.analysis import semantics
from ddlib.analysis.semantics import Settings
from ddlib.data import shapes
from ddlib.ensemble import unflatten
from ddlib.instruments.attributes import ATTRIBUTES, Probe, border, fidelity, known
from ddlib.instruments.permutation import association, likeness, permutation_test
from ddlib.instruments.single_images import TakenApart, reliability
from ddlib.networks import build
from ddlib.presets import METHODS
from ddlib.questions.shared.pixels import pixels_of
from ddlib.seeds import generator
from ddlib.studies import Keeper, Study, Tensors, load_study
from ddlib.training import logits, train

SMALL = Settings(tags=("random", "dm"), ipc=3, draws=2, nets=2, steps=4, lr=0.1, shuffles=30)


@pytest.fixture(scope="module")
def real() -> ImageData:
    return shapes()


@pytest.fixture(scope="module", autouse=True)
def quick_methods() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "dm", partial(DistributionMatching, steps=2, batch_real=4))
        yield


@pytest.fixture(scope="module")
def kept() -> dict[str, Tensors]:
    return {}


@pytest.fixture(scope="module")
def study(real: ImageData, kept: dict[str, Tensors]) -> Study:
    return semantics.run(real, {}, SMALL, lambda key, make: kept.setdefault(key, make()))


def test_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    real: ImageData, study: Study, tmp_path: Path
) -> None:
    for after in (1, 5, 14):
        with pytest.raises(Killed):
            semantics.run(real, {}, SMALL, killed_after(Keeper(tmp_path, {}), after))
    assert_same_arrays(semantics.run(real, {}, SMALL, Keeper(tmp_path, {})), study)


def test_study_survives_its_file(study: Study, tmp_path: Path) -> None:
    study.save(tmp_path)
    assert semantics.findings(load_study(study.name, tmp_path)) == semantics.findings(study)


def test_experts_of_trajectory_matching_learn_shapes_and_not_only_begin_to(real: ImageData) -> None:
    method = semantics.method_for("mtt", Settings())
    net = build(method.network, real.shape, len(real.classes))
    for path in method.expert_paths(real):  # large steps: an expert may stumble at its last one
        answers = logits(net, unflatten(net, path), real.train_images)
        right = (answers.argmax(2) == real.train_labels).float().mean(1)
        assert right.max() > 0.6


def test_start_is_the_real_image_that_a_set_began_with(real: ImageData, kept) -> None:
    random = kept["set-0.0-random-1"]
    assert torch.equal(random["images"], real.train_images[random["rows"]])
    first = DistributionMatching(ipc=3).initialize(real, 1)["images"]
    dm = kept["set-0.0-dm-1"]
    assert torch.equal(real.train_images[dm["rows"]], first)
    assert not torch.equal(dm["images"], first)


def test_association_is_what_retraining_and_attributes_say(study: Study, real, kept) -> None:
    """Class 2 of one set, without its helpers: train, leave out, correlate with shared colors."""
    made = kept["set-0.0-random-0"]
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
    colors = (real.attributes[k]["color"] for k in ("train", "test"))
    source, target = next(colors)[made["rows"][rows]].long(), next(colors)[columns].long()
    found = study.pick("association", spurious=0.0, source="random", attribute="color",
                       meaning="start", place="own", draw=0)[2]  # fmt: skip
    expected = association(effect, likeness(source, target))
    assert found == pytest.approx(expected.item(), abs=2e-3)
    pixels = (pixels_of(real, x).flatten(1) for x in (images[rows], real.test_images[columns]))
    found = study.pick("pixels", spurious=0.0, source="random", draw=0)[2]
    expected = association(effect, likeness(*pixels))
    assert found == pytest.approx(expected.item(), abs=2e-3)
    helps = study.pick("helps", spurious=0.0, source="random", place="own", draw=0)[2]
    assert helps == pytest.approx(effect.mean().item() / 2, rel=1e-3, abs=1e-5)


def test_probe_reads_real_images_and_is_not_fooled_by_a_spurious_color(study: Study) -> None:
    probe, tied = Probe.fitted(shapes(seed=1)), shapes(1.0, seed=2)
    assert (study.arrays["probe"] > torch.tensor([0.9, 0.9, 0.75, 0.95])).all()
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


def test_findings_of_a_made_up_study(study: Study) -> None:
    arrays = {k: torch.zeros_like(v) for k, v in study.arrays.items()}
    dm, color = SMALL.tags.index("dm"), ATTRIBUTES.index("color")
    arrays["association"][0, :, color, 1, 0] = 0.2  # random and dm, measured, own class
    arrays["association"][0, dm, color, 1, 0] = 0.5
    arrays["association"][0, :, :, 0] = 9  # what images began as: not what is judged
    arrays["association"][-1, dm, color, 1, 1] = -0.25
    arrays["beyond_pixels"][0, dm, :, :, ATTRIBUTES.index("size")] = 0.7
    arrays["accuracy"][-1, dm] = torch.tensor([90.0, 20.0])
    found = semantics.findings(replace(study, arrays=arrays))
    expected = {
        "color-dm": (0.5,) * 10, "color-random": (0.2,) * 10, "color-beyond-dm": (0.3,) * 10,
        "size-past-pixels-dm": (0.7,) * 10, "size-dm": (0,) * 10,
        "spurious-own-dm": (0,) * 10, "spurious-other-dm": (0.25,) * 10,
        "shortcut-dm": (70,) * 4,
    }  # fmt: skip
    for key, values in expected.items():
        assert found[key] == pytest.approx(values), key
    arrays["association"][-1, dm, color, 1, 1, 0, 2:] = torch.nan
    found = semantics.findings(replace(study, arrays=arrays))
    assert found["spurious-other-dm"] == (0.25,) * 7


@pytest.mark.parametrize("draw", [show.meaning, show.spurious_color])
def test_figures_say_their_scale_and_leave_no_panel_empty(study: Study, draw) -> None:
    for scale in ("fast", "laptop"):
        figure = draw(replace(study, profile=scale))
        assert "drawn shapes" in figure.get_suptitle()
        assert all(axis.has_data() for axis in figure.axes)


def test_mean_of_each_source_is_drawn_where_it_was_found(study: Study) -> None:
    axis = show.meaning(study).axes[1]
    bold = [line for line in axis.lines if line.get_label() == show.LOOKS["dm"].label]
    where = dict(spurious=0.0, source="dm", attribute="color", meaning="measured", place="other")
    expected = study.pick("association", **where).mean().item()
    assert bold[0].get_xdata() == pytest.approx([expected])


def test_helped_images_are_drawn_in_three_blocks() -> None:
    images, most = torch.rand(2, 3, 16, 16), torch.rand(2, 4, 3, 16, 16)
    sheets = [a.images[0].get_array() for a in show.helped(images, most, most).axes]
    assert [s.shape for s in sheets] == [(36, 18, 3), (36, 72, 3), (36, 72, 3)]
    assert torch.equal(torch.tensor(sheets[1][19:35, 55:71]), most[1, 3].permute(1, 2, 0))


def test_null_figures_count_small_p_values() -> None:
    figure = show.p_values({"sound": [0.01, 0.2, 0.5, 0.9]}, "shapes")
    assert "25 % of 4 at most 0.05" in figure.axes[0].get_title()
    test = permutation_test([(torch.randn(4, 9), torch.randn(4, 9))], 50, generator(0))
    assert show.shuffles(test, "shapes").axes[0].lines[0].get_xdata()[0] == test.value


def test_tables_say_that_the_record_is_one_of_shapes_and_not_of_full_scale() -> None:
    recorded = load_study("shapes-semantics")
    assert "drawn shapes" in tables.passport(recorded).data
    line = next(x for x in tables.studies().data.splitlines() if x.startswith("| semantics"))
    laptop, full = line.split("|")[2:4]
    assert "recorded" in laptop
    assert "open" in full
