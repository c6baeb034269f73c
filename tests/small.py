"""Each question on tiny data: plans of seconds, for the tests that ask all of them."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pandas as pd
import torch

import ddlib
from ddlib.experiment.asking import has_own_data, part, recorded_sets, takes_a_record_apart
from ddlib.experiment.bench import Bench
from ddlib.experiment.records import Record
from ddlib.questions.agreement import experiment as agreement
from ddlib.questions.bias import experiment as bias
from ddlib.questions.ceiling import experiment as ceiling
from ddlib.questions.curvature import experiment as curvature
from ddlib.questions.decoupled import experiment as decoupled
from ddlib.questions.influence import experiment as influence
from ddlib.questions.labels import experiment as labels
from ddlib.questions.mixing import experiment as mixing
from ddlib.questions.recognition import experiment as recognition
from ddlib.questions.recognition import recognizers
from ddlib.questions.semantics import experiment as semantics
from ddlib.questions.traits import experiment as traits
from ddlib.questions.transfer import experiment as transfer
from ddlib.questions.using import experiment as using
from ddlib.questions.when_learned import experiment as when_learned
from ddlib.seeds import generator

PLANS: dict[str, Any] = {
    "mixing": replace(
        mixing.PLANS["fast"],
        controls=mixing.Part(("bptt",), tuple(mixing.CONTROLS), 1),
        changes=mixing.Part(("random", "dm"), ("Adam", "augmentation", "clipped"), 1),
        steps=4,
    ),
    "agreement": replace(
        agreement.PLANS["fast"],
        methods=("random", "start", "mtt", agreement.LATE),
        images=100,
        nets=2,
        early_nets=2,
        early_steps=4,
        early_batch=8,
        every=1,
        subsets=(5, 6),
        subset_epochs=3,
        subset_batch=16,
        stops=(1, 2),
        full_batch=(5,),
        within=40.0,
        steps=5,
        late_sets=1,
        late=(1, 2),
    ),
    "ceiling": replace(ceiling.PLANS["fast"], nets=1, epochs=1),
    "bias": replace(
        bias.PLANS["fast"],
        levels=(0.6,),
        sizes=(10,),
        marks=(2, 4, 40),
        drawings=40,
        methods=("random",),
        steps=4,
    ),
    "curvature": replace(
        curvature.PLANS["fast"],
        nets=2,
        steps=(0, 2, 4),
        probes=2,
        pool=400,
        real=20,
        moments=(0, 4),
        lanczos=3,
        starts=(0, 3),
        onward=(1, 2),
        tested=50,
    ),
    "when_learned": replace(
        when_learned.PLANS["fast"],
        nets=2,
        steps=8,
        every=4,
        recipe_every=8,
        long_steps=10,
        long_every=2,
        test_images=50,
        judge_steps=2,
        pool=20,
        blend=5,
    ),
    "recognition": replace(
        recognition.PLANS["fast"],
        recognizers=recognizers.kinds(1, tiny=1, deep=1, resnets=1, batch=1, plain=1, lasting=2),
        levels=50,
        company=20,
        pictured=20,
    ),
    "influence": replace(
        influence.PLANS["fast"],
        network="convnet-tiny",
        steps=4,
        alone=2,
        each=5,
        shown=5,
        sizes=(2,),
        groups=2,
        halves=4,
        stops=2,
        usual="convnet-tiny",
        beside=("random", "dm"),
    ),
    "semantics": replace(
        semantics.PLANS["fast"], levels=(0.9,), ipc=2, steps=2, distill_steps=2, shuffles=20
    ),
    "traits": replace(
        traits.PLANS["fast"],
        network="convnet-tiny",
        features="convnet-tiny",
        pool=80,
        epochs=1,
        fitted=20,
        clusters=3,
        shuffles=40,
    ),
    "decoupled": replace(
        decoupled.PLANS["fast"], epochs=1, pool=5, crops=2, recovery=2, test=50, steps=4
    ),
    "labels": replace(
        labels.PLANS["fast"],
        methods=("random", "kmeans"),
        teacher_images=10,
        held_out=5,
        stops=(1, 2),
        test=50,
        steps=4,
    ),
    "using": replace(
        using.PLANS["fast"],
        buffers=("none", "random", "herding", "dm"),
        candidates=("convnet-tiny", "convnet-half-d1"),
        told=("random", "dm", "real"),
        epochs=1,
        distilling=2,
        test=50,
        stops=(60,),
        real_stops=(1, 2),
        steps=4,
    ),
    "transfer": replace(
        transfer.PLANS["fast"],
        methods=("random", "herding", "dm", "bptt"),
        test=50,
        held_out=5,
        more=2,
        steps=4,
    ),
}


def few(data: str, device: str = "cpu") -> ddlib.ImageData:
    """400 training and 100 test images."""
    real = ddlib.load(data)
    parts = {k: getattr(real, k)[:400] for k in ("train_images", "train_labels")}
    parts |= {k: getattr(real, k)[:100] for k in ("test_images", "test_labels")}
    return replace(real, **parts).to(device)


def bench(question: str, device: str = "cpu") -> Bench:
    """A few digits, and the recorded sets of digits; or the data that a question draws itself."""
    if has_own_data(question):
        return Bench(ddlib.load(part(question).DATA, device), {})
    sets = recorded_sets("digits", device=device)
    sets["mtt"] = tuple(_made_in_few_steps(one) for one in sets["mtt"])
    made = Bench(few("digits", device), sets)
    if takes_a_record_apart(question):
        return replace(made, records=some_influence(made.real, ("random", "bptt")))
    return made


def _made_in_few_steps(one: ddlib.DistilledSet) -> ddlib.DistilledSet:
    """The set as if two steps had made it, so that a question that makes it again takes no more."""
    how = {**one.meta["method"], "steps": 2, "experts": 1}
    return replace(one, meta={**one.meta, "method": how})


@cache
def some_influence(
    real: ddlib.ImageData, methods: tuple[str, ...], network: str = "convnet-tiny"
) -> Path:
    """A folder with a made-up record of influence: four images of a class, few test images."""
    classes, tests = len(real.classes), torch.arange(6, min(60, len(real.test_labels)))
    draws = generator("influence")
    rows = [
        {
            "condition": "mean",
            "method": method,
            "influence": torch.randn(4 * classes, len(tests), generator=draws).half(),
        }
        for method in methods
    ]
    settings = {"methods": methods, "nets": 2, "network": network}
    arrays = {"image": torch.arange(4 * classes), "test": tests}
    folder = Path(mkdtemp())
    Record("influence", real.name, settings, pd.DataFrame(rows), arrays).save(folder)
    return folder
