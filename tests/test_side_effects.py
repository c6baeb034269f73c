"""ddlib changes nothing global: not when imported, not when used."""

import inspect
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers import toy_data

import ddlib

HEAVY = ["torchvision", "dask", "distributed", "matplotlib", "IPython", "pandas"]


def global_state() -> dict[str, object]:
    """What a package could change for everybody else in the process."""
    return {
        "random": repr(random.getstate()),
        "numpy": repr(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "gradients": torch.is_grad_enabled(),
        "environment": dict(os.environ),
    }


SCRIPT = f"""
import json, os, random, sys
import numpy as np, torch
{inspect.getsource(global_state)}
before = global_state()
import ddlib
heavy = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps([heavy, [k for k, v in global_state().items() if v != before[k]]]))
"""


def test_import_changes_nothing_and_stays_light() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [[], []]


def test_the_command_line_starts_without_what_draws_figures() -> None:
    script = f"import sys, ddlib.__main__; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def distill_and_evaluate() -> None:
    real = toy_data()
    methods = (
        ddlib.DistributionMatching(ipc=1, steps=2, batch_real=4),
        ddlib.DistributionMatching(ipc=1, steps=2, batch_real=4, init="noise"),
        ddlib.RandomSelection(ipc=2),
        ddlib.Herding(ipc=2, epochs=1),
        ddlib.KCenter(ipc=2, epochs=1),
    )
    for method in methods:
        made = ddlib.distill(real, method)
    ddlib.evaluate(made, real, "plain", nets=1)


ACTIONS = {
    "load digits": lambda: ddlib.load("digits"),
    "load shapes": lambda: ddlib.load("shapes"),
    "distill and evaluate": distill_and_evaluate,
}


# The type checker of the tests looks at random items of lists, which would move `random`.
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_use_changes_nothing_global(action: Callable[[], object]) -> None:
    before = global_state()
    action()
    changed = {k for k, v in global_state().items() if v != before[k]}
    # scikit-learn and torch set variables of their own when parts of them are first imported.
    assert changed <= {"environment"}
