"""What memory each method takes beyond the packages and the data, each in a process of its own.

    python tests/benchmarks/memory.py                # on a GPU if there is one
    python tests/benchmarks/memory.py --device cpu

writes `ddlib/recorded/benchmarks/memory-DATASET.json` for the table of chapter 8.
"""

import argparse
from datetime import UTC, datetime

import torch
from cases import IPCS
from measure import best_device, run_case

from ddlib.files import save_json
from ddlib.presets import METHODS
from ddlib.provenance import provenance
from ddlib.results import RECORDED


def measure(device: str) -> dict[str, int]:
    """MiB at the peak of two updates, less what the data alone take, by method and ipc."""
    alone, found = run_case("data_alone", device)["peak_mib"], {}
    for tag in METHODS:
        for ipc in IPCS:
            peak = run_case(f"memory_{tag}_{ipc}", device)["peak_mib"]
            found[f"{tag}-ipc{ipc}"] = round(peak - alone)
            print(tag, ipc, found[f"{tag}-ipc{ipc}"], flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=best_device())
    device = parser.parse_args().device
    torch.set_num_threads(1)  # as in the cases: the name of the device tells the threads
    dataset = "cifar10x16" if device == "cpu" else "cifar10"
    about = {"date": datetime.now(UTC).date().isoformat(), **provenance(device)}
    path = RECORDED / "benchmarks" / f"memory-{dataset}.json"
    print(save_json(path, {"mib": measure(device), **about}))
