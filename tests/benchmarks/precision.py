"""Do sets distilled in bfloat16 teach as much as sets distilled in float32?

    python tests/benchmarks/precision.py            # laptop scale, about an hour of one core
    python tests/benchmarks/precision.py dm bptt    # some methods

Three seeds of each method, shortened schedules, both precisions from the same first images and the
same draws; each set is judged in float32 by the same networks, so differences are paired. Results
go into `ddlib/recorded/benchmarks/precision.json`; a set that is in there is not made again.
"""

import argparse
from dataclasses import asdict, replace

import torch

import ddlib
from ddlib.compiled import Precision
from ddlib.files import load_json, save_json
from ddlib.provenance import provenance
from ddlib.results import RECORDED

SEEDS, NETS = 3, 3
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
METHODS: dict[str, ddlib.distillation.CompilableMethod] = {
    "dm": ddlib.DistributionMatching(ipc=10, steps=1000, batch_real=64),
    "dsa": ddlib.GradientMatching(
        ipc=10, steps=100, outer=10, inner_epochs=10, batch_real=64, lr=1.0, augment=True
    ),
    "mtt": ddlib.TrajectoryMatching(
        ipc=10, steps=60, experts=2, expert_epochs=1, expert_batch=256, max_start=3,
        inner_steps=20, inner_lr=0.02, lr=100.0,
    ),
    "bptt": ddlib.BPTT(ipc=10, steps=60, inner_steps=60, window=15, lr=0.05, batch=100),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    torch.set_num_threads(1)
    ddlib.keep_freed_memory()
    real, path = ddlib.load("cifar10x16"), RECORDED / "benchmarks" / "precision.json"
    for tag in parser.parse_args().methods:
        for seed in range(SEEDS):
            for precision in PRECISIONS:
                found = load_json(path) if path.exists() else {"sets": {}}
                name = f"{tag} {seed} {precision}"
                if name in found["sets"]:
                    continue
                method = replace(METHODS[tag], precision=precision)
                made = ddlib.distill(real, method, seed=seed, compiled=True)
                levels = ddlib.evaluate(made, real, nets=NETS, compiled=True).accuracies
                found["sets"][name] = {"accuracies": levels, "settings": asdict(method)}
                save_json(path, {**found, **provenance(real.device)})
                print(name, levels, flush=True)


if __name__ == "__main__":
    main()
